//! Names of persons: words with capitals in a row, of which one is a known given name, or which a
//! title, a greeting or a label calls a name.

use super::class::Class;
use super::said::{Left, Said};
use super::table::of;
use super::words::{Reader, Shape, Word, is_word_letter};
use crate::detect::Certainty;
use core::ops::Range;

/// Most words of a name, with the particles between them.
const MOST: usize = 7;
/// Most particles between two words: `van der`, `de la`.
const PARTICLES: usize = 3;
/// Most titles in a row: `Prof. Dr. Dr.`
const TITLES: usize = 4;
/// Longest value of a member that is a name as a whole, in bytes and in words.
const LONGEST: usize = 80;
const WORDS: usize = 6;
/// Titles that are no other words, so that they need no full stop.
const SHORT_TITLES: [u32; 15] = [
    of("mr"),
    of("mrs"),
    of("ms"),
    of("mx"),
    of("dr"),
    of("mme"),
    of("sir"),
    of("don"),
    of("sr"),
    of("sra"),
    of("dra"),
    of("dhr"),
    of("mw"),
    of("hon"),
    of("sig"),
];

/// Companies that are called as persons are.
const COMPANIES: [(u32, u32); 10] = [
    (of("morgan"), of("stanley")),
    (of("wells"), of("fargo")),
    (of("jack"), of("daniels")),
    (of("ben"), of("jerry")),
    (of("calvin"), of("klein")),
    (of("hugo"), of("boss")),
    (of("ralph"), of("lauren")),
    (of("marc"), of("jacobs")),
    (of("robert"), of("half")),
    (of("charles"), of("schwab")),
];

/// A name, or what might have been one.
pub struct Taken {
    /// Where it is read on.
    pub end: usize,
    /// The name.
    pub name: Option<(Range<usize>, Certainty)>,
}

/// What words are that stand before a name.
const FRONTS: Class = Class::TITLE
    .or(Class::ROLE)
    .or(Class::DEAR)
    .or(Class::HELLO)
    .or(Class::CLOSE);

/// What words are that end a name.
const OTHERS: Class = Class::STOP.or(Class::ORG).or(Class::TITLE).or(Class::BACK);

/// A word of a run.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: usize,
    end: usize,
    class: Class,
    shape: Shape,
    hash: u32,
}

/// Words with capitals in a row.
#[derive(Debug)]
struct Run {
    parts: Vec<Part>,
    /// What the word with a capital is that ended it.
    next: Class,
}

impl Run {
    fn end(&self) -> usize {
        self.parts.last().map_or(0, |part| part.end)
    }

    fn class(&self, at: usize) -> Class {
        self.parts.get(at).map_or(Class::NONE, |part| part.class)
    }

    fn is_other(&self) -> bool {
        let pair = |pair: &[Part]| matches!(pair, [a, b] if COMPANIES.contains(&(a.hash, b.hash)));
        self.next.is(Class::ORG)
            || self.parts.iter().any(|part| is_org(part.class))
            || self.parts.windows(2).any(pair)
    }

    /// The words that say something, which initials and particles do not.
    fn count(&self) -> usize {
        let says = |part: &&Part| part.shape != Shape::Letter && part.shape != Shape::Small;
        self.parts.iter().filter(says).count()
    }

    fn from(&self, at: usize) -> Option<Range<usize>> {
        let start = self.parts.get(at)?.start;
        Some(start..self.end())
    }
}

/// Whether it is a surname, and no other word.
fn is_surname(class: Class) -> bool {
    class.is(Class::SURNAME) && !class.is(Class::WORD)
}

fn is_org(class: Class) -> bool {
    class.is(Class::ORG) && !class.is(Class::SURNAME.or(Class::GIVEN))
}

/// Reads the name that begins with this word, if one does.
pub fn take(reader: &mut Reader<'_>, word: &Word) -> Taken {
    let none = Taken {
        end: word.span.end,
        name: None,
    };
    if word.class.is(Class::TITLE)
        && let Some(taken) = titled(reader, word)
    {
        return taken;
    }
    if !word.is_name_like() && word.shape != Shape::Letter {
        return none;
    }
    let run = run(reader, word.clone());
    if run.parts.is_empty() {
        return none;
    }
    let end = run.end();
    let said = Left::of(reader.text, word.span.start).says();
    let name = match said {
        Said::Alone if !ends_line(reader, end) => by_words(reader, &run),
        said => by_context(&run, said).or_else(|| by_words(reader, &run)),
    };
    // Within a row that is no name another may begin, or an address: but not in one without end.
    let read_on = match run.parts.len() {
        MOST.. => end,
        _ => word.span.end,
    };
    Taken {
        end: name.as_ref().map_or(read_on, |(name, _)| name.end),
        name,
    }
}

/// What a title stands before.
fn titled(reader: &mut Reader<'_>, title: &Word) -> Option<Taken> {
    let mut at = title.span.end;
    let mut next = title.clone();
    for _ in 0..TITLES {
        let dot = reader.is_one(at, &['.']);
        let is_short = next.letters().len() <= 3 && !SHORT_TITLES.contains(&next.hash);
        if dot.is_none() && (is_short || (next.shape == Shape::Large && next.letters().len() < 3)) {
            return None;
        }
        if let Some(dot) = dot {
            // `Sig.ra`, `Dott.ssa`
            at = dot;
            while let Some((letter, behind)) = reader.look(at)
                && letter.is_ascii_lowercase()
                && behind.saturating_sub(dot) <= 4
            {
                at = behind;
            }
        }
        at = reader.maybe_space(at);
        let (letter, _) = reader.look(at)?;
        if !is_word_letter(letter) {
            return None;
        }
        next = reader.word_behind_dot(at)?;
        if !next.class.is(Class::TITLE) || next.class.is(Class::SURNAME) {
            break;
        }
        at = next.span.end;
    }
    if next.shape == Shape::Other || is_plain_stop(next.class) {
        return None;
    }
    if next.shape == Shape::Small && !next.class.is(Class::PARTICLE) {
        return None;
    }
    let run = run(reader, next);
    if run.count() == 0 {
        return None;
    }
    let end = run.end();
    Some(Taken {
        end,
        name: run.from(0).map(|name| (name, Certainty::Context)),
    })
}

fn is_plain_stop(class: Class) -> bool {
    class.is(Class::STOP) && !class.is(Class::SURNAME.or(Class::UNSURE).or(Class::PARTICLE))
}

/// The words in a row that begin with this one.
fn run(reader: &mut Reader<'_>, first: Word) -> Run {
    let mut run = Run {
        parts: Vec::new(),
        next: Class::NONE,
    };
    let mut word = first;
    let mut particles = 0;
    // How many parts there are up to the last that is no particle.
    let mut sure = 0;
    loop {
        let is_particle = word.shape == Shape::Small && word.class.is(Class::PARTICLE);
        let is_first = sure == 0;
        // An initial in front has its full stop: `I` is a word.
        let initial = word.shape == Shape::Letter && !(is_first && word.span.len() == 1);
        let large = word.is_name_like() || initial;
        let stops = match is_first {
            true if word.class.is(Class::GIVEN.or(Class::UNSURE)) => false,
            true => {
                word.class.is(FRONTS)
                    || (word.class.is(Class::STOP.or(Class::ORG))
                        && !word.class.is(Class::UNSURE.or(Class::SURNAME)))
            }
            false => {
                word.class.is(OTHERS)
                    && !word
                        .class
                        .is(Class::SURNAME.or(Class::GIVEN).or(Class::UNSURE))
                    && word.shape != Shape::Letter
            }
        };
        if large && stops && !(is_first && word.shape == Shape::Letter) {
            run.next = word.class;
            break;
        }
        if is_particle {
            particles += 1;
        }
        if !(large || is_particle) || particles > PARTICLES {
            break;
        }
        run.parts.push(Part {
            start: word.span.start,
            end: word.span.end,
            class: word.class,
            shape: word.shape,
            hash: word.hash,
        });
        if large {
            (sure, particles) = (run.parts.len(), 0);
        }
        // No further: what follows a row of so many is read by itself.
        if run.parts.len() >= MOST {
            break;
        }
        let end = word.span.end;
        let next = match reader.space(end) {
            Some(next) => next,
            // `J.R.`
            None if word.shape == Shape::Letter
                && reader.text.as_bytes().get(end.saturating_sub(1)) == Some(&b'.') =>
            {
                end
            }
            None => break,
        };
        let Some((letter, _)) = reader.look(next) else {
            break;
        };
        if !is_word_letter(letter) {
            break;
        }
        let Some(behind) = reader.word_behind_dot(next) else {
            break;
        };
        word = behind;
    }
    run.parts.truncate(sure);
    run
}

/// Whether nothing but a comma or full stop stands between `at` and the end of its line.
fn ends_line(reader: &mut Reader<'_>, at: usize) -> bool {
    let at = reader.is_one(at, &[',', '.']).unwrap_or(at);
    let at = reader.maybe_space(at);
    reader
        .look(at)
        .is_none_or(|(next, _)| matches!(next, '\n' | '\r' | '\\' | '<'))
}

/// The name as far as something else calls for one.
fn by_context(run: &Run, said: Said) -> Option<(Range<usize>, Certainty)> {
    let first = run.class(0);
    let known = Class::GIVEN.or(Class::UNSURE).or(Class::SURNAME);
    let last = run.parts.last()?;
    let is_name = match said {
        Said::Nothing => false,
        Said::Name | Said::Alone => run.count() > 0,
        Said::Perhaps => first.is(Class::GIVEN.or(Class::UNSURE)),
        Said::Role => {
            let known = first.is(Class::GIVEN.or(Class::UNSURE)) || is_surname(last.class);
            !run.is_other() && run.count() > 0 && (run.count() > 1 || known)
        }
        Said::Known => {
            !run.is_other()
                && (first.is(Class::GIVEN)
                    || (run.count() > 1 && (first.is(known) || last.class.is(Class::SURNAME))))
        }
    };
    let name = run.from(0).filter(|_| is_name)?;
    Some((name, Certainty::Context))
}

/// The name that known words make.
fn by_words(reader: &mut Reader<'_>, run: &Run) -> Option<(Range<usize>, Certainty)> {
    if run.is_other() {
        return None;
    }
    if let [one] = run.parts.as_slice() {
        return turned(reader, *one);
    }
    let given = Class::GIVEN.or(Class::UNSURE);
    let last = run.parts.last()?;
    let begins = |at: usize, part: &Part| {
        let behind = run.parts.get(at.saturating_add(1)..).unwrap_or_default();
        let has_surname = || behind.iter().any(|part| is_surname(part.class));
        let is_large = run.parts.iter().all(|part| part.shape == Shape::Large);
        match part.shape {
            _ if behind.is_empty() => false,
            Shape::Letter => at == 0 && last.class.is(Class::SURNAME) && run.count() == 1,
            Shape::Small => false,
            // Headings and constants are written so, too.
            Shape::Large if is_large => part.class.is(given) && has_surname(),
            Shape::Large => false,
            _ if part.class.is(Class::GIVEN) => true,
            // A name that is in no list before a surname that is no other word.
            Shape::Capital if part.class == Class::NONE => {
                let next = run.parts.get(at.saturating_add(1));
                next.is_some_and(|next| is_surname(next.class) && next.shape == Shape::Capital)
            }
            _ => part.class.is(Class::UNSURE) && has_surname(),
        }
    };
    let at = run
        .parts
        .iter()
        .enumerate()
        .position(|(at, part)| begins(at, part))?;
    // A name before it is one of its own.
    let mut from = at;
    while let Some(before) = from.checked_sub(1)
        && (run.class(before).is(given.or(Class::SURNAME))
            || run
                .parts
                .get(before)
                .is_some_and(|part| part.shape == Shape::Letter))
    {
        from = before;
    }
    run.from(from).map(|name| (name, Certainty::Shape))
}

/// `Meier, Anna`
fn turned(reader: &mut Reader<'_>, surname: Part) -> Option<(Range<usize>, Certainty)> {
    if !is_surname(surname.class) || surname.class.is(Class::UNSURE) {
        return None;
    }
    let comma = reader.is_one(surname.end, &[','])?;
    let at = reader.space(comma)?;
    let (letter, _) = reader.look(at)?;
    let given = is_word_letter(letter).then(|| reader.word(at)).flatten()?;
    let is_name = given.is_name_like() && given.class.is(Class::GIVEN);
    is_name.then_some((surname.start..given.span.end, Certainty::Shape))
}

/// Whether all of a text that is called so is a name; its bytes without what surrounds it.
pub fn whole(text: &str, said: Said) -> Option<Range<usize>> {
    let trimmed =
        text.trim_matches(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '\''));
    let start = text.find(trimmed)?;
    let span = start..start.saturating_add(trimmed.len());
    let signs = |sign: char| " .,'-\u{2019}\u{a0}\u{2010}".contains(sign);
    let of_name = |sign: char| {
        sign.is_alphabetic() || signs(sign) || !sign.is_ascii() && sign.is_alphanumeric()
    };
    let words = || trimmed.split(signs).filter(|word| !word.is_empty());
    let plausible = trimmed.len() <= LONGEST
        && trimmed.chars().all(of_name)
        && (1..=WORDS).contains(&words().count());
    if !plausible || !matches!(said, Said::Name | Said::Role | Said::Known) {
        return None;
    }
    let mut reader = Reader::of(trimmed);
    let first = words().next()?;
    let class = |reader: &mut Reader<'_>, word: &str| {
        let at = word.as_ptr().addr().saturating_sub(trimmed.as_ptr().addr());
        reader.word(at).map_or(Class::NONE, |word| word.class)
    };
    let first = class(&mut reader, first);
    let is_one = match said {
        // `string`, `unknown`, `n/a`
        Said::Name => words().count() > 1 || !is_plain_stop(first),
        _ => {
            let capitals = words().all(|word| {
                word.chars()
                    .next()
                    .is_some_and(|first| !first.is_ascii_lowercase())
                    || word.len() <= 3
            });
            let other = words().any(|word| {
                let class = class(&mut reader, word);
                is_org(class) || is_plain_stop(class)
            });
            let known = match said {
                Said::Known => first.is(Class::GIVEN),
                _ => words().count() > 1 || first.is(Class::GIVEN.or(Class::SURNAME)),
            };
            (!other || first.is(Class::GIVEN)) && capitals && known
        }
    };
    is_one.then_some(span)
}
