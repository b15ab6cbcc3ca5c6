//! Tests of what is told by its name.

use super::super::{EntitySet, scan};
use super::front::{EMPTY, KEYS, PASSWORDS, says};
use super::*;

fn secret(label: &str, text: &str) -> Option<String> {
    let findings = scan(text, 0, label, EntitySet::all());
    findings
        .iter()
        .find(|finding| finding.entity == Entity::Secret)
        .map(|finding| text[finding.span.clone()].to_owned())
}

#[test]
fn every_name_is_known_by_its_last_letters() {
    let words = PASSWORDS.iter().chain(&KEYS).chain(&[
        "key",
        "token",
        "pwd",
        "pass",
        "contraseña",
        "de.passe",
    ]);
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
        ("password", "Sömmer-24"),
        ("mot_de_passe", "Summer#2024"),
        ("Contraseña", "Summer#2024"),
        ("senha", "Summer#2024"),
        ("密码", "Summer#2024"),
        ("smtp_pass", "abc123"),
        ("db_pwd", "abc123"),
        ("confirm_pwd", "abc123"),
        ("password：", "abc123"),
        ("password", "!@#$%^&*()"),
        ("password", "Sup3rSecretKey"),
        ("pwd", "Summer#2024"),
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
        ("pass", "10/12!"),
        ("pass", "abc123"),
        ("password", "请输入8位密码"),
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
        "password: «Summer#2024»",
        "Smtp:Password=«abc123»",
        "“password”: «abc123»",
        "?password=«Summer#2024»&x=1",
        "<tr><td>Password</td><td>«Summer#2024»</td></tr>",
        "<th class=\"a\">Password:</th>\n  <td class=\"b\"><code>«Summer#2024»</code></td>",
        "<add key=\"password\" value=\"«Summer#2024»\"/>",
        "{\"name\": \"DB_PASSWORD\", \"value\": \"«Summer#2024»\"}",
        "{\\\"key\\\":\\\"api_key\\\",\\\"value\\\":\\\"«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»\\\"}",
        "- name: DB_PASSWORD\n    value: «Summer#2024»",
        "curl -u ann:«Summer#2024» https://example.com/",
        "curl --user 'ann:«Summer#2024»' https://example.com/",
        "the password for ann is «Summer#2024»",
        "The password for the staging database is «Summer#2024».",
        "Password (staging): «Summer#2024»",
        "Please reset my password to «Summer#2024»",
        "пароль: «Summer#2024»",
        "密码: «Summer#2024»",
        "Das Passwort lautet «Summer#2024»",
        "Das Passwort für den Server ist «Summer#2024»",
        "mot de passe : «Summer#2024»",
        "Contraseña: «Summer#2024»",
        "**Password:** «Summer#2024»",
        "**Password**: `«Summer#2024»`",
        "Password: **«Summer#2024»**",
        "DB_PASS=«abc123»",
        "user: ann, pass: «Summer#2024»",
        "machine api.example.com login ann password «Summer#2024»",
        "define('DB_PASSWORD', '«abc123»');",
        "headers.set(\"x-api-key\", \"«0f8fad5b-d9cb-469f-a165-70867728950e»\")",
        "ENV DB_PASSWORD «Summer#2024»",
        "ALTER USER ann WITH PASSWORD '«abc123»';",
        "CREATE USER ann IDENTIFIED BY '«abc123»';",
        "sshpass -p '«abc123»' ssh ann@host",
        "Cookie: session=«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»",
        "Set-Cookie: __Host-sid=«aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW»; HttpOnly",
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
        "password OAuth2 flow",
        "change the password to 8-64 letters",
        "reset the password (see #1234)",
        "the password for accounts is 8-64",
        "password fields, '12 characters'",
        "<td>Passwords</td><td>v1.2.34</td>",
        "session=aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW",
        "pass: 12/14!",
        "pwd: v1.2.3-rc4",
        "self, private_key: x25519.X25519PrivateKey",
        "let encryption_key = X25519EcdhEsA256KWEncryptionKey::from(x)",
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyDatabaseSecret1-a1b2c3",
        "faster than a two-pass memchr2+SWAR",
        "const SOURCE_MDP: SOURCETYPE20 = 3;",
        "docker run -u 100000:100000",
        "\"name\": \"password\", \"type\": \"oauth2\"",
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
