//! Tests of machine-readable zones, with the specimens of ICAO Doc 9303 and of states.

use super::super::{EntitySet, scan};
use super::*;

const PASSPORT: [&str; 2] = [
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
];
const CARD_OF_THREE: [&str; 3] = [
    "I<UTOD231458907<<<<<<<<<<<<<<<",
    "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
];
const CARD_OF_TWO: [&str; 2] = [
    "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "D231458907UTO7408122F1204159<<<<<<<6",
];
const LARGE_VISA: [&str; 2] = [
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L8988901C4XXX4009078F96121096ZE184226B<<<<<<",
];
const SMALL_VISA: [&str; 2] = [
    "V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<",
    "L8988901C4XXX4009078F9612109<<<<<<<<",
];
const FRANCE: [&str; 2] = [
    "IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<",
    "8806923102858CORINNE<<<<<<<6512068F6",
];
const GERMANY: [&str; 2] = [
    "P<D<<MUSTERMANN<<ERIKA<<<<<<<<<<<<<<<<<<<<<<",
    "C01X00T478D<<6408125F2702283<<<<<<<<<<<<<<<4",
];
const BELGIUM: [&str; 3] = [
    "IDBEL600001476<9355<<<<<<<<<<<",
    "1301014F2311207UTO130101987390",
    "SPECIMEN<<SPECIMEN<<<<<<<<<<<<",
];

fn all() -> Vec<(Entity, &'static [&'static str])> {
    vec![
        (Entity::Passport, &PASSPORT),
        (Entity::NationalId, &CARD_OF_THREE),
        (Entity::NationalId, &CARD_OF_TWO),
        (Entity::Passport, &LARGE_VISA),
        (Entity::Passport, &SMALL_VISA),
        (Entity::NationalId, &FRANCE),
        (Entity::Passport, &GERMANY),
        (Entity::NationalId, &BELGIUM),
    ]
}

fn found(text: &str) -> Vec<(Entity, &str)> {
    scan(text, 0, "", EntitySet::all())
        .into_iter()
        .map(|finding| {
            assert_eq!(finding.certainty, Certainty::Check, "{text}");
            (finding.entity, &text[finding.span])
        })
        .collect()
}

#[test]
fn zones_are_found_whole_however_their_lines_are_divided() {
    for (entity, lines) in all() {
        for between in [
            "\n", "\r\n", " ", "", "  \n  ", "\t", r"\n", r"\r\n", r"\\n", " \\n ", "\n\n",
        ] {
            let zone = lines.join(between);
            for (front, end) in [
                ("", ""),
                ("The zone reads ", " and no more"),
                ("\"", "\""),
                ("<p>", "</p>"),
                ("<mrz>", "<br>1"),
                ("mrz=", "&x=1"),
                ("see\n\n", "\n\n1 of 2"),
                (r"\n", r"\nThanks"),
                ("AB<C ", " AB<C"),
            ] {
                let text = format!("{front}{zone}{end}");
                assert_eq!(found(&text), [(entity, &*zone)], "{text}");
            }
        }
    }
}

#[test]
fn lines_with_check_digits_are_found_by_themselves() {
    for (entity, lines) in all() {
        for (at, line) in lines.iter().enumerate() {
            let is_checked = at == 1 || (at == 0 && line.len() == CARD);
            let expected: &[(Entity, &str)] = match is_checked {
                true => &[(entity, line)],
                false => &[],
            };
            let text = format!("see {line}, please");
            let found = found(&text);
            assert_eq!(found, expected, "{text}");
        }
        // What stands beside it and is no line stays.
        let text = format!("{}\nERIKSSON ANNA\n{}", lines[1], "A".repeat(29));
        assert_eq!(found(&text), [(entity, lines[1])]);
    }
}

#[test]
fn a_line_is_none_with_a_wrong_check_digit_or_another_length() {
    for (_, lines) in all() {
        let line = lines[1];
        for at in 0..line.len() {
            for other in ["8", "4", "K", "<"] {
                let changed = format!("{}{other}{}", &line[..at], &line[at + 1..]);
                // Letters count like the digit that they end with.
                let counts = |at: usize| {
                    let sign = changed.chars().nth(at).zip(line.chars().nth(at)).unwrap();
                    [sign.0, sign.1].map(|one| one.to_digit(36).unwrap_or_default() % 10)
                };
                let [new, old] = counts(at);
                let is_same = new == old;
                // Places that no check digit but the composite one tells of.
                let is_free = match line.len() {
                    CARD => at == 7 || at >= 15,
                    _ if lines == FRANCE => !matches!(at, 0..13 | 27..34),
                    _ => matches!(at, 10..=12 | 20) || at >= 28,
                };
                let has = scan(&changed, 0, "", EntitySet::all());
                let has = has.iter().any(|one| one.span == (0..line.len()));
                assert!(is_same || is_free || !has, "{changed}");
            }
        }
        for text in [
            format!("{line}7"),
            format!("7{line}"),
            format!("{line}<"),
            format!("x{line}"),
            format!("{line}_"),
            line[1..].to_owned(),
            line[..line.len() - 1].to_owned(),
            line.to_lowercase(),
        ] {
            let found = scan(&text, 0, "", EntitySet::all());
            assert!(
                found.iter().all(|one| one.span.len() < 25),
                "{text} {found:?}"
            );
        }
    }
}

#[test]
fn other_texts_with_such_signs_are_none() {
    for text in [
        "P<UTO and Vec<Vec<U8>> or A<B<C<30>>>",
        "<TABLE><TR><TD>1234567</TD><TD>7654321</TD></TR></TABLE>",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA<BBBBBBBBBBBBB1",
        "0123456789ABCDEF0123456789ABCDEF0123456789AB",
        "I<000000000000000<<<<<<<<<<<<<",
        "<<<<<<<<<0<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn only_what_is_wanted_is_found() {
    for (entity, lines) in all() {
        let text = lines.join("\n");
        let none = scan(&text, 0, "", EntitySet::all().without(entity));
        assert!(
            none.iter()
                .all(|one| one.entity != entity && one.span.len() < 25)
        );
        let alone = scan(&text, 0, "", EntitySet::from_iter([entity]));
        assert_eq!(alone.len(), 1);
    }
}
