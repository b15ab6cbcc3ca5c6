//! Passwords and keys without a form of their own, told by what they are called: `api_key = …`,
//! `"client_secret": "…"`, `Authorization: Bearer …`, the password in `scheme://user:password@host`.
//!
//! A name counts by its last words (`DB_PASSWORD`, `x-api-key`; not `password_hash`,
//! `page_token`). What stands behind it must be no word: a password has a digit or a sign in it, a
//! key is long and mixed as chance mixes. References to secrets (`$DB_PASSWORD`, `<your key>`,
//! `/run/secrets/x`) are none.

use super::class::{beginning, ending, in_value, tells};
use super::meaning::Named;
use super::names::Words;
use super::{Certainty, Entity, Finding, Label, Scene, copies};
use core::ops::Range;
use modelgate_kit::lanes::Lanes;

/// What stands in front of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// A name, and a sign that gives it the value.
    Assigned(Named),
    /// "password is".
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
const FRONT: usize = 56;
/// The longest part of an address up to its `@`.
const ADDRESS: usize = 90;

/// The value that is all of `text`, by what the text is called.
pub fn whole(text: &str, (label, meaning): Label<'_>) -> Option<Finding> {
    let value = text.as_bytes();
    let possible = !label.is_empty()
        && (PASSWORD.start..KEY.end).contains(&value.len())
        && value.iter().all(u8::is_ascii_graphic)
        && value.iter().any(|byte| !is_of_words(*byte));
    if !possible {
        return None;
    }
    let secret = meaning
        .secret
        .get_or_init(|| named(&Words::read(label.as_bytes())));
    let found = match (*secret)? {
        Named::Password => is_password(value),
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
            lanes.between(b'*', b'+') | lanes.between(b'-', b'9') | lanes.between(b'$', b'%');
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
    let value = scene.bytes.get(start..)?;
    let front = scene.bytes.get(start.saturating_sub(FRONT)..start)?;
    let said = in_front(front)?;
    let length = value
        .iter()
        .take(KEY.end)
        .take_while(|byte| in_value(**byte));
    let mut value = value.get(..length.count())?;
    // It ends a sentence.
    while let [rest @ .., b'.'] = value {
        value = rest;
    }
    let end = start.saturating_add(value.len());
    let found = match said {
        _ if scene.bytes.get(end) == Some(&b'(') => false,
        Said::Assigned(Named::Password) => is_password(value),
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
pub fn is_secrets(name: &Words) -> bool {
    named(name).is_some()
}

const fn finding(span: Range<usize>) -> Finding {
    Finding {
        span,
        entity: Entity::Secret,
        certainty: Certainty::Context,
        quotes: None,
    }
}

/// Whether a byte may stand in words and names.
const fn is_of_words(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.' | b',' | b':' | b'/' | b'\'')
}

const PASSWORDS: [&str; 5] = ["password", "passwd", "passphrase", "passcode", "passwort"];
/// Names that are a key's by themselves.
const KEYS: [&str; 15] = [
    "secret",
    "apikey",
    "apisecret",
    "apitoken",
    "secretkey",
    "clientsecret",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "bearertoken",
    "accesskey",
    "privatekey",
    "authkey",
    "encryptionkey",
    "signingkey",
];
/// What is a key's or a token's name with one of these in front.
const KINDS: [&str; 26] = [
    "api",
    "access",
    "secret",
    "auth",
    "authentication",
    "authorization",
    "client",
    "private",
    "encryption",
    "signing",
    "signature",
    "master",
    "account",
    "shared",
    "service",
    "webhook",
    "session",
    "refresh",
    "bearer",
    "oauth",
    "storage",
    "subscription",
    "admin",
    "deploy",
    "bot",
    "hmac",
];
/// What says no more of a value than that it is one.
const EMPTY: [&str; 7] = ["value", "val", "string", "raw", "text", "plaintext", "v"];

fn named(words: &Words) -> Option<Named> {
    let mut words = words
        .iter()
        .rev()
        .skip_while(|word| EMPTY.iter().any(|empty| *word == empty.as_bytes()));
    let last = words.next()?;
    let before = words.next().unwrap_or_default();
    let is = |word: &[u8], names: &[&str]| names.iter().any(|name| word == name.as_bytes());
    let password = is(last, &PASSWORDS)
        || last.ends_with(b"password")
        || (last == b"pwd" && !before.is_empty());
    if password {
        return Some(Named::Password);
    }
    let key = is(last, &KEYS) || (is(last, &["key", "token"]) && is(before, &KINDS));
    key.then_some(Named::Key)
}

/// What a name that is written says.
fn says(name: &[u8]) -> Option<Named> {
    // The last letters of the words that count.
    let last = name.iter().rev().find(|byte| byte.is_ascii_alphabetic());
    let known = |byte: &u8| b"dtyneglwv".contains(&byte.to_ascii_lowercase());
    last.filter(|byte| known(byte))
        .and_then(|_| named(&Words::read(name)))
}

/// Without a quotation mark at the end, also where it is escaped.
fn unquoted(text: &[u8]) -> &[u8] {
    let [before @ .., b'"' | b'\'' | b'`'] = text else {
        return text;
    };
    let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
    before
        .get(..before.len().saturating_sub(escapes.count()))
        .unwrap_or_default()
}

/// Without a few spaces at the end.
fn unspaced(text: &[u8]) -> &[u8] {
    let spaces = text.iter().rev().take(4);
    let spaces = spaces.take_while(|byte| matches!(byte, b' ' | b'\t'));
    text.get(..text.len().saturating_sub(spaces.count()))
        .unwrap_or_default()
}

/// The name that ends a text, and what stands before it.
fn name(text: &[u8]) -> (&[u8], &[u8]) {
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = text.iter().rev().take_while(is_name).count();
    let (before, name) = text
        .split_at_checked(text.len().saturating_sub(length))
        .unwrap_or_default();
    (name, before)
}

/// What the text in front of a value says.
fn in_front(front: &[u8]) -> Option<Said> {
    let text = unspaced(unquoted(front));
    match text {
        // What takes the place of a finding is none (`[API_KEY:9f86d081884c7d65]`), nor is the name
        // of a type.
        [before @ .., b'=' | b':'] | [before @ .., b'=', b'>'] => {
            let before = before.strip_suffix(b":").unwrap_or(before);
            let (name, before) = name(unquoted(unspaced(before)));
            let other = before.last() == Some(&b'[') || before.ends_with(b"::");
            says(name).filter(|_| !other).map(Said::Assigned)
        }
        [before @ .., b'>'] => {
            let (name, before) = name(before);
            let element = before.last() == Some(&b'<');
            says(name).filter(|_| element).map(Said::Assigned)
        }
        text if text.len() < front.len() => {
            let (word, before) = name(text);
            if word.starts_with(b"--") {
                return says(word).map(Said::Assigned);
            }
            if word.eq_ignore_ascii_case(b"bearer") {
                return Some(Said::Assigned(Named::Key));
            }
            if word.eq_ignore_ascii_case(b"basic") {
                return Some(Said::Basic);
            }
            let (word, _) = match word {
                b"is" | b"was" => name(unspaced(before)),
                _ => return None,
            };
            let password = says(word) == Some(Named::Password);
            password.then_some(Said::Told)
        }
        _ => None,
    }
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

/// Letters and digits in a row that a key has at least, and changes between them.
const STRETCH: usize = 16;
const CHANGES: usize = 3;
/// Letters and digits side by side that a key has at least in which a row may be shorter.
const PAIRS: usize = 16;

/// Whether a value is mixed as keys are: a UUID, or letters and digits as chance brings them.
fn is_key(value: &[u8]) -> bool {
    if !KEY.contains(&value.len()) || is_reference(value) {
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
mod tests {
    use super::super::{EntitySet, scan};
    use super::*;

    fn secret(label: &str, text: &str) -> Option<String> {
        let findings = scan(text, 0, label, EntitySet::all());
        findings
            .iter()
            .find(|finding| finding.entity == Entity::Secret)
            .map(|finding| text[finding.span.clone()].to_owned())
    }

    #[test]
    fn every_name_is_known_by_its_last_letter() {
        let words = PASSWORDS
            .iter()
            .chain(&KEYS)
            .chain(&["key", "token", "pwd"]);
        for word in words {
            let name = format!("api_{word}");
            assert!(says(name.as_bytes()).is_some(), "{name}");
            for empty in EMPTY {
                assert!(
                    says(format!("{name}.{empty}1").as_bytes()).is_some(),
                    "{name} {empty}"
                );
            }
        }
    }

    const HEX: &str = "3f2504e04f8911d39a0c0305e82c330112345678";
    const MIXED: &str = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW";
    const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn a_value_is_a_secret_by_the_name_of_its_member() {
        for (label, text) in [
            ("password", "hunter2!"),
            ("password", "P@ss:w#rd"),
            ("password", "correct.horse$battery"),
            ("dbPassword", "S3cretPw"),
            ("confirm_password", "123456"),
            ("pgpassword", "abc123"),
            ("db_pwd", "abc123"),
            ("password.value", "hunter2"),
            ("api_key", HEX),
            ("apiKey", MIXED),
            ("x-api-key", UUID),
            ("client_secret", MIXED),
            ("secret_key", MIXED),
            ("clientSecret", "8f7d6e5c4b3a29180f7d6e5c4b3a2918"),
            ("access_token", MIXED),
            ("SECRET", "Q2x+9vK4mZ7pL1nB/8cT3wYd"),
        ] {
            assert_eq!(
                secret(label, text).as_deref(),
                Some(text),
                "{label}: {text}"
            );
        }
        for (label, text) in [
            ("password", "string"),
            ("password", "Password"),
            ("password", "Enter your password, 8 characters"),
            ("password", "required|min:8 x"),
            ("password", "is-too-short"),
            ("password", "12345"),
            ("password", "$DB_PASSWORD1"),
            ("password", "${DB_PASSWORD1}"),
            ("password", "{{password1}}"),
            ("password", "<password1>"),
            ("password", "[SECRET:9f86d081884c7d65]"),
            ("password", "****1234"),
            ("password", "/run/secrets/db1"),
            ("password", "vault:secret/db#1"),
            ("password", "DB_PASSWORD_1"),
            ("password", "settings.db1"),
            ("password", "sha256"),
            ("password_hash", HEX),
            ("pwd", "C:\\work2"),
            ("api_key", "your-key-1"),
            ("api_key_id", HEX),
            ("api_key", "1234567890123456"),
            ("key", HEX),
            ("token", MIXED),
            ("cache_key", HEX),
            ("public_key", MIXED),
            ("page_token", MIXED),
            ("commit", HEX),
            ("", HEX),
        ] {
            assert_eq!(secret(label, text), None, "{label}: {text}");
        }
    }

    #[test]
    fn a_value_in_text_is_a_secret_by_the_name_in_front() {
        for row in [
            "api_key = «3f2504e04f8911d39a0c0305e82c330112345678» # prod",
            "API_KEY=«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»",
            "\"client_secret\": \"«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»\",",
            r#"{\"apiKey\":\"«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»\"}"#,
            "x-api-key: «0f8fad5b-d9cb-469f-a165-70867728950e»",
            "secret_key := '«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»'",
            ":api_key => \"«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»\"",
            "Authorization: Bearer «aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»",
            "Authorization: Basic «YWxhZGRpbjpvcGVuc2VzYW1lMQ»==",
            "password: «hunter2!»",
            "export DB_PASSWORD=«S3cretPw»",
            "my password is «hunter2».",
            "--password «hunter2» --user ann",
            "<password>«hunter2»</password>",
            "?user=ann&password=«abc123»&x=1",
            "postgres://app:«S3cretPw»@db:5432/x",
            "redis://:«abc123»@cache.acme.io/0",
            "password = \"«abc123»\"",
        ] {
            let text = row.replace(['«', '»'], "");
            let value = row.split(['«', '»']).nth(1).unwrap();
            assert_eq!(secret("", &text).as_deref(), Some(value), "{row}");
        }
        for text in [
            "api_key = os.environ[\"OPENAI_API_KEY2\"]",
            "api_key=settings.OPENAI_KEY_2_WITH_LONG_NAME3",
            "password: str = Field(min_length=12)",
            "password: 8-64 characters",
            "password: $DB_PASSWORD1",
            "the password is 8 characters",
            "password hashing with argon2id, 3 rounds",
            "password: sha256",
            "password = base64_decode(x)",
            "\"AWS::IAM::AccessKey\": \"62d91b17309e76c8\"",
            "git token: 3f2504e04f8911d39a0c0305e82c330112345678",
            "commit = 3f2504e04f8911d39a0c0305e82c330112345678",
            "max_tokens: 1234567890123456",
            "cache_key=3f2504e04f8911d39a0c0305e82c330112345678",
            "page_token: aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW",
            "postgres://postgres:postgres@localhost:5432",
            "postgres://app:$PASSWORD1@db",
            "https://example.com:8080/a@2",
            "Basic 1234567890123456",
            "[API_KEY:9f86d081884c7d65]",
            "see [SECRET:9f86d081884c7d65]",
        ] {
            assert_eq!(secret("", text), None, "{text}");
        }
    }
}
