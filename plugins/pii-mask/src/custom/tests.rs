//! Patterns and terms, by themselves and in streams.

use super::*;
use crate::allowed::Allowed;
use crate::mask::{Action, Masker, Tally};
use crate::stream::TextStream;
use proptest::prelude::*;

fn masker(kinds: Vec<Kind>) -> Masker {
    let actions = kinds.iter().map(|kind| (kind.entity, Action::Redact));
    let mut actions: modelgate_kit::flat_map::FlatMap<_, _> = actions.collect();
    actions.insert(Entity::Email, Action::Redact);
    actions.insert(Entity::Card, Action::Redact);
    Masker::new(actions, Certainty::Context, None, Allowed::default())
        .with_customs(Customs::new(kinds))
}

fn kinds() -> Vec<Kind> {
    let named = |name: &str| Custom::of(name);
    let terms = ["Project Apollo", "Apollo", "Zürich office", "C++", "ACME"];
    vec![
        Kind::pattern(named("employee_id"), r"EMP-\d{4,6}").unwrap(),
        Kind::pattern(named("ward"), r"[A-Z]\d{3}( [a-z]{2})?")
            .unwrap()
            .confirmed_by(&["ward".to_owned()], Check::None, true),
        Kind::pattern(named("member"), r"\d{8}")
            .unwrap()
            .confirmed_by(&[], Check::Luhn, true),
        Kind::terms(named("project"), terms),
    ]
}

fn whole(text: &str) -> String {
    let masked = masker(kinds()).mask(text, "", &mut Tally::default());
    masked.unwrap_or_else(|| text.to_owned())
}

#[test]
fn values_of_the_operators_own_are_masked() {
    for (text, masked) in [
        ("see EMP-123456, ok", "see [EMPLOYEE_ID], ok"),
        ("xEMP-123456 EMP-1234567", "xEMP-123456 EMP-1234567"),
        ("ward B123 in, room B123", "ward [WARD], room [WARD]"),
        ("B123 is free", "B123 is free"),
        // The end that may be left out is none.
        (
            "ward B123 and on, ward B123 ab",
            "ward [WARD] and on, ward [WARD]",
        ),
        ("12345674 and 12345675", "[MEMBER] and 12345675"),
        ("project apollo, APOLLO!", "[PROJECT], [PROJECT]!"),
        (
            "apollos apollo_x in the Zürich Office",
            "apollos apollo_x in the [PROJECT]",
        ),
        ("C++ and c", "[PROJECT] and c"),
        ("acme@acme.io", "[EMAIL]"),
        ("ann@example.com EMP-1234", "[EMAIL] [EMPLOYEE_ID]"),
    ] {
        assert_eq!(whole(text), masked, "{text}");
    }
    let label = masker(kinds()).mask("B123", "ward_name", &mut Tally::default());
    assert_eq!(label, None);
    let label = masker(kinds()).mask("B123", "ward", &mut Tally::default());
    assert_eq!(label.as_deref(), Some("[WARD]"));
}

#[test]
fn what_cannot_be_used_is_refused() {
    let fault = |pattern| Kind::pattern(Custom::of("x"), pattern).err();
    assert_eq!(fault("a{0,3}"), Some(Fault::Empty));
    assert_eq!(fault("a*"), Some(Fault::Length(Refused::Unbounded)));
    assert!(matches!(fault("[z-a]"), Some(Fault::Syntax(_))));
    assert!(matches!(
        fault(r"(\w{50}){5}(\w{50}){0}\p{L}"),
        Some(Fault::Syntax(_) | Fault::Length(_))
    ));
    assert!(compile_whole("a+").unwrap().is_match("aaa"));
    assert!(!compile_whole("a|b").unwrap().is_match("ab"));
    assert!(compile_whole("(").is_err());
}

#[test]
fn no_pattern_costs_more_than_the_text_is_long() {
    let kind = Kind::pattern(Custom::of("x"), r"[a-z]{1,60}[0-9]")
        .unwrap()
        .confirmed_by(&["never".to_owned()], Check::None, true);
    let customs = Customs::new(vec![kind]);
    let text = "abcdefghi1".repeat(2_000);
    assert_eq!(customs.find(&text, 0, ""), []);
    assert_eq!(customs.find(&"a".repeat(20_000), 0, ""), []);
}

const PARTS: &[&str] = &[
    "EMP-",
    "EMP-1234",
    "123",
    "56",
    "ward ",
    "B123",
    " ab",
    "12345674",
    "Project ",
    "Apollo",
    "apollo",
    "Zürich ",
    "office",
    "C++",
    "+",
    "ACME",
    "@acme.io",
    "4111 1111",
    " 1111 1111",
    " ",
    " ",
    ",",
    "\n",
    ".",
    "_",
    "é",
    "界",
    "x",
    "the quick brown fox ",
    "ann@example.com",
    "\\n",
    "-",
];

proptest! {
    #[test]
    fn a_stream_masks_them_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..60),
        size in 1_usize..90,
    ) {
        let text = parts.concat();
        let masker = masker(kinds());
        let (mut stream, mut out, mut tally) = (TextStream::default(), String::new(), Tally::default());
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(size) {
            let piece: String = piece.iter().collect();
            stream.push(&piece, &masker, &mut tally, &mut out);
        }
        stream.finish(&masker, &mut tally, &mut out);
        prop_assert_eq!(out, whole(&text));
    }
}
