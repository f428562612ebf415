//! A kind that is served in more versions than the one it is stored in.

use sampan_meta::field::ErrorList;
use serde_json::Value;

use crate::shape::Shape;
use crate::strategy::Names;

/// One served version of a kind that is stored in another. The kind's [`Strategy`](crate::Strategy) is about the stored form, as upstream's is about its
/// internal one; a view says how clients of this version write and read the same objects.
///
/// # Contract
/// Pure functions, as the strategy's. `served` after `stored` gives back what was sent, as far as the version can say it.
pub trait View: Send + Sync + 'static {
    /// Every name of the kind in this version.
    fn names(&self) -> Names;

    /// What a client sent, as it is stored. The caller sets `apiVersion` and `kind`.
    fn stored(&self, object: Value) -> Value;

    /// What is stored, as clients of this version know it, `apiVersion` included.
    fn served(&self, object: Value) -> Value;

    /// The stored name of a field that a selector of this version names.
    fn stored_field<'a>(&self, field: &'a str) -> &'a str {
        field
    }

    /// What this version asks of a new object beyond [`Strategy::validate`](crate::Strategy::validate); the object is in the stored form.
    fn validate(&self, object: &Value) -> ErrorList {
        let _ = object;
        ErrorList::new()
    }

    /// As [`View::validate`], of a change.
    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let _ = (object, old);
        ErrorList::new()
    }

    /// What answers in this version look like.
    fn shape(&self) -> &'static Shape;
}
