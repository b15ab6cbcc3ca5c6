//! What one request leaves in the audit log: who asked for what, which filter decided how, and how
//! it ended.
//!
//! An event holds no body, no token, no query value and no header value but the request's identity.
//! Every text in it is short and printable ([`Text`]), every list has an end, so an event has a
//! largest size. The catalogue of its fields ([`Event::fields`]) is one list; every output format
//! walks it, so no format knows a field that another has missed.

mod fields;
mod outcome;
mod text;
mod trace;
mod who;

pub use fields::{Field, Value};
pub use outcome::{Ending, Flags, Outcome};
pub use text::Text;
pub use trace::TraceParent;
pub use who::{Pseudonymizer, Subject, SubjectMode, Who};

/// A list that keeps its first `MAX` items and counts the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Few<T, const MAX: usize> {
    kept: Vec<T>,
    left_out: u64,
}

impl<T, const MAX: usize> Default for Few<T, MAX> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            left_out: 0,
        }
    }
}

impl<T, const MAX: usize> FromIterator<T> for Few<T, MAX> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::default();
        for item in items {
            if few.kept.len() < MAX {
                few.kept.push(item);
            } else {
                few.left_out = few.left_out.saturating_add(1);
            }
        }
        few
    }
}

impl<T, const MAX: usize> Few<T, MAX> {
    /// The items that were kept, in their order.
    pub fn kept(&self) -> &[T] {
        &self.kept
    }

    /// How many items were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct What {
    /// The request's method.
    pub method: Option<Text<16>>,
    /// The path without query and fragment; [`path_of`] cuts them off.
    pub path: Option<Text<256>>,
    /// The name or template of the route that was taken.
    pub route: Option<Text<128>>,
    /// The host that the client named.
    pub host: Option<Text<128>>,
    /// The protocol of the model's API, such as `open_inference` or `sagemaker`.
    pub dialect: Option<Text<32>>,
    /// The operation in that protocol, such as `infer` or `chat`.
    pub operation: Option<Text<32>>,
    /// The model, deployment or endpoint that was asked for.
    pub model: Option<Text<128>>,
    /// The model's version, where the request names one.
    pub version: Option<Text<64>>,
    /// Where it was sent.
    pub sent: Sent,
}

/// Which target was to answer, where a filter has chosen one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sent {
    /// The target's tag.
    pub target: Option<Text<40>>,
    /// Where it is.
    pub backend: Option<Text<128>>,
    /// The name that the server knows the model by.
    pub model: Option<Text<128>>,
    /// Version, label, variant or deployment.
    pub version: Option<Text<64>>,
}

/// Which filter decided, under which rule, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// The filter that decided last.
    pub filter: Option<Text<32>>,
    /// The rule that matched.
    pub rule: Option<Text<64>>,
    /// The reason code, such as `token_expired`.
    pub reason: Option<Text<64>>,
    /// Filters with their rules that would have refused, were they not told to watch only.
    pub would_deny: Few<Text<64>, 8>,
}

/// What the client got, how long it took, how large it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answered {
    /// The status sent to the client; `None` if it left before one was sent.
    pub status: Option<u16>,
    /// The proxy's response-code details, such as `via_upstream`.
    pub details: Option<Text<128>>,
    /// Envoy's response flags.
    pub flags: Flags,
    /// From the first byte of the request to the end of the exchange, in milliseconds.
    pub total_ms: Option<u64>,
    /// The part of it that was spent waiting for the upstream, in milliseconds.
    pub upstream_ms: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: Option<u64>,
    /// Bytes of the response's body.
    pub response_bytes: Option<u64>,
}

/// One request as the audit log remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When the exchange began, in nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// The proxy's worker that served it; `worker` and `sequence` together are unique.
    pub worker: Text<64>,
    /// Counts this worker's events from 1 without a gap, so that a reader sees which are lost.
    pub sequence: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Who asked.
    pub who: Who,
    /// What was asked for.
    pub what: What,
    /// Which filter decided.
    pub decided: Decided,
    /// What the client got.
    pub answered: Answered,
    /// How many values of each kind were masked in request and response.
    pub masked: Few<(Text<32>, u64), 32>,
    /// The caller's place in a distributed trace.
    pub trace: Option<TraceParent>,
    /// The proxy's name for the request (`x-request-id`).
    pub request_id: Option<Text<64>>,
}

/// The path of a request target without its query and fragment: their values may hold credentials
/// and personal data.
pub fn path_of(target: &[u8]) -> Option<Text<256>> {
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next()?;
    Text::some(path)
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_loses_its_query_and_fragment() {
        let path = |target: &str| path_of(target.as_bytes()).map(|path| path.as_str().to_owned());
        assert_eq!(
            path("/v1/models?api_key=s3cret").as_deref(),
            Some("/v1/models")
        );
        assert_eq!(path("/a#b?c").as_deref(), Some("/a"));
        assert_eq!(path("?x=1"), None);
        assert_eq!(path(""), None);
    }

    #[test]
    fn a_list_keeps_its_first_items_and_counts_the_rest() {
        let few: Few<u32, 2> = [1, 2, 3, 4, 5].into_iter().collect();
        assert_eq!((few.kept(), few.left_out()), ([1, 2].as_slice(), 3));
    }
}
