//! The toolbox: a component in this program (`samples/toolbox`) with the commands that people and kubectl expect in a container.

use crate::image;

/// The component, as `samples/build` made it.
pub(super) const COMPONENT: &[u8] = include_bytes!("../../../../samples/toolbox/toolbox.wasm");

/// Its commands.
const TOOLS: &[&str] = &[
    "[", "cat", "date", "echo", "env", "false", "grep", "head", "hostname", "ls", "mkdir", "nc", "printenv", "ps",
    "pwd", "rm", "sh", "sleep", "tail", "tar", "test", "touch", "true", "wc", "wget",
];

/// Where shells look for commands; none of these directories is in a Wasm pod unless something is mounted there.
const DIRECTORIES: [&str; 5] = ["/bin", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local/bin"];

/// What the first word of a command means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Program<'a> {
    Tool(&'a str),
    /// A component among the container's files.
    File(&'a str),
    Unknown,
}

/// Words with a slash are paths, but for the places where tools lie elsewhere; words without one are tools.
pub(super) fn program(word: &str) -> Program<'_> {
    let (directory, name) = word.rsplit_once('/').unwrap_or(("", word));
    let is_tool = TOOLS.contains(&name);
    match directory {
        "" if !word.starts_with('/') => match is_tool {
            true => Program::Tool(name),
            false if name.ends_with(".wasm") => Program::File(word),
            false => Program::Unknown,
        },
        directory if is_tool && DIRECTORIES.contains(&directory) => Program::Tool(name),
        _ => Program::File(word),
    }
}

/// Says what can be run instead.
pub(super) fn unknown(word: &str) -> String {
    format!(
        "exec: {word:?}: executable file not found in $PATH; give the path of a .wasm file in a volume, or one of: {}",
        TOOLS.join(" ")
    )
}

/// Digest of the component, which names its compiled code.
pub(super) fn digest() -> &'static str {
    static DIGEST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    DIGEST.get_or_init(|| image::digest_of(COMPONENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_tool_or_a_path() {
        assert_eq!(program("ls"), Program::Tool("ls"));
        assert_eq!(program("/bin/sh"), Program::Tool("sh"));
        assert_eq!(program("/usr/bin/env"), Program::Tool("env"));
        assert_eq!(program("/data/ls"), Program::File("/data/ls"));
        assert_eq!(program("/check.wasm"), Program::File("/check.wasm"));
        assert_eq!(program("check.wasm"), Program::File("check.wasm"));
        assert_eq!(program("./check"), Program::File("./check"));
        assert_eq!(program("bash"), Program::Unknown);
        assert_eq!(program(""), Program::Unknown);
    }
}
