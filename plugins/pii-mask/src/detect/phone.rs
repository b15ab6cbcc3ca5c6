//! Telephone numbers: international with `+` or `00` (E.164: country code, then a length that fits
//! it), North American shape (3-3-4, written with brackets, hyphens or dots), national with a trunk
//! `0`, and anything of a plausible length beside a word such as "phone" or "call". Dates are not
//! numbers. No numbering plan is consulted below the country code.

use super::behind::{Called, called};
use super::boundary::{ends, reach as reach_of, text_words, word_before};
use super::groups::{Chain, SHORTEST};
use super::id::Id;
use super::lookalikes::{
    is_binary, is_date, is_in_name, is_negative_fraction, is_of_bytes, is_of_code_points,
    is_of_octets, is_of_years, is_place, is_row, is_sign_between, is_signed_date,
};
use super::names::{self, Words};
use super::{Certainty, Scene};
use core::ops::{Range, RangeInclusive};

/// Digits of a group between points.
const LONGEST_GROUP: usize = 4;

/// What a word to the left says about a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// A telephone, wherever it stands.
    Phone,
    /// A telephone, if only words of [`Hint::Between`] follow.
    Call,
    /// The same, if at least one of them follows.
    Reach,
    /// What stands between such words and a number.
    Between,
    /// "number": as [`Hint::Call`] behind a word that says whose it is.
    Number,
    /// Whose it is.
    Whose,
    /// What else has numbers.
    Thing,
    /// What is told of telephones, directly behind the word for them: "phones sold".
    Told,
    Other,
}

fn hint(word: &[u8]) -> Hint {
    match word {
        b"phone" | b"phones" | b"telephone" | b"telephones" | b"tel" | b"mobile" | b"cellphone"
        | b"fax" | b"telefax" | b"whatsapp" | b"telefon" | b"telefono" | b"telefone"
        | b"telefoon" | b"telefonnummer" | b"telefoonnummer" | b"telefonnr" | b"handy"
        | b"handynummer" | b"mobil" | b"mobilnummer" | b"rufnummer" | b"celular" | b"movil"
        | b"cellulare" | b"puhelin" | b"telepon" | b"msisdn" | b"gsm" | b"sdt" | b"landline"
        | b"hotline" => Hint::Phone,
        b"call" | b"calling" | b"called" | b"dial" | b"sms" | b"text" | b"cell" | b"callback"
        | b"rufen" | b"anrufen" | b"ruf" | b"appelez" | b"appeler" | b"llame" | b"llamar"
        | b"chiamami" | b"chiamare" | b"ligue" => Hint::Call,
        b"erreichen" | b"erreichbar" | b"reach" | b"reached" | b"contact" | b"answering"
        | b"ring" | b"signal" => Hint::Reach,
        b"number" | b"numbers" | b"nummer" => Hint::Number,
        b"my" | b"our" | b"his" | b"her" | b"their" | b"your" | b"me" | b"us" | b"him"
        | b"them" | b"s" => Hint::Whose,
        b"you" | b"it" | b"at" | b"on" | b"via" | b"by" | b"to" | b"the" | b"is" | b"was"
        | b"are" | b"please" | b"back" | b"now" | b"directly" | b"with" | b"under" | b"new"
        | b"no" | b"nr" | b"anytime" | b"or" | b"and" | b"today" | b"home" | b"work"
        | b"office" | b"sie" | b"mich" | b"uns" | b"unter" | b"moi" | b"nous" | b"au" | b"al"
        | b"ist" | b"der" | b"die" => Hint::Between,
        b"order" | b"account" | b"invoice" | b"ticket" | b"tracking" | b"serial" | b"id"
        | b"passport" | b"license" | b"licence" | b"routing" | b"policy" | b"case"
        | b"reference" | b"ref" | b"ssn" | b"social" | b"card" | b"isbn" | b"zip" | b"postal"
        | b"part" | b"model" | b"version" | b"build" | b"port" | b"row" | b"bank" | b"member"
        | b"credit" | b"claim" | b"chart" | b"lot" | b"batch" | b"lucky" | b"favorite"
        | b"favourite" | b"employee" | b"tax" | b"security" | b"patient" => Hint::Thing,
        _ if names::is_told_of_phones(word) => Hint::Told,
        _ => Hint::Other,
    }
}

/// The word in other scripts; that of no other word is a part of these.
const OTHER_SCRIPTS: [&str; 19] = [
    "手机",
    "手機",
    "电话",
    "電話",
    "携帯",
    "전화",
    "휴대폰",
    "핸드폰",
    "연락처",
    "телефон",
    "Телефон",
    "móvil",
    "Móvil",
    "тел.",
    "Тел.",
    "тел:",
    "Тел:",
    "هاتف",
    "फ़ोन",
];

/// Words that tell what a number was, behind it.
pub const LABELS: [&str; 9] = [
    "office", "fax", "mobile", "cell", "home", "work", "tel", "phone", "direct",
];

pub fn match_groups(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(Range<usize>, Certainty)> {
    let (start, plus) = lead(scene, chain);
    let (count, certainty) = if plus {
        if is_sign_between(scene.bytes, chain.start().saturating_sub(1)) {
            return None;
        }
        international(chain, 0, true).filter(|(count, _)| {
            let other = is_signed_number(chain, *count) || is_place(chain) || is_signed_date(chain);
            !is_binary(chain, *count) && (!other || is_told(scene, start))
        })?
    } else if let Some(found) = exit_code(chain)
        .or_else(|| north_american(scene, chain))
        .or_else(|| trunk(scene, chain))
        .or_else(|| national(scene, chain))
        .filter(|_| {
            // Brackets around an area code leave no doubt.
            scene.bytes.get(start) == Some(&b'(')
                || !names::is_number_of_things(word_before(scene.bytes, start))
        })
    {
        found
    } else {
        in_context(scene, chain, start)?
    };
    // A bracket that opens before a number of one group closes behind it: it is the sentence's.
    let bracket = scene.bytes.get(start) == Some(&b'(');
    let start = start.saturating_add(usize::from(bracket && count == 1));
    Some((
        start..extension_end(scene.bytes, chain.end(count)),
        certainty,
    ))
}

/// Where the number begins with its `+` and bracket, and whether it has the `+`.
fn lead(scene: Scene<'_>, chain: &Chain<'_>) -> (usize, bool) {
    let mut start = chain.start();
    let closes = chain.separator(0).starts_with(b")");
    let before = |start: usize| start.checked_sub(1).filter(|at| *at >= scene.floor);
    let bracket =
        |start: usize| before(start).filter(|at| closes && scene.bytes.get(*at) == Some(&b'('));
    let bracketed = bracket(start);
    start = bracketed.unwrap_or(start);
    let plus = before(start).filter(|at| scene.bytes.get(*at) == Some(&b'+'));
    start = plus.unwrap_or(start);
    if bracketed.is_none() {
        start = bracket(start).unwrap_or(start);
    }
    (start, plus.is_some())
}

/// The groups that make a country code and a number of its length, after `skip` digits of an exit
/// code.
fn international(chain: &Chain<'_>, skip: usize, plus: bool) -> Option<(usize, Certainty)> {
    // No more digits are looked at than an exit code and the longest number have.
    let (mut total, mut most) = (0_usize, 0_usize);
    for length in chain.lengths() {
        let longer = total.saturating_add(length);
        if longer > MOST_DIGITS {
            break;
        }
        (total, most) = (longer, most.saturating_add(1));
    }
    let mut digits = [0_u8; MOST_DIGITS];
    let (code, national) = country(chain.copy_digits(most, &mut digits)?.get(skip..)?)?;
    (1..=most).rev().find_map(|count| {
        let length = total;
        total = total.saturating_sub(chain.group(count.saturating_sub(1)).len());
        let fits = national.contains(&length.checked_sub(skip)?.checked_sub(code)?);
        // Behind a number with its plus a suffix may be glued on.
        let ended = can_end(chain, count)
            || (plus && chain.glue(count) == Some(b'-') && ends(chain.bytes(), chain.end(count)));
        (fits && has_plain_separators(chain, count) && ended).then_some((count, Certainty::Shape))
    })
}

const MOST_DIGITS: usize = 20;

fn exit_code(chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    // A part of a path is an id.
    let in_path = chain
        .bytes()
        .get(..chain.start())
        .is_some_and(|left| left.ends_with(b"/"));
    if chain.group(0).starts_with(b"00") && !in_path {
        international(chain, 2, false).filter(|(count, _)| {
            let points = |index: usize| chain.separator(index) == b".";
            let between = count.saturating_sub(1);
            *count > 1
                && (0..between).all(points) == (0..between).any(points)
                && !is_of_bytes(chain, *count)
                && !is_of_code_points(chain, *count)
                && !is_negative_fraction(chain, *count)
                && !is_beside_a_fraction(chain, *count)
                && !chain.begins_in_fraction(*count)
        })
    } else {
        None
    }
}

/// Length of the country code and possible lengths of what follows it (ITU-T E.164 and its list of
/// assigned codes).
fn country(digits: &[u8]) -> Option<(usize, RangeInclusive<usize>)> {
    let [first, second, ..] = digits else {
        return None;
    };
    let two = first * 10 + second;
    Some(match two {
        10..=19 => (1, 10..=10),
        70..=79 => (1, 10..=10),
        30 | 51..=53 | 55..=58 | 90 | 91 | 98 => (2, 8..=11),
        20
        | 27
        | 31..=34
        | 36
        | 40
        | 41
        | 45..=48
        | 54
        | 60
        | 61
        | 63..=66
        | 81
        | 82
        | 84
        | 86
        | 92..=95 => (2, 7..=11),
        39 | 43 | 44 | 49 | 62 => (2, 6..=13),
        // Ascension, Saint Helena, and islands of the Pacific have numbers of four and five digits.
        24 | 29 | 67..=69 => (3, 4..=11),
        21..=23 | 25 | 26 | 28 | 35 | 37 | 38 | 42 | 50 | 59 | 80 | 85 | 87 | 88 | 96 | 97 | 99 => {
            (3, 6..=11)
        }
        _ => return None,
    })
}

/// (415) 555-0132, 415-555-0132, 1.415.555.0132, with spaces only if the plan's first digits fit.
fn north_american(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    let skip = usize::from(chain.group(0) == b"1");
    if !scene.wanted.permits(Id::PhoneAmerican) || !chain.lengths().skip(skip).take(3).eq([3, 3, 4])
    {
        return None;
    }
    let count = skip.saturating_add(3);
    let area = chain.separator(skip);
    let exchange = chain.separator(skip.saturating_add(1));
    let in_plan = |index: usize| {
        chain
            .group(skip.saturating_add(index))
            .first()
            .is_some_and(|digit| *digit >= b'2')
    };
    let in_row = || chain.is_in_row(count, 1, scene.found_until) || chain.begins_in_fraction(count);
    let shaped = match area {
        b")" | b") " | b")-" => matches!(exchange, b"-" | b" " | b"."),
        b"-" | b"." => exchange == area,
        b" " if exchange == b" " => in_plan(0) && in_plan(1) && !in_row(),
        b" " => exchange == b"-" && in_plan(0) && in_plan(1),
        _ => false,
    };
    // Behind a slash a second number may stand, or another ending of this one.
    let ended = || {
        can_end(chain, count)
            || (chain.glue(count) == Some(b'/') && ends(chain.bytes(), chain.end(count)))
    };
    (shaped && ended()).then_some((count, Certainty::Shape))
}

/// National numbers with a trunk 0 and at least one separator: 10 or 11 digits in all.
fn trunk(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    // Behind the trunk 0 comes no second one.
    let second = chain.group(0).get(1).or_else(|| chain.group(1).first());
    if !chain.group(0).starts_with(b"0")
        || second == Some(&b'0')
        || !scene.wanted.permits(Id::PhoneTrunk)
    {
        return None;
    }
    (2..=chain.len()).rev().find_map(|count| {
        let total: usize = chain.lengths().take(count).sum();
        let uniform = chain
            .single_separator(count)
            .is_some_and(|separator| matches!(separator, b" " | b"-" | b"." | b"/"))
            || chain.separator(0).starts_with(b")")
            || (count > 2 && chain.separator(0) == b" (");
        // A zero apart, as in "0 800 123 456", has short groups behind it.
        let longest = if chain.group(0) == b"0" && chain.separator(0) == b" " {
            LONGEST_GROUP
        } else {
            8
        };
        let grouped = chain
            .lengths()
            .take(count)
            .skip(1)
            .all(|length| (2..=longest).contains(&length));
        let fits = (10..=11).contains(&total)
            && uniform
            && grouped
            && !is_decimal(chain, count)
            && !is_date(chain, count)
            && !is_of_bytes(chain, count)
            && !is_of_code_points(chain, count)
            && !is_negative_fraction(chain, count)
            && !is_of_octets(chain, count)
            && !is_row(scene, chain, count)
            && !chain.begins_in_fraction(count)
            && can_end(chain, count);
        fits.then_some((count, Certainty::Shape))
    })
}

/// National forms that nothing else has: Russia's `8 (912) 345-67-89` and `8-912-345-67-89`,
/// Brazil's `(11) 98765-4321`, China's mobile numbers with hyphens (`138-1234-5678`).
fn national(scene: Scene<'_>, chain: &Chain<'_>) -> Option<(usize, Certainty)> {
    let separators = |wanted: &[&[u8]]| {
        wanted
            .iter()
            .enumerate()
            .all(|(index, separator)| chain.separator(index) == *separator)
    };
    let lengths = || {
        let mut lengths = [0_usize; 5];
        for (slot, length) in lengths.iter_mut().zip(chain.lengths()) {
            *slot = length;
        }
        lengths
    };
    let count = match chain.group(0) {
        b"8" if scene.wanted.permits(Id::PhoneRussian) => {
            let fits = lengths() == [1, 3, 3, 2, 2]
                && matches!(chain.group(1).first(), Some(b'3'..=b'9'))
                && (separators(&[b" (", b") ", b"-", b"-"])
                    || separators(&[b"(", b")", b"-", b"-"])
                    || separators(&[b"-", b"-", b"-", b"-"]));
            fits.then_some(5)?
        }
        [b'1'..=b'9', b'1'..=b'9'] if scene.wanted.permits(Id::PhoneBrazilian) => {
            let bracket = chain.start().checked_sub(1).filter(|at| *at >= scene.floor);
            let fits = bracket.and_then(|at| scene.bytes.get(at)) == Some(&b'(')
                && matches!(lengths(), [2, 4..=5, 4, ..])
                && (separators(&[b") ", b"-"]) || separators(&[b")", b"-"]));
            fits.then_some(3)?
        }
        [b'1', b'3'..=b'9', _] if scene.wanted.permits(Id::PhoneChinese) => {
            let fits = matches!(lengths(), [3, 4, 4, ..]) && separators(&[b"-", b"-"]);
            fits.then_some(3)?
        }
        _ => return None,
    };
    can_end(chain, count).then_some((count, Certainty::Shape))
}

/// Two groups with a point between them are a decimal number, but for 3 and 4 digits, or a prefix
/// that begins with 0.
fn is_decimal(chain: &Chain<'_>, count: usize) -> bool {
    count == 2
        && chain.separator(0) == b"."
        && !(chain.group(0).len() == 3 && chain.group(1).len() == 4)
        && !(chain.group(0).starts_with(b"0") && chain.group(0).len() > 2)
}

/// Whether what has a plus is a number with its sign: somewhere more digits come after a point than
/// a group has, or groups with other separators after the first one. Registries write telephones so
/// too (`+1.7035555555`, RFC 5733), beside their word.
fn is_signed_number(chain: &Chain<'_>, count: usize) -> bool {
    // A number has one point.
    let dotted = count > 2 && chain.single_separator(count) == Some(b".");
    !dotted
        && (is_beside_a_fraction(chain, count)
            || (chain.separator(0) == b"."
                && (count == 2 || chain.single_separator(count).is_none())))
}

/// Whether more digits come after a point than a group has.
fn is_beside_a_fraction(chain: &Chain<'_>, count: usize) -> bool {
    (1..count).any(|index| {
        chain.separator(index.saturating_sub(1)) == b"." && chain.group(index).len() > LONGEST_GROUP
    })
}

/// Any groups of a plausible length, if a word to the left or directly behind tells what they are.
fn in_context(scene: Scene<'_>, chain: &Chain<'_>, start: usize) -> Option<(usize, Certainty)> {
    let mut total = 0_usize;
    let mut fitting = None;
    for (index, length) in chain.lengths().enumerate() {
        let count = index.saturating_add(1);
        total = total.saturating_add(length);
        if total > 13 || (count > 1 && !(2..=8).contains(&length)) {
            break;
        }
        let shortest = if count == 1 { SHORTEST } else { 6 };
        // The first group alone may be longer than groups are.
        let first = chain.group(0);
        let first_fits = count == 1
            || (2..=8).contains(&first.len())
            || matches!(first, b"0" | b"1" | b"7" | b"8");
        if total >= shortest && first_fits && can_end(chain, count) {
            fitting = Some(count);
        }
    }
    let count = fitting.filter(|count| {
        has_plain_separators(chain, *count)
            && !is_date(chain, *count)
            && !is_decimal(chain, *count)
            && !is_of_years(chain, *count)
            && !is_in_name(scene.bytes, start)
    })?;
    let told = label_follows(scene.bytes, chain.end(count))
        || called(scene.bytes, chain.end(count)) == Some(Called::Phone)
        || is_told(scene, start);
    // A round number beside such a word is rather an amount: "we reach 1500000 users".
    let round = count == 1 && chain.group(0).ends_with(b"0000");
    (told && !round).then_some((count, Certainty::Context))
}

/// Whether words to the left, or the name of the text, say that a number is a telephone's.
pub fn is_told(scene: Scene<'_>, at: usize) -> bool {
    let is_label = || {
        let label = Words::read(scene.label.as_bytes());
        names::is_phone(&label) || label.ends_with(&["contact", "contacts"])
    };
    if *scene.meaning.is_phone.get_or_init(is_label) {
        return true;
    }
    let (mut phone, mut near, mut reach) = (false, false, false);
    // "My number", "my Israeli number": at most one word between.
    let mut whose = 0_u8;
    let mut whats = false;
    let mut after_phone = false;
    text_words(scene, at, |word| {
        // Its hump divides it: "WhatsApp".
        phone |= whats && word == b"app";
        whats = word == b"whats";
        let hint = hint(word);
        phone &= !(after_phone && matches!(hint, Hint::Told | Hint::Thing));
        after_phone = matches!(hint, Hint::Phone);
        match hint {
            Hint::Phone => phone = true,
            Hint::Call => near = true,
            Hint::Reach => reach = true,
            Hint::Between => near |= reach,
            Hint::Number => near |= reach || whose > 0,
            Hint::Whose => {
                whose = 2;
                near |= reach;
            }
            Hint::Thing => (near, reach, whose) = (false, false, 0),
            Hint::Other | Hint::Told => {
                (near, reach) = (false, false);
                whose = whose.saturating_sub(1);
            }
        }
    });
    phone || near || names_in_other_scripts(reach_of(scene, at))
}

fn names_in_other_scripts(left: &[u8]) -> bool {
    !left.is_ascii()
        && OTHER_SCRIPTS
            .iter()
            .any(|name| memchr::memmem::find(left, name.as_bytes()).is_some())
}

/// Whether one of [`LABELS`] stands behind, after a space, a hyphen or an opening bracket.
fn label_follows(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let rest = rest
        .strip_prefix(b" (")
        .or_else(|| rest.strip_prefix(b" "))
        .or_else(|| rest.strip_prefix(b"-"))
        .unwrap_or_default();
    let length = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let word = rest.get(..length).unwrap_or_default();
    LABELS
        .iter()
        .any(|label| word.eq_ignore_ascii_case(label.as_bytes()))
}

/// Between groups stand one space, hyphen, dot or slash, or a bracket with a space.
fn has_plain_separators(chain: &Chain<'_>, count: usize) -> bool {
    (0..count.saturating_sub(1)).all(|index| {
        matches!(
            chain.separator(index),
            b" " | b"-"
                | b"."
                | b"/"
                | b")"
                | b"("
                | b") "
                | b" ("
                | b")-"
                | b"-("
                | b" - "
                | b"  "
        )
    })
}

/// A number can end there, an extension may follow.
fn can_end(chain: &Chain<'_>, count: usize) -> bool {
    chain.can_end(count) || extension(chain.bytes(), chain.end(count)).is_some()
}

/// Behind an extension written as `x123`.
fn extension_end(bytes: &[u8], end: usize) -> usize {
    extension(bytes, end).unwrap_or(end)
}

/// Where an extension that begins at `at` ends.
fn extension(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes
        .get(at..)?
        .strip_prefix(b"x")
        .or_else(|| bytes.get(at..)?.strip_prefix(b"X"))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = at.saturating_add(1).saturating_add(digits);
    ((1..=7).contains(&digits) && ends(bytes, end)).then_some(end)
}
