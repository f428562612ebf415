//! The account of upstream's conformance tests: `docs/conformance.tsv` says of each test how its last run ended, and `docs/conformance.md`
//! shows that to people. `cargo xtask conformance` writes the second from the first; `cargo xtask conformance COMMIT REPORT...` takes the
//! results out of ginkgo's JSON reports of runs against the Sampan of that commit first.

mod page;
mod report;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

const ACCOUNT: &str = "docs/conformance.tsv";
const PAGE: &str = "docs/conformance.md";

/// One conformance test and what is known of it: a line of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// What it needs: `api`, `status` or `run`.
    pub(crate) class: String,
    /// `passed`, `failed`, or empty while it never ran to its end.
    pub(crate) state: String,
    /// The day of that run, UTC.
    pub(crate) date: String,
    /// The commit of Sampan that ran.
    pub(crate) commit: String,
    /// How long the test took.
    pub(crate) seconds: String,
    /// A test of our own that holds the same promise, as `path/to/file.rs::name`.
    pub(crate) held_by: String,
    /// Upstream's name of it.
    pub(crate) name: String,
}

impl Test {
    fn parse(line: &str) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [class, state, date, commit, seconds, held_by, name] = columns.as_slice() else {
            bail!("a line of {ACCOUNT} has {} columns and not seven: {line}", columns.len());
        };
        let [class, state, date, commit, seconds, held_by, name] =
            [class, state, date, commit, seconds, held_by, name].map(ToString::to_string);
        Ok(Self { class, state, date, commit, seconds, held_by, name })
    }

    fn line(&self) -> String {
        let Self { class, state, date, commit, seconds, held_by, name } = self;
        [class, state, date, commit, seconds, held_by, name].map(String::as_str).join("\t")
    }

    /// The group that owns the test: what its name begins with, without brackets.
    pub(crate) fn area(&self) -> &str {
        self.name.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or_default()
    }
}

/// Every line of the account, in its order, after the line of titles.
pub(crate) fn parse(text: &str) -> Result<Vec<Test>> {
    text.lines().skip(1).map(Test::parse).collect()
}

fn print(tests: &[Test]) -> String {
    let titles = "class\tstate\tdate\tcommit\tseconds\theld by\tname".to_owned();
    let lines = std::iter::once(titles).chain(tests.iter().map(Test::line));
    lines.map(|line| line + "\n").collect()
}

/// What the page has to say.
pub(crate) fn page() -> Result<String> {
    Ok(page::print(&read()?))
}

/// Where the page lies.
pub(crate) fn page_path() -> PathBuf {
    root().join(PAGE)
}

/// Writes the page from the account.
pub(crate) fn write() -> Result<()> {
    std::fs::write(page_path(), page()?).with_context(|| format!("failed to write {PAGE}"))
}

/// Takes results out of ginkgo's reports into the account, and writes the page.
pub(crate) fn record(commit: &str, reports: &[&str]) -> Result<()> {
    let mut tests = read()?;
    for path in reports {
        let text = std::fs::read_to_string(path).with_context(|| format!("failed to read the report {path}"))?;
        report::merge(&mut tests, &text, commit).with_context(|| format!("failed to take in the report {path}"))?;
    }
    std::fs::write(root().join(ACCOUNT), print(&tests)).with_context(|| format!("failed to write {ACCOUNT}"))?;
    write()
}

/// The account as it lies there.
pub(crate) fn read() -> Result<Vec<Test>> {
    let text = std::fs::read_to_string(root().join(ACCOUNT)).with_context(|| format!("failed to read {ACCOUNT}"))?;
    parse(&text)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_reads_as_it_is_written() {
        let text = "class\tstate\tdate\tcommit\tseconds\theld by\tname\napi\tpassed\t2026-01-02\tabc\t0.9\t\t[sig-x] a [Conformance]\n";
        let tests = parse(text).expect("parses");
        assert_eq!(tests[0].area(), "sig-x");
        assert_eq!(print(&tests), text);
    }
}
