//! The audit log, from the words of the `--audit-*` flags.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sampan_apiserver::{Audit, BatchOptions, Batches, FileOptions, Log, LogFile, Policy, Throttle, Webhook};

use super::duration;
use super::target::Target;
use crate::arguments::{AuditLog, AuditWebhook};
use crate::layout::Layout;
use crate::outside::Outside;

/// The log as it is asked for; `None`: not at all.
pub(super) fn open(options: &AuditLog, layout: &Layout, outside: &Outside) -> Result<Option<Arc<Audit>>> {
    let policy = policy(options)?;
    let log = log(options, layout, outside)?;
    let batches = match &options.webhook.audit_webhook_config_file {
        Some(path) => Some(batches(path, &options.webhook, outside)?),
        None => None,
    };
    Ok((log.is_some() || batches.is_some()).then(|| Audit::to(policy, log, batches)))
}

fn log(options: &AuditLog, layout: &Layout, outside: &Outside) -> Result<Option<Arc<Log>>> {
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
    log.context("failed to start the audit log's thread").map(Some)
}

fn batches(path: &Path, options: &AuditWebhook, outside: &Outside) -> Result<Arc<Batches>> {
    let cannot = || format!("the audit webhook's kubeconfig {} cannot be used", path.display());
    let target = Target::read(path).with_context(cannot)?;
    let tls = target.tls(outside).with_context(cannot)?;
    let webhook = Webhook::new(&target.server, tls, target.authorization.as_deref());
    let webhook = webhook.map_err(anyhow::Error::msg).with_context(cannot)?;
    let seconds = |name: &str, text: &str| duration(text).with_context(|| format!("--{name} {text:?} is no time"));
    let throttle =
        Throttle { rate: options.audit_webhook_batch_throttle_qps, burst: options.audit_webhook_batch_throttle_burst };
    if options.audit_webhook_batch_throttle_enable && throttle.rate <= 0.0 {
        bail!("--audit-webhook-batch-throttle-qps has to be greater than 0");
    }
    let options = BatchOptions {
        buffer: options.audit_webhook_batch_buffer_size,
        size: options.audit_webhook_batch_max_size,
        wait: seconds("audit-webhook-batch-max-wait", &options.audit_webhook_batch_max_wait)?,
        backoff: seconds("audit-webhook-initial-backoff", &options.audit_webhook_initial_backoff)?,
        throttle: options.audit_webhook_batch_throttle_enable.then_some(throttle),
    };
    Ok(Batches::start(Arc::new(webhook), options))
}

fn policy(options: &AuditLog) -> Result<Policy> {
    let Some(path) = &options.audit_policy_file else { return Ok(Policy::default()) };
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("failed to read the audit policy {}", path.display()))?;
    Policy::parse(&text).with_context(|| format!("the audit policy {} cannot be used", path.display()))
}
