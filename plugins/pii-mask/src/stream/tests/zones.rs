//! Tests of machine-readable zones that arrive in pieces.

use super::*;

const ZONES: &[&str] = &[
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<< L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<",
    "I<UTOD231458907<<<<<<<<<<<<<<<\r\n7408122F1204159UTO<<<<<<<<<<<6\r\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\n\nD231458907UTO7408122F1204159<<<<<<<6",
    "IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<\n  8806923102858CORINNE<<<<<<<6512068F6",
    "Ｐ＜UTOERIKSSON＜＜ANNA＜MARIA＜＜＜＜＜＜＜＜＜＜＜＜＜＜＜＜＜＜＜\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
];

#[test]
fn zones_are_masked_in_pieces_of_any_size() {
    for zone in ZONES {
        let text = format!("The zone: {zone}\nand <b>A<B</b> 5 < 6, see A<B.");
        let (masked, _) = whole(&text);
        assert!(
            masked.contains("]\nand <b>A<B</b> 5") && !masked.contains("<<"),
            "{masked}"
        );
        assert_eq!(stream(characters(&text)).0, masked);
        for size in 2..60 {
            let all = characters(&text);
            let pieces: Vec<_> = all.chunks(size).map(<[&str]>::concat).collect();
            assert_eq!(
                stream(pieces.iter().map(String::as_str)).0,
                masked,
                "{size}"
            );
        }
    }
}

/// What can be no line goes at once.
#[test]
fn little_is_held_for_a_zone() {
    let (masker, mut stream) = (masker(), TextStream::default());
    let (mut out, mut tally) = (String::new(), Tally::default());
    for (text, held) in [
        ("if A<B", 4 - 1),
        ("<C ", 2),
        ("<tr>", 0),
        ("<TD", 2),
        (">", 0),
        ("x P<UTO", 5),
        ("ERIKSSON<<", 15),
        ("anna", 4),
        (" ", 0),
        (ZONES[0], ZONES[0].len()),
        ("\n", ZONES[0].len() + 1),
        ("T", ZONES[0].len() + 2),
        ("his ", 0),
    ] {
        stream.push(text, &masker, &mut tally, &mut out);
        assert_eq!(stream.held_bytes(), held, "{text:?}");
    }
}

proptest! {
    #[test]
    fn zones_are_masked_like_the_whole(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                ZONES[0], ZONES[1], ZONES[3], ZONES[4], ZONES[5], ZONES[6], ZONES[7],
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
                "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
                "I<UTOD231458907<<<<<<<<<<<<<<<",
                "7408122F1204159UTO<<<<<<<<<<<6",
                "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
                "D231458907UTO7408122F1204159<<<<<<<6",
                "P<UTOERIKSSON<<ANNA", "<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F", "1204159ZE184226B<<<<<10",
                "<", "<<", "A<B", "</b>", "<br>", "<<<<<<<<<<<<<<", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "\n", "\n", " ", " ", "\\n", "\\", "n", "\r\n", "\t", ",", "\"", "x", "A", "7", "_", "é", "界", "\u{200b}", "\u{a0}", "＜",
                "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "ann@", "example.com", "4111 1111 1111 1111", "phone 555", " office", "DE89 3704 0044 0532 0130 00", "17 de ", "伊藤",
                "secret ", "wJalrXUtnFEMIaK7MDENGabPxRfiCYaEXAMPLEKEY4",
            ]),
            0..14,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = parts.concat();
        let expected = whole(&text);
        prop_assert_eq!(&stream(split(&text, &cuts)), &expected);
        prop_assert_eq!(&stream(characters(&text)), &expected);
    }
}
