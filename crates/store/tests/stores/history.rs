//! What servers said they did and saw, and whether one history explains it all.

use std::collections::{BTreeMap, HashMap};

use sampan_store::{Change, Op, Revision};

/// An interval of the machine's own clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct During {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

/// One line of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A write to an object was acknowledged; it expected the object at this revision, 0: nowhere.
    Wrote { during: During, name: String, expect: Revision, revision: Revision },
    /// An object was read at this revision; 0: it was not there.
    Read { during: During, name: String, revision: Revision },
    /// The store was said to be at this revision.
    At { during: During, revision: Revision },
    /// A watcher begins after a revision.
    Begins { watcher: String, after: Revision },
    /// A watcher was told a change.
    Saw { watcher: String, revision: Revision, name: String },
    /// A watcher was sent to list anew.
    Expired { watcher: String },
}

impl Said {
    pub(crate) fn line(&self) -> String {
        let time = |during: &During| format!("{} {}", during.begin, during.end);
        match self {
            Said::Wrote { during, name, expect, revision } => {
                format!("wrote {} {name} {expect} {revision}", time(during))
            }
            Said::Read { during, name, revision } => format!("read {} {name} {revision}", time(during)),
            Said::At { during, revision } => format!("at {} {revision}", time(during)),
            Said::Begins { watcher, after } => format!("begins {watcher} {after}"),
            Said::Saw { watcher, revision, name } => format!("saw {watcher} {revision} {name}"),
            Said::Expired { watcher } => format!("expired {watcher}"),
        }
    }

    /// `None` for what is not of this kind, or was cut off with the process.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let text = |at: usize| words.get(at).map(|word| (*word).to_owned());
        let during = || Some(During { begin: number(1)?, end: number(2)? });
        let said = match (*words.first()?, words.len()) {
            ("wrote", 6) => Said::Wrote {
                during: during()?,
                name: text(3)?,
                expect: Revision(number(4)?),
                revision: Revision(number(5)?),
            },
            ("read", 5) => Said::Read { during: during()?, name: text(3)?, revision: Revision(number(4)?) },
            ("at", 4) => Said::At { during: during()?, revision: Revision(number(3)?) },
            ("begins", 3) => Said::Begins { watcher: text(1)?, after: Revision(number(2)?) },
            ("saw", 4) => Said::Saw { watcher: text(1)?, revision: Revision(number(2)?), name: text(3)? },
            ("expired", 2) => Said::Expired { watcher: text(1)? },
            _ => return None,
        };
        Some(said)
    }
}

/// The log of the store at the end, which is the one order; and what everybody said.
///
/// Revisions are unique and the log has each once, so what is left of linearizability is (a) each write found what it expected, (b) who
/// began after another had ended has a greater revision, (c) a read shows a version that was current at some moment during it.
pub(crate) fn check(log: &[Change], said: &[Said]) -> Result<(), String> {
    expectations(log, said)?;
    watchers(log, said)?;
    time(said)?;
    reads(log, said)
}

/// No acknowledged write is missing, and every write found the version it had been made from.
fn expectations(log: &[Change], said: &[Said]) -> Result<(), String> {
    let mut at: HashMap<&str, Revision> = HashMap::new();
    let mut before: HashMap<Revision, (Revision, &str)> = HashMap::new();
    for change in log {
        let found = at.get(&*change.key.name).copied().unwrap_or_default();
        if (found == Revision(0)) != (change.op == Op::Create) {
            return Err(format!("{:?} of {} at {} found {found}", change.op, change.key, change.revision));
        }
        let told = std::str::from_utf8(&change.data).ok().and_then(|text| text.rsplit(' ').next()?.parse().ok());
        if change.op != Op::Delete && told != Some(found.0) {
            return Err(format!("{} at {} expected {told:?} and found {found}", change.key, change.revision));
        }
        before.insert(change.revision, (found, &change.key.name));
        at.insert(&change.key.name, if change.op == Op::Delete { Revision(0) } else { change.revision });
    }
    for wrote in said {
        if let Said::Wrote { name, expect, revision, .. } = wrote
            && before.get(revision) != Some(&(*expect, name.as_str()))
        {
            return Err(format!("{wrote:?} was acknowledged; the log has {:?}", before.get(revision)));
        }
    }
    Ok(())
}

/// Each watcher was told each change after its beginning once, in order, up to the last it was told.
fn watchers(log: &[Change], said: &[Said]) -> Result<(), String> {
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for said in said {
        match said {
            Said::Begins { watcher, after } => {
                next.insert(watcher, log.partition_point(|change| change.revision <= *after));
            }
            Said::Saw { watcher, revision, name } => {
                let at = next.get_mut(watcher.as_str()).ok_or_else(|| format!("{watcher} saw before it began"))?;
                let due = log.get(*at).map(|change| (change.revision, &*change.key.name));
                if due != Some((*revision, name)) {
                    return Err(format!("watcher {watcher} was told {name} at {revision}, due was {due:?}"));
                }
                *at += 1;
            }
            Said::Expired { watcher } => return Err(format!("{watcher} lost its place though nothing was lost")),
            _ => {}
        }
    }
    Ok(())
}

/// Revisions never go back, whichever server is asked: who asks after another has been answered gets no smaller one, and who writes a
/// greater one.
fn time(said: &[Said]) -> Result<(), String> {
    let mut answers: Vec<(During, Revision, bool)> = Vec::new();
    for said in said {
        match said {
            Said::Wrote { during, revision, .. } => answers.push((*during, *revision, true)),
            Said::At { during, revision } => answers.push((*during, *revision, false)),
            _ => {}
        }
    }
    let mut ended: Vec<(u64, Revision)> = answers.iter().map(|(during, revision, _)| (during.end, *revision)).collect();
    ended.sort();
    answers.sort_by_key(|(during, ..)| during.begin);
    let (mut floor, mut seen) = (Revision(0), ended.into_iter().peekable());
    for (during, revision, is_write) in answers {
        while let Some((_, answered)) = seen.next_if(|(end, _)| *end < during.begin) {
            floor = floor.max(answered);
        }
        if revision < floor || (is_write && revision == floor) {
            return Err(format!("{revision} was answered after {floor} had been (write: {is_write}, {during:?})"));
        }
    }
    Ok(())
}

/// Every read shows a version that had begun to be written before the read ended, and was not known to be replaced when it began.
fn reads(log: &[Change], said: &[Said]) -> Result<(), String> {
    let mut versions: HashMap<&str, Vec<(Revision, bool)>> = HashMap::new();
    for change in log {
        versions.entry(&change.key.name).or_default().push((change.revision, change.op != Op::Delete));
    }
    let mut written: HashMap<&str, Vec<(During, Revision)>> = HashMap::new();
    for said in said {
        if let Said::Wrote { during, name, revision, .. } = said {
            written.entry(name).or_default().push((*during, *revision));
        }
    }
    for read in said {
        let Said::Read { during, name, revision } = read else { continue };
        let acknowledged = written.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let known = acknowledged.iter().filter(|(write, _)| write.end < during.begin).map(|(_, revision)| *revision);
        let floor = known.max().unwrap_or_default();
        let future = acknowledged.iter().filter(|(write, _)| write.begin > during.end).map(|(_, revision)| *revision);
        let ceiling = future.min().unwrap_or(Revision(u64::MAX));
        let nothing = (Revision(0), false);
        let all = versions.get(name.as_str()).into_iter().flatten().chain([&nothing]);
        let mut candidates = all.filter(|(version, _)| *version >= floor && *version < ceiling);
        let fits = |(version, there): &(Revision, bool)| if *there { version == revision } else { revision.0 == 0 };
        if !candidates.any(fits) {
            return Err(format!("{read:?} though it was at {floor} before and at {ceiling} after"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    fn log() -> Vec<Change> {
        let change = |revision, create, op, data: &'static str| Change {
            revision: Revision(revision),
            create_revision: Revision(create),
            key: kit::key("a"),
            op,
            data: bytes::Bytes::from_static(data.as_bytes()),
        };
        vec![
            change(1, 1, Op::Create, "x 0"),
            change(2, 1, Op::Update, "y 1"),
            change(3, 1, Op::Delete, "y 1"),
            change(7, 7, Op::Create, "z 0"),
        ]
    }

    #[test]
    fn what_did_not_happen_is_found() {
        let rows = [
            ("wrote 10 20 a 0 1\nwrote 21 30 a 1 2\nread 31 40 a 2\nat 31 40 2", None),
            ("wrote 10 20 a 0 5", Some("was acknowledged")),
            ("wrote 10 20 a 5 2", Some("was acknowledged")),
            ("begins w 1\nsaw w 2 a\nsaw w 3 a\nsaw w 7 a", None),
            ("begins w 1\nsaw w 3 a", Some("due was")),
            ("begins w 0\nsaw w 1 a\nsaw w 1 a", Some("due was")),
            ("wrote 10 20 a 1 2\nwrote 30 40 a 0 1", Some("was answered after")),
            ("at 10 20 3\nat 30 40 2", Some("was answered after")),
            ("at 10 20 3\nat 15 40 2", None),
            ("wrote 10 20 a 1 2\nread 30 40 a 1", Some("though it was at 2")),
            ("wrote 10 20 a 1 2\nread 15 40 a 1", None),
            ("wrote 10 20 a 1 2\nread 30 40 a 0", None),
            ("wrote 10 20 a 0 7\nread 30 40 a 0", Some("though it was at 7")),
            ("read 1 5 a 7\nwrote 10 20 a 0 7", Some("at 7 after")),
            ("begins w 0\nexpired w", Some("lost its place")),
        ];
        for (text, expected) in rows {
            let said: Vec<Said> = text.lines().map(|line| Said::parse(line).unwrap()).collect();
            assert_eq!(said.iter().map(Said::line).collect::<Vec<_>>().join("\n"), text);
            let found = check(&log(), &said);
            match expected {
                None => assert_eq!(found, Ok(()), "{text}"),
                Some(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{text}: {found:?}"),
            }
        }
        assert_eq!(Said::parse("wrote 10 20 a 0"), None, "half a line");
    }
}
