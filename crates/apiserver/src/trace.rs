//! Spans of requests, for whoever collects them. Upstream: KEP-647, apiserver/pkg/endpoints/filters/traces.go.
//!
//! A request that comes with a trace (`traceparent`, W3C Trace Context) goes on with it. Whether its span is told is decided by the
//! trace's id, so that all servers decide alike; only administrators may have their own decision heard, or anybody could make the
//! collector drown.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use sampan_api::request::{MASTERS, User};
use sampan_meta::Entropy;

/// The header by which traces go on.
pub(crate) const TRACEPARENT: &str = "traceparent";

const SAMPLED: u8 = 1;
const MILLION: u64 = 1_000_000;

/// Who is told of spans.
pub trait Spans: Send + Sync + 'static {
    /// Takes a span that has ended. Called on the way of an answer: it does not wait.
    fn ended(&self, span: RequestSpan);
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpan {
    /// The trace it is part of.
    pub trace: [u8; 16],
    /// Its own id.
    pub id: [u8; 8],
    /// The client's span.
    pub parent: Option<[u8; 8]>,
    /// When it came.
    pub begin: Timestamp,
    /// When its answer was ready to go; of a watch, when it had begun.
    pub end: Timestamp,
    /// `GET`, ..
    pub method: String,
    /// The path, without what is asked of it.
    pub path: String,
    /// By which the audit log knows it.
    pub audit_id: String,
    /// The code of the answer.
    pub code: u16,
}

/// Which requests are told of, and to whom.
pub struct Tracer {
    spans: Arc<dyn Spans>,
    per_million: u32,
    entropy: Arc<dyn Entropy>,
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    /// The client has told of its own span.
    asked: bool,
    /// By the trace's id.
    chosen: bool,
}

tokio::task_local! {
    /// The span of the request that a task answers.
    static CURRENT: Option<Context>;
}

/// Does something within a span, if there is one. Not chosen by whether there is: either way would keep a place for the whole future.
pub(crate) fn within<F: Future>(context: Option<Context>, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, future)
}

/// The header for what is asked of others on behalf of the current request.
pub(crate) fn traceparent() -> Option<HeaderValue> {
    let context = CURRENT.try_with(|context| *context).ok().flatten()?;
    HeaderValue::from_str(&context.header()).ok()
}

impl Tracer {
    /// Tells `spans` of so many requests in a million, besides those that administrators have sampled.
    pub fn new(spans: Arc<dyn Spans>, per_million: u32, entropy: Arc<dyn Entropy>) -> Self {
        Self { spans, per_million, entropy }
    }

    pub(crate) fn begin(&self, headers: &HeaderMap) -> Context {
        let mut id = [0; 8];
        self.entropy.fill(&mut id);
        let parent = headers.get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        let (trace, parent, asked) = match parent {
            Some((trace, parent, flags)) => (trace, Some(parent), flags & SAMPLED != 0),
            None => {
                let mut trace = [0; 16];
                self.entropy.fill(&mut trace);
                (trace, None, false)
            }
        };
        Context { trace, id, parent, asked, chosen: self.chooses(&trace) }
    }

    /// As OpenTelemetry's `TraceIDRatioBased`: by the last eight bytes.
    fn chooses(&self, trace: &[u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        let bound = (u128::from(self.per_million) << 63) / u128::from(MILLION);
        u128::from(number) < bound
    }

    /// Tells of a request, if it is one to be told of; `trusted`: who made it may decide that.
    pub(crate) fn end(&self, context: &Context, trusted: bool, span: impl FnOnce() -> RequestSpan) {
        if context.is_told(trusted) {
            self.spans.ended(span());
        }
    }
}

/// Whether this user may decide of which requests the collector hears.
pub(crate) fn is_trusted(user: &User) -> bool {
    user.groups.iter().any(|group| group == MASTERS)
}

impl Context {
    fn header(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let flags = u8::from(self.chosen || self.asked);
        format!("00-{}-{}-{flags:02x}", hex(&self.trace), hex(&self.id))
    }

    fn is_told(&self, trusted: bool) -> bool {
        self.chosen || (self.asked && trusted)
    }
}

/// What of a request under way is told once it has an answer.
pub(crate) struct Open {
    pub(crate) context: Context,
    method: Method,
    path: String,
    begin: Timestamp,
}

impl Open {
    pub(crate) fn new(context: Context, (method, path): (&Method, &str), begin: Timestamp) -> Self {
        Self { context, method: method.clone(), path: path.to_owned(), begin }
    }

    pub(crate) fn end(&self, end: Timestamp, code: u16, audit_id: &str) -> RequestSpan {
        let Context { trace, id, parent, .. } = self.context;
        let (method, path, audit_id) = (self.method.to_string(), self.path.clone(), audit_id.to_owned());
        RequestSpan { trace, id, parent, begin: self.begin, end, method, path, audit_id, code }
    }
}

/// `00-TRACE-PARENT-FLAGS` in hex; later versions may have more.
fn parse(text: &str) -> Option<([u8; 16], [u8; 8], u8)> {
    let mut parts = text.split('-');
    let version: [u8; 1] = hex(parts.next()?)?;
    let (trace, parent, flags) = (hex(parts.next()?)?, hex(parts.next()?)?, hex::<1>(parts.next()?)?);
    let is_whole = version[0] != 0 || parts.next().is_none();
    let is_valid = version[0] != 0xff && trace != [0; 16] && parent != [0; 8];
    (is_whole && is_valid).then_some((trace, parent, flags[0]))
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if text.len() != 2 * N || !text.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use sampan_meta::SeededEntropy;

    use super::*;

    struct Nobody;

    impl Spans for Nobody {
        fn ended(&self, _: RequestSpan) {}
    }

    fn tracer(per_million: u32) -> Tracer {
        Tracer::new(Arc::new(Nobody), per_million, Arc::new(SeededEntropy::new(1)))
    }

    fn headers(traceparent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, traceparent.parse().unwrap());
        headers
    }

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_trace_goes_on_where_its_header_is_one() {
        let good = format!("00-{ID}-b7ad6b7169203331-01");
        let context = tracer(0).begin(&headers(&good));
        assert!(context.asked && context.parent.is_some());
        let on = context.header();
        assert!(
            on.starts_with(&format!("00-{ID}-")) && on.ends_with("-01") && !on.contains("b7ad6b7169203331"),
            "{on}"
        );
        for bad in [
            format!("00-{ID}-b7ad6b7169203331"),
            format!("00-{ID}-b7ad6b7169203331-01-more"),
            format!("ff-{ID}-b7ad6b7169203331-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()),
            "nonsense".to_owned(),
        ] {
            let context = tracer(0).begin(&headers(&bad));
            assert!(context.parent.is_none() && !context.header().contains(ID), "{bad}");
        }
        let later = format!("01-{ID}-b7ad6b7169203331-01-more");
        assert!(tracer(0).begin(&headers(&later)).parent.is_some());
    }

    #[test]
    fn so_many_in_a_million_are_chosen_and_administrators_are_heard() {
        let share = |per_million| {
            let tracer = tracer(per_million);
            (0..10_000).filter(|_| tracer.begin(&HeaderMap::new()).chosen).count()
        };
        assert_eq!((share(0), share(1_000_000)), (0, 10_000));
        let tenth = share(100_000);
        assert!((900..1_100).contains(&tenth), "{tenth}");
        let asked = tracer(0).begin(&headers(&format!("00-{ID}-b7ad6b7169203331-01")));
        let silent = tracer(0).begin(&headers(&format!("00-{ID}-b7ad6b7169203331-00")));
        let (admin, other) = (is_trusted(&User::new("a", [MASTERS])), is_trusted(&User::new("b", [""; 0])));
        assert!(asked.is_told(admin) && !asked.is_told(other) && !silent.is_told(admin));
    }
}
