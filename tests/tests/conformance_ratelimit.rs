//! `modelgate_kit::bucket` against timed traces of another token bucket, and the `RateLimit` fields
//! against the structured-field suite.

mod structured_fields;

use std::fs;
use std::path::Path;

use modelgate_kit::bucket::{Judged, Rate};
use modelgate_kit::structured_field::{Bare, Item, push_member};
use modelgate_tests::oracles;
use rate_limit::headers::{Standing, ratelimit, ratelimit_policy};
use serde::Deserialize;
use serde_json::Value;
use structured_fields::{Parsed, parse_list};

const NS_PER_S: u64 = 1_000_000_000;

/// The traces print seconds with six decimals, clock and durations alike: two printed numbers can
/// be two microseconds apart.
const PRINTED_NS: u64 = 2_000;

/// Time in seconds, cost, limited, remaining, reset in seconds, retry in seconds.
type Step = (f64, u64, bool, i64, f64, f64);

#[derive(Deserialize)]
struct Trace {
    limit: u64,
    per_s: u64,
    burst: u64,
    steps: Vec<Step>,
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64 * 1_000
}

/// Whether our answer is the trace's: the verdict exactly, the durations as printed, and the whole
/// units exactly once `slack_ns` is added to what is left of the bucket. A remainder of -1 is an
/// empty bucket, rounded down from a hair below nothing.
fn agrees(rate: Rate, ours: &Judged, step: &Step, slack_ns: i64) -> bool {
    let (_, _, limited, remaining, reset, retry) = *step;
    let unit = rate.window_ns().div_ceil(rate.quota()).cast_signed();
    let left = unit * rate.burst().cast_signed() - ours.reset_ns.cast_signed();
    ours.admitted != limited
        && ours.remaining.cast_signed() == left / unit
        && (left + slack_ns).div_euclid(unit).max(0) == remaining.max(0)
        && ours.reset_ns.abs_diff(nanoseconds(reset)) <= PRINTED_NS
        && ours.retry_after_ns.abs_diff(nanoseconds(retry)) <= PRINTED_NS
}

/// The decision of this step, and whether it is the trace's without any doubt. `None` where it is
/// not the trace's at all.
fn decided(rate: Rate, tat: u64, now: u64, step: &Step) -> Option<(Judged, bool)> {
    let judged = rate.judge(tat, now, step.1);
    if agrees(rate, &judged, step, 0) {
        return Some((judged, true));
    }
    let slack = PRINTED_NS.cast_signed();
    [now, now - PRINTED_NS, now + PRINTED_NS]
        .map(|now| rate.judge(tat, now, step.1))
        .into_iter()
        .find(|judged| {
            [0, -slack, slack]
                .into_iter()
                .any(|slack_ns| agrees(rate, judged, step, slack_ns))
        })
        .map(|judged| (judged, false))
}

/// Every step must agree. The traces are made with floating-point numbers and print them rounded,
/// so that a step which lies exactly on a boundary (the last unit is just there, or just not) may
/// have fallen to the other side. Such a step must agree when the clock or what is left is moved by
/// two microseconds, and how many there are is fixed: more would be our fault.
#[test]
fn every_step_of_every_trace_is_decided_as_recorded() {
    if let Some(folder) = oracles::recorded("ratelimit") {
        decide(&folder.join("gcra-traces-50x40.jsonl"), 64);
    }
}

#[test]
fn every_step_of_fresh_traces_is_decided_as_throttled_py_does() {
    if let Some(traces) = oracles::THROTTLED.make() {
        decide(&traces, 15);
    }
}

fn decide(traces: &Path, most_on_a_boundary: usize) {
    let text = fs::read_to_string(traces).unwrap();
    let (mut exact, mut on_a_boundary, mut wrong) = (0, 0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        let trace: Trace = serde_json::from_str(line).unwrap();
        let rate = Rate::new(trace.limit, trace.per_s * NS_PER_S, trace.burst).unwrap();
        // Far from zero, so that the clock can be moved both ways.
        let (epoch, mut tat) = (NS_PER_S, 0);
        for (at, step) in trace.steps.iter().enumerate() {
            let now = epoch + nanoseconds(step.0);
            match decided(rate, tat, now, step) {
                Some((judged, without_doubt)) => {
                    if without_doubt {
                        exact += 1
                    } else {
                        on_a_boundary += 1
                    }
                    tat = judged.tat_ns;
                }
                None => wrong.push(format!(
                    "trace {number} step {at}: {step:?} but {:?}",
                    rate.judge(tat, now, step.1)
                )),
            }
        }
    }
    println!("{exact} steps agree exactly, {on_a_boundary} within the printed precision");
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(exact + on_a_boundary, 2_000);
    assert_eq!(on_a_boundary, most_on_a_boundary);
}

/// A case of the structured-field suite. Values are `[value, parameters]`.
#[derive(Deserialize)]
struct Case {
    name: String,
    header_type: String,
    #[serde(default)]
    raw: Option<Vec<String>>,
    #[serde(default)]
    expected: Value,
    #[serde(default)]
    must_fail: bool,
    #[serde(default)]
    canonical: Option<Vec<String>>,
}

const FILES: [&str; 14] = [
    "serialisation-tests/string-generated.json",
    "serialisation-tests/key-generated.json",
    "serialisation-tests/number.json",
    "string.json",
    "string-generated.json",
    "number.json",
    "number-generated.json",
    "binary.json",
    "item.json",
    "list.json",
    "param-list.json",
    "key-generated.json",
    "large-generated.json",
    "examples.json",
];

/// A bare value of a kind that we write; other kinds (tokens, decimals, dates, booleans, inner
/// lists) we never write.
fn bare(value: &Value) -> Option<Owned> {
    match value {
        Value::String(text) => Some(Owned::String(text.clone())),
        Value::Number(number) => number.as_i64().map(Owned::Integer),
        Value::Object(typed) if typed.get("__type")? == "binary" => {
            Some(Owned::Bytes(base32(typed.get("value")?.as_str()?)))
        }
        _ => None,
    }
}

enum Owned {
    Integer(i64),
    String(String),
    Bytes(Vec<u8>),
}

impl Owned {
    fn borrowed(&self) -> Bare<'_> {
        match self {
            Self::Integer(number) => Bare::Integer(*number),
            Self::String(text) => Bare::String(text),
            Self::Bytes(bytes) => Bare::Bytes(bytes),
        }
    }
}

/// The suite writes byte sequences in base 32 (RFC 4648, section 6).
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut out) = (0_u32, 0_u32, Vec::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = if digit.is_ascii_uppercase() {
            digit - b'A'
        } else {
            digit - b'2' + 26
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

/// A value with its parameters.
type Member = (Owned, Vec<(String, Owned)>);

/// The members of a case, as far as we can write them all.
fn members(case: &Case) -> Option<Vec<Member>> {
    let item = |pair: &Value| {
        let parameters = pair.get(1)?.as_array()?.iter();
        let parameters = parameters.map(|parameter| {
            Some((
                parameter.get(0)?.as_str()?.to_owned(),
                bare(parameter.get(1)?)?,
            ))
        });
        Some((bare(pair.get(0)?)?, parameters.collect::<Option<Vec<_>>>()?))
    };
    match case.header_type.as_str() {
        "item" => Some(vec![item(&case.expected)?]),
        "list" => case.expected.as_array()?.iter().map(item).collect(),
        // The names of a dictionary obey the rule of parameter names; so the suite's bad names are
        // tried as such.
        "dictionary" if case.must_fail => {
            let name = case.expected.get(0)?.get(0)?.as_str()?.to_owned();
            Some(vec![(Owned::Integer(1), vec![(name, Owned::Integer(1))])])
        }
        _ => None,
    }
}

fn write(members: &[Member]) -> Option<String> {
    let mut out = String::new();
    for (value, parameters) in members {
        let parameters: Vec<(&str, Bare<'_>)> = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.borrowed()))
            .collect();
        push_member(
            &mut out,
            &Item {
                value: value.borrowed(),
                parameters: &parameters,
            },
        )
        .ok()?;
    }
    Some(out)
}

#[test]
fn the_writer_agrees_with_the_structured_field_suite() {
    let Some(folder) = oracles::folder("ratelimit/structured-field-tests") else {
        return;
    };
    let (mut written, mut refused, mut not_ours) = (0, 0, 0);
    for file in FILES {
        let cases: Vec<Case> =
            serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        for case in cases {
            // A case that only says "must not parse" has nothing to write.
            if case.expected.is_null() {
                continue;
            }
            let Some(members) = members(&case) else {
                not_ours += 1;
                continue;
            };
            let text = write(&members);
            if case.must_fail {
                refused += 1;
                assert_eq!(text, None, "{file}: {}", case.name);
            } else {
                written += 1;
                let canonical = case.canonical.or(case.raw).unwrap_or_default().join(", ");
                assert_eq!(
                    text.as_deref(),
                    Some(canonical.as_str()),
                    "{file}: {}",
                    case.name
                );
            }
        }
    }
    println!(
        "{written} written, {refused} refused, {not_ours} with kinds of values that are never written"
    );
    assert!(written >= 180 && refused >= 224, "{written} {refused}");
}

/// The reader below judges our output, so it is judged first.
#[test]
fn the_reader_of_this_test_agrees_with_the_suite() {
    let Some(folder) = oracles::folder("ratelimit/structured-field-tests") else {
        return;
    };
    let (mut accepted, mut refused) = (0, 0);
    for file in [
        "list.json",
        "param-list.json",
        "string.json",
        "string-generated.json",
        "number.json",
        "key-generated.json",
    ] {
        let cases: Vec<Case> =
            serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        for case in cases {
            let (Some(raw), false) = (&case.raw, case.header_type == "dictionary") else {
                continue;
            };
            let parsed = parse_list(&raw.join(", "));
            // Two items are no item, but they are a list.
            let is_list = case.header_type == "list" || !raw.concat().contains(',');
            if case.must_fail && is_list {
                refused += 1;
                assert_eq!(parsed, None, "{file}: {}", case.name);
            } else if let Some(members) = members(&case) {
                let expected: Vec<Parsed> = members
                    .iter()
                    .map(|(value, parameters)| {
                        Parsed::new(
                            value.borrowed(),
                            parameters
                                .iter()
                                .map(|(name, value)| (name.clone(), value.borrowed())),
                        )
                    })
                    .collect();
                accepted += 1;
                assert_eq!(parsed, Some(expected), "{file}: {}", case.name);
            }
        }
    }
    println!("{accepted} read, {refused} refused");
    assert!(accepted >= 90 && refused >= 100, "{accepted} {refused}");
}

/// What we tell a client comes back out of a strict reader as the numbers that we meant.
#[test]
fn our_fields_are_read_back_as_meant() {
    for (quota, window_s, burst, taken) in [
        (1, 1, 1, 0),
        (60, 60, 60, 61),
        (1_000_000, 86_400, 50, 7),
        (3, 7, 2, 2),
    ] {
        let rate = Rate::new(quota, window_s * NS_PER_S, burst).unwrap();
        let judged = rate.judge(0, 5, taken);
        let standings = ["per-caller", "a \"b\" \\c"].map(|policy| Standing {
            policy,
            rate,
            judged,
        });
        let policy =
            parse_list(&ratelimit_policy(standings.iter().map(|s| (s.policy, s.rate))).unwrap())
                .unwrap();
        let limit = parse_list(&ratelimit(&standings).unwrap()).unwrap();
        assert_eq!((policy.len(), limit.len()), (2, 2));
        for ((standing, policy), limit) in standings.iter().zip(&policy).zip(&limit) {
            assert_eq!(policy.text(), Some(standing.policy));
            assert_eq!(limit.text(), Some(standing.policy));
            assert_eq!(policy.integer("q"), i64::try_from(quota).ok());
            assert_eq!(policy.integer("w"), i64::try_from(window_s).ok());
            assert_eq!(
                policy.integer("burst"),
                i64::try_from(burst).ok().filter(|_| burst != quota)
            );
            assert_eq!(limit.integer("r"), i64::try_from(judged.remaining).ok());
            assert_eq!(
                limit.integer("t"),
                i64::try_from(judged.reset_ns.div_ceil(NS_PER_S)).ok()
            );
        }
    }
}
