//! The audit log, from the words of the `--audit-*` flags.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sampan_apiserver::{Audit, FileOptions, Log, LogFile, Policy};

use crate::arguments::AuditLog;
use crate::layout::Layout;
use crate::outside::Outside;

/// The log as it is asked for; `None`: not at all.
pub(super) fn open(options: &AuditLog, layout: &Layout, outside: &Outside) -> Result<Option<Arc<Audit>>> {
    let policy = policy(options)?;
    let mode = options.audit_log_mode;
    let log = match options.audit_log_path.as_deref() {
        Some("") => return Ok(None),
        Some("-") => Log::start(std::io::stdout(), mode),
        path => {
            let path = path.map_or_else(|| layout.audit_log(), Into::into);
            let (max_size, max_backups) = (options.audit_log_maxsize << 20, options.audit_log_maxbackup);
            let max_age = Duration::from_secs(options.audit_log_maxage * 24 * 60 * 60);
            let shown = path.display().to_string();
            let file = LogFile::open(FileOptions { path, max_size, max_backups, max_age }, outside.clock.clone());
            Log::start(file.with_context(|| format!("failed to open the audit log {shown}"))?, mode)
        }
    };
    Ok(Some(Audit::new(policy, log.context("failed to start the audit log's thread")?)))
}

fn policy(options: &AuditLog) -> Result<Policy> {
    let Some(path) = &options.audit_policy_file else { return Ok(Policy::default()) };
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("failed to read the audit policy {}", path.display()))?;
    Policy::parse(&text).with_context(|| format!("the audit policy {} cannot be used", path.display()))
}
