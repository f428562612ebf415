//! Where measurements come from: the metrics APIs, asked by plain GETs. Whoever serves them, they may not be there at all.
//!
//! Upstream: `pkg/controller/podautoscaler/metrics/client.go`.

use std::time::Duration;

use sampan_client::{Client, error};
use sampan_meta::{Quantity, object, time};
use serde_json::Value;

use super::plan::Sample;
use crate::controller::Context;

/// Asks for measurements in the controller's name.
pub(super) struct Source {
    client: Client,
    cx: Context,
}

/// Measurements by pod.
pub(super) type Samples = std::collections::BTreeMap<String, Sample>;

const RESOURCES: &str = "/apis/metrics.k8s.io/v1beta1";
/// The newer version first.
const CUSTOM: [&str; 2] = ["/apis/custom.metrics.k8s.io/v1beta2", "/apis/custom.metrics.k8s.io/v1beta1"];
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

impl Source {
    pub(super) fn new(cx: Context) -> Self {
        Self { client: cx.client.clone(), cx }
    }

    /// A resource's use by each pod, or by one container of each. A pod of which a container was not measured is left out.
    pub(super) async fn resource(
        &self,
        namespace: &str,
        selector: &str,
        resource: &str,
        container: Option<&str>,
    ) -> Result<Samples, String> {
        let path = format!("{RESOURCES}/namespaces/{namespace}/pods?labelSelector={}", encoded(selector));
        let api = "resource metrics API";
        let failed = |why: String| format!("unable to get metrics for resource {resource}: {why}");
        let answer = self.get(&path, api, "get pods.metrics.k8s.io").await.map_err(failed)?;
        let pods = object::list_at(&answer, "/items");
        if pods.is_empty() {
            return Err(failed(format!("no metrics returned from {api}")));
        }
        let sample = |pod: &Value| {
            let value = used(pod, resource, container)?;
            let window = object::str_at(pod, "/window").and_then(seconds).unwrap_or(Duration::from_secs(60));
            Some((object::name(pod).to_owned(), self.sample(value, pod, window)))
        };
        Ok(pods.iter().filter_map(sample).collect())
    }

    /// A custom metric of each pod.
    pub(super) async fn pods(
        &self,
        namespace: &str,
        pods: &str,
        metric: &str,
        selector: &str,
    ) -> Result<Samples, String> {
        let failed = |why: String| format!("unable to get metric {metric}: {why}");
        let rest =
            format!("namespaces/{namespace}/pods/*/{metric}?labelSelector={}{}", encoded(pods), narrowed(selector));
        let answer = self.custom(&rest, "get pods.custom.metrics.k8s.io *", failed).await?;
        let sample = |item: &Value| {
            let name = object::str_at(item, "/describedObject/name")?.to_owned();
            let window = item["windowSeconds"].as_u64().map_or(Duration::from_secs(60), Duration::from_secs);
            Some((name, self.sample(milli(item, "/value")?, item, window)))
        };
        Ok(object::list_at(&answer, "/items").iter().filter_map(sample).collect())
    }

    /// A custom metric of one object (`resource`: plural and group, as in `ingresses.networking.k8s.io`), in thousandths.
    pub(super) async fn object(
        &self,
        namespace: &str,
        (resource, name): (&str, &str),
        metric: &str,
        selector: &str,
    ) -> Result<i64, String> {
        let failed = |why: String| format!("unable to get metric {metric}: {name} on {namespace} {why}");
        // Namespaces describe themselves by a path of their own.
        let place = if resource == "namespaces" { "metrics".to_owned() } else { format!("{resource}/{name}") };
        let namespace = if resource == "namespaces" { name } else { namespace };
        let query = narrowed(selector).replacen('&', "?", 1);
        let rest = format!("namespaces/{namespace}/{place}/{metric}{query}");
        let answer = self.custom(&rest, "get object metrics", failed).await?;
        let value = object::list_at(&answer, "/items").first().and_then(|item| milli(item, "/value"));
        value.ok_or_else(|| failed("no metrics returned from custom metrics API".to_owned()))
    }

    /// The values of an external metric, in thousandths.
    pub(super) async fn external(&self, namespace: &str, metric: &str, selector: &str) -> Result<i64, String> {
        let failed = |why: String| format!("unable to get external metric {namespace}/{metric}/{selector}: {why}");
        let path = format!("{EXTERNAL}/namespaces/{namespace}/{metric}?labelSelector={}", encoded(selector));
        let answer = self.get(&path, "external metrics API", "get external metrics").await.map_err(failed)?;
        let values: Vec<i64> =
            object::list_at(&answer, "/items").iter().filter_map(|item| milli(item, "/value")).collect();
        if values.is_empty() {
            return Err(failed("no metrics returned from external metrics API".to_owned()));
        }
        Ok(values.into_iter().fold(0, i64::saturating_add))
    }

    async fn custom(&self, rest: &str, what: &str, failed: impl Fn(String) -> String) -> Result<Value, String> {
        let mut answer = self.ask(&format!("{}/{rest}", CUSTOM[0])).await;
        if answer.as_ref().is_err_and(error::is_not_found) {
            answer = self.ask(&format!("{}/{rest}", CUSTOM[1])).await;
        }
        answer.map_err(|failure| failed(words(&failure, "custom metrics API", what)))
    }

    async fn get(&self, path: &str, api: &str, what: &str) -> Result<Value, String> {
        self.ask(path).await.map_err(|failure| words(&failure, api, what))
    }

    async fn ask(&self, path: &str) -> Result<Value, sampan_client::Error> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(sampan_client::Error::HttpError)?;
        self.client.request(request).await
    }

    fn sample(&self, value: i64, item: &Value, window: Duration) -> Sample {
        let at = object::str_at(item, "/timestamp").and_then(|text| time::parse_time(text).ok());
        Sample { value, at: at.unwrap_or_else(|| self.cx.now()), window }
    }
}

/// An API that nobody serves answers 404, in upstream's words.
fn words(failure: &sampan_client::Error, api: &str, what: &str) -> String {
    let why = match error::is_not_found(failure) {
        true => format!("the server could not find the requested resource ({what})"),
        false => error::message(failure),
    };
    format!("unable to fetch metrics from {api}: {why}")
}

/// What a pod's containers use of a resource.
fn used(pod: &Value, resource: &str, container: Option<&str>) -> Option<i64> {
    let containers = object::list_at(pod, "/containers").iter();
    let mut wanted = containers.filter(|one| container.is_none_or(|name| one["name"] == name)).peekable();
    wanted.peek()?;
    wanted.map(|one| milli(&one["usage"], &format!("/{resource}"))).sum()
}

fn milli(value: &Value, pointer: &str) -> Option<i64> {
    i64::try_from(Quantity::parse(object::str_at(value, pointer)?).ok()?.milli()).ok()
}

/// `30s`, `1m30s`.
fn seconds(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}

fn narrowed(selector: &str) -> String {
    if selector.is_empty() { String::new() } else { format!("&metricLabelSelector={}", encoded(selector)) }
}

/// For a query: everything but letters, digits and a few harmless signs as `%XX`.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_pod_uses_is_what_all_its_containers_use() {
        let pod = json!({ "containers": [
            { "name": "a", "usage": { "cpu": "250m", "memory": "1Mi" } }, { "name": "b", "usage": { "cpu": "100n" } },
        ] });
        assert_eq!(used(&pod, "cpu", None), Some(251));
        assert_eq!(used(&pod, "cpu", Some("a")), Some(250));
        assert_eq!(used(&pod, "memory", None), None, "one was not measured");
        assert_eq!(used(&pod, "cpu", Some("c")), None);
    }

    #[test]
    fn selectors_and_windows_are_written_as_queries_and_durations_are() {
        assert_eq!(encoded("app in (a,b)"), "app%20in%20%28a%2Cb%29");
        assert_eq!(narrowed("x=y"), "&metricLabelSelector=x%3Dy");
        assert_eq!(seconds("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(seconds("30s"), Some(Duration::from_secs(30)));
        assert_eq!(seconds("soon"), None);
    }
}
