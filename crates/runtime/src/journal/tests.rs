use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn held(journal: &Journal) -> BTreeMap<String, Vec<u8>> {
    let content = |key: &str| journal.get(key).expect("read").expect("held");
    journal.keys().map(|key| (key.to_owned(), content(key))).collect()
}

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(key, content)| ((*key).to_owned(), content.as_bytes().to_owned())).collect()
}

#[test]
fn what_was_written_last_is_there_after_opening_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::open(&path).expect("opened");
    journal.write([("a", Some(&b"1"[..])), ("b", Some(b"2"))]).expect("written");
    journal.write([("a", Some(&b"3"[..])), ("b", None), ("c", None)]).expect("written");
    assert_eq!(held(&journal), text(&[("a", "3")]));
    assert_eq!(held(&Journal::open(&path).expect("opened")), text(&[("a", "3")]));
    assert_eq!(read(&path).expect("read").into_iter().collect::<BTreeMap<_, _>>(), text(&[("a", "3")]));
}

#[test]
fn a_line_cut_short_is_dropped_and_the_next_one_is_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    std::fs::write(&path, "a\t1\nb\t2").expect("written");
    let mut journal = Journal::open(&path).expect("opened");
    assert_eq!(held(&journal), text(&[("a", "1")]));
    journal.write([("c", Some(&b"3"[..]))]).expect("written");
    assert_eq!(held(&Journal::open(&path).expect("opened")), text(&[("a", "1"), ("c", "3")]));
}

#[test]
fn lines_that_are_no_entries_are_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    std::fs::write(&path, b"\n\0\0\0\n\xff\t1\nno tab\na\t1\n").expect("written");
    assert_eq!(held(&Journal::open(&path).expect("opened")), text(&[("a", "1")]));
}

#[test]
fn what_does_not_fit_a_line_is_refused_and_nothing_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut journal = Journal::open(directory.path().join("journal")).expect("opened");
    let error = journal.write([("a", Some(&b"1"[..])), ("b", Some(b"1\n2"))]).expect_err("two lines");
    assert_eq!(error.to_string(), r#""b" cannot be kept in one line"#);
    assert!(journal.write([("a\tb", None)]).is_err() && journal.is_empty());
}

#[test]
fn a_file_that_is_mostly_out_of_date_is_written_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let mut journal = Journal::open(&path).expect("opened");
    let content = [b'x'; 4096];
    journal.write([("kept", Some(&b"as it is"[..]))]).expect("written");
    for _ in 0..1000 {
        journal.write([("a", Some(&content[..]))]).expect("written");
    }
    assert!(std::fs::metadata(&path).expect("there").len() < SLACK + 4 * 4200);
    journal.write([("a", None)]).expect("written");
    assert_eq!(held(&Journal::open(&path).expect("opened")), text(&[("kept", "as it is")]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_journal_is_a_map(changes in proptest::collection::vec(("[a-d]", proptest::option::of("[a-z]{1,40000}")), 0..60), reopen in 0usize..60) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let (mut journal, mut model) = (Journal::open(&path).expect("opened"), BTreeMap::new());
        for (step, (key, content)) in changes.into_iter().enumerate() {
            journal.write([(key.as_str(), content.as_deref().map(str::as_bytes))]).expect("written");
            match content {
                Some(content) => model.insert(key, content.into_bytes()),
                None => model.remove(&key),
            };
            if step == reopen {
                journal = Journal::open(&path).expect("opened");
            }
            prop_assert_eq!(&held(&journal), &model);
        }
    }
}
