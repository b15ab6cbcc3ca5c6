//! A log store on loopback that takes OTLP/HTTP in JSON (`POST /v1/logs`, opentelemetry-proto 1.x)
//! and keeps the records by trace.
//!
//! It refuses what a collector would refuse: another method, path or media type, and a body that is
//! not an `ExportLogsServiceRequest`. It goes away and comes back on command, and says how many
//! records the sender reports as lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::loopback::{self, Body, Loopback, Service};

/// The resource attribute in which a sender says how many records it has lost so far.
const DROPPED: &str = "modelgate.dropped_total";

/// How many records are kept if nobody says otherwise.
const KEPT: usize = 1024;

/// One log record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Trace id, 32 hexadecimal digits; empty if the record has none.
    pub trace_id: String,
    /// The record in a few words.
    pub body: String,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Json>,
}

impl Record {
    /// An attribute as text, numbers and lists included; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        match self.attributes.get(name) {
            None => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(Json::Array(items)) => {
                let texts = items.iter().map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                });
                texts.collect::<Vec<_>>().join(", ")
            }
            Some(other) => other.to_string(),
        }
    }
}

/// The log store; it ends when dropped.
#[derive(Debug)]
pub struct Sink {
    state: Arc<SinkState>,
    server: Loopback,
}

impl Sink {
    /// Starts listening on `port`; 0 = any free one.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(port: u16) -> Result<Self> {
        Self::keeping(port, KEPT)
    }

    /// As [`Sink::start`], where the last `kept` records are kept.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn keeping(port: u16, kept: usize) -> Result<Self> {
        let state = Arc::new(SinkState {
            kept,
            store: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let server = Loopback::start(Arc::clone(&state), port)?;
        Ok(Self { state, server })
    }

    /// The server, to take it away and bring it back.
    pub const fn server(&self) -> &Loopback {
        &self.server
    }

    /// The records that came after the first `seen`, as far as they are kept, in the order in which
    /// they came; and how many came in all.
    pub fn since(&self, seen: usize) -> (Vec<Record>, usize) {
        let store = self.state.lock();
        let gone = store.came.saturating_sub(store.records.len());
        let fresh = store.records.iter().skip(seen.saturating_sub(gone));
        (fresh.cloned().collect(), store.came)
    }

    /// The records of a trace so far.
    pub fn of_trace(&self, trace_id: &str) -> Vec<Record> {
        let store = self.state.lock();
        let records = store.records.iter();
        records
            .filter(|record| record.trace_id == trace_id)
            .cloned()
            .collect()
    }

    /// The record of a trace, as soon as it is here; `None` if it does not come in time.
    pub async fn await_trace(&self, trace_id: &str, patience: Duration) -> Option<Record> {
        let mut changed = self.state.changed.subscribe();
        let wait = async {
            loop {
                if let Some(record) = self.of_trace(trace_id).into_iter().next() {
                    return Some(record);
                }
                changed.changed().await.ok()?;
            }
        };
        timeout(patience, wait).await.ok().flatten()
    }

    /// Tells when something has come.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.state.changed.subscribe()
    }

    /// The largest number of lost records that any sender has reported.
    pub fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }
}

#[derive(Debug)]
struct SinkState {
    /// How many records are kept.
    kept: usize,
    store: Mutex<Store>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Store {
    /// The last ones.
    records: VecDeque<Record>,
    /// How many there have been.
    came: usize,
    dropped: u64,
}

impl Store {
    fn add(&mut self, record: Record, kept: usize) {
        if self.records.len() >= kept {
            self.records.pop_front();
        }
        self.records.push_back(record);
        self.came = self.came.saturating_add(1);
    }
}

impl SinkState {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, export: Export) {
        let mut store = self.lock();
        for source in export.resource_logs {
            let reported = source
                .resource
                .attributes
                .iter()
                .find(|(name, _)| *name == DROPPED);
            if let Some((_, Json::Number(count))) = reported {
                store.dropped = store.dropped.max(count.as_u64().unwrap_or(0));
            }
            let records = source
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records);
            for record in records {
                let record = Record {
                    trace_id: record.trace_id,
                    body: match record.body {
                        Json::String(text) => text,
                        other => other.to_string(),
                    },
                    attributes: record.attributes,
                };
                store.add(record, self.kept);
            }
        }
        drop(store);
        self.changed.send_replace(());
    }
}

impl Service for SinkState {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let refused =
            |status, message: &str| loopback::json(status, &json!({"code": 3, "message": message}));
        match (request.uri().path(), request.method()) {
            ("/v1/logs", &Method::POST) => {}
            ("/v1/logs", _) => return refused(StatusCode::METHOD_NOT_ALLOWED, "not a POST"),
            _ => return refused(StatusCode::NOT_FOUND, "no such path"),
        }
        let media_type = request.headers().get(CONTENT_TYPE);
        if media_type.is_none_or(|value| value != "application/json") {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not application/json");
        }
        match serde_json::from_slice(request.body()) {
            Ok(export) => {
                self.take(export);
                loopback::json(StatusCode::OK, &json!({}))
            }
            Err(_) => refused(StatusCode::BAD_REQUEST, "not an ExportLogsServiceRequest"),
        }
    }
}

/// `ExportLogsServiceRequest`, as far as it is looked at. Unknown members are skipped, as
/// Protobuf's JSON mapping wants of receivers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs {
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default, deserialize_with = "attributes")]
    attributes: BTreeMap<String, Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs {
    #[serde(default)]
    log_records: Vec<LogRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord {
    #[serde(default, deserialize_with = "trace_id")]
    trace_id: String,
    #[serde(default, deserialize_with = "any_value")]
    body: Json,
    #[serde(default, deserialize_with = "attributes")]
    attributes: BTreeMap<String, Json>,
}

/// `KeyValue`.
#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(deserialize_with = "any_value")]
    value: Json,
}

/// `AnyValue`: exactly one member, named after the type. 64-bit integers are decimal strings.
#[derive(Deserialize)]
enum AnyValue {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "intValue")]
    Integer(Json),
    #[serde(rename = "doubleValue")]
    Double(f64),
    #[serde(rename = "arrayValue")]
    Array(Values),
    #[serde(rename = "kvlistValue")]
    Pairs(Pairs),
}

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    values: Vec<AnyValue>,
}

#[derive(Deserialize)]
struct Pairs {
    #[serde(default, deserialize_with = "attributes")]
    values: BTreeMap<String, Json>,
}

impl AnyValue {
    /// As plain JSON; `None` if an integer is none.
    fn plain(self) -> Option<Json> {
        Some(match self {
            Self::Text(text) => text.into(),
            Self::Bool(value) => value.into(),
            Self::Double(value) => value.into(),
            Self::Integer(Json::String(digits)) => digits.parse::<i64>().ok()?.into(),
            Self::Integer(number) => number.as_i64()?.into(),
            Self::Array(array) => {
                let items = array.values.into_iter().map(Self::plain);
                Json::Array(items.collect::<Option<_>>()?)
            }
            Self::Pairs(pairs) => Json::Object(pairs.values.into_iter().collect()),
        })
    }
}

fn any_value<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
    let value = AnyValue::deserialize(from)?.plain();
    value.ok_or_else(|| serde::de::Error::custom("not an integer"))
}

fn attributes<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Json>, D::Error> {
    let pairs = Vec::<KeyValue>::deserialize(from)?;
    Ok(pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect())
}

/// Hexadecimal, unlike other bytes in Protobuf's JSON (OTLP specification, "JSON Protobuf
/// Encoding").
fn trace_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && (text.is_empty() || text.len() == 32) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(serde::de::Error::custom("not a trace id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Call, send};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn export(call: Json) -> Call {
        Call::post("/v1/logs", &call.to_string()).with("content-type", "application/json")
    }

    fn one_record() -> Json {
        json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": DROPPED, "value": {"intValue": "3"}}]},
            "scopeLogs": [{"scope": {"name": "x"}, "logRecords": [{
                "timeUnixNano": "1", "traceId": TRACE, "body": {"stringValue": "allowed POST"},
                "attributes": [
                    {"key": "http.response.status_code", "value": {"intValue": "200"}},
                    {"key": "modelgate.groups", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
                ],
            }]}],
        }]})
    }

    #[tokio::test]
    async fn records_are_found_by_their_trace() {
        let sink = Sink::start(0).unwrap();
        let missing = sink.await_trace(TRACE, Duration::from_millis(20)).await;
        assert_eq!(missing, None);
        let call = export(one_record());
        let (record, answer) = tokio::join!(
            sink.await_trace(TRACE, Duration::from_secs(10)),
            send(sink.server().port(), &call)
        );
        assert_eq!(answer.unwrap().status, 200);
        let record = record.unwrap();
        assert_eq!(record.body, "allowed POST");
        assert_eq!(record.text("http.response.status_code"), "200");
        assert_eq!(record.text("modelgate.groups"), "a, b");
        assert_eq!(record.text("absent"), "");
        assert_eq!((sink.dropped(), sink.since(0).1), (3, 1));
    }

    #[tokio::test]
    async fn the_last_records_are_kept_and_told_once() {
        let sink = Sink::start(0).unwrap();
        let add = |from: usize, to: usize| {
            for number in from..to {
                let record = Record {
                    body: number.to_string(),
                    ..Record::default()
                };
                sink.state.lock().add(record, KEPT);
            }
        };
        add(0, KEPT + 3);
        let (records, seen) = sink.since(0);
        assert_eq!(
            (records.len(), records[0].body.as_str(), seen),
            (KEPT, "3", KEPT + 3)
        );
        add(KEPT + 3, KEPT + 5);
        let (records, seen) = sink.since(seen);
        let bodies: Vec<_> = records.iter().map(|record| record.body.clone()).collect();
        assert_eq!(bodies, [(KEPT + 3).to_string(), (KEPT + 4).to_string()]);
        assert_eq!(sink.since(seen), (Vec::new(), KEPT + 5));
    }

    #[tokio::test]
    async fn what_is_no_export_is_refused_and_leaves_nothing() {
        let sink = Sink::start(0).unwrap();
        let wrong_integer = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": [{"key": "a", "value": {"intValue": "x"}}]}]}]}]});
        let wrong_trace = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"traceId": "CvdlGRbNQ92ESOshHIAxnA=="}]}]}]});
        for (call, status) in [
            (export(json!({})), 400),
            (export(json!([])), 400),
            (export(wrong_integer), 400),
            (export(wrong_trace), 400),
            (Call::post("/v1/logs", &one_record().to_string()), 415),
            (Call::get("/v1/logs"), 405),
            (Call::post("/v1/traces", "{}"), 404),
        ] {
            let answer = send(sink.server().port(), &call).await.unwrap();
            assert_eq!(answer.status, status, "{}", call.body);
        }
        assert_eq!(sink.since(0), (Vec::new(), 0));
    }
}
