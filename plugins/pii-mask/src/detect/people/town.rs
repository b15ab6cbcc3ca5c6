//! What follows a street that belongs to its address: unit and floor, code and town.

use super::class::Class;
use super::words::{Reader, Shape, Word, is_word_letter};

/// Most words of a town's name.
const TOWN: usize = 5;
/// Most parts behind a street.
const TAIL: usize = 4;

/// The word at `at`, if a letter stands there.
pub fn word_at(reader: &mut Reader<'_>, at: usize) -> Option<Word> {
    let (letter, _) = reader.look(at)?;
    is_word_letter(letter).then(|| reader.word(at)).flatten()
}

/// What follows a street that belongs to its address. Where it ends.
pub fn tail(reader: &mut Reader<'_>, mut end: usize) -> usize {
    for _ in 0..TAIL {
        let Some(next) = part(reader, end) else {
            break;
        };
        end = next;
    }
    end
}

/// One part: where it ends.
fn part(reader: &mut Reader<'_>, end: usize) -> Option<usize> {
    let at = between(reader, end)?;
    unit(reader, at)
        .or_else(|| code_and_town(reader, at))
        .or_else(|| town_and_code(reader, at))
}

/// Behind what stands between the parts of an address: a comma, a space, the end of a line.
pub fn between(reader: &mut Reader<'_>, end: usize) -> Option<usize> {
    let mut at = reader.maybe_space(end);
    at = reader.is_one(at, &[',', ';']).unwrap_or(at);
    let mut between = at > end;
    // The end of a line, also as JSON or HTML writes it.
    if let Some(next) = reader.is_one(at, &['\r', '\n']) {
        at = reader.is_one(next, &['\n']).unwrap_or(next);
        between = true;
    } else if let Some(next) = reader.is_one(at, &['\\'])
        && let Some(next) = reader.is_one(next, &['n'])
    {
        at = next;
        between = true;
    }
    if let Some(next) = reader.space(at) {
        at = next;
        between = true;
        if let Some(dash) = reader.is_one(at, &['-', '\u{2013}'])
            && let Some(next) = reader.space(dash)
        {
            at = next;
        }
    }
    between.then_some(at)
}

/// `Apt. 4B`, `Whg. 3`, `2º dcha.`, `# 5`
pub fn unit(reader: &mut Reader<'_>, at: usize) -> Option<usize> {
    let (sign, next) = reader.look(at)?;
    let behind = match sign {
        '#' => reader.maybe_space(next),
        digit if digit.is_ascii_digit() => {
            let (end, count) = reader.digits(at, 3);
            let floor = reader.is_one(end, &['\u{ba}', '\u{aa}', '\u{b0}'])?;
            if count > 2 {
                return None;
            }
            let side = reader.space(floor).and_then(|next| word_at(reader, next));
            let side =
                side.filter(|word| word.shape == Shape::Letter || word.class.is(Class::UNIT));
            let end = side.map_or(floor, |word| word.span.end);
            return Some(reader.is_one(end, &['.']).unwrap_or(end));
        }
        letter if is_word_letter(letter) => {
            let word = reader.word(at).filter(|word| word.class.is(Class::UNIT))?;
            let dot = reader
                .is_one(word.span.end, &['.'])
                .unwrap_or(word.span.end);
            reader.space(dot)?
        }
        _ => return None,
    };
    let mut end = behind;
    let mut digit = false;
    for _ in 0..6 {
        match reader.look(end) {
            Some((sign, next)) if sign.is_ascii_alphanumeric() || sign == '-' => {
                digit |= sign.is_ascii_digit();
                end = next;
            }
            _ => break,
        }
    }
    let letters = end.saturating_sub(behind);
    let ends = reader
        .look(end)
        .is_none_or(|(sign, _)| !is_word_letter(sign) && !sign.is_ascii_digit());
    (ends && letters > 0 && (digit || letters == 1)).then_some(end)
}

/// `10115 Berlin`, `1012 AB Amsterdam`, `1200-195 Lisboa`, `D-10115 Berlin`
fn code_and_town(reader: &mut Reader<'_>, at: usize) -> Option<usize> {
    let mut at = at;
    if let Some((letter, next)) = reader.look(at)
        && letter.is_ascii_uppercase()
    {
        let next = match reader.look(next) {
            Some((letter, next)) if letter.is_ascii_uppercase() => next,
            _ => next,
        };
        at = reader.is_one(next, &['-'])?;
    }
    let (mut end, count) = reader.digits(at, 6);
    match count {
        5 => {}
        4 => {
            if let Some(next) = reader.is_one(end, &['-']) {
                let (digits, count) = reader.digits(next, 3);
                if count != 3 {
                    return None;
                }
                end = digits;
            } else {
                // `1012 AB`, `1012AB`
                let next = reader.maybe_space(end);
                let word = word_at(reader, next);
                let is_code = |word: &Word| word.letters().len() == 2 && word.span.len() == 2;
                if let Some(word) = word.filter(is_code)
                    && reader
                        .text
                        .get(word.span.clone())
                        .is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_uppercase()))
                {
                    end = word.span.end;
                }
            }
        }
        _ => return None,
    }
    let next = between(reader, end)?;
    let town = town(reader, next)?;
    // `28001 Madrid (Madrid)`, `20121 Milano (MI)`, `, MI`
    let bracket = reader
        .space(town)
        .and_then(|next| reader.is_one(next, &['(']));
    let province = bracket.and_then(|open| {
        let word = word_at(reader, open).filter(Word::is_name_like)?;
        reader.is_one(word.span.end, &[')'])
    });
    Some(province.unwrap_or(town))
}

/// Words with capitals: where the last one ends.
fn town(reader: &mut Reader<'_>, at: usize) -> Option<usize> {
    let mut end = None;
    let mut next = at;
    for _ in 0..TOWN {
        let Some(word) = word_at(reader, next) else {
            break;
        };
        let between = word.shape == Shape::Small
            && word.class.is(Class::PARTICLE.or(Class::STOP))
            && word.letters().len() <= 4;
        let goes_on = !is_sentence(word.class) || word.letters().len() <= 2;
        if word.is_name_like() && (end.is_none() || goes_on) {
            end = Some(word.span.end);
        } else if !between || end.is_none() {
            break;
        }
        let Some(behind) = reader.space(word.span.end) else {
            break;
        };
        next = behind;
    }
    end
}

/// Whether a word rather begins a sentence than goes on with a town's name.
pub fn is_sentence(class: Class) -> bool {
    class.is(Class::STOP) && !class.is(Class::ORG.or(Class::SURNAME).or(Class::PARTICLE))
}

/// `Springfield, IL 62701-1234`, `London SW1A 1AA`, `Ottawa, ON K1A 0B1`
fn town_and_code(reader: &mut Reader<'_>, at: usize) -> Option<usize> {
    let mut end = at;
    let mut next = at;
    let mut last = None;
    for _ in 0..=TOWN {
        if let Some(code) = british(reader, next) {
            return Some(code);
        }
        // `Huesca, 17242`
        if end > at {
            let (code, count) = reader.digits(next, 6);
            if count == 5
                && reader
                    .look(code)
                    .is_none_or(|(sign, _)| !is_word_letter(sign))
            {
                return Some(code);
            }
        }
        let word = word_at(reader, next)?;
        let is_state = word.shape == Shape::Large && word.span.len() == 2;
        if is_state && end > at {
            let behind = reader.space(word.span.end)?;
            if let Some(code) = british(reader, behind) {
                return Some(code);
            }
            let (zip, count) = reader.digits(behind, 6);
            if count != 5 {
                return None;
            }
            let more = reader
                .is_one(zip, &['-'])
                .map(|next| reader.digits(next, 5));
            return Some(
                more.filter(|(_, count)| *count == 4)
                    .map_or(zip, |(end, _)| end),
            );
        }
        let between = word.shape == Shape::Small && word.class.is(Class::PARTICLE) && end > at;
        if !(word.is_name_like() || between) || last == Some(word.hash) {
            return None;
        }
        last = Some(word.hash);
        end = word.span.end;
        let comma = reader.is_one(end, &[',']).unwrap_or(end);
        let line = reader.is_one(comma, &['\n']);
        next = match line {
            Some(next) => next,
            None => reader.space(comma)?,
        };
    }
    None
}

/// A code of the United Kingdom, `SW1A 1AA`, or of Canada, `K1A 0B1`. Where it ends.
fn british(reader: &mut Reader<'_>, at: usize) -> Option<usize> {
    let mut shape = [b'-'; 4];
    let mut end = at;
    for slot in &mut shape {
        match reader.look(end) {
            Some((sign, next)) if sign.is_ascii_uppercase() => (*slot, end) = (b'A', next),
            Some((sign, next)) if sign.is_ascii_digit() => (*slot, end) = (b'9', next),
            _ => break,
        }
    }
    let fits = matches!(
        &shape,
        b"A9--" | b"A99-" | b"A9A-" | b"AA9-" | b"AA99" | b"AA9A"
    );
    if !fits {
        return None;
    }
    let mut at = reader.space(end)?;
    let mut inward = [b'-'; 3];
    for slot in &mut inward {
        let (sign, next) = reader.look(at)?;
        *slot = match sign {
            _ if sign.is_ascii_uppercase() => b'A',
            _ if sign.is_ascii_digit() => b'9',
            _ => return None,
        };
        at = next;
    }
    let fits = &inward == b"9AA" || (&inward == b"9A9" && &shape == b"A9A-");
    let ends = reader
        .look(at)
        .is_none_or(|(sign, _)| !sign.is_ascii_alphanumeric());
    (fits && ends).then_some(at)
}
