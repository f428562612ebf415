//! A line discipline, small: WASI has no terminals, but whoever sits at one expects what they type to appear, Enter to end a line, and
//! Ctrl-C to end the command. Sizes are taken and go nowhere: WASI cannot tell them.

/// What typing leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// Lines that are complete, for the command.
    pub(super) input: Vec<u8>,
    /// For the screen.
    pub(super) echo: Vec<u8>,
    /// Ctrl-D on an empty line: the input is over.
    pub(super) end: bool,
    /// Ctrl-C or Ctrl-\.
    pub(super) interrupted: bool,
}

/// The line being typed.
#[derive(Default)]
pub(super) struct Terminal {
    line: Vec<u8>,
}

/// Longer lines are given out without waiting for their end, as by a real terminal.
const LONGEST: usize = 4096;

impl Terminal {
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    self.line.push(b'\n');
                    typed.input.append(&mut self.line);
                    typed.echo.extend(b"\r\n");
                }
                // Ctrl-C, Ctrl-\
                0x03 | 0x1c => {
                    self.line.clear();
                    typed.echo.extend(b"^C\r\n");
                    typed.interrupted = true;
                    return typed;
                }
                // Ctrl-D
                0x04 if self.line.is_empty() => {
                    typed.end = true;
                    return typed;
                }
                0x04 => typed.input.append(&mut self.line),
                // Backspace, as either key sends it
                0x08 | 0x7f => {
                    if self.erase() {
                        typed.echo.extend(b"\x08 \x08");
                    }
                }
                // Ctrl-U
                0x15 => {
                    while self.erase() {
                        typed.echo.extend(b"\x08 \x08");
                    }
                }
                byte => {
                    self.line.push(*byte);
                    typed.echo.push(*byte);
                    if self.line.len() >= LONGEST {
                        typed.input.append(&mut self.line);
                    }
                }
            }
        }
        typed
    }

    /// Takes the last character away, all its bytes.
    fn erase(&mut self) -> bool {
        let mut erased = false;
        while let Some(byte) = self.line.pop() {
            erased = true;
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
        erased
    }
}

/// Output as a terminal in raw mode shows it: it does not return the carriage by itself.
pub(super) fn printed(bytes: &[u8]) -> Vec<u8> {
    let mut printed = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if *byte == b'\n' {
            printed.push(b'\r');
        }
        printed.push(*byte);
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &str, input: &str, echo: &str) -> Typed {
        let typed = Terminal::default().typed(keys.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((text(&typed.input), text(&typed.echo)), (input.to_owned(), echo.to_owned()), "{keys:?}");
        typed
    }

    #[test]
    fn a_line_is_given_out_when_it_is_complete() {
        check("ls", "", "ls");
        check("ls\r", "ls\n", "ls\r\n");
        check("a\rb\r", "a\nb\n", "a\r\nb\r\n");
    }

    #[test]
    fn what_is_erased_was_never_typed() {
        check("lz\x7fs\r", "ls\n", "lz\x08 \x08s\r\n");
        check("\x7f\r", "\n", "\r\n");
        check("ä\x7fa\r", "a\n", "ä\x08 \x08a\r\n");
        check("abc\x15d\r", "d\n", "abc\x08 \x08\x08 \x08\x08 \x08d\r\n");
    }

    #[test]
    fn control_keys_end_the_input_or_the_command() {
        assert!(check("\x04", "", "").end);
        assert!(!check("ab\x04", "ab", "ab").end);
        assert!(check("ab\x03", "", "ab^C\r\n").interrupted);
    }

    #[test]
    fn output_returns_the_carriage() {
        assert_eq!(printed(b"a\nb\n"), b"a\r\nb\r\n");
    }
}
