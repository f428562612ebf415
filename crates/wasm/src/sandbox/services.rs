//! What the instances of a container share beside CPU time and memory: its settings, its buckets, its log.

use std::path::Path;
use std::sync::Arc;

use super::buckets::Buckets;
use super::log::Log;
use super::memory::Budget;
use super::mounts::{self, Preopen};

/// Where buckets lie: a path in the container, in one of its volumes.
const KEYVALUE: &str = "sampan.dev/keyvalue";

/// One container's.
pub(crate) struct Services {
    /// Its environment.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) buckets: Buckets,
    pub(crate) log: Arc<Log>,
}

impl Services {
    /// Buckets lie in memory, and count there, unless the pod's annotations name a directory.
    pub(crate) fn new(
        settings: Vec<(String, String)>,
        directory: Option<(&Path, &Path)>,
        budget: &Arc<Budget>,
        log: &Arc<Log>,
    ) -> Arc<Self> {
        let buckets = match directory {
            Some((volume, below)) => Buckets::in_directory(volume, below),
            None => Buckets::in_memory(Arc::clone(budget)),
        };
        Arc::new(Services { settings, buckets, log: Arc::clone(log) })
    }
}

/// The volume a pod's buckets are to lie in and the path in it; `None` where the annotation is not set.
pub(crate) fn bucket_directory<'a>(
    annotations: &'a std::collections::BTreeMap<String, String>,
    preopens: &'a [Preopen],
) -> Result<Option<(&'a Path, &'a Path)>, String> {
    let Some(path) = annotations.get(KEYVALUE) else { return Ok(None) };
    let (preopen, below) = mounts::innermost(preopens, Path::new(path))
        .ok_or_else(|| format!("annotation {KEYVALUE}: no volume is mounted at {path}"))?;
    if preopen.read_only {
        return Err(format!("annotation {KEYVALUE}: the volume at {} is mounted read-only", preopen.target));
    }
    Ok(Some((&preopen.source, below)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_lie_in_a_volume_that_can_be_written_to() {
        let preopen = |target: &str, read_only| Preopen { source: "/node".into(), target: target.into(), read_only };
        let preopens = [preopen("/data", false), preopen("/etc/config", true)];
        let find = |path: &str| {
            let annotations = [(KEYVALUE.to_owned(), path.to_owned())].into();
            bucket_directory(&annotations, &preopens).map(|found| found.unwrap().1.to_owned())
        };
        assert_eq!(find("/data/kv"), Ok("kv".into()));
        assert_eq!(find("/data"), Ok("".into()));
        assert_eq!(
            find("/elsewhere").unwrap_err(),
            "annotation sampan.dev/keyvalue: no volume is mounted at /elsewhere"
        );
        assert_eq!(
            find("/etc/config").unwrap_err(),
            "annotation sampan.dev/keyvalue: the volume at /etc/config is mounted read-only"
        );
        assert_eq!(bucket_directory(&Default::default(), &preopens), Ok(None));
    }
}
