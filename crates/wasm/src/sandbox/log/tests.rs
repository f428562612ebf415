use std::path::Path;
use std::task::{Context, Waker};

use super::*;

fn log(path: &Path, max_bytes: u64, max_files: u32) -> Arc<Log> {
    Log::new(LogConfig { path: path.to_owned(), max_bytes, max_files })
}

/// The file without its times.
fn read(path: impl AsRef<Path>) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| format!("{}\n", line.split_once(' ').unwrap().1)).collect()
}

#[tokio::test]
async fn lines_are_written_as_the_cri_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.log");
    let log = log(&path, 1 << 20, 3);
    log.write(Stream::Stdout, b"one\ntw");
    log.write(Stream::Stderr, b"oops\n");
    log.write(Stream::Stdout, b"o\n\nrest");
    log.finish().await;
    assert_eq!(read(&path), "stdout F one\nstderr F oops\nstdout F two\nstdout F \nstdout P rest\n");
    let text = std::fs::read_to_string(&path).unwrap();
    let time = text.split(' ').next().unwrap();
    assert_eq!(time.len(), "2026-01-02T03:04:05.123456789Z".len(), "{time}");
}

#[tokio::test]
async fn a_long_line_is_cut_into_parts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.log");
    let log = log(&path, 1 << 20, 3);
    log.write(Stream::Stdout, &[b'x'; 40 << 10]);
    log.write(Stream::Stdout, b"\n");
    log.finish().await;
    let text = read(&path);
    let shape: Vec<_> = text.lines().map(|line| (&line[..8], line.len() - 9)).collect();
    assert_eq!(shape, [("stdout P", 16 << 10), ("stdout P", 16 << 10), ("stdout F", 8 << 10)]);
}

#[tokio::test]
async fn files_are_rotated_and_the_oldest_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.log");
    let log = log(&path, 100, 3);
    for number in 0..10 {
        log.write(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    log.finish().await;
    let name = |suffix: &str| directory.path().join(format!("0.log{suffix}"));
    assert_eq!(read(name("")), "stdout F line 8\nstdout F line 9\n");
    assert_eq!(read(name(".1")), "stdout F line 6\nstdout F line 7\n");
    assert_eq!(read(name(".2")), "stdout F line 4\nstdout F line 5\n");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn a_full_disk_blocks_nobody_and_is_owned_up_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = log(&path, 1 << 20, 3);
    log.write(Stream::Stdout, b"lost\nlost too\n");
    log.finish().await;
    std::fs::remove_file(&path).unwrap();
    log.write(Stream::Stdout, b"kept\n");
    log.finish().await;
    assert_eq!(read(&path), "stderr F sampan: 2 log lines were lost, the disk did not take them\nstdout F kept\n");
}

#[tokio::test]
async fn a_flood_waits_for_the_disk_in_bounded_memory() {
    let directory = tempfile::tempdir().unwrap();
    let log = log(&directory.path().join("0.log"), 1 << 20, 2);
    let context = Context::from_waker(Waker::noop());
    let mut held_back = false;
    for _ in 0..1000 {
        while log.poll_room(&context).is_pending() {
            held_back = true;
            tokio::task::yield_now().await;
        }
        log.write(Stream::Stdout, &[b'\n'; 4096]);
        assert!(log.state.lock().pending.len() < PENDING + 4096 * 50);
    }
    log.finish().await;
    assert!(held_back, "the guest was never made to wait");
    let bytes: u64 =
        std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 2 << 20, "{bytes}");
}
