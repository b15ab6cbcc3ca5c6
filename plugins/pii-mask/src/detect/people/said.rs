//! What stands to the left of a name or an address, and what a member, field or column is called:
//! whether that calls for one.

use super::class::Class;
use super::table::{BASIS, class_of, hash, of};
use super::words::{is_large, is_word_letter, without_accent};
use crate::detect::boundary::CONTEXT_REACH;

/// How strongly something calls for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It does not.
    Nothing,
    /// Where nothing else is a name by itself: `name:`.
    Known,
    /// A name that may be one, or another word: `Hi`, `I am`.
    Perhaps,
    /// Two words, or one that may be one: `patient`.
    Role,
    /// A line of its own, behind the end of a letter.
    Alone,
    /// Whatever stands there: `my name is`.
    Name,
}

const IS: [u32; 6] = [of("is"), of("ist"), of("est"), of("es"), of("e"), of("s")];
const NAME: [u32; 8] = [
    of("name"),
    of("names"),
    of("nom"),
    of("noms"),
    of("nombre"),
    of("nome"),
    of("naam"),
    of("namen"),
];
/// `ich heiße`, and its like.
const CALLED: [u32; 11] = [
    of("heise"),
    of("heisse"),
    of("heist"),
    of("heisst"),
    of("heet"),
    of("appelle"),
    of("llamo"),
    of("llama"),
    of("chiamo"),
    of("chiama"),
    of("chamo"),
];
/// `I am`, and its like.
const AM: [(u32, u32); 9] = [
    (of("i"), of("am")),
    (of("i"), of("m")),
    (of("ich"), of("bin")),
    (of("je"), of("suis")),
    (of("ik"), of("ben")),
    (of("yo"), of("soy")),
    (of("io"), of("sono")),
    (of("eu"), of("sou")),
    (of("call"), of("me")),
];
/// What a name is called by one word.
const WHOLE: [u32; 32] = [
    of("firstname"),
    of("lastname"),
    of("fullname"),
    of("givenname"),
    of("familyname"),
    of("middlename"),
    of("maidenname"),
    of("surname"),
    of("surnames"),
    of("forename"),
    of("forenames"),
    of("vorname"),
    of("vornamen"),
    of("nachname"),
    of("familienname"),
    of("geburtsname"),
    of("rufname"),
    of("zuname"),
    of("kundenname"),
    of("patientenname"),
    of("prenom"),
    of("prenoms"),
    of("apellido"),
    of("apellidos"),
    of("cognome"),
    of("sobrenome"),
    of("apelido"),
    of("apelidos"),
    of("voornaam"),
    of("voornamen"),
    of("achternaam"),
    of("familienaam"),
];
/// What makes a name one of a person: `first name`, `nom de famille`.
const FIRST: [u32; 22] = [
    of("first"),
    of("last"),
    of("full"),
    of("given"),
    of("family"),
    of("middle"),
    of("maiden"),
    of("legal"),
    of("preferred"),
    of("vollstandiger"),
    of("famille"),
    of("jeune"),
    of("complet"),
    of("usage"),
    of("completo"),
    of("completa"),
    of("pila"),
    of("proprio"),
    of("apelido"),
    of("volledige"),
    of("roepnaam"),
    of("birth"),
];
/// `your name`
const WHOSE: [u32; 12] = [
    of("the"),
    of("your"),
    of("my"),
    of("his"),
    of("her"),
    of("mein"),
    of("ihr"),
    of("votre"),
    of("su"),
    of("tu"),
    of("il"),
    of("o"),
];
/// Who is named without being called a name.
const WHO: [u32; 20] = [
    of("author"),
    of("authors"),
    of("autor"),
    of("auteur"),
    of("autore"),
    of("assignee"),
    of("reporter"),
    of("reviewer"),
    of("from"),
    of("to"),
    of("cc"),
    of("by"),
    of("von"),
    of("an"),
    of("de"),
    of("para"),
    of("da"),
    of("doctor"),
    of("physician"),
    of("nurse"),
];
/// Which address is none of a street.
const OTHER_ADDRESS: [u32; 24] = [
    of("email"),
    of("mail"),
    of("ip"),
    of("mac"),
    of("web"),
    of("url"),
    of("wallet"),
    of("btc"),
    of("eth"),
    of("bitcoin"),
    of("crypto"),
    of("contract"),
    of("memory"),
    of("network"),
    of("host"),
    of("server"),
    of("bind"),
    of("listen"),
    of("remote"),
    of("peer"),
    of("site"),
    of("base"),
    of("return"),
    of("hardware"),
];
const ADDRESS: [u32; 16] = [
    of("address"),
    of("addr"),
    of("addressline"),
    of("addresses"),
    of("anschrift"),
    of("adresse"),
    of("direccion"),
    of("domicilio"),
    of("indirizzo"),
    of("residenza"),
    of("morada"),
    of("endereco"),
    of("adres"),
    of("wohnort"),
    of("domicile"),
    of("residence"),
];
/// What is called a street: a name without a number is one there.
const STREET: [u32; 12] = [
    of("street"),
    of("streetaddress"),
    of("streetname"),
    of("strase"),
    of("strasse"),
    of("rue"),
    of("calle"),
    of("via"),
    of("rua"),
    of("straat"),
    of("straatnaam"),
    of("line"),
];
/// `lives at`, `ship to`.
const LIVES: [u32; 26] = [
    of("live"),
    of("lives"),
    of("lived"),
    of("living"),
    of("located"),
    of("reside"),
    of("resides"),
    of("residing"),
    of("wohne"),
    of("wohnt"),
    of("wohnhaft"),
    of("habite"),
    of("habitant"),
    of("vivo"),
    of("vive"),
    of("abito"),
    of("abita"),
    of("moro"),
    of("mora"),
    of("resido"),
    of("woon"),
    of("woont"),
    of("ship"),
    of("deliver"),
    of("delivered"),
    of("moved"),
];
const AT: [u32; 12] = [
    of("at"),
    of("to"),
    of("in"),
    of("an"),
    of("am"),
    of("au"),
    of("en"),
    of("na"),
    of("no"),
    of("op"),
    of("aan"),
    of("de"),
];

/// What stands behind a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Gap {
    /// The end of a line.
    line: bool,
    comma: bool,
    /// What stands between a name and its value.
    colon: bool,
    /// Something that ends what a word says.
    other: bool,
}

/// The last words of a text, the last one first, with what stands behind each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    words: [(u32, Gap); 3],
}

impl Left {
    /// What stands within reach before `at`.
    pub fn of(text: &str, at: usize) -> Self {
        let from = text.floor_char_boundary(at.saturating_sub(CONTEXT_REACH));
        Self::read(text.get(from..at).unwrap_or_default())
    }

    /// What a member, a field or a column is called.
    pub fn of_name(name: &str) -> Self {
        let from = name.floor_char_boundary(name.len().saturating_sub(CONTEXT_REACH));
        let mut left = Self::read(name.get(from..).unwrap_or_default());
        let [(_, gap), ..] = &mut left.words;
        *gap = Gap {
            colon: true,
            ..Gap::default()
        };
        left
    }

    fn read(text: &str) -> Self {
        let mut left = Self::default();
        let (mut state, mut small, mut escape) = (BASIS, false, false);
        for letter in text.chars() {
            if is_word_letter(letter) && !escape {
                if small && is_large(letter) {
                    left.push(&mut state);
                }
                small = !is_large(letter);
                state = hash(state, without_accent(letter));
                continue;
            }
            left.push(&mut state);
            small = false;
            let [(_, gap), ..] = &mut left.words;
            match letter {
                'n' | 'r' if escape => gap.line = true,
                '\n' | '\r' => gap.line = true,
                ',' => gap.comma = true,
                ':' | '=' | '>' | '|' => gap.colon = true,
                '.' | ';' | '!' | '?' | '(' | ')' | '{' | '}' | '[' | ']' | '/' | '<' => {
                    gap.other = true;
                }
                _ => {}
            }
            escape = letter == '\\' && !escape;
        }
        left.push(&mut state);
        left
    }

    fn push(&mut self, state: &mut u32) {
        if *state != BASIS {
            let [last, second, _] = self.words;
            self.words = [(*state, Gap::default()), last, second];
            *state = BASIS;
        }
    }

    /// What this says of a name behind it.
    pub fn says(&self) -> Said {
        let [(last, gap), (second, behind), (third, before)] = self.words;
        let class = class_of(last);
        let together = behind == Gap::default();
        if gap.line {
            return match class.is(Class::CLOSE) && !gap.colon && !gap.other {
                true => Said::Alone,
                false => Said::Nothing,
            };
        }
        if gap.colon {
            let second = if together { second } else { 0 };
            let third = if together && before == Gap::default() {
                third
            } else {
                0
            };
            return named(last, second, third);
        }
        if gap.other {
            return Said::Nothing;
        }
        if gap.comma {
            return match class.is(Class::HELLO.or(Class::CLOSE)) {
                true => Said::Perhaps,
                false => Said::Nothing,
            };
        }
        if CALLED.contains(&last) || (together && IS.contains(&last) && NAME.contains(&second)) {
            Said::Name
        } else if together && AM.contains(&(second, last)) {
            Said::Perhaps
        } else if class.is(Class::DEAR) {
            Said::Name
        } else if class.is(Class::HELLO) {
            Said::Perhaps
        } else if class.is(Class::ROLE) {
            Said::Role
        } else {
            Said::Nothing
        }
    }

    /// Whether this says that an address stands behind it.
    pub fn says_place(&self) -> bool {
        let [(last, gap), (second, behind), _] = self.words;
        if gap.line || gap.other {
            return false;
        }
        if gap.colon {
            return self.is_place();
        }
        behind == Gap::default() && AT.contains(&last) && LIVES.contains(&second)
    }

    /// Whether this is what an address is called.
    pub fn is_place(&self) -> bool {
        let [(last, _), (second, behind), _] = self.words;
        let is_other = behind == Gap::default() && OTHER_ADDRESS.contains(&second);
        (ADDRESS.contains(&last) && !is_other) || self.is_street()
    }

    /// Whether this is what a street is called.
    pub fn is_street(&self) -> bool {
        let [(last, _), (second, _), _] = self.words;
        let is_line = last == of("line");
        (STREET.contains(&last) && !is_line)
            || (STREET.contains(&second) && (NAME.contains(&last) || last == of("address")))
            || (is_line && ADDRESS.contains(&second))
    }
}

/// What it says to be called this, the last word first.
fn named(last: u32, second: u32, third: u32) -> Said {
    let class = |word| class_of(word);
    if WHOLE.contains(&last) {
        return Said::Name;
    }
    // `nom de famille`, `nombre completo`.
    let behind = FIRST.contains(&last) && (NAME.contains(&second) || NAME.contains(&third));
    if behind || (NAME.contains(&last) && FIRST.contains(&second)) {
        return Said::Name;
    }
    if NAME.contains(&last) {
        return match second {
            0 => Said::Known,
            second if class(second).is(Class::ROLE) => Said::Role,
            second if class(second).is(Class::PARTICLE) || WHOSE.contains(&second) => Said::Known,
            _ => Said::Nothing,
        };
    }
    // `nom du client`
    if NAME.contains(&third) && class(second).is(Class::PARTICLE) && class(last).is(Class::ROLE) {
        return Said::Role;
    }
    match () {
        () if class(last).is(Class::ROLE) => Said::Role,
        () if WHO.contains(&last) => Said::Known,
        () => Said::Nothing,
    }
}
