//! The text format of Prometheus.

use std::fmt::{Display, Write as _};

/// A label: its name and its value.
pub(crate) type Label<'a> = (&'a str, &'a str);

/// A page of metrics.
#[derive(Default)]
pub(crate) struct Page(String);

impl Page {
    /// Begins a metric.
    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One series of the metric.
    pub(crate) fn line(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.0.push_str(name);
        if !labels.is_empty() {
            let mut before = '{';
            for (label, value) in labels {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                self.push(format_args!("{before}{label}=\"{value}\""));
                before = ',';
            }
            self.0.push('}');
        }
        self.push(format_args!(" {value}\n"));
    }

    /// One series of a histogram; the buckets count everything up to their bound.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        labels: &[Label<'_>],
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in buckets {
            self.line(&bucket, &[labels, &[("le", &*bound.to_string())][..]].concat(), count);
        }
        self.line(&bucket, &[labels, &[("le", "+Inf")][..]].concat(), count);
        self.line(&format!("{name}_sum"), labels, sum);
        self.line(&format!("{name}_count"), labels, count);
    }

    pub(crate) fn text(self) -> String {
        self.0
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a String cannot fail");
    }
}
