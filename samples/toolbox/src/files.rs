//! The container's files: directories that the host opened, by their mount paths, and the directories above those, which are in no file
//! system.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};

use crate::{Failure, Process, options};

/// What lies at a path.
pub enum Found {
    File(DescriptorStat),
    Directory,
}

/// The open directory that holds an absolute path, the innermost of several, and what is left of the path in it.
fn held(path: &str) -> Option<(Descriptor, String)> {
    let inside = |name: &str| {
        let rest = path.strip_prefix(name.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
    };
    let held = get_directories().into_iter().filter_map(|(directory, name)| Some((directory, inside(&name)?)));
    held.min_by_key(|(_, rest)| rest.len())
        .map(|(directory, rest)| (directory, if rest.is_empty() { ".".into() } else { rest }))
}

fn failed(path: &str, error: impl std::fmt::Display) -> Failure {
    format!("{path}: {error}").into()
}

fn said(path: &str, error: ErrorCode) -> Failure {
    failed(path, error.message())
}

/// Whether mounts lie below: then the path is a directory, although nobody made it.
fn leads_to_mounts(path: &str) -> bool {
    !mounts_below(path).is_empty()
}

/// The next parts of the paths of mounts below a path.
fn mounts_below(path: &str) -> BTreeSet<String> {
    let prefix = format!("{}/", path.trim_end_matches('/'));
    let below = get_directories().into_iter().filter_map(|(_, name)| {
        let rest = name.strip_prefix(&prefix)?;
        Some(rest.split('/').next()?.to_owned()).filter(|part| !part.is_empty())
    });
    below.collect()
}

pub fn find(path: &str) -> Result<Found, Failure> {
    let stat = match held(path) {
        Some((directory, rest)) => directory.stat_at(PathFlags::SYMLINK_FOLLOW, &rest),
        None => Err(ErrorCode::NoEntry),
    };
    match stat {
        Ok(stat) if stat.type_ == DescriptorType::Directory => Ok(Found::Directory),
        Ok(stat) => Ok(Found::File(stat)),
        Err(_) if path == "/" || leads_to_mounts(path) => Ok(Found::Directory),
        Err(error) => Err(said(path, error)),
    }
}

/// Names in a directory, sorted.
pub fn names(path: &str) -> Result<Vec<String>, Failure> {
    let mut names = mounts_below(path);
    if let Some((directory, rest)) = held(path) {
        let opened = directory.open_at(PathFlags::SYMLINK_FOLLOW, &rest, OpenFlags::DIRECTORY, DescriptorFlags::READ);
        let entries = match opened {
            Ok(directory) => directory.read_directory().map_err(|error| said(path, error))?,
            Err(_) if !names.is_empty() => return Ok(names.into_iter().collect()),
            Err(error) => return Err(said(path, error)),
        };
        while let Some(entry) = entries.read_directory_entry().map_err(|error| said(path, error))? {
            names.insert(entry.name);
        }
    } else if names.is_empty() && path != "/" {
        return Err(failed(path, "No such file or directory"));
    }
    Ok(names.into_iter().collect())
}

/// An open file, read or written from its beginning on.
pub struct File {
    descriptor: Descriptor,
    position: u64,
}

fn open_with(path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, Failure> {
    let (directory, rest) = held(path).ok_or_else(|| failed(path, "nothing is mounted there"))?;
    directory.open_at(PathFlags::SYMLINK_FOLLOW, &rest, open, flags).map_err(|error| said(path, error))
}

pub fn open(path: &str) -> Result<File, Failure> {
    Ok(File { descriptor: open_with(path, OpenFlags::empty(), DescriptorFlags::READ)?, position: 0 })
}

/// Makes a file, or empties the one that is there; `append` leaves it as it is.
pub fn create(path: &str, append: bool) -> Result<File, Failure> {
    let how = if append { OpenFlags::CREATE } else { OpenFlags::CREATE | OpenFlags::TRUNCATE };
    let descriptor = open_with(path, how, DescriptorFlags::WRITE | DescriptorFlags::READ)?;
    let position = if append { descriptor.stat().map_err(|error| said(path, error))?.size } else { 0 };
    Ok(File { descriptor, position })
}

/// Makes a directory and those above it, as far as they are not there.
pub fn make_directories(path: &str) -> Result<(), Failure> {
    if matches!(find(path), Ok(Found::Directory)) {
        return Ok(());
    }
    if let Some((above, _)) = path.rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
        make_directories(above)?;
    }
    make_directory(path)
}

fn make_directory(path: &str) -> Result<(), Failure> {
    let (directory, rest) = held(path).ok_or_else(|| failed(path, "nothing is mounted there"))?;
    directory.create_directory_at(&rest).map_err(|error| said(path, error))
}

fn broken(error: ErrorCode) -> io::Error {
    io::Error::other(error.message())
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, _) = self.descriptor.read(buffer.len() as u64, self.position).map_err(broken)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.descriptor.write(bytes, self.position).map_err(broken)?;
        self.position += written;
        Ok(written as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `ls [-1adl] [PATH...]`
pub fn ls(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, paths) = options(arguments, "1adl")?;
    let here = [".".to_owned()];
    let paths = if paths.is_empty() { &here[..] } else { paths };
    for (position, path) in paths.iter().enumerate() {
        let whole = process.path(path);
        let directory = matches!(find(&whole)?, Found::Directory) && !options.contains(&'d');
        let names = if directory { names(&whole)? } else { vec![path.clone()] };
        if directory && paths.len() > 1 {
            process.say(&format!("{}{path}:", if position > 0 { "\n" } else { "" }))?;
        }
        for name in names.iter().filter(|name| !directory || !name.starts_with('.') || options.contains(&'a')) {
            let line = if options.contains(&'l') { long(&whole, name, directory) } else { name.clone() };
            process.say(&line)?;
        }
    }
    Ok(0)
}

/// Kind, size and name. WASI knows neither owners nor permissions.
fn long(directory: &str, name: &str, inside: bool) -> String {
    let path = if inside { format!("{}/{name}", directory.trim_end_matches('/')) } else { directory.to_owned() };
    match find(&path) {
        Ok(Found::Directory) => format!("d {:>10} {name}", "-"),
        Ok(Found::File(stat)) => format!("- {:>10} {name}", stat.size),
        Err(_) => format!("? {:>10} {name}", "-"),
    }
}

/// `mkdir [-p] DIRECTORY...`
pub fn mkdir(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, paths) = options(arguments, "p")?;
    for path in paths {
        let path = process.path(path);
        if options.contains(&'p') { make_directories(&path)? } else { make_directory(&path)? }
    }
    Ok(0)
}

/// `touch FILE...`: makes files that are not there.
pub fn touch(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    for path in options(arguments, "")?.1 {
        create(&process.path(path), true)?;
    }
    Ok(0)
}

/// `rm [-rf] PATH...`
pub fn rm(process: &mut Process, arguments: &[String]) -> Result<u8, Failure> {
    let (options, paths) = options(arguments, "rf")?;
    for path in paths {
        let path = process.path(path);
        match remove(&path, options.contains(&'r')) {
            Err(error) if !options.contains(&'f') => return Err(error),
            _ => {}
        }
    }
    Ok(0)
}

fn remove(path: &str, whole: bool) -> Result<(), Failure> {
    let (directory, rest) = held(path).ok_or_else(|| failed(path, "No such file or directory"))?;
    let stat = directory.stat_at(PathFlags::empty(), &rest).map_err(|error| said(path, error))?;
    if stat.type_ != DescriptorType::Directory {
        return directory.unlink_file_at(&rest).map_err(|error| said(path, error));
    }
    if !whole {
        return Err(failed(path, "is a directory; use -r"));
    }
    for name in names(path)? {
        remove(&format!("{path}/{name}"), true)?;
    }
    directory.remove_directory_at(&rest).map_err(|error| said(path, error))
}
