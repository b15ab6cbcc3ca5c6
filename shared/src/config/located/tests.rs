//! What is read, what is said where it is not, and where.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct All {
    flag: bool,
    small: u8,
    large: i64,
    ratio: f64,
    text: Option<String>,
    pair: (u8, String),
    choice: Vec<Choice>,
    by_name: BTreeMap<String, u16>,
    inner: Vec<Inner>,
    any: Value,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Plain,
    Wrapped(u8),
    Several(u8, u8),
    Named { size: u8 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Inner {
    id: u8,
}

fn fault(value: Value) -> (String, Vec<Step>) {
    let Fault { message, place } = read::<All>(&value).unwrap_err();
    (message, place)
}

#[test]
fn what_fits_is_read_as_serde_json_reads_it() {
    for value in [
        json!({}),
        json!({"flag": true, "small": 255, "large": -5, "ratio": 0.5, "text": "x"}),
        json!({"text": null, "pair": [1, "a"], "ratio": 7, "any": {"a": [1, null, -2.5]}}),
        json!({"choice": ["plain", {"plain": null}, {"wrapped": 1}, {"several": [1, 2]}]}),
        json!({"choice": [{"named": {"size": 3}}], "by_name": {"a": 1, "b": 2}}),
        json!({"inner": [{"id": 1}, {"id": 2, "more": {}}]}),
    ] {
        let read = read::<All>(&value).unwrap_or_else(|fault| panic!("{value}: {fault:?}"));
        assert_eq!(read, All::deserialize(&value).unwrap(), "{value}");
    }
}

#[test]
fn what_does_not_fit_is_said_in_serdes_words_without_the_value() {
    for (value, said) in [
        (
            json!({"flag": 1}),
            "invalid type: integer, expected a boolean",
        ),
        (json!({"small": 256}), "invalid value: integer, expected u8"),
        (json!({"small": -1}), "invalid value: integer, expected u8"),
        (
            json!({"small": "s3cret"}),
            "invalid type: string, expected u8",
        ),
        (
            json!({"large": 0.5}),
            "invalid type: floating point, expected i64",
        ),
        (json!({"text": {}}), "invalid type: map, expected a string"),
        (
            json!({"text": true}),
            "invalid type: boolean, expected a string",
        ),
        (
            json!({"flag": null}),
            "invalid type: null, expected a boolean",
        ),
        (
            json!({"choice": [7]}),
            "invalid type: integer, expected string or map",
        ),
        (
            json!({"choice": [{"wrapped": "x"}]}),
            "invalid type: string, expected u8",
        ),
        (
            json!({"inner": {}}),
            "invalid type: map, expected a sequence",
        ),
    ] {
        assert_eq!(fault(value.clone()).0, said, "{value}");
    }
    for value in [
        json!({"pair": [1]}),
        json!({"choice": ["other"]}),
        json!({"choice": [{"plain": null, "wrapped": 1}]}),
        json!({"inner": [{}]}),
        json!({"unknown": 1}),
    ] {
        let (message, _) = fault(value.clone());
        let theirs = All::deserialize(&value).unwrap_err().to_string();
        assert_eq!(message, theirs, "{value}");
    }
}

#[test]
fn the_place_leads_to_what_does_not_fit() {
    let member = |name: &str| Step::Member(name.to_owned());
    for (value, place) in [
        (json!([]), vec![]),
        (json!({"flag": 1}), vec![member("flag")]),
        (json!({"unknown": 1}), vec![member("unknown")]),
        (
            json!({"inner": [{"id": 1}, {"id": "x"}]}),
            vec![member("inner"), Step::Element(1), member("id")],
        ),
        (
            json!({"inner": [{"id": 1}, {}]}),
            vec![member("inner"), Step::Element(1)],
        ),
        (
            json!({"by_name": {"a": 1, "b": {}}}),
            vec![member("by_name"), member("b")],
        ),
        (
            json!({"choice": [{"named": {"size": null}}]}),
            vec![
                member("choice"),
                Step::Element(0),
                Step::Variant("named".to_owned()),
                member("size"),
            ],
        ),
        (
            json!({"choice": ["odd"]}),
            vec![member("choice"), Step::Element(0)],
        ),
    ] {
        assert_eq!(fault(value.clone()).1, place, "{value}");
    }
}

#[test]
fn too_much_is_refused_and_so_is_a_list_for_an_object() {
    assert!(
        fault(json!({"pair": [1, "a", 2]}))
            .0
            .contains("invalid length 3")
    );
    assert!(
        fault(json!({"inner": [[1]]}))
            .0
            .contains("invalid type: sequence")
    );
    assert!(
        fault(json!({"choice": ["wrapped"]}))
            .0
            .contains("newtype variant")
    );
    assert!(
        fault(json!({"choice": [{"plain": 1}]}))
            .0
            .contains("invalid type: integer")
    );
}
