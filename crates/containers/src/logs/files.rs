//! The files of one log: `0.log`, `0.log.1` and so on, the newest first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sampan_runtime::LogConfig;

pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// Makes room for a new file, forgetting the oldest beyond `max_files`.
pub(super) fn put_aside(log: &LogConfig) -> io::Result<()> {
    let kept = log.max_files.max(1) - 1;
    if kept == 0 {
        return fs::remove_file(&log.path);
    }
    for number in (1..kept).rev() {
        match fs::rename(numbered(&log.path, number), numbered(&log.path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&log.path, numbered(&log.path, 1))
}

/// Undoes that for the newest, when nobody began another.
pub(super) fn put_back(log: &LogConfig) {
    if !log.path.exists() {
        let _was_forgotten = fs::rename(numbered(&log.path, 1), &log.path);
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_oldest_goes_and_the_newest_can_be_put_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = LogConfig { path: directory.path().join("0.log"), max_bytes: 1, max_files: 3 };
        let mut told = String::new();
        for text in ["a", "b", "c", "d"] {
            fs::write(&log.path, text).expect("written");
            put_aside(&log).expect("renamed");
            told += &format!("{}\n", files(directory.path()));
        }
        put_back(&log);
        told += &files(directory.path());
        expect![[r#"
            0.log.1=a
            0.log.1=b 0.log.2=a
            0.log.1=c 0.log.2=b
            0.log.1=d 0.log.2=c
            0.log=d 0.log.2=c"#]]
        .assert_eq(&told);
    }

    fn files(directory: &Path) -> String {
        let mut files: Vec<_> =
            fs::read_dir(directory).expect("readable").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        let shown = |path: &PathBuf| {
            format!("{}={}", path.file_name().expect("a file").display(), fs::read_to_string(path).expect("text"))
        };
        files.iter().map(shown).collect::<Vec<_>>().join(" ")
    }
}
