//! Which list and watch options may come together (`apimachinery/pkg/apis/meta/internalversion/validation`).

use sampan_meta::Status;
use sampan_meta::field::{self, ErrorList, Path};

use crate::options::{ListOptions, VersionMatch, WatchOptions};

/// # Errors
/// 422 as upstream; 400 for a resource version beside a continue token.
pub(crate) fn check_list(options: &ListOptions) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    if options.send_initial_events.is_some() {
        errors.push(field::forbidden(&Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list"));
    }
    let path = Path::new("resourceVersionMatch");
    if options.version_match != VersionMatch::Unset {
        if options.resource_version.is_empty() {
            errors
                .push(field::forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !options.continue_token.is_empty() {
            errors.push(field::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if options.version_match == VersionMatch::Exact && options.resource_version == "0" {
            let why = "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"";
            errors.push(field::forbidden(&path, why));
        }
    }
    refuse(errors)?;
    if !options.continue_token.is_empty() && !options.resource_version.is_empty() && options.resource_version != "0" {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(())
}

/// # Errors
/// 422 as upstream.
pub(crate) fn check_watch(options: &WatchOptions) -> Result<(), Status> {
    let mut errors = ErrorList::new();
    let path = Path::new("resourceVersionMatch");
    if options.send_initial_events.is_some() {
        if options.version_match != VersionMatch::NotOlderThan {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(field::forbidden(&path, why));
        }
    } else if options.version_match != VersionMatch::Unset {
        let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        errors.push(field::forbidden(&path, why));
    }
    refuse(errors)
}

fn refuse(errors: ErrorList) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", errors)) }
}
