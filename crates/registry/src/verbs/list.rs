//! `list`: one consistent state, in pages if asked, whatever others write meanwhile.

use std::sync::Arc;

use sampan_meta::Status;
use sampan_store::{At, Revision, Snapshot};

use super::filter::Filter;
use crate::context::RequestContext;
use crate::object::Object;
use crate::options::{ListOptions, VersionMatch};
use crate::registry::Registry;
use crate::resource::Resource;

mod rules;
pub(crate) mod token;

pub(crate) use rules::{check_list, check_watch};
use token::Token;

/// One page of a list.
#[derive(Debug, Default)]
pub struct List {
    /// In the order of namespace and name.
    pub objects: Vec<Arc<Object>>,
    /// `metadata.resourceVersion`: the state all pages show.
    pub revision: u64,
    /// `metadata.continue`; empty on the last page.
    pub continue_token: String,
    /// `metadata.remainingItemCount`; known only without selectors.
    pub remaining: Option<i64>,
}

/// Where a page begins, and in which state.
struct Start {
    at: At,
    after: Option<(String, String)>,
}

impl Registry {
    /// Objects of one namespace (`cx.attributes.namespace`, empty: all) that match.
    ///
    /// # Errors
    /// 400 for bad tokens and unknown field labels, 410 when the state asked for is no longer kept (with a fresh token to go on
    /// inconsistently, when a page was asked for), 422 for contradictory options, 504 when the version is not reached within 3 s.
    pub async fn list(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        options: &ListOptions,
    ) -> Result<List, Status> {
        check_list(options)?;
        let namespace = &cx.attributes.namespace;
        let (labels, fields) = (options.label_selector.as_ref(), options.field_selector.as_ref());
        let filter = Filter::new(resource, namespace, &cx.attributes.name, labels, fields)?;
        let start = self.start(options).await?;
        let snapshot = self.snapshot(resource, &start)?;
        let after = start.after.as_ref();
        let Some(converter) = self.converter(resource) else {
            let list = page(&snapshot, &filter, after, options.limit);
            let objects = list.objects.into_iter().map(|object| resource.present(object)).collect::<Result<_, _>>()?;
            return Ok(List { objects, ..list });
        };
        if filter.selects() {
            // A webhook may change labels, and fields have the names of the version asked for: what is shown is what is selected by.
            let all = candidates(&snapshot, &filter, after.map(|(namespace, name)| (&**namespace, &**name)));
            let shown = converter.shared_all(all.cloned().collect()).await?;
            let matches = shown.into_iter().filter(|object| filter.matches(object));
            return Ok(page_of(matches, snapshot.revision().0, options.limit, false));
        }
        let list = page(&snapshot, &filter, after, options.limit);
        Ok(List { objects: converter.shared_all(list.objects).await?, ..list })
    }

    /// Which state to read, waited for.
    async fn start(&self, options: &ListOptions) -> Result<Start, Status> {
        if !options.continue_token.is_empty() {
            let token = Token::parse(&options.continue_token)?;
            let after = Some((token.namespace, token.name));
            if token.revision < 0 {
                self.refresh().await?;
                return Ok(Start { at: At::Latest, after });
            }
            return Ok(Start { at: At::Exact(Revision(token.revision.unsigned_abs())), after });
        }
        let version = &options.resource_version;
        let exact = options.version_match == VersionMatch::Exact
            || (options.version_match == VersionMatch::Unset
                && options.limit > 0
                && !version.is_empty()
                && version != "0");
        if exact {
            let revision = parse_version(version)?;
            self.wait_for(revision).await?;
            return Ok(Start { at: At::Exact(Revision(revision)), after: None });
        }
        self.reach(version, options.version_match).await?;
        Ok(Start { at: At::Latest, after: None })
    }

    fn snapshot(&self, resource: &Resource, start: &Start) -> Result<Snapshot<Object>, Status> {
        self.cache.snapshot(&resource.storage, &start.at).map_err(|expired| match &start.after {
            Some((namespace, name)) => Token::expired(namespace, name),
            None => Status::expired(expired.to_string()),
        })
    }

    /// Waits until the cache may answer a read of this `resourceVersion` (not `Exact`).
    pub(crate) async fn reach(&self, version: &str, version_match: VersionMatch) -> Result<(), Status> {
        match (version, version_match) {
            ("", _) => self.refresh().await.map(drop),
            ("0", _) => Ok(()),
            (version, _) => self.wait_for(parse_version(version)?).await,
        }
    }

    async fn wait_for(&self, revision: u64) -> Result<(), Status> {
        let current = self.cache.current();
        if current.0 >= revision {
            return Ok(());
        }
        self.cache
            .at_least(Revision(revision))
            .await
            .map_err(|_| Status::too_large_resource_version(revision, self.cache.current().0))
    }
}

/// At most `limit` matches (0: all) behind `after`, and whether there are more.
fn page(snapshot: &Snapshot<Object>, filter: &Filter, after: Option<&(String, String)>, limit: usize) -> List {
    let after = after.map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    let matches = candidates(snapshot, filter, after).filter(|object| filter.matches(object)).cloned();
    page_of(matches, snapshot.revision().0, limit, filter.selects_all())
}

/// The first page of these; `counted` says whether to count what is left.
fn page_of(mut matches: impl Iterator<Item = Arc<Object>>, revision: u64, limit: usize, counted: bool) -> List {
    let mut list = List { revision, ..List::default() };
    if limit == 0 {
        list.objects.extend(matches);
        return list;
    }
    list.objects.extend(matches.by_ref().take(limit));
    let Some(last) = list.objects.last().filter(|_| matches.next().is_some()) else { return list };
    let revision = i64::try_from(list.revision).unwrap_or(i64::MAX);
    list.continue_token = Token::encode(revision, last.namespace(), last.name());
    if counted {
        list.remaining = i64::try_from(matches.count() + 1).ok();
    }
    list
}

/// The smallest range the cache can give that holds all matches.
pub(crate) fn candidates<'a>(
    snapshot: &'a Snapshot<Object>,
    filter: &'a Filter,
    after: Option<(&'a str, &'a str)>,
) -> Box<dyn Iterator<Item = &'a Arc<Object>> + 'a> {
    let behind = move |object: &&Arc<Object>| after.is_none_or(|after| (object.namespace(), object.name()) > after);
    let namespace = filter.namespace.as_deref();
    match (&filter.index, &filter.name, namespace) {
        (Some(index), ..) => Box::new(snapshot.indexed(index).filter(behind)),
        (None, Some(name), Some(namespace)) => Box::new(snapshot.get(namespace, name).into_iter().filter(behind)),
        _ => Box::new(snapshot.range(namespace, after)),
    }
}

/// Reads one `resourceVersion`.
pub(crate) fn parse_version(version: &str) -> Result<u64, Status> {
    let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { version.parse().ok() } else { None };
    parsed.ok_or_else(|| {
        Status::bad_request(format!(
            "resourceVersion: Invalid value: {version:?}: must be a number this server has given out"
        ))
    })
}
