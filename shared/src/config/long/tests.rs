//! Tests of long lists, read piece by piece.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::FakeProxy;

/// Keeps elements that have no member `bad`; a member `wrong` is a problem.
#[derive(Default)]
struct Kept(Vec<Value>);

impl Gather for Kept {
    fn add(&mut self, element: &[u8], problems: &mut Problems) -> Option<()> {
        let value: Value = serde_json::from_slice(element).ok()?;
        if value.get("wrong").is_some() {
            problems.add("wrong", "is here", "");
        }
        value.get("bad").is_none().then(|| self.0.push(value))
    }

    fn finish(self: Box<Self>, problems: &mut Problems) -> Rc<dyn Any> {
        if self.0.len() == 3 {
            problems.add("", "are three", "");
        }
        Rc::new(self.0)
    }
}

const KEYS: Known = ("keeper", LongList::new("keys", || Box::<Kept>::default()));

fn cut_text(text: &str, shape: Shape) -> Option<Cut<'static>> {
    cut_out(&Text::here(text.as_bytes()), shape, &[KEYS])
}

fn rest(cut: &Cut<'_>) -> Value {
    serde_json::from_slice(&cut.rest).unwrap()
}

fn lists<'a>(cut: &'a Cut<'_>) -> Vec<(Option<usize>, Option<&'a str>, Vec<Value>)> {
    let of = |found: &Gathered| found.list.downcast_ref::<Vec<Value>>().unwrap().clone();
    cut.lists
        .iter()
        .map(|found| (found.link, found.profile.as_deref(), of(found)))
        .collect()
}

#[test]
fn lists_are_cut_out_of_base_and_profiles() {
    let text = r#" { "a" : [1, {"keys": [{}]}] , "keys":[ {"n":1} , {"n":"]}\"","m":[{}]}],
        "profiles": {"p": {"keys": [], "b": -1.5e3}, "q": {"keys": null}, "r": {"x": {"keys": [{"n": 4}]}}}, "z": true } "#;
    let cut = cut_text(text, Shape::Filter).unwrap();
    assert_eq!(
        rest(&cut),
        json!({"a": [1, {"keys": [{}]}], "keys": [], "profiles": {"p": {"keys": [], "b": -1500.0}, "q": {"keys": null}, "r": {"x": {"keys": [{"n": 4}]}}}, "z": true})
    );
    assert_eq!(
        lists(&cut),
        [
            (
                None,
                None,
                vec![json!({"n": 1}), json!({"n": "]}\"", "m": [{}]})]
            ),
            (None, Some("p"), vec![]),
        ]
    );
    assert_eq!(cut.print, fingerprint(text.as_bytes()));
}

#[test]
fn lists_are_cut_out_of_the_entries_of_a_chain() {
    let text = r#"{"keys":[{}],"filters":[{"filter":"other"},{"config":{"keys":[{"n":1}],"profiles":{"p":{"keys":[{"n":2}]}}},"filter":"keeper"}]}"#;
    let cut = cut_text(text, Shape::Chain).unwrap();
    assert_eq!(
        rest(&cut),
        json!({"keys": [{}], "filters": [{"filter": "other"}, {"config": {"keys": [], "profiles": {"p": {"keys": []}}}, "filter": "keeper"}]})
    );
    assert_eq!(
        lists(&cut),
        [
            (Some(1), None, vec![json!({"n": 1})]),
            (Some(1), Some("p"), vec![json!({"n": 2})])
        ]
    );
}

#[test]
fn what_is_wrong_or_unusual_is_left_to_those_who_read_the_whole_text() {
    for text in [
        "",
        " ",
        "{",
        r#"{"keys""#,
        r#"{"keys":"#,
        r#"{"keys":["#,
        r#"{"keys":[{}"#,
        r#"{"keys":[{}]"#,
        r#"{"keys":[{},]}"#,
        r#"{"keys":[,{}]}"#,
        r#"{"keys":[{}{}]}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[{]}"#,
        r#"{"keys":[{"bad":1}]}"#,
        r#"{"keys":[{}],}"#,
        r#"{"keys":[{}]}}"#,
        r#"{"keys":[{}],"a":[}]}"#,
        r#"{keys:[{}]}"#,
        "{\"keys\":[{}\x0c]}",
        "{\"keys\":[{}]}\x0b",
    ] {
        assert!(cut_text(text, Shape::Filter).is_none(), "{text}");
    }
    // These are cut, and the rest says what is wrong with them.
    for text in [
        "[]",
        r#"{"keys":[{}],"a":}"#,
        r#"{"keys":[{}],"keys":[{}]}"#,
        r#"{"keys":[{}],"\u006beys":[{}]}"#,
    ] {
        let cut = cut_text(text, Shape::Filter).unwrap();
        assert!(
            crate::config::read(&cut.rest, &mut Problems::default()).is_none(),
            "{text}"
        );
    }
    let escaped = cut_text(r#"{"\u006beys":[{"n":1}]}"#, Shape::Filter).unwrap();
    assert!(escaped.lists.is_empty());
    assert_eq!(rest(&escaped), json!({"keys": [{"n": 1}]}));
}

#[test]
fn what_is_wrong_with_elements_is_said_with_their_places() {
    let said = |text: &str, shape| -> Vec<String> {
        let cut = cut_text(text, shape).unwrap();
        let lists = cut.lists.into_iter();
        let problems = lists.flat_map(|list| list.problems.into_vec());
        problems.map(|problem| problem.to_string()).collect()
    };
    let text = r#"{"keys":[{},{"wrong":1},{}],"profiles":{"p":{"keys":[{"wrong":1}]}}}"#;
    let found = [
        "keys[1].wrong: is here",
        "keys: are three",
        "profiles.p.keys[0].wrong: is here",
    ];
    assert_eq!(said(text, Shape::Filter), found);
    let chain = format!(r#"{{"filters":[{{"filter":"keeper","config":{text}}}]}}"#);
    assert_eq!(said(&chain, Shape::Chain), found);
    let many = format!(r#"{{"keys":[{}{{}}]}}"#, r#"{"wrong":1},"#.repeat(100_000));
    let found = said(&many, Shape::Filter);
    assert_eq!(found.len(), 21);
    assert_eq!(found[19], "keys[19].wrong: is here");
    assert_eq!(found[20], "(configuration): further problems: 99980");
}

#[test]
fn what_is_no_json_is_said_as_when_it_is_read() {
    for text in [
        r#"{"keys":[{"a":1},],"b":2}"#,
        "{\"keys\":[{}],\n \"a\": tru}",
        r#"{"keys":[{}]"#,
        r#"{"keys":[{"n":"\x"}]}"#,
        r#"{"keys":[{"a":1,"b":2,"a":3}]}"#,
        r#"{"keys":[],"x":{"\u006b":1,"k":2}}"#,
    ] {
        let mut problems = Problems::default();
        assert!(crate::config::read(text.as_bytes(), &mut problems).is_none());
        assert_eq!(is_json(text.as_bytes()).unwrap_err(), problems);
    }
    for other in ["[1", "a: b", "", "{}"] {
        assert!(is_json(other.as_bytes()).is_ok(), "{other}");
    }
}

#[test]
fn pieces_may_end_anywhere() {
    let text = r#"{ "a": "b\"c" , "keys" : [ {"n": "x\\"} , {"n":[2]} ] , "profiles":{"p":{"keys":[{"n":3}]}} , "c" : 12 }"#;
    let at_once = cut_text(text, Shape::Filter).unwrap();
    for offset in 0..=text.len() {
        let padded = format!("{}{text}", " ".repeat(PIECE.saturating_sub(offset)));
        let proxy = FakeProxy::new(1);
        proxy.configure(&padded);
        let cut = cut_out(
            &Text::in_proxy(&*proxy, padded.len()),
            Shape::Filter,
            &[KEYS],
        );
        let cut = cut.unwrap_or_else(|| panic!("{offset}"));
        assert_eq!(rest(&cut), rest(&at_once), "{offset}");
        assert_eq!(lists(&cut), lists(&at_once), "{offset}");
        assert_eq!(cut.print, fingerprint(padded.as_bytes()), "{offset}");
        // A proxy that has announced more than it hands over.
        let short = Text::in_proxy(&*proxy, padded.len() + 1);
        assert!(cut_out(&short, Shape::Filter, &[KEYS]).is_none());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        r#"[ -~é\n"\\{}\[\],:]{0,6}"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "keys", "profiles", "filters", "config", "a", "b\"", "bad"
                    ]),
                    inner
                ),
                0..4
            )
            .prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_is_lost(value in any_json(), pretty: bool, chain: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let shape = if chain { Shape::Chain } else { Shape::Filter };
        if let Some(cut) = cut_text(&text, shape) {
            let mut whole = rest(&cut);
            for (link, profile, list) in lists(&cut) {
                let mut at = match link {
                    Some(link) => whole.pointer_mut(&format!("/filters/{link}/config")).unwrap(),
                    None => &mut whole,
                };
                if let Some(profile) = profile {
                    at = &mut at["profiles"][profile];
                }
                prop_assert_eq!(&at["keys"], &json!([]));
                at["keys"] = list.into();
            }
            prop_assert_eq!(whole, value);
        }
    }

    #[test]
    fn nothing_that_is_no_json_becomes_json(text in r#"[ {}\[\]",:a\\1]{0,12}"#) {
        let text = format!(r#"{{"keys":[{{{text}}}]}}"#);
        let sound = serde_json::from_str::<Value>(&text).is_ok();
        let cut = cut_text(&text, Shape::Filter);
        let read = cut.as_ref().is_some_and(|cut| serde_json::from_slice::<Value>(&cut.rest).is_ok());
        prop_assert!(sound || !read, "{}", text);
    }
}
