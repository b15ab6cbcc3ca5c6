//! How often numbers that are nobody's are taken for something: counted over numbers of a fixed
//! generator, by kind. The README states these figures.

use super::*;

/// SplitMix64, so that the counts stay the same.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn digits(&mut self, count: usize) -> String {
        let first = char::from(b'1' + u8::try_from(self.next() % 9).unwrap());
        let rest = (1..count).map(|_| char::from(b'0' + u8::try_from(self.next() % 10).unwrap()));
        core::iter::once(first).chain(rest).collect()
    }
}

const OF_EACH: usize = 10_000;

/// Findings in so many texts of a kind.
fn findings(label: &str, mut text: impl FnMut(&mut Random) -> String) -> usize {
    let mut random = Random(20_261_128);
    (0..OF_EACH)
        .map(|_| scan(&text(&mut random), 0, label, EntitySet::all()).len())
        .sum()
}

#[test]
fn numbers_in_arrays_and_ids_pass() {
    for length in [7, 9, 10, 13, 16, 17, 18, 19] {
        let tensor = findings("", |random| {
            format!("{{\"data\":[1,{},2]}}", random.digits(length))
        });
        assert_eq!(tensor, 0, "an element of {length} digits");
        let id = findings("user_id", |random| random.digits(length));
        assert_eq!(id, 0, "an id of {length} digits");
        let mut random = Random(1);
        for _ in 0..OF_EACH {
            let digits = random.digits(length);
            assert_eq!(
                judge_number(
                    digits.as_bytes(),
                    b"instances",
                    &Default::default(),
                    EntitySet::all()
                ),
                None
            );
        }
    }
}

#[test]
fn fractions_pass() {
    for places in 1..=20 {
        let found = findings("", |random| {
            format!(
                "loss: 0.{}, -.{}",
                random.digits(places),
                random.digits(places)
            )
        });
        assert_eq!(found, 0, "{places} places");
        let signed = findings("", |random| {
            let whole = random.digits(1 + places % 4);
            format!(
                "+{whole}.{0} {whole}.{0}\t{whole}.{0}e+08",
                random.digits(places)
            )
        });
        // Two short numbers in a row may be a telephone's groups: +415.5, 415.5.
        assert!(signed == 0 || places < 5, "{places} places: {signed}");
    }
    let shortest = findings("", |random| {
        let value = (random.next() >> 40) as f32 / (1_u32 << 24) as f32;
        format!("{value} {value:e},{value:.9}\n{value:.10}")
    });
    assert_eq!(shortest, 0);
}

#[test]
fn rows_of_numbers_and_ids_pass() {
    let row = findings("", |random| {
        format!(
            "{},{}.{};-{}.{}\n",
            random.digits(6),
            random.digits(4),
            random.digits(9),
            random.digits(6),
            random.digits(10)
        )
    });
    assert_eq!(row, 0, "of {OF_EACH} rows of decimal numbers");
    let uuid = findings("", |random| {
        let hex = format!("{:016x}{:016x}", random.next(), random.next());
        let (a, b) = hex.split_at(8);
        let ((b, c), d) = (b.split_at(4), &hex[16..]);
        let ((c, _), (d, e)) = (c.split_at(4), d.split_at(4));
        format!("{a}-{b}-{c}-{d}-{e} {hex}")
    });
    assert_eq!(uuid, 0, "of {OF_EACH} UUIDs, each with hyphens and without");
}

/// Tables whose cells are numbers of each kind, in the writing of either side of the Channel, with
/// the delimiters that files have.
#[test]
fn tables_of_numbers_pass() {
    for delimiter in ["\t", ",", ";", " ", " | ", "   "] {
        for point in [".", ","] {
            // With both the same nobody can tell cells from fractions.
            if delimiter == point {
                continue;
            }
            let found = findings("", |random| {
                let cells: Vec<_> = (0..12)
                    .map(|_| {
                        let sign = if random.next().is_multiple_of(4) {
                            "-"
                        } else {
                            ""
                        };
                        let whole = usize::try_from(random.next() % 7).unwrap();
                        let whole = if whole == 0 {
                            "0".to_owned()
                        } else {
                            random.digits(whole)
                        };
                        match random.next() % 3 {
                            0 => format!("{sign}{whole}"),
                            1 => format!("{sign}{whole}{point}{:02}", random.next() % 100),
                            _ => {
                                let places = usize::try_from(random.next() % 12).unwrap();
                                format!("{sign}{whole}{point}0{}", random.digits(places.max(1)))
                            }
                        }
                    })
                    .collect();
                let (one, two) = cells.split_at(6);
                format!("{}\n{}", one.join(delimiter), two.join(delimiter))
            });
            // With single spaces between, what stands in a row may be groups: 415 555 0132; and a
            // row's first cell with a decimal comma, before one more, is as comma-separated values
            // have it: 5,0171 1234567.
            let expected = match (delimiter, point) {
                (" ", ".") => 10,
                (" ", _) => 200,
                _ => 0,
            };
            assert!(
                found <= expected,
                "{delimiter:?} {point:?}: {found} of {OF_EACH}"
            );
        }
    }
}

/// Of random numbers in plain text, with no word beside them, so many are taken for cards: their
/// check digit is right and an issuer has their prefix and length.
#[test]
fn bare_numbers_in_text_are_taken_for_cards_at_known_rates() {
    let rates: Vec<_> = [12, 13, 14, 15, 16, 17, 18, 19]
        .into_iter()
        .map(|length| {
            (
                length,
                findings("", |random| format!("seen {} twice", random.digits(length))),
            )
        })
        .collect();
    let expected = [
        (12, 0),
        (13, 0),
        (14, 47),
        (15, 129),
        (16, 372),
        (17, 0),
        (18, 1),
        (19, 15),
    ];
    assert_eq!(rates, expected, "of {OF_EACH}");
}
