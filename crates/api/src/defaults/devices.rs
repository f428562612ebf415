//! Claims for devices (`pkg/apis/resource/v1/defaults.go`).

use super::fill::{Members, if_zero, text};

/// One device, unless something else is asked for.
pub(super) fn request(request: &mut Members) {
    if_zero(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        if_zero(request, "count", 1);
    }
}
