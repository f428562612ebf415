//! One file out of the tar layers of an ordinary image.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

/// The file at `path` as the layers leave it: the topmost layer that has it counts, and one that deletes it hides those below.
/// `limit` bounds both the file and how much is unpacked of a layer to find it.
pub(super) fn take(layers: Vec<PathBuf>, path: &str, limit: u64) -> Result<Vec<u8>, String> {
    for layer in layers.iter().rev() {
        match search(layer, &normal(Path::new(path)), limit)
            .map_err(|error| format!("its layers cannot be read: {error}"))?
        {
            Found::File(bytes) => return Ok(bytes),
            Found::Deleted => break,
            Found::Nothing => {}
        }
    }
    Err(format!("its layers hold no file {path}, its entry point"))
}

enum Found {
    File(Vec<u8>),
    Deleted,
    Nothing,
}

fn search(layer: &Path, wanted: &Path, limit: u64) -> std::io::Result<Found> {
    let whiteout = wanted.file_name().map(|name| wanted.with_file_name(format!(".wh.{}", name.display())));
    let mut archive = tar::Archive::new(open(layer)?.take(limit.saturating_mul(4).saturating_add(1 << 20)));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = normal(&entry.path()?);
        if Some(&path) == whiteout.as_ref() {
            return Ok(Found::Deleted);
        }
        if path == wanted && entry.header().entry_type().is_file() {
            if entry.size() > limit {
                return Err(std::io::Error::other(format!(
                    "{} is larger than the limit of {limit} bytes",
                    wanted.display()
                )));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(Found::File(bytes));
        }
    }
    Ok(Found::Nothing)
}

/// Gzipped or not: what the media type says is not always so.
fn open(layer: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut magic = [0; 2];
    let gzipped = File::open(layer)?.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    let file = BufReader::new(File::open(layer)?);
    Ok(if gzipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}

/// Without leading `/` and `./`.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(directory: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        let path = directory.join(name);
        std::fs::write(&path, builder.into_inner().unwrap()).unwrap();
        path
    }

    #[test]
    fn the_topmost_layer_counts_and_deletions_hide() {
        let directory = tempfile::tempdir().unwrap();
        let bottom = layer(directory.path(), "0", &[("./app.wasm", "old"), ("gone.wasm", "x")]);
        let top = layer(directory.path(), "1", &[("app.wasm", "new"), (".wh.gone.wasm", "")]);
        let take = |path: &str| take(vec![bottom.clone(), top.clone()], path, 1000);
        assert_eq!(take("/app.wasm").unwrap(), b"new");
        assert_eq!(take("/gone.wasm").unwrap_err(), "its layers hold no file /gone.wasm, its entry point");
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let layer = layer(directory.path(), "0", &[("app.wasm", "12345")]);
        assert!(take(vec![layer], "/app.wasm", 4).unwrap_err().contains("larger than the limit of 4 bytes"));
    }
}
