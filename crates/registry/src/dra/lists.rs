//! Lists, sets and maps of limited size. Upstream: `validateSlice`, `validateSet`, `validateMap`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

/// What to check of one element.
type Check<'a> = &'a mut dyn FnMut(&mut ErrorList, &Value, &Path);

/// Every element of a list; of a list that is too long only that.
pub(super) fn each(errors: &mut ErrorList, list: &[Value], most: usize, path: &Path, check: Check<'_>) {
    if list.len() > most {
        errors.push(field::too_many(path, list.len(), most));
        return;
    }
    for (index, item) in list.iter().enumerate() {
        check(errors, item, &path.index(index));
    }
}

/// Every element of a list in which none comes twice, judged by what `key` makes of it.
pub(super) fn each_once(
    errors: &mut ErrorList,
    list: &[Value],
    most: usize,
    path: &Path,
    key: impl Fn(&Value) -> String,
    check: Check<'_>,
) {
    each(errors, list, most, path, check);
    if list.len() > most {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let key = key(item);
        if !seen.insert(key.clone()) {
            errors.push(field::duplicate(&path.index(index), key));
        }
    }
}

/// Every entry of a map.
pub(super) fn each_entry(
    errors: &mut ErrorList,
    map: Option<&Value>,
    most: usize,
    path: &Path,
    check_key: impl Fn(&mut ErrorList, &str, &Path),
    check: Check<'_>,
) {
    let Some(map) = map.and_then(Value::as_object) else { return };
    if map.len() > most {
        errors.push(field::too_many(path, map.len(), most));
        return;
    }
    for (key, item) in map {
        check_key(errors, key, path);
        check(errors, item, &path.key(key));
    }
}

/// The key of things that have a name.
pub(super) fn name(item: &Value) -> String {
    text(item, "name").to_owned()
}

/// The key of things that are texts.
pub(super) fn itself(item: &Value) -> String {
    item.as_str().unwrap_or_default().to_owned()
}

/// A text of an object; empty when it is not there.
pub(super) fn text<'a>(item: &'a Value, member: &str) -> &'a str {
    item.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The list in a member.
pub(super) fn list<'a>(item: &'a Value, member: &str) -> &'a [Value] {
    object::list_at(item, &format!("/{member}"))
}
