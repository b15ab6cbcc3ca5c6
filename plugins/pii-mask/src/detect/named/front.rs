//! What stands in front of a value and says that it is a password or a key: a name and a sign, a
//! sentence, an element, an option of a program.

use super::Said;
use crate::detect::class::ending;
use crate::detect::meaning::Named;
use crate::detect::names::Words;

/// Names of passwords: in English, German, French, Spanish, Portuguese and Dutch (Italian takes the
/// English word).
pub(super) const PASSWORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "motdepasse",
    "contrasena",
    "senha",
    "wachtwoord",
];
/// What is a password's name with one of these in front, and perhaps without.
const SHORT: [&str; 3] = ["pwd", "pass", "mdp"];
const OWNERS: [&str; 36] = [
    "db",
    "database",
    "user",
    "admin",
    "root",
    "my",
    "your",
    "login",
    "account",
    "auth",
    "basic",
    "smtp",
    "imap",
    "mail",
    "email",
    "ftp",
    "sftp",
    "ssh",
    "http",
    "proxy",
    "ldap",
    "bind",
    "vpn",
    "wifi",
    "mysql",
    "pg",
    "postgres",
    "mongo",
    "redis",
    "rabbitmq",
    "amqp",
    "keystore",
    "truststore",
    "app",
    "server",
    "sudo",
];
/// Prepositions between a password and whose it is.
const OF: [&[u8]; 13] = [
    b"for",
    b"of",
    b"to",
    b"on",
    b"f\xc3\xbcr",
    b"von",
    b"zu",
    b"pour",
    b"de",
    b"para",
    b"per",
    b"voor",
    b"van",
];
/// Words between a name and its value.
const VERBS: [&[u8]; 9] = [
    b"is",
    b"was",
    b"lautet",
    b"ist",
    b"est",
    b"es",
    b"\xc3\xa9",
    b"\xc3\xa8",
    b"luidt",
];
/// Words between a password and what it becomes, or was.
const TURNS: [&[u8]; 7] = [b"to", b"from", b"auf", b"von", b"naar", b"por", b"em"];
/// Names of passwords in other scripts.
const FOREIGN: [&str; 6] = ["пароль", "密码", "密碼", "口令", "パスワード", "비밀번호"];
/// Most words between such a preposition and the verb.
const MOST_WORDS: usize = 3;
/// Names of members that name what stands beside them, and of those that hold it.
const NAMING: [&[u8]; 5] = [b"name", b"key", b"Name", b"Key", b"id"];
const HOLDING: [&[u8]; 3] = [b"value", b"Value", b"val"];
/// Digits of an AWS account.
const ACCOUNT: usize = 12;
/// Elements that stand between a name and its value.
const MOST_TAGS: usize = 4;
const LONGEST_TAG: usize = 40;
/// Names that are a key's by themselves.
pub(super) const KEYS: [&str; 15] = [
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
pub(super) const EMPTY: [&str; 7] = ["value", "val", "string", "raw", "text", "plaintext", "v"];

/// What a name says.
pub fn named(name: &[u8]) -> Option<Named> {
    let is_foreign = |word: &&str| name.ends_with(word.as_bytes());
    match name.last().is_some_and(|byte| !byte.is_ascii()) && FOREIGN.iter().any(is_foreign) {
        true => Some(Named::Password),
        false => of_words(&Words::read(name)),
    }
}

fn of_words(words: &Words) -> Option<Named> {
    let mut words = words
        .iter()
        .rev()
        .skip_while(|word| EMPTY.iter().any(|empty| *word == empty.as_bytes()));
    let last = words.next()?;
    let before = words.next().unwrap_or_default();
    let is = |word: &[u8], names: &[&str]| names.iter().any(|name| word == name.as_bytes());
    let password = is(last, &PASSWORDS)
        || last.ends_with(b"password")
        || (last == b"pwd" && !before.is_empty())
        || (is(last, &SHORT) && is(before, &OWNERS))
        // `mot de passe`, `palavra-passe`; letters beyond ASCII divide: `contraseña`.
        || (last == b"passe" && is(before, &["de", "palavra"]))
        || (last == b"a" && before == b"contrase");
    if password {
        return Some(Named::Password);
    }
    if is(last, &SHORT) {
        return Some(Named::Likely);
    }
    let key = is(last, &KEYS) || (is(last, &["key", "token"]) && is(before, &KINDS));
    key.then_some(Named::Key)
}

/// What a name that is written says.
pub(super) fn says(name: &[u8]) -> Option<Named> {
    may_say(name).then(|| named(name)).flatten()
}

/// Whether the last letters of a name are those of one that says something.
fn may_say(name: &[u8]) -> bool {
    if name.last().is_some_and(|byte| !byte.is_ascii()) {
        return true;
    }
    let end = name.iter().rposition(u8::is_ascii_alphabetic);
    let Some([before @ .., last]) = end.and_then(|end| name.get(..=end)) else {
        return false;
    };
    let two = match before {
        [.., a, b] => [a.to_ascii_lowercase(), b.to_ascii_lowercase()],
        _ => [0; 2],
    };
    match last.to_ascii_lowercase() {
        b'd' => matches!(&two, b"or" | b"sw" | b"pw"),
        b'e' => matches!(&two, b"as" | b"od" | b"ss" | b"lu"),
        b't' => matches!(&two, b"or" | b"re" | b"ex"),
        b'y' => two == *b"ke",
        b'n' => two == *b"ke",
        b'l' => two == *b"va",
        b'g' => two == *b"in",
        b'w' => two == *b"ra",
        b'a' => matches!(&two, b"en" | b"nh" | [0xc3, 0xb1]),
        b's' => two == *b"as",
        b'p' => two == *b"md",
        b'v' => true,
        _ => false,
    }
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
    without(text, 4, |byte| matches!(byte, b' ' | b'\t'))
}

/// Without the marks of Markdown for what is strong.
fn unmarked(text: &[u8]) -> &[u8] {
    without(text, 3, |byte| matches!(byte, b'*' | b'`'))
}

/// Without up to so many such bytes at the end.
fn without(text: &[u8], most: usize, is: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.len().saturating_sub(ending(text, most, is));
    text.get(..end).unwrap_or_default()
}

/// The name that ends a text, and what stands before it.
fn name(text: &[u8]) -> (&[u8], &[u8]) {
    let is_name =
        |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte) || **byte >= 0x80;
    let length = text.iter().rev().take_while(is_name).count();
    let (before, name) = text
        .split_at_checked(text.len().saturating_sub(length))
        .unwrap_or_default();
    (name, before)
}

/// What the name that ends a text says, and what stands before it. A name may have words in front
/// (`mot de passe`).
fn said(text: &[u8]) -> (Option<Named>, &[u8]) {
    let (last, before) = name(text);
    (says_behind(last, before), before)
}

/// What a name says that stands behind this.
fn says_behind(name: &[u8], before: &[u8]) -> Option<Named> {
    if !may_say(name) {
        return None;
    }
    match name.eq_ignore_ascii_case(b"passe") && before.ends_with(b"de ") {
        true => Some(Named::Password),
        false => named(name),
    }
}

/// What the text in front of a value says; `is_strong` says whether the value can be nothing but a
/// password.
pub(super) fn in_front(front: &[u8], is_strong: impl Fn() -> bool) -> Option<Said> {
    let inner = unquoted(front);
    let is_quoted = inner.len() < front.len();
    let text = unspaced(inner);
    match text {
        // What takes the place of a finding is none (`[API_KEY:9f86d081884c7d65]`), nor is the name
        // of a type.
        [before @ .., b'=' | b':'] | [before @ .., b'=', b'>'] => assigned(before),
        [before @ .., b'>'] => {
            let (named, left) = said(before);
            let element = left.last() == Some(&b'<');
            named
                .filter(|_| element)
                .or_else(|| behind_tags(text))
                .map(Said::Assigned)
        }
        // `'DB_PASSWORD', '…'`
        [before @ .., b','] if is_quoted => {
            let name = unquoted(unspaced(before));
            let named = said(name).0.filter(|_| name.len() < before.len());
            named.map(Said::Assigned)
        }
        // `**Password:** …`
        [.., b'*', b'*'] if text.len() < inner.len() => match unmarked(text) {
            [before @ .., b':'] => assigned(before),
            _ => None,
        },
        text if text.len() < front.len() => told(text, is_quoted, is_strong),
        _ => None,
    }
}

/// What the text in front of a colon or an equals sign says.
fn assigned(before: &[u8]) -> Option<Said> {
    let before = before.strip_suffix(b":").unwrap_or(before);
    let written = unmarked(unquoted(unspaced(before)));
    let (last, left) = name(written);
    if let Some(named) = says_behind(last, left) {
        // Nor is a part of an ARN (`…:123456789012:secret:db-a1b2c3`).
        let inner = match left {
            [path @ .., b':'] => {
                path.ends_with(b":")
                    || ending(path, ACCOUNT, |byte| byte.is_ascii_digit()) == ACCOUNT
            }
            _ => left.last() == Some(&b'['),
        };
        return (!inner).then_some(Said::Assigned(named));
    }
    match (last, left) {
        // `Password (staging): …`
        ([], [inside @ .., b')']) => {
            let near = inside.get(inside.len().saturating_sub(LONGEST_TAG)..)?;
            let open = memchr::memrchr(b'(', near)?;
            let named = said(unspaced(near.get(..open)?)).0;
            named.map(Said::Assigned)
        }
        ([], _) => None,
        (last, left) if HOLDING.contains(&last) => beside(left).map(Said::Assigned),
        // `curl -u ann:…`
        (_, [.., b' ' | b'"' | b'\'']) if is_user(unspaced(unquoted(left))) => Some(Said::Told),
        // `Cookie: sid=…`
        (last, left) => {
            let cookie = is_session(last) && memchr::memmem::find(left, b"ookie:").is_some();
            cookie.then_some(Said::Assigned(Named::Key))
        }
    }
}

/// Whether a text ends in an option of curl for a user and a password.
fn is_user(text: &[u8]) -> bool {
    text.ends_with(b" -u") || text.ends_with(b"--user")
}

/// Whether a cookie of this name keeps somebody signed in.
fn is_session(name: &[u8]) -> bool {
    let ends = |with: &[u8]| {
        let end = name.len().checked_sub(with.len());
        end.and_then(|at| name.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    let last = name.last().map_or(0, u8::to_ascii_lowercase);
    matches!(last, b'd' | b'n')
        && (ends(b"sid")
            || ends(b"session")
            || ends(b"sessionid")
            || ends(b"session_id")
            || ends(b"token"))
}

/// What the member that ends a text says of the value in the next one: `"name": "DB_PASSWORD",
/// "value": `.
fn beside(text: &[u8]) -> Option<Named> {
    let blank = |byte: u8| byte.is_ascii_whitespace() || b",;".contains(&byte);
    let written = unquoted(without(unquoted(text), 16, blank));
    let (_, left) = name(written);
    let naming = match unspaced(unquoted(left)) {
        [naming @ .., b':' | b'='] => unquoted(unspaced(naming)),
        _ => return None,
    };
    NAMING.contains(&name(naming).0).then(|| said(written).0)?
}

/// What the text of an element says of that of the next one: `<td>Password</td><td>`.
fn behind_tags(mut text: &[u8]) -> Option<Named> {
    for _ in 0..MOST_TAGS {
        let near = text.get(text.len().saturating_sub(LONGEST_TAG)..)?;
        let open = memchr::memrchr(b'<', near)?;
        text = text.get(..text.len().saturating_sub(near.len().saturating_sub(open)))?;
        let text = without(text, 16, |byte| byte.is_ascii_whitespace() || byte == b':');
        if text.last() != Some(&b'>') {
            let (named, left) = said(text);
            return named.filter(|_| unspaced(left).last() == Some(&b'>'));
        }
    }
    None
}

/// What words in front of a value say.
fn told(text: &[u8], is_quoted: bool, is_strong: impl Fn() -> bool) -> Option<Said> {
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
    let password = |named: Option<Named>| named == Some(Named::Password);
    if TURNS.contains(&word) && password(said(unspaced(before)).0) {
        return is_strong().then_some(Said::Told);
    }
    if VERBS.contains(&word) {
        let mut left = unspaced(before);
        if password(said(left).0) {
            return Some(Said::Told);
        }
        // `the password for the database is …`
        for _ in 0..=MOST_WORDS {
            let (word, before) = name(left);
            left = unspaced(before);
            if word.is_empty() || left.len() == before.len() {
                return None;
            }
            if OF.contains(&word) {
                return (password(said(left).0) && is_strong()).then_some(Said::Told);
            }
        }
        return None;
    }
    // `PASSWORD '…'`, `IDENTIFIED BY '…'`, `sshpass -p '…'`, `password …` of a .netrc.
    let called = match word {
        b"by" | b"BY" => name(unspaced(before)).0.eq_ignore_ascii_case(b"identified") && is_quoted,
        b"-p" => name(unspaced(before)).0 == b"sshpass",
        _ => may_say(word) && (is_quoted || is_strong()) && password(says(word)),
    };
    called.then_some(Said::Told)
}
