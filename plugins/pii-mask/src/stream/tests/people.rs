//! Names and addresses in text that arrives in pieces.

use super::*;

/// A masker of names and addresses as well.
fn of_people() -> Masker {
    let entities = Entity::ALL.into_iter().chain(Entity::ASKED);
    Masker::new(
        entities.map(|entity| (entity, Action::Redact)).collect(),
        Certainty::Context,
        None,
        crate::allowed::Allowed::default(),
    )
}

/// How many tokens wait behind each token of a text, in thousandths, and the most bytes that do.
fn waits(masker: &Masker, tokens: &[&str]) -> (usize, usize) {
    let (mut stream, mut tally) = (TextStream::default(), Tally::default());
    let (mut out, mut lengths) = (String::new(), Vec::new());
    let (mut sum, mut most, mut pushed) = (0, 0, 0);
    for token in tokens {
        stream.push(token, masker, &mut tally, &mut out);
        pushed += token.len();
        lengths.push(pushed);
        let held = stream.held_bytes();
        most = most.max(held);
        sum += lengths
            .iter()
            .rev()
            .take_while(|end| **end > pushed - held)
            .count();
    }
    (sum * 1000 / tokens.len(), most)
}

/// The README states these.
#[test]
fn names_and_addresses_hold_back_little_more() {
    let prose = "The committee met in Geneva on Tuesday and decided, after a long debate, that the new rules should apply from January. \
Anna Meier, who had proposed them, was pleased; the Federal Office said it would publish a guide. Members can write to \
12 Main Street, Springfield, IL 62701, or call. When asked, Dr. Brown replied that nothing would change for small firms, and that \
three of them had already agreed. In Berlin and Paris the reaction was mixed, though most people did not seem to care much about it.\n";
    let text = prose.repeat(20);
    let tokens: Vec<&str> = text.split_inclusive(' ').collect();
    let (usual, _) = waits(&masker(), &tokens);
    let (people, most) = waits(&of_people(), &tokens);
    assert_eq!((usual, people), (22, 352));
    assert!(most <= 90, "{most}");
    // Whatever it is, no more than this waits.
    for (fragment, bound) in [
        ("Anna ", 300),
        ("Xyzzy Plugh ", 300),
        ("A TITLE IN CAPITALS ", MAX_HELD),
        ("van der ", 300),
        ("Hauptstra\u{df}e 12, ", MAX_HELD),
        ("Mr. Dr. ", MAX_HELD),
        ("12 Main ", MAX_HELD),
        ("Calle de la Xyzzy ", MAX_HELD),
        ("Flat 4, Xyzzy ", MAX_HELD),
        ("12 Main Street, Springfield, ", MAX_HELD),
    ] {
        let text = fragment.repeat(600);
        let tokens: Vec<&str> = text.split_inclusive(' ').collect();
        let (_, most) = waits(&of_people(), &tokens);
        // With the word that goes over the bound.
        assert!(most <= bound + 32, "{most} of {fragment}");
    }
}

/// Pieces of names and addresses, of what calls for them, and of what stands between.
const PEOPLE: &[&str] = &[
    "Anna ",
    "Anna",
    "Meier",
    "Will ",
    "Smith",
    "Xyzzy ",
    "Plugh",
    "J.",
    "R. ",
    "van der ",
    "de ",
    "Mr. ",
    "Dr.",
    "Frau ",
    "señor ",
    "Sig.ra ",
    "Dear ",
    "Hi ",
    "Best regards,\n",
    "my name is ",
    "first_name: ",
    "\"lastName\": \"",
    "patient ",
    "name: ",
    "The ",
    "University ",
    "Jean-Luc ",
    "O\u{2019}Brien",
    "d'Arc ",
    "'s ",
    "ANNA ",
    "MEIER ",
    "I ",
    "am ",
    "live at ",
    "12 ",
    "12",
    "5a",
    "Main ",
    "Street",
    "St. ",
    "Ave ",
    "NW",
    ", ",
    "Apt. ",
    "4B",
    "Springfield, ",
    "IL ",
    "62701",
    "-1234",
    "Hauptstra\u{df}e ",
    "Berliner ",
    "Stra\u{df}e ",
    "Am ",
    "Markt ",
    "rue ",
    "de la ",
    "Paix",
    "bis ",
    "Calle ",
    "Mayor",
    "n\u{ba} ",
    "2\u{ba} ",
    "Via ",
    "Roma ",
    "(RM)",
    "10115 ",
    "Berlin",
    "London ",
    "SW1A ",
    "1AA",
    "P.O. ",
    "PO ",
    "Box ",
    "Postfach ",
    "1015 ",
    "CJ ",
    "name,address\n",
    "first_name;x\n",
    "id\tstreet\n",
    ";",
    "\t",
    "|",
    "\"",
    "said ",
    "x",
    "é",
    "界",
    "\u{200b}",
    "\u{ad}",
    "\u{a0}",
    "\n",
    " ",
    ".",
    "-",
    "/",
    "\\n",
    "_",
    "@",
    "ann@example.com ",
    "4111 1111 1111 1111 ",
    "born on ",
    "17 May 1980 ",
    ":",
    "(",
    "A",
];

proptest! {
    #[test]
    fn names_and_addresses_are_masked_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(PEOPLE), 0..18),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = parts.concat();
        let masker = of_people();
        let expected = whole_by(&masker, &text);
        prop_assert_eq!(&stream_by(&masker, split(&text, &cuts)), &expected, "{}", text);
        prop_assert_eq!(&stream_by(&masker, characters(&text)), &expected, "{}", text);
    }
}
