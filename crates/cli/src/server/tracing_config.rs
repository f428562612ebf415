//! Where spans of requests go: a `TracingConfiguration` of `apiserver.config.k8s.io`, upstream's form
//! (apiserver/pkg/server/options/tracing.go).

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sampan_apiserver::{RequestSpan, Spans, Tracer};
use sampan_otlp::{Attribute, Exporter, Span};
use serde::Deserialize;

use crate::outside::Outside;

const VERSIONS: [&str; 3] =
    ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1", "apiserver.config.k8s.io/v1alpha1"];
const KIND: &str = "TracingConfiguration";
/// Where a collector on the same machine listens.
const ENDPOINT: &str = "localhost:4317";
const MILLION: u32 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    endpoint: Option<String>,
    #[serde(default)]
    sampling_rate_per_million: u32,
}

/// Starts to send spans as the file says.
pub(super) fn open(path: &Path, outside: &Outside) -> Result<Tracer> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let cannot = || format!("{} cannot be used", path.display());
    let Configuration { endpoint, sampling_rate_per_million, .. } = parse(&text).with_context(cannot)?;
    let exporter = Exporter::start(endpoint.as_deref().unwrap_or(ENDPOINT), "apiserver");
    let exporter = exporter.map_err(anyhow::Error::msg).with_context(cannot)?;
    Ok(Tracer::new(Arc::new(Collector(exporter)), sampling_rate_per_million, outside.entropy.clone()))
}

fn parse(text: &str) -> Result<Configuration> {
    let read: Configuration = serde_saphyr::from_str(text).with_context(|| format!("it is no {KIND}"))?;
    if !VERSIONS.contains(&&*read.api_version) || read.kind != KIND {
        bail!("it is a {} of {}, not a {KIND} of {}", read.kind, read.api_version, VERSIONS[0]);
    }
    if read.sampling_rate_per_million > MILLION {
        bail!("samplingRatePerMillion is {}, more than a million", read.sampling_rate_per_million);
    }
    Ok(read)
}

struct Collector(Exporter);

impl Spans for Collector {
    fn ended(&self, span: RequestSpan) {
        let nanoseconds = |at: jiff::Timestamp| u64::try_from(at.as_nanosecond()).unwrap_or_default();
        let attributes = vec![
            ("http.method", Attribute::Text(span.method.clone())),
            ("http.target", Attribute::Text(span.path)),
            ("http.status_code", Attribute::Number(span.code.into())),
            ("audit-id", Attribute::Text(span.audit_id)),
        ];
        self.0.send(Span {
            trace: span.trace,
            id: span.id,
            parent: span.parent,
            name: span.method,
            begin: nanoseconds(span.begin),
            end: nanoseconds(span.end),
            attributes,
            failed: span.code >= 500,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_where_to_and_how_many() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n";
        let read = parse(&format!("{head}endpoint: otel.example:4317\nsamplingRatePerMillion: 100\n")).unwrap();
        assert_eq!((read.endpoint.as_deref(), read.sampling_rate_per_million), (Some("otel.example:4317"), 100));
        assert_eq!(parse(head).unwrap().sampling_rate_per_million, 0);
        for (text, expected) in [
            (format!("{head}samplingRatePerMillion: 1000001\n"), "more than a million"),
            (format!("{head}samplingRatePerMillion: -1\n"), "it is no TracingConfiguration"),
            ("apiVersion: v1\nkind: Pod\n".to_owned(), "it is a Pod of v1, not a TracingConfiguration"),
        ] {
            let said = format!("{:#}", parse(&text).map(drop).unwrap_err());
            assert!(said.contains(expected), "{said}");
        }
    }
}
