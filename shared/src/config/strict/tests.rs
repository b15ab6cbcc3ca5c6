//! Strict reading, with types of the tests' own.

use super::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Outer {
    name: String,
    timeout_ms: crate::config::Bounded<1, 100>,
    items: Vec<Inner>,
    mode: Mode,
}
impl Default for crate::config::Bounded<1, 100> {
    fn default() -> Self {
        Self::new(50)
    }
}
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Inner {
    id: u32,
    #[serde(default)]
    tags: Vec<String>,
}
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Enforce,
    Shadow,
}

fn problems(value: Value) -> Vec<String> {
    let mut problems = Problems::default();
    let _ = parse::<Outer>(&value, &[], &mut problems);
    problems
        .into_vec()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn every_problem_is_found_at_once_and_named_as_written() {
    let mut found = problems(json!({
        "nmae": "x", "timeout_ms": 1000, "mode": "off",
        "items": [ {"id": "7"}, {"id": 1, "tags": [1, "a", 2]}, {"tags": []}, {"id": 4, "x": 1} ]
    }));
    found.sort();
    assert_eq!(
        found,
        [
            "items[0].id: has the wrong type: expected u32, found a text",
            "items[1].tags[0]: has the wrong type: expected a string, found a whole number",
            "items[1].tags[2]: has the wrong type: expected a string, found a whole number",
            "items[2].id: is required",
            "items[3].x: unknown field (known here: id, tags)",
            "mode: is not one of the known values (expected `enforce` or `shadow`)",
            "nmae: unknown field (did you mean `name`?)",
            "timeout_ms: must be a whole number from 1 to 100",
        ]
    );
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Checked {
    rules: Vec<Rule>,
    headers: BTreeMap<crate::config::types::HeaderName, String>,
}
#[derive(Debug, Deserialize, PartialEq)]
struct Rule {
    id: crate::config::types::Token,
    size: u32,
}

#[test]
fn a_value_that_was_refused_hides_nothing_beside_it() {
    let written = json!({
        "rules": [{"id": "a b", "size": "x"}, {"id": "", "size": 2}, {"id": "c", "size": 3}],
        "headers": {"a b": "1", "x": "2"},
    });
    let mut problems = Problems::default();
    let parsed = parse::<Checked>(&written, &[], &mut problems).unwrap();
    assert_eq!(parsed.value.rules.len(), 2, "the first has no size");
    let problems = problems.beneath(&parsed.pruned, &parsed.replaced);
    problems.add("rules[0].id", "is there twice", "");
    problems.add("rules[1].size", "is too much", "");
    let paths = problems.found().iter().map(|problem| problem.path.as_str());
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_unstable();
    let said = [
        "headers.a b",
        "rules[0].id",
        "rules[0].size",
        "rules[1].id",
        "rules[2].size",
    ];
    assert_eq!(paths, said);
}

#[test]
fn an_empty_object_is_the_default() {
    let mut problems = Problems::default();
    let parsed = parse::<Outer>(&json!({}), &[], &mut problems).unwrap();
    assert_eq!(parsed.value, Outer::default());
    assert!(problems.is_empty());
}

#[test]
fn what_is_not_told_is_counted_and_what_is_not_counted_is_said() {
    // Which member is looked at last is the map's affair: the ends of the lines are compared.
    let unknown = |count: usize| -> Value {
        let members = (0..count).map(|at| (format!("odd{at}"), json!(1)));
        Value::Object(members.collect())
    };
    for (count, last) in [
        (
            20,
            ": unknown field (known here: name, timeout_ms, items, mode)",
        ),
        (21, "(configuration): further problems: 1"),
        (99, "(configuration): further problems: 79"),
        (
            101,
            "(configuration): further problems: 80, and those that were not looked for",
        ),
    ] {
        let found = problems(unknown(count));
        assert_eq!(found.len(), count.min(21), "{count}");
        let told = found.last().unwrap();
        assert!(told.ends_with(last), "{count}: {told}");
    }
}

#[test]
fn no_value_reads_as_an_error_of_ours() {
    for odd in ["\u{1f}s3cret", "\u{1f}a\u{1f}b\u{1f}s3cret"] {
        let found = problems(json!({ "mode": odd, "timeout_ms": odd, "name": 7 }));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(!found.concat().contains("s3cret"), "{found:?}");
    }
}

#[test]
fn a_refused_value_is_not_quoted() {
    assert!(
        !problems(json!({ "name": 12345 }))
            .concat()
            .contains("12345")
    );
}

#[test]
fn a_name_written_twice_is_no_map() {
    let read = |text: &str| distinct(&mut serde_json::Deserializer::from_str(text)).ok();
    let map = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    assert_eq!(read(r#"{"a":"1"}"#), Some(map));
    assert_eq!(read(r#"{"a":"1","\u0061":"1"}"#), None);
    assert_eq!(read(r#"{"a":1}"#), None);
}

#[test]
fn an_empty_object_is_a_list_where_the_proxy_knows_no_other() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Keys {
        keys: Vec<Key>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Key {
        groups: Vec<String>,
        labels: std::collections::BTreeMap<String, String>,
    }
    let key = |groups: Value| json!({"groups": groups, "labels": {}});
    let keys: Vec<Value> = (0..300).map(|_| key(json!({}))).collect();
    let written = json!({"keys": keys});
    let mut lenient = Problems {
        objects_are_lists: true,
        ..Problems::default()
    };
    let read = parse::<Keys>(&written, &[], &mut lenient).unwrap();
    assert!(lenient.is_empty());
    assert_eq!(read.value.keys.len(), 300);
    let read = parse::<Keys>(&json!({"keys": {}}), &[], &mut lenient).unwrap();
    assert_eq!(read.value, Keys { keys: Vec::new() });

    let mut strict = Problems::default();
    assert!(parse::<Keys>(&json!({"keys": {}}), &[], &mut strict).is_none());
    assert!(!strict.is_empty());
    let full = json!({"keys": [key(json!({"a": 1}))]});
    let _ = parse::<Keys>(&full, &[], &mut lenient);
    let paths: Vec<String> = lenient.into_vec().into_iter().map(|p| p.path).collect();
    assert_eq!(paths, ["keys[0].groups"]);
}

#[test]
fn a_member_written_twice_is_refused() {
    let mut problems = Problems::default();
    assert!(crate::config::read(br#"{"a": {"b": 1, "b": 2}}"#, &mut problems).is_none());
    assert!(problems.into_vec()[0].problem.contains("written twice"));
}
