//! Output, arguments and environment.

#![allow(missing_docs)] // The names are sentences.

use crate::conformance::Subject;
use crate::conformance::steps::{LogLine, read_log};

fn is_time(text: &str) -> bool {
    let shape = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter });
    shape.collect::<String>().starts_with("0000-00-00T00:00:00.") && text.contains(['Z', '+'])
}

async fn printed(subject: &Subject, stdout: &[&str], stderr: &[&str]) -> Vec<LogLine> {
    let container = subject.launch("a", &subject.guests.prints(stdout, stderr)).await;
    assert_eq!(subject.exit(&container).await.code, 0);
    subject.log(&container)
}

fn texts(lines: &[LogLine], stream: &str) -> Vec<String> {
    lines.iter().filter(|line| line.stream == stream).map(|line| line.text.clone()).collect()
}

pub async fn output_is_logged_in_cri_format(subject: Subject) {
    let lines = printed(&subject, &["first", "a second one"], &["oh no"]).await;
    assert_eq!(texts(&lines, "stdout"), ["first", "a second one"]);
    assert_eq!(texts(&lines, "stderr"), ["oh no"]);
    assert!(lines.iter().all(|line| is_time(&line.time) && line.tag == "F"), "{lines:?}");
}

pub async fn a_long_line_is_logged_in_parts(subject: Subject) {
    let long = "0123456789abcdef".repeat(2500);
    let lines = printed(&subject, &[&long, "short"], &[]).await;
    let (short, parts) = lines.split_last().expect("something was logged");
    assert_eq!((short.tag.as_str(), short.text.as_str()), ("F", "short"));
    assert!(parts.len() >= 2 && parts.iter().all(|part| part.text.len() <= 16 * 1024), "parts of 16 KiB at most");
    assert!(parts[..parts.len() - 1].iter().all(|part| part.tag == "P") && parts[parts.len() - 1].tag == "F");
    assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), long);
}

pub async fn an_empty_line_is_logged(subject: Subject) {
    let lines = printed(&subject, &["above", "", "below"], &[]).await;
    assert_eq!(texts(&lines, "stdout"), ["above", "", "below"]);
}

pub async fn logs_are_rotated_and_bounded(subject: Subject) {
    if subject.guests.logs_are_bounded_later() {
        return;
    }
    let lines: Vec<String> = (0..400).map(|number| format!("line number {number} of four hundred")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let bound = |config: &mut crate::ContainerConfig| (config.log.max_bytes, config.log.max_files) = (4096, 3);
    let container = subject.launch_with("a", &subject.guests.prints(&lines, &[]), bound).await;
    subject.exit(&container).await;
    let current = subject.log_path(&container);
    let directory = current.parent().expect("a log lies in a directory");
    let mut names: Vec<_> =
        std::fs::read_dir(directory).expect("it is readable").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    assert_eq!(names, [current.clone(), directory.join("0.log.1"), directory.join("0.log.2")]);
    let sizes = names.iter().map(|name| std::fs::metadata(name).expect("it is there").len());
    assert!(sizes.clone().all(|size| size <= 4096 + 256), "{:?}", sizes.collect::<Vec<_>>());
    assert_eq!(subject.log(&container).last().map(|line| line.text.as_str()), lines.last().copied());
    let seam = (read_log(&names[1]).last().map(|line| line.text.clone()), subject.log(&container)[0].text.clone());
    let position = |text: &str| lines.iter().position(|line| *line == text).expect("a whole line");
    assert_eq!(position(&seam.0.expect("not empty")) + 1, position(&seam.1), "nothing is lost between two files");
}

pub async fn a_log_outlives_its_container(subject: Subject) {
    let container = subject.launch("a", &subject.guests.prints(&["famous last words"], &[])).await;
    subject.exit(&container).await;
    subject.runtime.remove(&container).await.expect("it is removed");
    subject.runtime.close_sandbox("a").await.expect("its sandbox is closed");
    assert_eq!(texts(&subject.log(&container), "stdout"), ["famous last words"]);
}

pub async fn arguments_and_environment_arrive(subject: Subject) {
    let Some(mut guest) = subject.guests.echoes() else { return };
    guest.args.extend(["one".to_owned(), "two words".to_owned()]);
    let env = |config: &mut crate::ContainerConfig| config.env = vec![("COLOUR".to_owned(), "dark blue".to_owned())];
    let container = subject.launch_with("a", &guest, env).await;
    assert_eq!(subject.exit(&container).await.code, 0);
    let mut printed = texts(&subject.log(&container), "stdout");
    // Container runtimes add some by themselves.
    printed.retain(|line| !["HOSTNAME=", "PATH=", "HOME="].iter().any(|name| line.starts_with(name)));
    assert!(
        printed.ends_with(&["one".to_owned(), "two words".to_owned(), "COLOUR=dark blue".to_owned()]),
        "{printed:?}"
    );
}
