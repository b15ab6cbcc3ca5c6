//! Passwords and keys without a form of their own, told by what they are called: `api_key = …`,
//! `"client_secret": "…"`, `Authorization: Bearer …`, the password in `scheme://user:password@host`.
//!
//! A name counts by its last words (`DB_PASSWORD`, `x-api-key`; not `password_hash`,
//! `page_token`). What stands behind it must be no word: a password has a digit or a sign in it, a
//! key is long and mixed as chance mixes. References to secrets (`$DB_PASSWORD`, `<your key>`,
//! `/run/secrets/x`) are none.

use super::class::{beginning, ending, in_value, tells};
use super::meaning::Named;
use super::{Certainty, Entity, Finding, Label, Scene, copies};
use core::ops::Range;
use modelgate_kit::lanes::Lanes;

mod front;

use front::{in_front, named};

/// What stands in front of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// A name, and a sign that gives it the value.
    Assigned(Named),
    /// A word of a sentence or of a command.
    Told,
    /// The scheme of an `Authorization` header.
    Basic,
}

/// Lengths of what may be a password, and of what may be a key, in bytes.
const PASSWORD: Range<usize> = 6..129;
const KEY: Range<usize> = 16..513;
/// The longest value that is a secret as a whole, in bytes.
pub const LONGEST: usize = KEY.end;
/// How far to the left a value is looked for from a digit in it, and a name before it.
const LEFT: usize = 64;
const FRONT: usize = 88;
/// The longest part of an address up to its `@`.
const ADDRESS: usize = 90;

/// The value that is all of `text`, by what the text is called.
pub fn whole(text: &str, (label, meaning): Label<'_>) -> Option<Finding> {
    let value = text.as_bytes();
    let possible = !label.is_empty()
        && (PASSWORD.start..KEY.end).contains(&value.len())
        && (value.iter().all(u8::is_ascii_graphic) || is_of_latin(text))
        && value.iter().any(|byte| !is_of_words(*byte));
    if !possible {
        return None;
    }
    let secret = meaning.secret.get_or_init(|| named(label.as_bytes()));
    let found = match (*secret)? {
        Named::Password => is_password(value),
        Named::Likely => is_strong(value),
        Named::Key => is_key(value),
    };
    found.then(|| finding(0..value.len()))
}

/// The value around the digit at `at`, by what stands in front of it, and up to where other digits
/// stand in the same one.
/// `each`: also one that the byte before it shows to be none.
pub fn around(scene: Scene<'_>, at: usize, each: bool) -> (Option<Finding>, usize) {
    if !scene.wanted.has(Entity::Secret) {
        return (None, usize::MAX);
    }
    let left = scene.bytes.get(at.saturating_sub(LEFT)..at);
    let left = left.unwrap_or_default();
    let before = ending(left, LEFT, in_value);
    let start = at.saturating_sub(before);
    if before == LEFT
        && start
            .checked_sub(1)
            .and_then(|at| scene.bytes.get(at))
            .is_some_and(|byte| in_value(*byte))
    {
        // In the midst of a value nothing tells of it.
        return (None, at.saturating_add(value_length(scene.bytes, at)));
    }
    let value = scene.bytes.get(start..).unwrap_or_default();
    let same = beginning(value, LEFT.saturating_add(1), in_value);
    // From further to the right another part of it is looked at.
    let done = match before {
        LEFT => at,
        _ => start.saturating_add(same),
    };
    // Most numbers are too short; what stands in front of them need not be read.
    let told = || {
        let front = left.get(..left.len().saturating_sub(before));
        before == LEFT
            || front
                .and_then(<[u8]>::last)
                .is_some_and(|byte| tells(*byte))
    };
    if start < scene.floor || same < PASSWORD.start || !(each || told()) {
        return (None, done);
    }
    (value_at(scene, start), done)
}

/// How many bytes from `at` on may stand in a value.
fn value_length(bytes: &[u8], at: usize) -> usize {
    let mut length = 0_usize;
    loop {
        let rest = bytes.get(at.saturating_add(length)..).unwrap_or_default();
        let lanes = Lanes::front(rest);
        let signs =
            lanes.between(b'*', b'+') | lanes.between(b'-', b'9') | lanes.between(b'#', b'%');
        let signs = signs | lanes.are(b'!') | lanes.are(b'@') | lanes.between(b'^', b'_');
        let same = (signs | lanes.are(b'~') | lanes.letters())
            .bits()
            .trailing_ones();
        length = length.saturating_add(usize::try_from(same).unwrap_or_default());
        if same < u64::BITS {
            return length;
        }
    }
}

/// Whether a value may be told around a digit behind this byte: it goes on there, or begins behind
/// something that tells.
#[inline]
pub fn may_be_around(before: Option<&u8>) -> bool {
    before.is_some_and(|byte| in_value(*byte) || tells(*byte))
}

/// The value that begins at `start`.
fn value_at(scene: Scene<'_>, start: usize) -> Option<Finding> {
    let text = scene.bytes.get(start..)?;
    let front = scene.bytes.get(start.saturating_sub(FRONT)..start)?;
    let value = || {
        let mut value = text.get(..beginning(text, KEY.end, in_value));
        // It ends a sentence.
        while let Some([rest @ .., b'.']) = value {
            value = Some(rest);
        }
        value.unwrap_or_default()
    };
    let said = in_front(front, || is_strong(value()))?;
    let value = value();
    // `**hunter2**` is strong in Markdown.
    let marks = match value {
        [b'*', b'*', .., b'*', b'*'] if value.len() > 4 => 2,
        _ => 0,
    };
    let end = start.saturating_add(value.len()).saturating_sub(marks);
    let start = start.saturating_add(marks);
    let value = scene.bytes.get(start..end)?;
    let found = match said {
        _ if scene.bytes.get(end) == Some(&b'(') => false,
        Said::Assigned(Named::Password) => is_password(value),
        Said::Assigned(Named::Likely) => is_strong(value),
        Said::Assigned(Named::Key) => is_key(value),
        Said::Told => is_password(value) && value.iter().any(u8::is_ascii_alphabetic),
        Said::Basic => copies::decode(value).is_some_and(|text| is_user_and_password(&text)),
    };
    found.then(|| finding(start..end))
}

/// The password that ends before the `@` at `at`: `scheme://user:password@host`.
pub fn in_address(scene: Scene<'_>, at: usize) -> Option<Finding> {
    if !scene.wanted.has(Entity::Secret) {
        return None;
    }
    let left = scene.bytes.get(at.saturating_sub(ADDRESS)..at)?;
    // Before most addresses stands no colon.
    let in_password = |byte: &u8| in_value(*byte) && !b"/@".contains(byte);
    let length = left
        .iter()
        .rev()
        .take_while(|byte| in_password(byte))
        .count();
    let (before, password) = left.split_at_checked(left.len().saturating_sub(length))?;
    let before = before.strip_suffix(b":")?;
    let in_user = |byte: &u8| byte.is_ascii_graphic() && !b"/@:".contains(byte);
    let length = before.iter().rev().take_while(|byte| in_user(byte)).count();
    let scheme = before.get(..before.len().saturating_sub(length))?;
    let start = at.saturating_sub(password.len());
    let fits = scheme.ends_with(b"://")
        && start >= scene.floor
        && password.iter().any(|byte| !is_of_words(*byte))
        && password.len() < PASSWORD.end
        && !is_reference(password);
    fits.then(|| finding(start..at))
}

/// Whether a name is that of passwords or keys.
pub fn is_secrets(name: &str) -> bool {
    named(name.as_bytes()).is_some()
}

const fn finding(span: Range<usize>) -> Finding {
    Finding {
        span,
        entity: Entity::Secret,
        certainty: Certainty::Context,
        quotes: None,
    }
}

/// Whether a text is nothing but visible characters of ASCII and Latin letters with accents.
fn is_of_latin(text: &str) -> bool {
    let is = |one: char| one.is_ascii_graphic() || matches!(one, '\u{c0}'..='\u{24f}');
    text.chars().all(is)
}

/// Whether a byte may stand in a value that is all of a cell.
pub const fn may_be_of_whole(byte: u8) -> bool {
    byte.is_ascii_graphic() || matches!(byte, 0x80..=0xbf | 0xc3..=0xc9)
}

/// Whether a byte may stand in words and names.
const fn is_of_words(byte: u8) -> bool {
    !byte.is_ascii()
        || byte.is_ascii_alphabetic()
        || matches!(byte, b'-' | b'_' | b'.' | b',' | b':' | b'/' | b'\'')
}

/// Words for how something is hashed, encoded or proved.
const METHODS: [&str; 12] = [
    "sha1", "sha256", "sha384", "sha512", "base64", "base32", "argon2", "argon2i", "argon2id",
    "pbkdf2", "oauth2", "pkcs12",
];
/// What the settings of a program stand in.
const SETTINGS: [&str; 18] = [
    "process",
    "os",
    "env",
    "secrets",
    "var",
    "vars",
    "config",
    "settings",
    "self",
    "this",
    "args",
    "opts",
    "options",
    "req",
    "request",
    "params",
    "ctx",
    "credentials",
];

/// What the names of types for keys end in.
const TYPES: [&str; 5] = [
    "PrivateKey",
    "PublicKey",
    "SecretKey",
    "SigningKey",
    "EncryptionKey",
];

/// Whether a value says where a secret stands, or that one stood there.
fn is_reference(value: &[u8]) -> bool {
    let variable = matches!(
        value,
        [b'$', b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'{' | b'(', ..]
    ) || matches!(
        value,
        [b'%', .., b'%'] | [b'{' | b'<' | b'[' | b'(' | b'*', ..]
    );
    let path = matches!(value, [b'/' | b'~', ..] | [b'.', b'/' | b'.', ..]);
    let shouted = value.contains(&b'_')
        && value
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let within = |part: &[u8]| memchr::memmem::find(value, part).is_some();
    let first = value.split(|byte| b".:".contains(byte)).next();
    let first = first.filter(|first| first.len() < value.len());
    let setting = first.is_some_and(|first| {
        ["file", "vault", "op", "arn"]
            .iter()
            .chain(&SETTINGS)
            .any(|name| first == name.as_bytes())
    });
    let method = || {
        METHODS
            .iter()
            .any(|method| value.eq_ignore_ascii_case(method.as_bytes()))
    };
    variable || path || shouted || setting || within(b"**") || within(b"://") || method()
}

/// Whether a value may be a password: it is no word.
fn is_password(value: &[u8]) -> bool {
    PASSWORD.contains(&value.len())
        && value.iter().any(|byte| !is_of_words(*byte))
        && !is_reference(value)
}

/// Whether a value is a password wherever a word for one stands in front: it has letters, digits
/// and one of the signs that words and numbers do not have.
fn is_strong(value: &[u8]) -> bool {
    is_password(value)
        && value.iter().any(u8::is_ascii_alphabetic)
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(|byte| b"!#$%^*~@+".contains(byte))
        && !value.starts_with(b"#")
}

/// Letters and digits in a row that a key has at least, and changes between them.
const STRETCH: usize = 16;
const CHANGES: usize = 3;
/// Letters and digits side by side that a key has at least in which a row may be shorter.
const PAIRS: usize = 16;

/// Whether a value is mixed as keys are: a UUID, or letters and digits as chance brings them.
fn is_key(value: &[u8]) -> bool {
    let is_type = || TYPES.iter().any(|name| value.ends_with(name.as_bytes()));
    if !KEY.contains(&value.len()) || is_reference(value) || is_type() {
        return false;
    }
    let mut stretch = value.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'+');
    let long = stretch.any(|part| part.len() >= STRETCH);
    let groups = value.split(|byte| *byte == b'-').map(<[u8]>::len);
    let uuid = groups.eq([8, 4, 4, 4, 12]) && value.iter().all(|byte| is_hex(*byte));
    let (mut pairs, mut changes, mut kinds, mut odd) = (0_usize, 0_usize, 0_usize, 0_usize);
    for pair in value.windows(2) {
        let [a, b] = pair else { continue };
        if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() {
            pairs += 1;
            changes += usize::from(a.is_ascii_digit() != b.is_ascii_digit());
            odd += usize::from(b.is_ascii_uppercase() && !a.is_ascii_lowercase());
            kinds += usize::from(
                (a.is_ascii_digit(), a.is_ascii_lowercase())
                    != (b.is_ascii_digit(), b.is_ascii_lowercase()),
            );
        }
    }
    // Names with a capital at the front of each word change regularly.
    let mixed = value.iter().any(u8::is_ascii_lowercase) && odd >= CHANGES;
    let by_chance = mixed && pairs >= PAIRS && kinds >= pairs.div_ceil(2);
    by_chance || (changes >= CHANGES && (long || uuid))
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

/// Whether what base64 says is a user and a password (RFC 7617).
fn is_user_and_password(text: &[u8]) -> bool {
    text.len() > 3 && text.contains(&b':') && text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
