//! Small commands over text.

use std::io::{Read, Write};

use crate::files::{self, Found};
use crate::{Failure, Process, options};

/// Bytes handled at once.
const PIECE: usize = 64 << 10;

pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<u64, Failure> {
    let (mut buffer, mut total) = (vec![0; PIECE], 0);
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(total);
        }
        to.write_all(&buffer[..length])?;
        // What is typed is answered at once.
        to.flush()?;
        total += length as u64;
    }
}

/// Everything in the files, or in the input when there are none.
fn contents(process: &mut Process, paths: &[String]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if paths.is_empty() {
        process.input.read_to_end(&mut bytes)?;
    }
    for path in paths {
        files::open(&process.path(path))?.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// `cat [FILE...]`
pub fn cat(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (_, paths) = options(arguments, "")?;
    if paths.is_empty() {
        copy(&mut process.input, &mut process.output)?;
    }
    for path in paths {
        match path.as_str() {
            "-" => copy(&mut process.input, &mut process.output)?,
            path => copy(&mut files::open(&process.path(path))?, &mut process.output)?,
        };
    }
    Ok(0)
}

/// `echo [-n] [WORD...]`
pub fn echo(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (words, end) = match arguments.split_first() {
        Some((first, rest)) if first == "-n" => (rest, ""),
        _ => (arguments, "\n"),
    };
    process.output.write_all(format!("{}{end}", words.join(" ")).as_bytes())?;
    Ok(0)
}

/// `env`, `printenv [NAME...]`
pub fn env(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    if arguments.is_empty() {
        for (name, value) in process.variables.clone() {
            process.say(&format!("{name}={value}"))?;
        }
    }
    let mut code = 0;
    for name in arguments {
        match process.variables.get(name).cloned() {
            Some(value) => process.say(&value)?,
            None => code = 1,
        }
    }
    Ok(code)
}

/// `ps`: the node passes what there is as arguments, for a component sees no other.
pub fn ps(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    for line in arguments {
        process.say(line)?;
    }
    Ok(0)
}

pub fn pwd(process: &mut Process, _: &[String]) -> Result<u8, Failure> {
    let directory = process.directory.clone();
    process.say(&directory).map(|()| 0)
}

pub fn hostname(process: &mut Process, _: &[String]) -> Result<u8, Failure> {
    let name = process.variables.get("HOSTNAME").cloned().unwrap_or_default();
    process.say(&name).map(|()| 0)
}

/// Seconds since 1970: no calendar is worth its size here.
pub fn date(process: &mut Process, _: &[String]) -> Result<u8, Failure> {
    let now = wasip2::clocks::wall_clock::now();
    process.say(&format!("@{}", now.seconds)).map(|()| 0)
}

/// `sleep SECONDS`
pub fn sleep(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    process.output.flush()?;
    let seconds: f64 = arguments.first().ok_or("how many seconds?")?.parse()?;
    let nanoseconds = (seconds.max(0.0) * 1e9) as u64;
    wasip2::clocks::monotonic_clock::subscribe_duration(nanoseconds).block();
    Ok(0)
}

/// The number after `-n`, `-c`, or in `-NUMBER`, with its sign; the letter; the files.
fn count(arguments: &[String]) -> Result<(char, bool, usize, &[String]), Failure> {
    let Some(first) = arguments.first().and_then(|first| first.strip_prefix('-')) else {
        return Ok(('n', false, 10, arguments));
    };
    let (letter, number) = match first.strip_prefix(['n', 'c']) {
        Some(rest) => (if first.starts_with('c') { 'c' } else { 'n' }, rest),
        None => ('n', first),
    };
    let (number, rest) = match (number, &arguments[1..]) {
        ("", [number, rest @ ..]) => (number.as_str(), rest),
        (number, rest) => (number, rest),
    };
    let from_start = number.starts_with('+');
    let number = number.trim_start_matches('+').parse().map_err(|_| format!("-{first}: not a number"))?;
    Ok((letter, from_start, number, rest))
}

/// `head [-n LINES | -c BYTES] [FILE...]`
pub fn head(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (letter, _, number, paths) = count(arguments)?;
    let bytes = contents(process, paths)?;
    let end = if letter == 'c' { number.min(bytes.len()) } else { lines(&bytes).take(number).map(<[u8]>::len).sum() };
    process.output.write_all(&bytes[..end])?;
    Ok(0)
}

/// `tail [-n [+]LINES | -c [+]BYTES] [FILE...]`
pub fn tail(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (letter, from_start, number, paths) = count(arguments)?;
    let bytes = contents(process, paths)?;
    let total = if letter == 'c' { bytes.len() } else { lines(&bytes).count() };
    let skipped = if from_start { number.saturating_sub(1).min(total) } else { total.saturating_sub(number) };
    let start = if letter == 'c' { skipped } else { lines(&bytes).take(skipped).map(<[u8]>::len).sum() };
    process.output.write_all(&bytes[start..])?;
    Ok(0)
}

/// Lines with their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// `wc [-clw] [FILE...]`
pub fn wc(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, paths) = options(arguments, "clw")?;
    let bytes = contents(process, paths)?;
    let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    let counts = [('l', bytes.iter().filter(|byte| **byte == b'\n').count()), ('w', words), ('c', bytes.len())];
    let wanted = counts.iter().filter(|(letter, _)| options.is_empty() || options.contains(letter));
    let line = wanted.map(|(_, count)| count.to_string()).collect::<Vec<_>>().join(" ");
    process.say(&line).map(|()| 0)
}

/// `grep [-cinqv] TEXT [FILE...]`: plain text, no pattern.
pub fn grep(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, rest) = options(arguments, "cinqvF")?;
    let (wanted, paths) = rest.split_first().ok_or("grep what?")?;
    let fold = |text: &str| if options.contains(&'i') { text.to_lowercase() } else { text.to_owned() };
    let wanted = fold(wanted);
    let bytes = contents(process, paths)?;
    let mut found = 0;
    for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        if fold(line).contains(&wanted) == options.contains(&'v') {
            continue;
        }
        found += 1;
        if !options.contains(&'q') && !options.contains(&'c') {
            let number = if options.contains(&'n') { format!("{}:", number + 1) } else { String::new() };
            process.say(&format!("{number}{line}"))?;
        }
    }
    if options.contains(&'c') {
        process.say(&found.to_string())?;
    }
    Ok(u8::from(found == 0))
}

/// `test EXPRESSION`, `[ EXPRESSION ]`
pub fn test(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "]").collect();
    let at = |path: &str| files::find(&process.path(path));
    let number = |word: &str| word.parse::<i64>().map_err(|_| format!("{word}: not a number"));
    let holds = match words[..] {
        [] => false,
        ["-d", path] => matches!(at(path), Ok(Found::Directory)),
        ["-f", path] => matches!(at(path), Ok(Found::File(_))),
        ["-e" | "-r" | "-w", path] => at(path).is_ok(),
        ["-s", path] => matches!(at(path), Ok(Found::File(stat)) if stat.size > 0),
        ["-n", word] | [word] => !word.is_empty(),
        ["-z", word] => word.is_empty(),
        [one, "=" | "==", other] => one == other,
        [one, "!=", other] => one != other,
        [one, "-eq", other] => number(one)? == number(other)?,
        [one, "-ne", other] => number(one)? != number(other)?,
        [one, "-lt", other] => number(one)? < number(other)?,
        [one, "-gt", other] => number(one)? > number(other)?,
        _ => return Err("unknown expression".into()),
    };
    Ok(u8::from(!holds))
}
