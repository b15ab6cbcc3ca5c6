//! Audit batches against OpenTelemetry's own example of a log export in JSON: every member stands
//! where the example has one of the same name and type.

use audit_log::event::{
    Answered, Decided, Event, Few, Flags, Outcome, Sent, Subject, Text, TraceParent, What, Who,
    path_of,
};
use audit_log::otlp::{Format, Otlp};
use modelgate_tests::oracles;
use serde_json::Value;
use std::collections::BTreeSet;

/// Members of `LogRecord` that the example happens not to show
/// (opentelemetry/proto/logs/v1/logs.proto, fields 8 and 12).
const NOT_IN_THE_EXAMPLE: [&str; 2] = [
    ".resourceLogs[].scopeLogs[].logRecords[].flags: number",
    ".resourceLogs[].scopeLogs[].logRecords[].eventName: string",
];

/// An event with every field set.
fn event() -> Event {
    Event {
        time_unix_ns: 1_763_712_000_123_456_789,
        worker: Text::of("worker-1"),
        sequence: 1,
        outcome: Outcome::Denied,
        who: Who {
            consumer: Text::some("team-a"),
            issuer: Text::some("https://idp.example"),
            subject: Some(Subject::Plain(Text::of("ann"))),
            groups: ["ml", "ops"].into_iter().map(Text::of).collect(),
            credential: Text::some("key-7"),
            method: Text::some("jwt"),
            audience: std::iter::once(Text::of("models")).collect(),
            kid: Text::some("key-1"),
        },
        what: What {
            method: Text::some("POST"),
            path: path_of(b"/v2/models/iris/infer?x=1"),
            route: Text::some("models"),
            host: Text::some("gateway.example"),
            dialect: Text::some("open_inference"),
            operation: Text::some("infer"),
            model: Text::some("iris \"\\\u{1f33c} \n"),
            version: Text::some("3"),
            sent: Sent {
                target: Text::some("canary"),
                backend: Text::some("models-b"),
                model: Text::some("iris-forest"),
                version: Text::some("4"),
            },
        },
        decided: Decided {
            filter: Text::some("consumer_acl"),
            rule: Text::some("only-ml"),
            reason: Text::some("group_refused"),
            would_deny: Few::default(),
        },
        answered: Answered {
            status: Some(403),
            details: Text::some("via_upstream"),
            flags: Flags(1 << 5),
            total_ms: Some(12),
            upstream_ms: Some(7),
            request_bytes: Some(512),
            response_bytes: Some(128),
        },
        masked: [(Text::of("email"), 2)].into_iter().collect::<Few<_, 32>>(),
        trace: TraceParent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        request_id: Text::some("9f2c"),
    }
}

/// Every path of members with the type that it ends in: `.resourceLogs[].resource.attributes[].key:
/// string`. The members of an attribute's value are shortened to one path, wherever it stands.
fn shape(value: &Value, path: &str, shapes: &mut BTreeSet<String>) {
    let path = match path.strip_suffix(".value") {
        Some(_) => "ANY",
        None => path,
    };
    let kind = match value {
        Value::Object(members) => {
            for (name, member) in members {
                shape(member, &format!("{path}.{name}"), shapes);
            }
            return;
        }
        Value::Array(items) => {
            for item in items {
                shape(
                    item,
                    &format!("{path}[]").replace("ANY.arrayValue.values[]", "ANY"),
                    shapes,
                );
            }
            return;
        }
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
    };
    shapes.insert(format!("{path}: {kind}"));
}

fn shapes(value: &Value) -> BTreeSet<String> {
    let mut shapes = BTreeSet::new();
    shape(value, "", &mut shapes);
    shapes
}

#[test]
fn a_batch_has_the_structure_of_the_protocols_own_example() {
    let Some(folder) = oracles::folder("audit/otlp") else {
        return;
    };
    let example: Value =
        serde_json::from_slice(&std::fs::read(folder.join("logs.json")).unwrap()).unwrap();
    let otlp = Otlp::new(Format::OtlpJson, [("service.name", "modelgate")]);
    let record = otlp.record(&event());
    let batch: Value =
        serde_json::from_slice(&otlp.batch([record.as_slice(), &record], 0)).unwrap();

    let (ours, theirs) = (shapes(&batch), shapes(&example));
    let extra: Vec<&String> = ours
        .difference(&theirs)
        .filter(|path| !NOT_IN_THE_EXAMPLE.contains(&path.as_str()))
        .collect();
    assert!(extra.is_empty(), "the example has no {extra:#?}");
    for waived in NOT_IN_THE_EXAMPLE {
        assert!(
            ours.contains(waived) && !theirs.contains(waived),
            "no longer needs a waiver: {waived}"
        );
    }
    // What the example has and we leave out are only kinds of attribute values.
    let missing: Vec<&String> = theirs
        .difference(&ours)
        .filter(|path| !path.starts_with("ANY"))
        .collect();
    assert!(missing.is_empty(), "we have no {missing:#?}");
}
