//! hostPath: something of the machine itself.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::Path;

use sampan_api::k8s::api::core::v1::HostPathVolumeSource;

/// Checks what is at the path against the volume's `type`, making it where that says so.
pub(super) fn check(source: &HostPathVolumeSource) -> Result<(), String> {
    let path = Path::new(&source.path);
    if !path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(format!("hostPath {} is not absolute or holds '..'", source.path));
    }
    let failed = |error: std::io::Error| format!("hostPath {}: {error}", source.path);
    let kind = source.type_.as_deref().unwrap_or_default();
    match kind {
        "DirectoryOrCreate" if !path.exists() => {
            return fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed);
        }
        "FileOrCreate" if !path.exists() => return fs::write(path, "").map_err(failed),
        _ => {}
    }
    let is = |wanted: fn(&fs::FileType) -> bool| fs::metadata(path).is_ok_and(|metadata| wanted(&metadata.file_type()));
    let fits = match kind {
        "" => true,
        "Directory" | "DirectoryOrCreate" => is(fs::FileType::is_dir),
        "File" | "FileOrCreate" => is(fs::FileType::is_file),
        "Socket" => is(FileTypeExt::is_socket),
        "CharDevice" => is(FileTypeExt::is_char_device),
        "BlockDevice" => is(FileTypeExt::is_block_device),
        _ => return Err(format!("hostPath type {kind} is not known")),
    };
    if fits { Ok(()) } else { Err(format!("hostPath type check failed: {} is not a {kind}", source.path)) }
}
