//! What becomes of findings.

use super::*;

fn masker(action: Action) -> Masker {
    let actions = Entity::ALL
        .into_iter()
        .map(|entity| (entity, action))
        .collect();
    Masker::new(
        actions,
        Certainty::Context,
        Some(SecretBytes::new(b"key".to_vec())),
        Allowed::new(["*@support.example"]),
    )
}

const TEXT: &str = "ann@example.com, 4111-1111-1111-1111, ghp_0123456789abcdefghijklmnopqrstuvwxyz; help@Support.example";

fn masked(action: Action) -> String {
    masker(action)
        .mask(TEXT, "", &mut Tally::default())
        .unwrap()
}

#[test]
fn masking_keeps_the_shape_and_if_told_the_last_characters() {
    assert_eq!(
        masked(Action::Mask { keep: 0 }),
        "***@*******.***, ****-****-****-****, ****; help@Support.example"
    );
    assert_eq!(
        masked(Action::Mask { keep: 4 }),
        "***@******e.com, ****-****-****-1111, ****wxyz; help@Support.example"
    );
    let masker = masker(Action::Mask { keep: 4 });
    let masked = |text| masker.mask(text, "", &mut Tally::default());
    assert_eq!(masked("ann&#64;example.com").unwrap(), "***@******e.com");
    assert_eq!(masked("see help%40support.example"), None);
    let names = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
    let numbers = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
    let hidden = "*<***********<<****<*****<<<<<<<<<<<<<<<<<<<";
    for (between, left) in [("\n", "\n"), (r"\n", " "), (r"\\r\\n", " "), ("", "")] {
        // The escapes of a string's source become a space.
        let zone = format!("{names}{between}{numbers}");
        let expected = format!("{hidden}{left}{}6B<<<<<10", "*".repeat(35));
        let masked = masker.mask(&zone, "", &mut Tally::default());
        assert_eq!(masked.unwrap(), expected);
    }
    assert_eq!(
        masker
            .mask("call 555-0132", "", &mut Tally::default())
            .unwrap(),
        "call ***-**32"
    );
}

#[test]
fn redacting_names_what_was_there() {
    assert_eq!(
        masked(Action::Redact),
        "[EMAIL], [CARD], [GITHUB_TOKEN]; help@Support.example"
    );
}

#[test]
fn pseudonyms_are_keyed_and_independent_of_how_the_value_is_written() {
    let of = |text: &str| {
        masker(Action::Hash)
            .mask(text, "", &mut Tally::default())
            .unwrap()
    };
    assert_eq!(of("4111-1111-1111-1111"), of("4111111111111111"));
    assert_eq!(of("Ann@Example.com"), of("ann@example.com"));
    assert_eq!(
        of("４１１１-1111\u{200b}-1111-1111"),
        of("4111111111111111")
    );
    assert_eq!(of("ann&#64;example.com"), of("ann@example.com"));
    assert_eq!(of("ann%40example.com"), of("ann@example.com"));
    assert_eq!(
        of("my card: 4111111111111111.0"),
        of("my card: 4111111111111111")
    );
    assert_ne!(of("bob@example.com"), of("ann@example.com"));
    // HMAC-SHA-256 with the key "key" over "email\0ann@example.com", by another implementation.
    assert_eq!(of("ann@example.com"), "[EMAIL:b26d6377a13486e3]");
}

#[test]
fn findings_are_counted_and_blocking_is_told() {
    let mut tally = Tally::default();
    masker(Action::Block).mask(TEXT, "", &mut tally);
    assert!(tally.is_blocked());
    assert_eq!(
        tally.counts().collect::<Vec<_>>(),
        [
            (Entity::Email, 1),
            (Entity::Card, 1),
            (Entity::GithubToken, 1)
        ]
    );
    let mut tally = Tally::default();
    assert_eq!(
        masker(Action::Redact).mask("nothing here", "", &mut tally),
        None
    );
    assert!(tally.is_empty() && !tally.is_blocked());
}

#[test]
fn what_is_below_the_wanted_certainty_stays() {
    let actions: FlatMap<_, _> = [
        (Entity::Phone, Action::Redact),
        (Entity::Card, Action::Redact),
    ]
    .into_iter()
    .collect();
    let masker = Masker::new(
        actions,
        Certainty::Check,
        None,
        crate::allowed::Allowed::default(),
    );
    let mut tally = Tally::default();
    assert_eq!(
        masker
            .mask("(415) 555-0132 4111111111111111", "", &mut tally)
            .unwrap(),
        "(415) 555-0132 [CARD]"
    );
}

#[test]
fn replacements_are_not_found_again() {
    for action in [Action::Mask { keep: 4 }, Action::Redact, Action::Hash] {
        let once = masked(action);
        assert_eq!(
            masker(action).mask(&once, "", &mut Tally::default()),
            None,
            "{once}"
        );
    }
}
