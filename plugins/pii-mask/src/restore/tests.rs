//! Tests of the way to the model and back.

use super::*;
use crate::allowed::Allowed;
use crate::detect::Certainty;
use crate::document::{self, Scope as Looked};
use crate::mask::keyed::Scope;
use crate::mask::{Action, Masker, Surrogate, Tally};
use crate::stream::TextStream;
use modelgate_kit::config::SecretBytes;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// The maskers of one exchange.
pub(crate) struct Trip {
    pub there: Masker,
    pub back: Masker,
    /// Puts back, and looks for nothing.
    pub only_back: Masker,
}

impl Trip {
    pub fn new(surrogate: Surrogate) -> Self {
        let masker = |action: Action| {
            let actions = Entity::ALL.into_iter();
            let actions = actions.map(|entity| (entity, action)).collect();
            let key = Some(SecretBytes::new(b"key".to_vec()));
            Masker::new(actions, Certainty::Context, key, Allowed::default())
        };
        let vault = Rc::new(RefCell::new(Vault::default()));
        Self {
            there: masker(Action::Surrogate(surrogate, 0)).keeping(&vault, &Scope::Everybody),
            back: masker(Action::Redact).restoring(&vault, &Scope::Everybody),
            only_back: Masker::new(
                FlatMap::default(),
                Certainty::Check,
                None,
                Allowed::default(),
            )
            .restoring(&vault, &Scope::Everybody),
        }
    }

    /// What the model is sent for a text.
    pub fn ask(&self, text: &str) -> String {
        self.there.reserve(text.as_bytes());
        let masked = self.there.mask(text, "", &mut Tally::default());
        self.there.settle();
        masked.unwrap_or_else(|| text.to_owned())
    }

    /// What the client is sent for a whole answer.
    pub fn answer(&self, text: &str) -> String {
        whole(&self.back, text)
    }
}

/// What the client is sent for an answer in pieces.
fn streamed<'a>(masker: &Masker, pieces: impl IntoIterator<Item = &'a str>) -> String {
    let (mut out, mut tally, mut stream) = (String::new(), Tally::default(), TextStream::default());
    for piece in pieces {
        stream.push(piece, masker, &mut tally, &mut out);
    }
    stream.finish(masker, &mut tally, &mut out);
    out
}

fn whole(masker: &Masker, text: &str) -> String {
    let masked = masker.mask(text, "", &mut Tally::default());
    masked.unwrap_or_else(|| text.to_owned())
}

fn placeholders() -> Trip {
    Trip::new(Surrogate::Placeholder)
}

const LOOKED: Looked = Looked {
    names: true,
    numbers: true,
    drop_logprobs: false,
    skip: Vec::new(),
};

#[test]
fn equal_values_have_one_placeholder_and_come_back_as_first_written() {
    let trip = placeholders();
    let asked = trip.ask("Ann@example.com, bob@example.com, ann@EXAMPLE.com, 4111-1111-1111-1111");
    assert_eq!(asked, "<EMAIL_1>, <EMAIL_2>, <EMAIL_1>, <CARD_1>");
    let answer = "Mail <EMAIL_2> and <email_1>, not <EMAIL_3> nor new@example.org; **<Card_1>**.";
    assert_eq!(
        trip.answer(answer),
        "Mail bob@example.com and Ann@example.com, not <EMAIL_3> nor [EMAIL]; **4111-1111-1111-1111**."
    );
}

#[test]
fn numbers_that_the_request_has_are_not_given_out() {
    for held in [
        "<EMAIL_1>",
        "email_1",
        "[Email_1]",
        "EMAIL\\_1",
        "\\u003cEMAIL_1",
        "%3CEMAIL%5F1",
        "E\\u004dAIL_1",
        "\\\\u0045MAIL\\\\u005f1",
    ] {
        let trip = placeholders();
        let asked = trip.ask(&format!("{held} is not ann@example.com"));
        assert!(asked.ends_with("is not <EMAIL_2>"), "{asked}");
        let back = trip.answer(&asked);
        assert_eq!(back, format!("{held} is not ann@example.com"));
    }
    let trip = placeholders();
    assert!(
        trip.ask("EMAIL_1x EMAIL_12345 a@b.example")
            .ends_with("<EMAIL_2>")
    );
}

#[test]
fn a_placeholder_comes_back_however_it_is_spelled() {
    let trip = placeholders();
    trip.ask("o'ann@example.com 10.1.2.3");
    let email = "o'ann@example.com";
    for (answer, back) in [
        ("<EMAIL_1>", email.to_owned()),
        ("`EMAIL_1`", format!("`{email}`")),
        ("\"<Email_1>\"", format!("\"{email}\"")),
        ("(EMAIL_1)", format!("({email})")),
        ("**\\<EMAIL\\_1\\>**", format!("**{email}**")),
        (
            "[EMAIL_1](mailto:EMAIL_1)",
            format!("[{email}](mailto:{email})"),
        ),
        ("<b>&lt;EMAIL_1&gt;</b>", format!("<b>{email}</b>")),
        ("?to=%3CEMAIL_1%3E", "?to=o%27ann%40example.com".to_owned()),
        (
            "{\"to\":\"\\u003cEMAIL_1\\u003e\"}",
            format!("{{\"to\":\"{email}\"}}"),
        ),
        (
            "$EMAIL_1 email_1 MY_EMAIL_1",
            "$EMAIL_1 email_1 MY_EMAIL_1".to_owned(),
        ),
        ("EMAIL_1@example.com", "[EMAIL]".to_owned()),
        ("<IP_1><EMAIL_1>", format!("10.1.2.3{email}")),
    ] {
        assert_eq!(trip.answer(answer), back, "{answer}");
    }
}

#[test]
fn what_json_escapes_is_escaped_as_often_as_the_text_is_in_strings() {
    let secret = "p\\4ss\"w0rd!9";
    let trip = placeholders();
    let body = serde_json::json!({ "password": secret }).to_string();
    let mut tally = Tally::default();
    let asked = document::json(body.as_bytes(), &LOOKED, &trip.there, &mut tally);
    assert_eq!(asked.unwrap().unwrap(), br#"{"password":"<SECRET_1>"}"#);
    let mut answer = serde_json::json!({ "a": "<SECRET_1>" });
    let mut wanted = serde_json::json!({ "a": secret });
    for depth in 0..5 {
        let mut tally = Tally::default();
        let back = document::json(
            answer.to_string().as_bytes(),
            &LOOKED,
            &trip.back,
            &mut tally,
        );
        assert_eq!(
            String::from_utf8(back.unwrap().unwrap()).unwrap(),
            wanted.to_string(),
            "{depth}"
        );
        answer = serde_json::json!({ "b": [answer.to_string()] });
        wanted = serde_json::json!({ "b": [wanted.to_string()] });
    }
}

#[test]
fn markup_gets_references() {
    let trip = placeholders();
    let body = br#"{"password":"a&b<c>1\"x9"}"#;
    let asked = document::json(body, &LOOKED, &trip.there, &mut Tally::default());
    assert!(asked.unwrap().is_some());
    assert_eq!(
        trip.answer("<b>&lt;SECRET_1&gt;</b>"),
        "<b>a&amp;b&lt;c&gt;1&quot;x9</b>"
    );
}

#[test]
fn a_value_written_in_json_in_json_comes_back_as_it_was_and_in_prose_as_it_reads() {
    let key =
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----";
    let inner = serde_json::json!({ "key": key }).to_string();
    let trip = placeholders();
    let asked = trip.ask(&inner);
    assert_eq!(asked, r#"{"key":"<PRIVATE_KEY_1>"}"#);
    assert_eq!(trip.answer(&asked), inner);
    assert_eq!(
        trip.answer("It is <PRIVATE_KEY_1>."),
        format!("It is {key}.")
    );
    let nested = serde_json::json!([asked]).to_string();
    assert_eq!(trip.answer(&nested), serde_json::json!([inner]).to_string());
}

#[test]
fn what_was_put_back_is_not_looked_at_again() {
    let trip = placeholders();
    trip.ask("ann@example.com");
    let mut tally = Tally::default();
    let answer = br#"{"a":"<EMAIL_1> or new@example.org"}"#;
    // JSON that calls itself a form is read twice where nothing is put back.
    let back = document::form(answer, &LOOKED, &trip.back, &mut tally);
    let back = String::from_utf8(back.unwrap().unwrap()).unwrap();
    assert_eq!(back, r#"{"a":"ann@example.com or [EMAIL]"}"#);
    assert_eq!(
        (
            tally.count(Entity::Email),
            tally.count_restored(Entity::Email)
        ),
        (1, 1)
    );
}

#[test]
fn no_more_is_kept_than_may_be() {
    let trip = placeholders();
    let text: String = (0..MOST_VALUES + 3)
        .map(|at| format!("u{at}@example.com "))
        .collect();
    let mut tally = Tally::default();
    let masked = trip.there.mask(&text, "", &mut tally).unwrap();
    assert!(masked.ends_with("<EMAIL_4096> [EMAIL] [EMAIL] [EMAIL] "));
    assert_eq!(tally.unkept(Entity::Email), 3);
    assert_eq!(tally.count(Entity::Email), MOST_VALUES as u64 + 3);
}

#[test]
fn pseudonyms_are_the_same_in_every_exchange() {
    let (one, two) = (
        Trip::new(Surrogate::Pseudonym),
        Trip::new(Surrogate::Pseudonym),
    );
    let asked = one.ask("ann@example.com");
    assert_eq!(asked, "<EMAIL_qdjsjfkk>");
    assert_eq!(
        two.ask("Dear bob@example.com: ANN@example.com")
            .split_once(": ")
            .unwrap()
            .1,
        asked
    );
    assert_eq!(
        one.answer("To <email_qdjsjfkk> or EMAIL_qdjsjfkk"),
        "To ann@example.com or ann@example.com"
    );
    assert_eq!(Trip::new(Surrogate::Pseudonym).answer(&asked), asked);
}

#[test]
fn fakes_are_put_back_however_they_are_written() {
    let trip = Trip::new(Surrogate::Fake);
    let text = "ann@private.test, 4111-1111-1111-1111, call (415) 555-2671, 10.1.2.3, DE89370400440532013000";
    let asked = trip.ask(text);
    let parts: Vec<&str> = asked.split(", ").collect();
    for (part, other) in parts.iter().zip(text.split(", ")) {
        assert_ne!(*part, other);
    }
    assert_eq!(trip.answer(&asked), text);
    assert_eq!(
        trip.answer(&asked.to_uppercase().replace("CALL", "call")),
        text
    );
    assert_eq!(
        trip.answer(&parts[1].replace('-', " ")),
        "4111-1111-1111-1111"
    );
    assert!(!trip.answer(&format!("{}9", parts[3])).contains("10.1.2.3"));
    assert_eq!(Trip::new(Surrogate::Fake).ask(text), asked);
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC".repeat(3)
    );
    assert_eq!(trip.ask(&key), "<PRIVATE_KEY_1>");
}

#[test]
fn a_fake_is_none_of_the_values_that_the_request_has() {
    let first = Trip::new(Surrogate::Fake).ask("10.1.2.3");
    let trip = Trip::new(Surrogate::Fake);
    let asked = trip.ask(&format!("10.1.2.3 is not {first}"));
    assert!(!asked.contains(&first), "{asked}");
    let back = trip.answer(&asked);
    assert_eq!(back, format!("10.1.2.3 is not {first}"));
}

#[test]
fn surrogates_are_not_found_again() {
    let text = concat!(
        "ann@example.com, 4111-1111-1111-1111, ghp_0123456789abcdefghijklmnopqrstuvwxyz, SSN 536-90-4399, call 555-0132, ",
        "password: hunter2horse, 10.1.2.3, DE89370400440532013000",
    );
    for surrogate in [Surrogate::Placeholder, Surrogate::Pseudonym] {
        let once = Trip::new(surrogate).ask(text);
        assert!(!once.contains("example.com"));
        assert_eq!(Trip::new(surrogate).ask(&once), once);
    }
}

#[test]
fn little_is_held_of_what_may_become_a_placeholder() {
    let trip = placeholders();
    trip.ask("ann@example.com");
    let (mut out, mut tally, mut stream) = (String::new(), Tally::default(), TextStream::default());
    for (piece, gone) in [
        ("a < b and ", "a < b and "),
        ("x <EMA", "a < b and x "),
        ("NUEL> y ", "a < b and x <EMANUEL> y "),
        ("<EMAIL_", "a < b and x <EMANUEL> y "),
        ("1>", "a < b and x <EMANUEL> y ann@example.com"),
    ] {
        stream.push(piece, &trip.back, &mut tally, &mut out);
        assert_eq!(out, gone, "{piece}");
    }
}

/// Texts with values and what looks like placeholders.
fn dense() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "ann@example.com",
        "bob@example.org",
        "4111-1111-1111-1111",
        "10.1.2.3",
        "call (415) 555-0132",
        "password: hunter2horse",
        "password=\"a\\\"b1cdefgh\"",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "<EMAIL_1>",
        "EMAIL_2",
        "[email_1]",
        "\\<EMAIL\\_1\\>",
        "&lt;CARD_1&gt;",
        "\\u003cIP_1\\u003e",
        "%3CEMAIL_1%3E",
        "<b>",
        "{\"a\":\"",
        "\"}",
        "\\",
        "\"",
        "_",
        "_1",
        " ",
        "\n",
        ", ",
        ". ",
        "<",
        "E",
        "EMAIL",
        "é",
        "日本",
        "1",
        "x",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

fn pieces<'a>(text: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    at.retain(|at| text.is_char_boundary(*at));
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// What a value of a form means.
fn read_form(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let code: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&code, 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn any_surrogate() -> impl Strategy<Value = Surrogate> {
    prop::sample::select(vec![
        Surrogate::Placeholder,
        Surrogate::Pseudonym,
        Surrogate::Fake,
    ])
}

proptest! {
    #[test]
    fn what_is_copied_comes_back(text in dense(), surrogate in any_surrogate()) {
        let trip = Trip::new(surrogate);
        let asked = trip.ask(&text);
        prop_assert_eq!(whole(&trip.only_back, &asked), text, "{}", asked);
    }

    #[test]
    fn any_split_of_an_answer_comes_back_like_the_whole(
        request in dense(),
        answer in dense(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        surrogate in any_surrogate(),
    ) {
        let trip = Trip::new(surrogate);
        let asked = trip.ask(&request);
        for answer in [asked, answer] {
            for masker in [&trip.back, &trip.only_back] {
                let pieces = pieces(&answer, &cuts);
                prop_assert_eq!(streamed(masker, pieces), whole(masker, &answer), "{}", answer);
            }
        }
    }

    #[test]
    fn forms_stay_forms(text in dense(), surrogate in any_surrogate()) {
        let trip = Trip::new(surrogate);
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("n=1&text={encoded}");
        trip.there.reserve(body.as_bytes());
        let masked = document::form(body.as_bytes(), &LOOKED, &trip.there, &mut Tally::default());
        let masked = masked.unwrap().unwrap_or(body.into_bytes());
        let back = document::form(&masked, &LOOKED, &trip.only_back, &mut Tally::default());
        let back = String::from_utf8(back.unwrap().unwrap_or(masked)).unwrap();
        prop_assert_eq!(read_form(back.strip_prefix("n=1&text=").unwrap()), text);
    }

    #[test]
    fn documents_stay_documents(text in dense(), depth in 0_usize..4, surrogate in any_surrogate()) {
        let trip = Trip::new(surrogate);
        let mut document = serde_json::json!({ "text": text });
        for _ in 0..depth {
            document = serde_json::json!([document.to_string()]);
        }
        let body = document.to_string();
        trip.there.reserve(body.as_bytes());
        let masked = document::json(body.as_bytes(), &LOOKED, &trip.there, &mut Tally::default());
        let masked = masked.unwrap().unwrap_or_else(|| body.clone().into_bytes());
        let read: serde_json::Value = serde_json::from_slice(&masked).unwrap();
        let back = document::json(&masked, &LOOKED, &trip.only_back, &mut Tally::default());
        let back = back.unwrap().unwrap_or(masked);
        let back: serde_json::Value = serde_json::from_slice(&back).unwrap();
        prop_assert_eq!(back, document, "{}", read);
    }
}
