//! What is passed over without asking a verifier holds nothing: each text is scanned with and
//! without shortcuts.

use super::super::{EntitySet, Meaning, scan_by};

/// Pieces of texts as they come, and of what is looked for.
const PIECES: [&str; 163] = [
    " ",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    ",",
    ", ",
    ";",
    ":",
    ": ",
    "::",
    "=",
    "\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "-",
    "--",
    "_",
    ".",
    "/",
    "+",
    "%",
    "@",
    "~",
    "#",
    "&",
    "\\",
    "\\n",
    "\\u00e9",
    "\\\"",
    "0",
    "1",
    "2",
    "7",
    "9",
    "12",
    "00",
    "42",
    "123",
    "404",
    "415",
    "1999",
    "2026",
    "0000",
    "4111",
    "1111",
    "5432",
    "12345",
    "123456",
    "1234567",
    "5550132",
    "12345678",
    "308630237",
    "4155550132",
    "4111111111111111",
    "1764454572345",
    "00000004111111111111111",
    "123456789012345678901234",
    "4111 1111 1111 1111",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "4111\n1111\n1111\n1111",
    "4111-1111",
    "415-555-0132",
    "(415) 555-0132",
    "+1",
    "+49",
    "00",
    "2026-11-29",
    "2026-11-29T22:16:12.345Z",
    "29/11/2026",
    "22:16:12",
    "12.345",
    "0.25",
    "-0.5",
    "1e5",
    "3.4e-05",
    "4.111111111111111e15",
    "0.1234567890123456",
    "415.5132",
    "123456.123456",
    "10.0.0.1",
    ":1::2",
    ".345",
    "22:16:12",
    "sig=",
    "cloudflare ",
    "pat.2026-11-29",
    "192.168.1.20",
    "fe80::1",
    "2001:db8::1",
    "v1.2.3",
    "a",
    "e",
    "n",
    "x",
    "B",
    "%B",
    "T",
    "Z",
    "I",
    "J",
    "id",
    "ID",
    "cc",
    "card",
    "card_",
    "ssn",
    "SSN ",
    "tel",
    "phone ",
    "call ",
    "my number is ",
    "is my SSN",
    "iban",
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "de12",
    "ann",
    "example.com",
    "ann@example.com",
    "ann%40example.com",
    "&#64;",
    "&commat;",
    "key",
    "api_key=",
    "password: ",
    "hunter2",
    "S3cretPw",
    "Bearer ",
    "secret",
    "AKIA",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ghp_",
    "sk-",
    "sk_live_",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "JQQJ99",
    "AIza",
    "SG.",
    "pat.",
    "hvs.",
    "dapi0123456789abcdef0123456789abcdef",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "3f2504e04f8911d39a0c0305e82c3301",
    "Q2x9vK4mZ7pL1nB8cT3wYd",
    "abcdefghijklmnop",
    "://hooks.slack.com/services/T0/B0/x1",
    "postgres://app:",
    "\u{e9}",
    "\u{a0}",
    "\u{2013}",
];

fn holds(text: &str, floor: usize, label: &str) {
    let each = scan_by::<true>(text, floor, (label, &Meaning::default()), EntitySet::all());
    let short = scan_by::<false>(text, floor, (label, &Meaning::default()), EntitySet::all());
    assert_eq!(short, each, "{text:?} from {floor}, called {label:?}");
}

#[test]
fn texts_of_all_pieces_are_read_alike() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..60_000 {
        let mut text = String::new();
        for _ in 0..=random(if round % 8 == 0 { 60 } else { 8 }) {
            text.push_str(PIECES[random(PIECES.len())]);
        }
        let label = ["", "", "phone", "card number", "password"][random(5)];
        let floor = text.floor_char_boundary(random(4) / 3 * random(text.len().max(1)));
        holds(&text, floor, label);
    }
}

/// Each byte, and each two, between digits in their usual surroundings.
#[test]
fn neighbours_of_digits_are_read_alike() {
    let fronts = [
        "", " ", "a ", "x", "+", "0", "4111", "call ", "=", "ab12-", "1.", "q/",
    ];
    let bytes = (0..0x80_u8)
        .map(char::from)
        .chain(['\u{e9}', '\u{a0}', '\u{2013}', '\u{3000}']);
    for between in bytes {
        for digits in ["1", "415", "2026", "123456", "5550132", "4111111111111111"] {
            for behind in [
                "", "1", "11", " 22", "5132", "1234", "5550132", "11-29", ".5e3", "x1",
            ] {
                for front in fronts {
                    let text = format!("{front}{digits}{between}{behind}");
                    holds(&text, 0, "");
                    holds(&format!("{text}\n1111 {between}"), 0, "");
                }
            }
        }
    }
}

/// What numbers are between, in cells and lists.
const DIVIDERS: [&str; 24] = [
    ",", ";", "|", "\t", "\n", "\r\n", "[", "]", "{", "}", "(", ")", "\"", "=", ":", " ", "+", "-",
    "/", ".", "@", "\\", "x", "\u{e9}",
];

#[test]
fn numbers_between_dividers_are_read_alike() {
    let numbers = [
        "1",
        "0",
        "42",
        "123",
        "4111",
        "12345",
        "0.5",
        "00.5",
        "012.5",
        "415.5132",
        "4155.132",
        "12.345678",
        "12.3456789",
        "1.2.3",
        "4111.1111",
        "1e5",
        "0.5e7",
    ];
    for front in DIVIDERS {
        for behind in DIVIDERS {
            for (at, number) in numbers.into_iter().enumerate() {
                for next in ["", "7", "4111", "2026-11-29 22:16:12", "1111\n1111\n1111"] {
                    // They stand at other places of a block, and over its end.
                    let before = "a,".repeat(at * 4 + front.len());
                    let text = format!("{before}{front}{number}{behind}{next}{behind}");
                    holds(&text, 0, "");
                    holds(&format!("{front}{number}{behind}{next}"), 0, "card");
                }
            }
        }
    }
}

/// Long base64, in which chance has left something else, or somebody has put it there.
#[test]
fn base64_is_read_alike_whatever_stands_in_it() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const WITHIN: [&str; 22] = [
        "/DE89370400440532013000/",
        "+DE89370400440532013000+",
        "/ibanDE89370400440532013000/",
        "/4111111111111111/",
        "/4111/1111/1111/1111/",
        "/415/555/0132/",
        "card4111111111111111",
        "/308/63/0237/",
        "/1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2/",
        "/0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed/",
        "/bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq/",
        "//1HGCM82633A004352/",
        "/1HGCM82633A004352/",
        "//AKIAIOSFODNN7EXAMPLE/",
        "/1//0gAbcdefghijklmnopqrst-uvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabc",
        "/SK0123456789abcdef0123456789abcdef/",
        "/12/34/56/78/",
        "/5550132/",
        "=",
        "\\n",
        "\"ssn\":308630237,\"",
        "-",
    ];
    let mut state = 3_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut found = 0;
    for round in 0..6_000 {
        let mut text = String::from(if round % 2 == 0 { "" } else { "data:;base64," });
        for _ in 0..3 {
            for _ in 0..random(400) {
                text.push(char::from(ALPHABET[random(64)]));
            }
            text.push_str(WITHIN[random(WITHIN.len())]);
        }
        holds(&text, text.len() * random(3) / 4, "");
        let (all, _) = scan_by::<false>(&text, 0, ("", &Meaning::default()), EntitySet::all());
        found += all.len();
    }
    assert!(found > 3_000, "{found}");
}
