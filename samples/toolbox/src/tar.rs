//! `tar`: ustar archives as kubectl cp makes and reads them. Long names are read in GNU's and POSIX's way and written in GNU's.

use std::io::{self, Read, Write};

use crate::files::{self, Found};
use crate::{Failure, Process};

const BLOCK: usize = 512;
/// Names that fit into a header.
const NAME: usize = 100;
/// Metadata of one entry: longer names are no names.
const MOST_METADATA: u64 = 64 << 10;

struct Asked {
    create: bool,
    extract: bool,
    list: bool,
    verbose: bool,
    archive: String,
    directory: String,
    paths: Vec<String>,
}

/// `tar {c|x|t}[vmpf] [ARCHIVE] [-C DIRECTORY] [PATH...]`; without an archive, or with `-`, the streams.
pub fn tar(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let asked = asked(arguments)?;
    let directory = process.path(&asked.directory);
    let archive = (asked.archive != "-").then(|| process.path(&asked.archive));
    if asked.create {
        let mut out: Box<dyn Write> = match archive {
            Some(path) => Box::new(files::create(&path, false)?),
            None => std::mem::replace(&mut process.output, Box::new(io::sink())),
        };
        for path in &asked.paths {
            let whole = if path.starts_with('/') { path.clone() } else { format!("{directory}/{path}") };
            add(process, &asked, &mut out, &process.path(&whole), path.trim_start_matches('/'))?;
        }
        out.write_all(&[0; 2 * BLOCK])?;
        out.flush()?;
        return Ok(0);
    }
    if !(asked.extract || asked.list) {
        return Err("say what to do: c, x or t".into());
    }
    let mut from: Box<dyn Read> = match archive {
        Some(path) => Box::new(files::open(&path)?),
        None => std::mem::replace(&mut process.input, Box::new(io::empty())),
    };
    extract(process, &asked, &mut from, &directory)?;
    Ok(0)
}

fn asked(arguments: &[String]) -> Result<Asked, Failure> {
    let mut asked = Asked {
        create: false,
        extract: false,
        list: false,
        verbose: false,
        archive: "-".to_owned(),
        directory: ".".to_owned(),
        paths: Vec::new(),
    };
    let mut words = arguments.iter().enumerate();
    while let Some((position, word)) = words.next() {
        let letters = match word.strip_prefix('-') {
            Some("") => return Err("a lone dash is no path".into()),
            Some(long) if long.starts_with('-') => {
                if matches!(long, "-no-same-permissions" | "-no-same-owner") {
                    continue;
                }
                return Err(format!("unknown option -{long}").into());
            }
            Some(letters) => letters,
            // The old way: the first word without a dash.
            None if position == 0 => word,
            None => {
                asked.paths.push(word.clone());
                continue;
            }
        };
        for letter in letters.chars() {
            let mut value = || words.next().map(|(_, word)| word.clone()).ok_or(format!("-{letter} what?"));
            match letter {
                'c' => asked.create = true,
                'x' => asked.extract = true,
                't' => asked.list = true,
                'v' => asked.verbose = true,
                'f' => asked.archive = value()?,
                'C' => asked.directory = value()?,
                // Times and permissions, which are not kept anyway.
                'm' | 'p' | 'o' => {}
                _ => return Err(format!("unknown option -{letter}").into()),
            }
        }
    }
    Ok(asked)
}

fn add(process: &mut Process, asked: &Asked, out: &mut dyn Write, path: &str, name: &str) -> Result<(), Failure> {
    if asked.verbose {
        process.complain(name);
    }
    match files::find(path)? {
        Found::Directory => {
            let name = name.trim_end_matches('/');
            if !name.is_empty() {
                out.write_all(&header(&format!("{name}/"), 0, b'5', 0))?;
            }
            for entry in files::names(path)? {
                let below = if name.is_empty() { entry.clone() } else { format!("{name}/{entry}") };
                add(process, asked, out, &format!("{}/{entry}", path.trim_end_matches('/')), &below)?;
            }
        }
        Found::File(stat) => {
            let time = stat.data_modification_timestamp.map_or(0, |time| time.seconds);
            out.write_all(&header(name, stat.size, b'0', time))?;
            // A file that grows or shrinks meanwhile must not break the archive.
            let mut contents = files::open(path)?.take(stat.size);
            let copied = crate::text::copy(&mut contents, out)?;
            pad(out, copied, stat.size)?;
        }
    }
    Ok(())
}

fn pad(out: &mut dyn Write, copied: u64, size: u64) -> io::Result<()> {
    let whole = size.next_multiple_of(BLOCK as u64);
    io::copy(&mut io::repeat(0).take(whole - copied), out).map(drop)
}

/// The header of an entry, after one that holds a name which is too long for it.
fn header(name: &str, size: u64, kind: u8, time: u64) -> Vec<u8> {
    let mut blocks = Vec::new();
    if name.len() > NAME {
        blocks.extend(one_header("././@LongLink", name.len() as u64 + 1, b'L', 0));
        blocks.extend(name.as_bytes());
        blocks.push(0);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    }
    let end = (0..=name.len().min(NAME)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    blocks.extend(one_header(&name[..end], size, kind, time));
    blocks
}

fn one_header(name: &str, size: u64, kind: u8, time: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mode: u64 = if kind == b'5' { 0o755 } else { 0o644 };
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}\0{:07o}\0{:07o}\0{size:011o}\0{time:011o}\0        ", 0, 0).as_bytes());
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn extract(process: &mut Process, asked: &Asked, from: &mut dyn Read, directory: &str) -> Result<(), Failure> {
    let mut long_name = None;
    loop {
        let mut block = [0; BLOCK];
        match from.read_exact(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        if block.iter().all(|byte| *byte == 0) {
            // kubectl goes on writing until its pipe is read to the end.
            return crate::text::copy(from, &mut io::sink()).map(drop);
        }
        let (size, kind) = (number(&block[124..136])?, block[156]);
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        let mut contents = (&mut *from).take(size);
        match kind {
            b'L' | b'x' => long_name = name_in(&mut contents, size, kind)?.or(long_name),
            b'0' | 0 | b'5' => {
                let name = long_name.take().unwrap_or_else(|| name(&block));
                entry(process, asked, &mut contents, directory, &name, kind)?;
            }
            // WASI makes no links that lead out of a mount, and devices not at all.
            b'1' | b'2' => process.complain(&format!("tar: {}: links are left out", name(&block))),
            _ => {}
        }
        let unread = contents.limit() + padding;
        io::copy(&mut (&mut *from).take(unread), &mut io::sink())?;
    }
}

fn entry(
    process: &mut Process,
    asked: &Asked,
    contents: &mut dyn Read,
    directory: &str,
    name: &str,
    kind: u8,
) -> Result<(), Failure> {
    if name.split('/').any(|part| part == "..") {
        return Err(format!("{name}: leads out of the archive").into());
    }
    let path = process.path(&format!("{directory}/{name}"));
    let wanted = asked.paths.is_empty() || asked.paths.iter().any(|asked| name.starts_with(asked.as_str()));
    if !wanted {
        return Ok(());
    }
    if asked.list {
        return process.say(name);
    }
    if asked.verbose {
        process.complain(name);
    }
    if kind == b'5' {
        return files::make_directories(&path);
    }
    if let Some((above, _)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
        files::make_directories(above)?;
    }
    crate::text::copy(contents, &mut files::create(&path, false)?).map(drop)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn name(block: &[u8; BLOCK]) -> String {
    let (name, prefix) = (text(&block[..NAME]), text(&block[345..500]));
    let posix = &block[257..263] == b"ustar\0" && !prefix.is_empty();
    if posix { format!("{prefix}/{name}") } else { name }
}

/// A name in an entry of its own: GNU's, or `path` among POSIX's extended headers.
fn name_in(contents: &mut dyn Read, size: u64, kind: u8) -> Result<Option<String>, Failure> {
    if size > MOST_METADATA {
        return Err("a name is longer than any name".into());
    }
    let mut bytes = Vec::new();
    contents.read_to_end(&mut bytes)?;
    if kind == b'L' {
        return Ok(Some(text(&bytes)));
    }
    let records = String::from_utf8_lossy(&bytes).into_owned();
    let path = records.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned));
    Ok(path)
}

fn number(digits: &[u8]) -> Result<u64, Failure> {
    // Sizes of 8 GiB and more are written in binary.
    if digits[0] & 0x80 != 0 {
        return Ok(digits[4..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let text = text(digits);
    u64::from_str_radix(text.trim(), 8).map_err(|_| "this is no tar archive".into())
}
