//! `sh`: enough of a shell to look around and for the commands that tools send: words with quotes and `$NAME`, `;`, `&&`, `||`, `|`, `<`,
//! `>`, `>>`, `2>&1`, `cd`, `export`, `exit`. No loops, no functions, no jobs: commands of a pipe run one after another.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use crate::{Failure, Process, files};

/// `sh [-c COMMANDS]`; without, it reads commands from its input, and asks for them at a terminal.
pub fn sh(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    match arguments {
        [flag, commands, ..] if flag.starts_with('-') && flag.ends_with('c') => {
            run(process, commands);
            Ok(process.code)
        }
        [] => interactive(process),
        [flag] if flag == "-i" || flag == "-l" => interactive(process),
        [script, ..] => {
            let mut commands = String::new();
            files::open(&process.path(script))?.read_to_string(&mut commands)?;
            run(process, &commands);
            Ok(process.code)
        }
    }
}

fn interactive(process: &mut Process) -> Result<u8, Failure> {
    let terminal = wasip2::cli::terminal_stdin::get_terminal_stdin().is_some();
    let mut lines = Lines { from: std::mem::replace(&mut process.input, Box::new(io::empty())), read: Vec::new() };
    loop {
        if terminal {
            let prompt = format!("{} # ", process.directory);
            process.output.write_all(prompt.as_bytes())?;
        }
        process.output.flush()?;
        let Some(line) = lines.next()? else { return Ok(process.code) };
        if !run(process, &line) {
            return Ok(process.code);
        }
    }
}

struct Lines {
    from: Box<dyn Read>,
    read: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<String>> {
        let mut buffer = [0; 1024];
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
            }
            let length = self.from.read(&mut buffer)?;
            if length == 0 {
                let rest = std::mem::take(&mut self.read);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
            }
            self.read.extend_from_slice(&buffer[..length]);
        }
    }
}

/// A piece of a command line.
#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    /// `;`, `&&`, `||`, `|`, `<`, `>`, `>>`, `2>&1`.
    Operator(&'static str),
}

const OPERATORS: [&str; 8] = ["2>&1", "&&", "||", ">>", ";", "|", "<", ">"];

/// Runs commands; false once one was `exit`.
fn run(process: &mut Process, commands: &str) -> bool {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match list(process, line) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                process.complain(&format!("sh: {error}"));
                process.code = 2;
            }
        }
    }
    true
}

/// `a; b && c || d`.
fn list(process: &mut Process, line: &str) -> Result<bool, Failure> {
    let mut rest = line;
    let mut before = ";";
    loop {
        let (pipe, operator, after) = split(rest)?;
        let wanted = match before {
            "&&" => process.code == 0,
            "||" => process.code != 0,
            _ => true,
        };
        // Variables are looked up when a command's turn has come, not before.
        let tokens = tokens(process, pipe)?;
        if wanted && !tokens.is_empty() && !pipeline(process, tokens)? {
            return Ok(false);
        }
        let Some(operator) = operator else { return Ok(true) };
        (before, rest) = (operator, after);
    }
}

/// The text up to the first `;`, `&&` or `||` outside quotes, that, and what follows.
fn split(text: &str) -> Result<(&str, Option<&'static str>, &str), Failure> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, _) => {
                let found = [";", "&&", "||"].into_iter().find(|operator| text[at..].starts_with(operator));
                if let Some(operator) = found {
                    return Ok((&text[..at], Some(operator), &text[at + operator.len()..]));
                }
            }
            _ => {}
        }
    }
    if quote.is_some() { Err("a quote is not closed".into()) } else { Ok((text, None, "")) }
}

fn tokens(process: &Process, text: &str) -> Result<Vec<Token>, Failure> {
    let (mut tokens, mut word, mut begun, mut rest) = (Vec::new(), String::new(), false, text);
    while let Some(letter) = rest.chars().next() {
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator));
        let ends = letter.is_whitespace() || operator.is_some_and(|operator| operator != "2>&1" || !begun);
        if ends {
            if std::mem::take(&mut begun) {
                tokens.push(Token::Word(std::mem::take(&mut word)));
            }
            tokens.extend(operator.map(Token::Operator));
            rest = &rest[operator.map_or(letter.len_utf8(), str::len)..];
            continue;
        }
        begun = true;
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\'' => {
                let (quoted, after) = rest.split_once('\'').ok_or("a quote is not closed")?;
                word.push_str(quoted);
                rest = after;
            }
            '"' => {
                let (quoted, after) = rest.split_once('"').ok_or("a quote is not closed")?;
                word.push_str(&expand(process, quoted));
                rest = after;
            }
            '\\' => {
                let escaped = rest.chars().next();
                word.extend(escaped);
                rest = &rest[escaped.map_or(0, char::len_utf8)..];
            }
            '$' => {
                let (value, after) = variable(process, rest);
                word.push_str(&value);
                rest = after;
            }
            other => word.push(other),
        }
    }
    if begun {
        tokens.push(Token::Word(word));
    }
    Ok(tokens)
}

fn expand(process: &Process, text: &str) -> String {
    let (mut expanded, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (value, after) = variable(process, after);
        expanded.push_str(&value);
        rest = after;
    }
    expanded + rest
}

/// The value of the name (or `{name}`, or `?`) a text begins with, and what follows.
fn variable<'a>(process: &Process, text: &'a str) -> (String, &'a str) {
    if let Some(rest) = text.strip_prefix('?') {
        return (process.code.to_string(), rest);
    }
    let braced = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let (name, rest) = braced.unwrap_or_else(|| {
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len());
        text.split_at(end)
    });
    if name.is_empty() {
        return ("$".to_owned(), text);
    }
    (process.variables.get(name).cloned().unwrap_or_default(), rest)
}

/// What a command writes to, when that is not the shell's own output.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn take(&self) -> Vec<u8> {
        self.0.lock().map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default()
    }
}

fn pipeline(process: &mut Process, tokens: Vec<Token>) -> Result<bool, Failure> {
    let mut commands: Vec<Vec<Token>> = vec![Vec::new()];
    for token in tokens {
        match token {
            Token::Operator("|") => commands.push(Vec::new()),
            token => commands.last_mut().expect("there is one from the beginning").push(token),
        }
    }
    let mut piped: Option<Vec<u8>> = None;
    let last = commands.len() - 1;
    for (position, tokens) in commands.into_iter().enumerate() {
        let kept = (position < last).then(Kept::default);
        if !command(process, tokens, piped.take(), kept.as_ref())? {
            return Ok(false);
        }
        piped = kept.map(|kept| kept.take());
    }
    Ok(true)
}

/// Streams of the shell that a command does not use, for afterwards.
struct Own {
    input: Option<Box<dyn Read>>,
    output: Option<Box<dyn Write>>,
    errors: Option<Box<dyn Write>>,
}

/// One command with its redirections. False for `exit`.
fn command(
    process: &mut Process,
    tokens: Vec<Token>,
    piped: Option<Vec<u8>>,
    kept: Option<&Kept>,
) -> Result<bool, Failure> {
    let mut own = Own { input: None, output: None, errors: None };
    if let Some(bytes) = piped {
        own.input = Some(std::mem::replace(&mut process.input, Box::new(io::Cursor::new(bytes))));
    }
    if let Some(kept) = kept {
        process.output.flush()?;
        own.output = Some(std::mem::replace(&mut process.output, Box::new(kept.clone())));
    }
    let ended = redirected(process, tokens, kept, &mut own);
    let _ = process.output.flush();
    if let Some(input) = own.input {
        process.input = input;
    }
    if let Some(output) = own.output {
        process.output = output;
    }
    if let Some(errors) = own.errors {
        process.errors = errors;
    }
    ended
}

fn redirected(process: &mut Process, tokens: Vec<Token>, kept: Option<&Kept>, own: &mut Own) -> Result<bool, Failure> {
    let mut words = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        let operator = match token {
            Token::Word(word) => {
                words.push(word);
                continue;
            }
            Token::Operator(operator) => operator,
        };
        if operator == "2>&1" {
            let errors: Box<dyn Write> = match kept {
                Some(kept) => Box::new(kept.clone()),
                None => Box::new(wasip2::cli::stdout::get_stdout()),
            };
            own.errors = Some(std::mem::replace(&mut process.errors, errors));
            continue;
        }
        let Some(Token::Word(path)) = tokens.next() else { return Err(format!("{operator} what?").into()) };
        let path = process.path(&path);
        if operator == "<" {
            let before = std::mem::replace(&mut process.input, Box::new(files::open(&path)?));
            own.input.get_or_insert(before);
        } else {
            let file: Box<dyn Write> = if path == "/dev/null" {
                Box::new(io::sink())
            } else {
                Box::new(files::create(&path, operator == ">>")?)
            };
            process.output.flush()?;
            let before = std::mem::replace(&mut process.output, file);
            own.output.get_or_insert(before);
        }
    }
    builtin(process, &words)
}

fn builtin(process: &mut Process, words: &[String]) -> Result<bool, Failure> {
    let Some((name, arguments)) = words.split_first() else { return Ok(true) };
    let first = arguments.first();
    if let Some((variable, value)) = name.split_once('=').filter(|(name, _)| is_name(name)) {
        process.variables.insert(variable.to_owned(), value.to_owned());
        process.code = 0;
        return Ok(true);
    }
    match name.as_str() {
        "exit" => {
            process.code = first.and_then(|code| code.parse().ok()).unwrap_or(process.code);
            return Ok(false);
        }
        "cd" => {
            let path = process.path(first.map_or("/", String::as_str));
            match files::find(&path) {
                Ok(files::Found::Directory) => (process.directory, process.code) = (path, 0),
                Ok(_) => return Err(format!("cd: {path}: not a directory").into()),
                Err(error) => return Err(format!("cd: {error}").into()),
            }
        }
        "export" => {
            for (name, value) in arguments.iter().filter_map(|argument| argument.split_once('=')) {
                process.variables.insert(name.to_owned(), value.to_owned());
            }
            process.code = 0;
        }
        "exec" => return builtin(process, arguments).map(|_| false),
        ":" => process.code = 0,
        _ => process.code = process.run(words),
    }
    Ok(true)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
