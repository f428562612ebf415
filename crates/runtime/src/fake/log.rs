//! Logs of imagined containers: real files in CRI format, rotated.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Program;
use crate::{ContainerConfig, LogConfig};

/// Bytes of text in one log line; longer ones are written in parts, as every CRI runtime does.
const PART: usize = 16 * 1024;

pub(super) fn write(config: &ContainerConfig, program: &Program, now: i128) -> io::Result<()> {
    let echo = if program.echoes { echo(config) } else { Vec::new() };
    let stdout = program.stdout.iter().chain(&echo).map(|line| ("stdout", line));
    let stderr = program.stderr.iter().map(|line| ("stderr", line));
    let mut lines = stdout.chain(stderr).peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    let mut log = Log::open(&config.log)?;
    let time = time(now);
    for (stream, line) in lines {
        log.line(&time, stream, line)?;
    }
    Ok(())
}

fn echo(config: &ContainerConfig) -> Vec<String> {
    let words = config.command.iter().skip(1).chain(&config.args).cloned();
    words.chain(config.env.iter().map(|(name, value)| format!("{name}={value}"))).collect()
}

struct Log<'a> {
    config: &'a LogConfig,
    file: File,
    size: u64,
}

impl<'a> Log<'a> {
    fn open(config: &'a LogConfig) -> io::Result<Self> {
        if let Some(parent) = config.path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&config.path)?;
        let size = file.metadata()?.len();
        Ok(Self { config, file, size })
    }

    fn line(&mut self, time: &str, stream: &str, text: &str) -> io::Result<()> {
        let mut parts = text.as_bytes().chunks(PART).peekable();
        if parts.peek().is_none() {
            return self.part(time, stream, "F", b"");
        }
        while let Some(part) = parts.next() {
            self.part(time, stream, if parts.peek().is_some() { "P" } else { "F" }, part)?;
        }
        Ok(())
    }

    fn part(&mut self, time: &str, stream: &str, tag: &str, text: &[u8]) -> io::Result<()> {
        let mut line = format!("{time} {stream} {tag} ").into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        if self.size > 0 && self.size + line.len() as u64 > self.config.max_bytes {
            self.rotate()?;
        }
        self.size += line.len() as u64;
        self.file.write_all(&line)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let oldest = self.config.max_files.saturating_sub(1);
        if oldest == 0 {
            fs::remove_file(&self.config.path)?;
        }
        for number in (0..oldest).rev() {
            let from = numbered(&self.config.path, number);
            if from.exists() {
                fs::rename(from, numbered(&self.config.path, number + 1))?;
            }
        }
        *self = Self::open(self.config)?;
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        _ => PathBuf::from(format!("{}.{number}", path.display())),
    }
}

/// RFC 3339 with nanoseconds, in UTC. Civil date from days since the epoch.
fn time(nanoseconds: i128) -> String {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).unwrap_or(0);
    let fraction = nanoseconds.rem_euclid(1_000_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_rfc3339_with_nanoseconds() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(time(951_782_400_000_000_001), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(time(1_795_235_975_123_456_789), "2026-11-21T04:39:35.123456789Z");
    }
}
