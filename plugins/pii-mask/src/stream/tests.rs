//! Tests of text that arrives in pieces.

use super::*;
use crate::detect::Certainty;
use crate::detect::tests::dense_text;

use proptest::prelude::*;

mod named;
mod people;
mod tables;
mod zones;

fn masker() -> Masker {
    let actions = Entity::ALL
        .into_iter()
        .map(|entity| (entity, Action::Redact))
        .collect();
    Masker::new(
        actions,
        Certainty::Context,
        None,
        crate::allowed::Allowed::default(),
    )
}

fn stream<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, Tally) {
    stream_by(&masker(), pieces)
}

fn stream_by<'a>(masker: &Masker, pieces: impl IntoIterator<Item = &'a str>) -> (String, Tally) {
    let mut stream = TextStream::default();
    let (mut out, mut tally) = (String::new(), Tally::default());
    for piece in pieces {
        stream.push(piece, masker, &mut tally, &mut out);
    }
    stream.finish(masker, &mut tally, &mut out);
    (out, tally)
}

fn whole(text: &str) -> (String, Tally) {
    whole_by(&masker(), text)
}

fn whole_by(masker: &Masker, text: &str) -> (String, Tally) {
    let mut tally = Tally::default();
    let masked = masker.mask(text, "", &mut tally);
    (masked.unwrap_or_else(|| text.to_owned()), tally)
}

/// One character a piece.
fn characters(text: &str) -> Vec<&str> {
    text.char_indices()
        .map(|(at, character)| &text[at..at + character.len_utf8()])
        .collect()
}

#[test]
fn secrets_that_something_beside_them_tells_are_masked_in_pieces_of_any_size() {
    let text = concat!(
        "AccountKey=aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3hI5jK7lM9nO1pQ3rS5tU7vW9xY1zA3bC5dE7fG==;",
        " https://a.blob.core.windows.net/c?sv=2024-11-04&sig=aB3dE5fG7hI9jK1lM3nO%2B5pQ7rS9tU1vW3xY5zA7bC9%3D, ",
        "secret abC8Q~aB3dE5fG7hI9jK1lM3nO.5pQ7rS9tU1vW~ end, sha256~aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9d ",
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs0aB3dE5f and key-0123456789abcdef0123456789abcdef\n",
        "token: Z2hwX2FCM2RFNWZHN2hJOWpLMWxNM25PNXBRN3JTOXRVMXZXM3hZNQ or cloudflare aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b.",
    );
    let (masked, _) = whole(text);
    for left in ["aB3d", "MTk4", "0123456789", "Z2hw", "8Q~", "sha256~a"] {
        assert!(!masked.contains(left), "{left}: {masked}");
    }
    for size in 1..70 {
        let pieces = text.as_bytes().chunks(size);
        let pieces = pieces.map(|piece| core::str::from_utf8(piece).unwrap());
        assert_eq!(stream(pieces).0, masked, "{size}");
    }
}

#[test]
fn findings_over_pieces_are_masked_and_the_rest_flows() {
    let (masker, mut stream) = (masker(), TextStream::default());
    let mut tally = Tally::default();
    let mut flow = Vec::new();
    for piece in [
        "Write to an",
        "n@exam",
        "ple.com or ",
        "call +44 20",
        " 7123 4567",
        " tomor",
        "row. 北京",
        "4111111111111111",
        "。",
    ] {
        let mut out = String::new();
        stream.push(piece, &masker, &mut tally, &mut out);
        flow.push(out);
    }
    assert_eq!(
        flow,
        [
            "Write to ",
            "",
            "[EMAIL] or ",
            "call ",
            "",
            "[PHONE] ",
            "tomorrow. ",
            "",
            "北京[CARD]。"
        ]
    );
}

#[test]
fn text_without_spaces_is_held_as_long_as_it_may_be_in_an_address() {
    let (masker, mut stream) = (masker(), TextStream::default());
    let (mut out, mut tally) = (String::new(), Tally::default());
    for _ in 0..100 {
        stream.push("字", &masker, &mut tally, &mut out);
        assert!(stream.held_bytes() <= 66);
    }
    stream.push("是", &masker, &mut tally, &mut out);
    assert_eq!(stream.held_bytes(), 0);
    stream.push("伊藤", &masker, &mut tally, &mut out);
    stream.push("@example.co.jp。", &masker, &mut tally, &mut out);
    assert_eq!(out, format!("{}是[EMAIL]。", "字".repeat(100)));
}

#[test]
fn little_is_held() {
    let (masker, mut stream) = (masker(), TextStream::default());
    let (mut out, mut tally) = (String::new(), Tally::default());
    for (text, held) in [
        ("The quick ", 0),
        ("brown", 5),
        (" fox ", 0),
        ("has 2 ", 2),
        ("eyes", 4),
        ("、日本語の文", 15),
        ("字、", 0),
        (" 4111 1111 ", 10),
        ("\n", 11),
        ("and ", 0),
        ("in 2026\n", 5),
        ("so ", 0),
    ] {
        stream.push(text, &masker, &mut tally, &mut out);
        assert_eq!(stream.held_bytes(), held, "{text:?}");
    }
}

#[test]
fn endless_words_are_cut_and_credentials_in_them_swallowed() {
    let blob = "QUJD".repeat(5_000);
    let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJ{blob}.{blob}");
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "MIIE\n".repeat(4_000)
    );
    let broken = format!("-----BEGIN PRIVATE KEY-----\n{}", "MIIE\n".repeat(4_000));
    for (text, expected) in [
        (format!("{blob}{blob}"), format!("{blob}{blob}")),
        (
            format!("{blob}+ann@example.com {blob}"),
            // An address that would be longer than any can be begins where the longest would.
            format!("{}[EMAIL] {blob}", &blob[..blob.len() + 4 - 255]),
        ),
        (
            format!("{blob} ann@example.com {blob}"),
            format!("{blob} [EMAIL] {blob}"),
        ),
        (format!("x {token} y"), "x [JWT] y".to_owned()),
        (
            format!("{} {token}", "a b".repeat(3_000)),
            format!("{} [JWT]", "a b".repeat(3_000)),
        ),
        (
            format!("x eyJ{}.eyJ{blob}.{blob} y", &blob[..6_000]),
            "x [JWT] y".to_owned(),
        ),
        (
            format!("x IQoJb3JpZ2lu{}/+{blob}= y", &blob[..6_000]),
            "x [AWS_SECRET_KEY]= y".to_owned(),
        ),
        (format!("x {key} y"), "x [PRIVATE_KEY] y".to_owned()),
        (format!("x {broken}. y"), "x [PRIVATE_KEY]\n. y".to_owned()),
        (
            format!("{} 4111111111111111 z", "12 34 ".repeat(2_000)),
            format!("{} [CARD] z", "12 34 ".repeat(2_000)),
        ),
    ] {
        assert_eq!(whole(&text).0, expected);
        for size in [1, 7, 1000, text.len()] {
            let pieces: Vec<&str> = text
                .as_bytes()
                .chunks(size)
                .map(|piece| core::str::from_utf8(piece).unwrap())
                .collect();
            let (out, _) = stream(pieces);
            assert_eq!(out, expected, "pieces of {size}");
        }
    }
}

/// Texts at which cutting and scanning have once disagreed about where a word ends.
#[test]
fn cuts_and_findings_agree_where_it_is_tight() {
    for text in [
        "-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----'ann@example.com",
        "::4111 1111 1111 1111 office\u{c0}",
        "_\u{200b}伊藤@例え.jp",
        "芳.\u{200b}\u{200b}朱@mail.com",
        "sk-proj-0123456789abcdefghij-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----ann@example.com ",
        // Pieces of a table's cells are no whole cells.
        "secret ,\r\n界eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln%40",
        "password\nab\"cd12\n",
        "id,password\n1,ab\"cd12ef\n2,S3cret=pw9\n3,\"S3cret,pw9\"\n",
        "| who | password |\n|---|---:|\n| ann | Summer#2024  |\n| bob |S3cret=pw9 x |\n|  | \"S3cret,pw9\" |\n",
        "who, password\r\n\"ann\" , \"Sum,mer#2024\" \r\nbob,S3cret=pw9\r\n",
        "［\\u003eann@example.com",
        "（\\u003eann@example.com",
        "secret https://wJalrXUtnFEMI1K7MDENGabPxRfiCYaEXAMPLEKEY/b",
        "https://wJalrXUtnFEMI1K7MDENGabPxRfiCYaEXAMPLEKEY/b secret",
        "https://wJalrXUtnFEMI1K7MDENGabPxRfiCYaEXAMPLEKEY secret",
        "https://a.example/docs/ann&#64;example.org",
        "https://a.example/docs/ann&commat;example.org ",
        "４wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY<password> secret  ",
        "https://a.wJalrXUtnFEMI1K7MDENGabPxRfiCYaEXAMPLEKEY/abc/def AKIAQWERTY2345ZXCVBN",
        "\\u003ewJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY secret",
        "\\u003ewJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\\n secret ,",
        "\\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY secret",
        "who,password\nbob,a\"aa\"a\n",
        // A month where the groups of an account could have gone on until within it.
        "May17thSWIFT code is 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNaNHS number born on geboren am 17 de mayo de 1980",
        "CHASUS33XXXn\u{e9}e le SWIFT code is MRN-MRN-account number born on 111.444.777-35sort code 17 de mayo de 1980",
        "CHASUS33XXXn\u{e9}e le SWIFT code is MRN-MRN-account number geb. am born on 111.444.777-35 17 mai 1980",
    ] {
        for piece in [1, 2, 3, 5, 8, 13] {
            let ends = characters(text);
            let pieces = ends.chunks(piece).map(<[&str]>::concat);
            let pieces: Vec<String> = pieces.collect();
            let out = stream(pieces.iter().map(String::as_str));
            assert_eq!(out, whole(text), "{text}");
        }
        assert_eq!(stream(characters(text)), whole(text), "{text}");
    }
}

fn split<'a>(text: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let mut at: Vec<_> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut.index(text.len() + 1)))
        .collect();
    at.sort_unstable();
    let (mut from, mut pieces) = (0, Vec::new());
    for to in at {
        pieces.push(&text[from..to]);
        from = to;
    }
    pieces.push(&text[from..]);
    pieces
}

/// Pieces of numbers that people and their things have, of the words that name them, and of what
/// stands between.
const NUMBERS: &[&str] = &[
    "passport ",
    "Passport No. ",
    "BSN ",
    "DNI: ",
    "CPF=",
    "born on ",
    "geboren am ",
    "née le ",
    "DOB: ",
    "BIC: ",
    "SWIFT code is ",
    "MRN-",
    "IBAN ",
    "phone ",
    "sort code ",
    "account number ",
    "NHS number ",
    "license plate ",
    "Kennzeichen: ",
    "targa ",
    "AB12 CDE",
    "B-MW 1234",
    "MÜ LL 47",
    "AB 123 CD",
    "1234 BCD",
    "KA 05 MN 1234",
    "THE ",
    "A ",
    "AB",
    "CDE ",
    "123",
    "DE ",
    "MAY",
    "FAX",
    "Führerschein ",
    "身份证号",
    "VIN ",
    "national id ",
    "UTR ",
    "EIN ",
    "wallet ",
    "date of ",
    "birth ",
    "C01X00T47",
    "111222333",
    "111.444.777-35",
    "54362315K",
    "17.05.1980",
    "17. Mai 1980",
    "17 May 1980",
    "17 de mayo de 1980",
    "May 17, 1980",
    "17th",
    "5/17/80",
    "1980",
    "DEUTDEFF",
    "CHASUS33XXX",
    "00123456",
    "12-34-56",
    "12345678",
    "943 476 5919",
    "7ABC123",
    "M-AB1234",
    "B072RRE2I55",
    "1M8GDM9AXKP042788",
    "8001015009087",
    "131052-308T",
    "RCCMNL83S18D969H",
    "2 55 08 14 168 025 38",
    "00:1A:2B:3c:4d:5e",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "19558 39661",
    "12-3456789",
    "17",
    "de ",
    "May",
    "mayo ",
    "dec",
    " ",
    " ",
    "\n",
    ",",
    ".",
    "-",
    "/",
    ":",
    "(",
    "\"",
    "\\n",
    "A",
    "x",
    "é",
    "界",
    "\u{200b}",
    "\u{a0}",
    "４",
];

proptest! {
    #[test]
    fn numbers_of_people_are_masked_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(NUMBERS), 0..16),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = parts.concat();
        let expected = whole(&text);
        prop_assert_eq!(&stream(split(&text, &cuts)), &expected);
        prop_assert_eq!(&stream(characters(&text)), &expected);
    }

    /// Letters before the `@` that have no spaces between words are the address's, in a stream too.
    #[test]
    fn addresses_in_scripts_without_spaces_are_masked_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(vec![
            "伊藤", "芳.朱92", "请联系", "の", "メール", "是", "김철수", "ประสิทธิ์", "@", "@例え.jp", "@mail.com", "＠example.org", "%40example.org", "&#64;example.org", "&", "#", ";", "&commat;",
            "ann", ".", "_", "-", "1", "92", " ", "。", "\u{200b}", "4111 1111 1111 1111", "13812345678", "+", "我们的电子邮件地址就在下面请大家注意查收谢谢合作", "\n",
        ]), 0..12),
        size in 1_usize..9,
    ) {
        let text = parts.concat();
        let pieces: Vec<_> = text.char_indices().map(|(at, _)| at).step_by(size).chain([text.len()]).collect();
        let pieces = pieces.windows(2).map(|pair| &text[pair[0]..pair[1]]);
        prop_assert_eq!(stream(pieces), whole(&text));
    }

    #[test]
    fn any_split_masks_like_the_whole(text in dense_text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let expected = whole(&text);
        prop_assert_eq!(&stream(split(&text, &cuts)), &expected);
        prop_assert_eq!(&stream(characters(&text)), &expected);
    }

    #[test]
    fn long_texts_too(texts in prop::collection::vec(dense_text(), 0..6), long in 0_usize..6_000, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let text = texts.join(&"a1".repeat(long / 2));
        let expected = stream([text.as_str()]);
        prop_assert_eq!(&stream(split(&text, &cuts)), &expected);
    }
}

#[test]
fn the_second_of_two_keys_is_swallowed_to_its_own_end() {
    let key = |lines: usize| {
        let line = format!(
            "{}\n",
            "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2"
        );
        format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n",
            line.repeat(lines)
        )
    };
    for (first, second) in [(20, 100), (100, 100), (100, 20)] {
        let text = format!("{}{}and more", key(first), key(second));
        for size in [1, 7, 100, 5000] {
            let pieces = text.as_bytes().chunks(size);
            let (out, _) = stream(pieces.map(|piece| core::str::from_utf8(piece).unwrap()));
            assert_eq!(
                out, "[PRIVATE_KEY]\n[PRIVATE_KEY]\nand more",
                "{first} {second} {size}"
            );
        }
    }
}

#[test]
fn what_can_only_be_the_front_of_an_address_is_not_held_to_the_end() {
    let (masker, mut stream) = (masker(), TextStream::default());
    let (mut out, mut tally) = (String::new(), Tally::default());
    let word = "updown".repeat(700);
    for piece in word.as_bytes().chunks(6) {
        let piece = core::str::from_utf8(piece).unwrap();
        stream.push(piece, &masker, &mut tally, &mut out);
        assert!(stream.held_bytes() <= MAX_HELD_PLAIN);
    }
    stream.push("@example.com.", &masker, &mut tally, &mut out);
    stream.finish(&masker, &mut tally, &mut out);
    assert_eq!(out, whole(&format!("{word}@example.com.")).0);
    assert!(out.ends_with("[EMAIL]."));
}

proptest! {
    #[test]
    fn long_words_before_and_in_values_are_masked_like_the_whole(
        word in "[a-zI/.:]{200,900}",
        value in prop::sample::select(vec![
            "@example.com", " 4111 1111 1111 1111", "4111111111111111", "-sk-proj-Ab3dE5gHAb3dE5gHAb3dE5gH", "%40example.org", "&#64;example.org", "&commat;example.org", ":dead:beef::1",
            "/eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0NTYifQ.", " secret wJalrXUtnFEMIaK7MDENGabPxRfiCYaEXAMPLEKEY4", "",
        ]),
        size in 1_usize..50,
    ) {
        let text = format!("see {word}{value}, and {word}");
        let pieces: Vec<_> = text.as_bytes().chunks(size).map(|piece| core::str::from_utf8(piece).unwrap()).collect();
        prop_assert_eq!(stream(pieces).0, whole(&text).0);
    }
}

#[test]
fn digits_of_all_scripts_and_full_stops_are_read_in_pieces_as_in_the_whole() {
    for text in [
        "card ၄၁၁၁ ၁၁၁၁ ၁၁၁၁ ၁၁၁၁, ok",
        "card ๔๑๑๑๑๑๑๑๑๑๑๑๑๑๑๑ ok",
        "card \u{1d7d2}\u{1d7cf}\u{1d7cf}\u{1d7cf}-1111-1111-1111 ok",
        "card 4\u{fe0f}111 11\u{34f}11 1111 1111 ok",
        "an ann@例え。jp end",
        "ann@example。com。and more",
        "ann@example.com。Thanks for it",
    ] {
        let (masked, _) = whole(text);
        assert!(masked.contains('['), "{masked}");
        assert_eq!(stream(characters(text)).0, masked);
    }
}

proptest! {
    #[test]
    fn addresses_of_the_web_are_read_in_pieces_as_in_the_whole(
        parts in prop::collection::vec(prop_oneof![
            Just("https://example.org/".to_owned()),
            Just("https://hooks.slack.com/services/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".to_owned()),
            Just("https://discord.com/api/webhooks/123456789012345678/aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3hI5jK7lM9nO1pQ3rS5tU7v".to_owned()),
            Just("https://acme.webhook.office.com/webhookb2/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f@0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f/IncomingWebhook/0a1b2c3d4e5f0a1b2c3d4e5f0a1b2c3d/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f".to_owned()),
            Just("ann@example.com".to_owned()),
            Just("postgres://app:S3cret-pw9@db.internal/x".to_owned()),
            Just("4111111111111111".to_owned()),
            Just("030/1234567".to_owned()),
            Just("10.0.0.1/24".to_owned()),
            "[a-z]{1,8}", "[0-9]{1,9}", "[/?#& ]", "[/=:.@-]", "password=[a-z0-9]{8}", "phone",
            "[A-Za-z0-9+/]{30,50}",
        ], 1..14),
        size in 1_usize..30,
    ) {
        let text = parts.concat();
        let pieces = text.as_bytes().chunks(size).map(|piece| core::str::from_utf8(piece).unwrap());
        prop_assert_eq!(stream(pieces).0, whole(&text).0);
    }
}

#[test]
fn long_addresses_of_the_web_are_read_in_linear_time() {
    // A quadratic reader would take minutes.
    let begun = std::time::Instant::now();
    for part in ["abc/", "/", "a/", "secret/", "https://a.example/"] {
        let text = format!(
            "https://example.org/{}",
            part.repeat(1_000_000 / part.len())
        );
        assert_eq!(stream([text.as_str()]).0, text);
    }
    assert!(begun.elapsed().as_secs() < 60);
}
