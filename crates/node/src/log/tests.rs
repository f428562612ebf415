use std::fs;
use std::path::Path;

use super::*;

fn line(second: u32, tag: &str, text: &str) -> String {
    format!("2026-01-02T03:04:{second:02}.000000001Z stdout {tag} {text}\n")
}

/// Three files: 0..5 in the oldest, 5..10, 10..15 in the one written now.
fn rotated(directory: &Path) -> PathBuf {
    let path = directory.join("0.log");
    for (name, numbers) in [("0.log.2", 0..5), ("0.log.1", 5..10), ("0.log", 10..15)] {
        let text: String = numbers.map(|number| line(number, "F", &format!("line {number}"))).collect();
        fs::write(directory.join(name), text).expect("written");
    }
    path
}

fn whole(path: &Path, options: LogOptions) -> String {
    let mut reader = Reader::new(path.to_owned(), options);
    let mut text = Vec::new();
    while reader.read(&mut text).expect("readable") == Progress::More {}
    String::from_utf8(text).expect("text")
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().map(|line| line.rsplit(' ').next().expect("a word").parse().expect("a number")).collect()
}

#[test]
fn all_files_are_read_the_oldest_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = rotated(directory.path());
    assert_eq!(numbers(&whole(&path, LogOptions::default())), (0..15).collect::<Vec<_>>());
}

#[test]
fn a_tail_reaches_back_through_rotated_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = rotated(directory.path());
    for tail in [0, 1, 4, 5, 6, 10, 11, 15, 100_u32] {
        let text = whole(&path, LogOptions { tail: Some(tail.into()), ..LogOptions::default() });
        assert_eq!(numbers(&text), (15_u32.saturating_sub(tail)..15).collect::<Vec<_>>(), "tail {tail}");
    }
}

#[test]
fn since_and_limit_cut_and_timestamps_are_put_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = rotated(directory.path());
    let since = "2026-01-02T03:04:12Z".parse().expect("a time");
    assert_eq!(numbers(&whole(&path, LogOptions { since: Some(since), ..LogOptions::default() })), [12, 13, 14]);
    assert_eq!(whole(&path, LogOptions { limit_bytes: Some(10), ..LogOptions::default() }), "line 0\nlin");
    let stamped = whole(&path, LogOptions { tail: Some(1), timestamps: true, ..LogOptions::default() });
    assert_eq!(stamped, "2026-01-02T03:04:14.000000001Z line 14\n");
}

#[test]
fn parts_are_joined_and_stamped_once_and_streams_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("0.log");
    let error = line(3, "F", "err").replace("stdout", "stderr");
    fs::write(&path, format!("{}{}{}nonsense\n{error}", line(1, "P", "one "), line(2, "F", "two"), line(2, "F", "")))
        .expect("written");
    assert_eq!(whole(&path, LogOptions::default()), "one two\n\nerr\n");
    let stamped = whole(&path, LogOptions { timestamps: true, stream: Some(Stream::Stdout), ..LogOptions::default() });
    assert_eq!(stamped, "2026-01-02T03:04:01.000000001Z one two\n2026-01-02T03:04:02.000000001Z \n");
    assert_eq!(whole(&path, LogOptions { stream: Some(Stream::Stderr), ..LogOptions::default() }), "err\n");
}

#[test]
fn a_log_that_is_not_there_is_empty() {
    assert_eq!(whole(Path::new("/nonexistent/0.log"), LogOptions::default()), "");
}

#[test]
fn last_words_are_bounded() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = rotated(directory.path());
    assert_eq!(last_words(&path, 2, 1000), "line 13\nline 14\n");
    assert_eq!(last_words(&path, 80, 4), " 14\n");
}

struct Following {
    directory: tempfile::TempDir,
    ended: watch::Sender<bool>,
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    text: String,
}

impl Following {
    fn begin() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (ended, is_ended) = watch::channel(false);
        let (sender, pieces) = mpsc::channel(4);
        let path = directory.path().join("0.log");
        let directories = Directories::new().expect("inotify");
        let options = LogOptions { follow: true, ..LogOptions::default() };
        tokio::spawn(async move { send(path, options, Some(&directories), is_ended, sender).await });
        Self { directory, ended, pieces, text: String::new() }
    }

    fn append(&self, text: &str) {
        use std::io::Write;
        let path = self.directory.path().join("0.log");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn rotate(&self) {
        let path = |name: &str| self.directory.path().join(name);
        if path("0.log.1").exists() {
            fs::rename(path("0.log.1"), path("0.log.2")).expect("moved");
        }
        fs::rename(path("0.log"), path("0.log.1")).expect("moved");
    }

    /// Reads until the text ends so.
    async fn until(&mut self, end: &str) {
        while !self.text.ends_with(end) {
            let piece = self.pieces.recv().await.expect("more").expect("readable");
            self.text.push_str(std::str::from_utf8(&piece).expect("text"));
        }
    }
}

#[tokio::test]
async fn following_sees_a_new_file_growth_and_rotation_and_ends_with_the_container() {
    let mut following = Following::begin();
    following.append(&line(1, "F", "one"));
    following.until("one\n").await;
    following.append("2026-01-02T03:04:02Z stdout F half");
    following.append(" a line\n");
    following.until("half a line\n").await;
    following.append(&line(3, "F", "last of the old"));
    following.rotate();
    following.append(&line(4, "F", "only in the middle"));
    following.rotate();
    following.append(&line(5, "F", "first of the new"));
    following.until("first of the new\n").await;
    following.append(&line(6, "F", "bye"));
    following.ended.send_replace(true);
    following.until("bye\n").await;
    assert!(following.pieces.recv().await.is_none(), "the end of the container ends the log");
    assert_eq!(following.text, "one\nhalf a line\nlast of the old\nonly in the middle\nfirst of the new\nbye\n");
}
