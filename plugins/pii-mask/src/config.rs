//! What the operator writes.

use crate::detect::Entity;
use crate::detect::countries::is_country;
use crate::tensors::HEAD_LENGTH;
use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::types::{FRAMING, HeaderName, refused};
use modelgate_kit::config::{Bounded, DenyOrAllow, Mode, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Masks personal data and credentials in what goes to a model and in what comes back.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether findings have consequences: with `shadow` nothing is changed nor refused, and what
    /// would have been is counted and recorded.
    pub mode: Mode,
    /// The action for entities that `entities` does not list.
    pub default_action: WrittenAction,
    /// The action for what is found in answers of entities whose rule does not say: as in requests
    /// unless given, and `redact` where that is `placeholder`, `pseudonym` or `fake`.
    pub default_answer_action: Option<AnswerAction>,
    /// The action for each entity.
    pub entities: Entities,
    /// Key for `hash`, `pseudonym` and `fake`: the same value gets the same code as long as the key
    /// is the same. At least 16 bytes.
    pub hash_key: Option<Secret>,
    /// Whom codes by `hash_key` are the same for: everybody unless given.
    pub hash_scope: HashScope,
    /// The policy for requests of which it is not known whose they are, where `hash_scope` asks:
    /// `deny`, or `allow` (what would have a code is redacted).
    pub on_missing_scope: DenyOrAllow,
    /// Whether what `placeholder`, `pseudonym` and `fake` have replaced in a request is put back:
    /// in its `answer`, or `never`.
    pub restore: Restore,
    /// Values that are never masked, in lower case; `*` matches any text: `*@example.com`,
    /// `127.0.0.1`.
    pub allowed_values: Vec<AllowedValue>,
    /// Patterns of values that are never masked; all of a value must match:
    /// `[a-z.]+@example\.(com|org)`. Syntax of the crate regex-lite: as Perl's, without look-around
    /// and back-references, classes such as `\d` and `\w` for ASCII.
    pub allowed_patterns: Vec<String>,
    /// Kinds of values of your own, by a pattern or a list of terms. At most 64.
    pub custom: Vec<CustomKind>,
    /// The least evidence that a finding needs: `context` (a word beside it is enough), `shape`, or
    /// `check` (check digits, or a prefix that nothing else has).
    pub least_certainty: WrittenCertainty,
    /// The countries whose numbers are looked for, by their two letters of ISO 3166:
    /// `["DE", "AT"]`. Numbers of people, taxpayers, banks and patients that others give out, and
    /// telephone numbers as they are written within others, stay. Unless given, those of all
    /// countries are.
    pub countries: Vec<Country>,
    /// Whether the query of the request's target is masked, too. It is part of what signatures and
    /// caches go by.
    pub query: Query,
    /// Encodings that values are read in, too: `base64` for JSON strings and form fields that are
    /// base64 of a text as a whole, `url` for percent escapes, `html` for character references,
    /// `quoted_printable` for those of mail; all but `base64` also one within the other, up to
    /// three times. Texts that stream are read as they are written.
    pub decode: Vec<Encoding>,
    /// Whether addresses in words are e-mail addresses: `ann (at) example [dot] org`, also in other
    /// brackets, and ` AT `, ` DOT ` in capitals. Texts that stream are read as they are written.
    pub spelled_addresses: bool,
    /// Requests, to the model.
    pub request: Direction,
    /// Answers, to the client.
    pub response: Direction,
    /// What is held until the body has been read: `headers` (and the body; needs
    /// `allow_on_headers_stop_iteration`), or only the `body` (works on every proxy, but the
    /// headers are sent before anything is decided, and without the length).
    pub hold: Hold,
    /// The policy for streams of events in which strings go on over events and none is known to be
    /// a text: with `mask` they are read both ways, each by itself and together.
    pub on_unknown_stream: OnUnknownStream,
    /// The policy for requests for WebSocket or another upgrade, and for CONNECT: what follows
    /// cannot be masked. With `allow` it passes unmasked in both directions; an answer that does
    /// not grant the upgrade is masked as usual.
    pub on_upgrade: DenyOrAllow,
}

/// A value that is left alone: in lower case, and not every one.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline)]
pub struct AllowedValue(pub String);

impl<'de> Deserialize<'de> for AllowedValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = String::deserialize(deserializer)?;
        if value.chars().all(|character| character == '*') {
            return Err(refused("allows every value", "name what is allowed"));
        }
        if value != value.to_lowercase() {
            return Err(refused(
                "is not in lower case, in which values are compared",
                "write it in lower case",
            ));
        }
        Ok(Self(value))
    }
}

/// A country: two capital letters of ISO 3166-1, and XK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
pub struct Country(#[schemars(with = "String")] pub [u8; 2]);

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        let known = <[u8; 2]>::try_from(code.as_bytes());
        match known.ok().filter(|code| is_country(code)) {
            Some(code) => Ok(Self(code)),
            None => Err(refused(
                "is not the code of a country",
                "write its two capital letters of ISO 3166, such as DE or US",
            )),
        }
    }
}

/// The action for each entity; those that are not listed follow `default_action`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Entities {
    /// E-mail addresses.
    pub email: Option<Rule>,
    /// Telephone numbers.
    pub phone: Option<Rule>,
    /// Payment card numbers.
    pub card: Option<Rule>,
    /// Social security numbers of the United States.
    pub ssn: Option<Rule>,
    /// International bank account numbers.
    pub iban: Option<Rule>,
    /// IPv4 and IPv6 addresses.
    pub ip: Option<Rule>,
    /// Ids of AWS access keys.
    pub aws_access_key: Option<Rule>,
    /// AWS secret access keys, beside a word that names them.
    pub aws_secret_key: Option<Rule>,
    /// GitHub tokens.
    pub github_token: Option<Rule>,
    /// API keys of OpenAI, Anthropic, Stripe, Google, GitLab, Hugging Face, npm and many others.
    pub api_key: Option<Rule>,
    /// Slack tokens.
    pub slack_token: Option<Rule>,
    /// JSON web tokens.
    pub jwt: Option<Rule>,
    /// Private keys in PEM form.
    pub private_key: Option<Rule>,
    /// Passwords, and keys without a form of their own, by their name.
    pub secret: Option<Rule>,
    /// Numbers that states give to people (DNI, BSN, PESEL, CPF, Aadhaar and their kin), and the
    /// machine-readable zones of cards.
    pub national_id: Option<Rule>,
    /// Taxpayer numbers beside a word that names them (EIN, UTR).
    pub tax_id: Option<Rule>,
    /// Passport numbers, beside a word that names them, and the machine-readable zones of passports
    /// and visas.
    pub passport: Option<Rule>,
    /// Numbers of driver's licences, beside a word that names them.
    pub driver_license: Option<Rule>,
    /// Dates of birth, beside a word that says so.
    pub date_of_birth: Option<Rule>,
    /// Hardware addresses (MAC, EUI-48).
    pub mac: Option<Rule>,
    /// Addresses of cryptocurrencies.
    pub crypto_address: Option<Rule>,
    /// Business identifier codes (BIC, SWIFT), beside a word that names them.
    pub bic: Option<Rule>,
    /// Account numbers, routing numbers and sort codes of banks, beside a word that names them.
    pub bank_account: Option<Rule>,
    /// Vehicle identification numbers.
    pub vin: Option<Rule>,
    /// Registration plates of vehicles, beside a word that names them.
    pub license_plate: Option<Rule>,
    /// Numbers of patients, insured people and providers of health care (NHS, NPI, DEA, Medicare,
    /// record numbers).
    pub medical_id: Option<Rule>,
    /// Names of persons, as far as lists of names, titles, greetings and labels tell. Looked for
    /// only if listed here.
    pub person: Option<Rule>,
    /// Addresses of the post: streets with their numbers, with unit, code and town. Looked for
    /// only if listed here.
    pub street_address: Option<Rule>,
}

impl Entities {
    pub(crate) fn rules(&self) -> impl Iterator<Item = (Entity, &Rule)> {
        let rules = [
            (Entity::Email, &self.email),
            (Entity::Phone, &self.phone),
            (Entity::Card, &self.card),
            (Entity::Ssn, &self.ssn),
            (Entity::Iban, &self.iban),
            (Entity::Ip, &self.ip),
            (Entity::AwsAccessKey, &self.aws_access_key),
            (Entity::AwsSecretKey, &self.aws_secret_key),
            (Entity::GithubToken, &self.github_token),
            (Entity::ApiKey, &self.api_key),
            (Entity::SlackToken, &self.slack_token),
            (Entity::Jwt, &self.jwt),
            (Entity::PrivateKey, &self.private_key),
            (Entity::Secret, &self.secret),
            (Entity::NationalId, &self.national_id),
            (Entity::TaxId, &self.tax_id),
            (Entity::Passport, &self.passport),
            (Entity::DriverLicense, &self.driver_license),
            (Entity::DateOfBirth, &self.date_of_birth),
            (Entity::Mac, &self.mac),
            (Entity::CryptoAddress, &self.crypto_address),
            (Entity::Bic, &self.bic),
            (Entity::BankAccount, &self.bank_account),
            (Entity::Vin, &self.vin),
            (Entity::LicensePlate, &self.license_plate),
            (Entity::MedicalId, &self.medical_id),
            (Entity::Person, &self.person),
            (Entity::StreetAddress, &self.street_address),
        ];
        rules
            .into_iter()
            .filter_map(|(entity, rule)| Some((entity, rule.as_ref()?)))
    }
}

/// A kind of values of the operator's own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomKind {
    /// The name: in counters, in the fact `masked`, and in capitals as the placeholder. Small
    /// letters, digits and `_`, at most 40, none that the filter has: `employee_id`.
    pub name: String,
    /// The pattern of the values, `EMP-\d{6}`, in the syntax of `allowed_patterns`. Each repetition
    /// needs a bound (`{1,20}`, not `*` and `+`), a match has at most 256 bytes, and `^` and `$`
    /// are refused: a stream must know how long to wait.
    pub pattern: Option<String>,
    /// The values themselves, whatever their case: names of projects, of wards, of customers. At
    /// most 10,000, each with at most 256 bytes.
    #[serde(default)]
    pub dictionary: Vec<String>,
    /// Words of which one must stand within 48 bytes before a value, or be in the name of its
    /// member or field: `["employee", "staff no"]`. Without them the value alone is enough.
    #[serde(default)]
    pub words: Vec<String>,
    /// What the digits of a value must satisfy: `none`, `luhn`, `verhoeff`, `mod_11_10`, or
    /// `mod_97_10` (of letters and digits), the last three by ISO/IEC 7064 and J. Verhoeff.
    #[serde(default)]
    pub check: WrittenCheck,
    /// Whether a value must begin and end as a word does.
    #[serde(default = "yes")]
    pub whole_words: bool,
    /// The action; `default_action` unless set.
    pub action: Option<WrittenAction>,
    /// With `mask`: how many letters and digits at the end stay readable; at most a third.
    #[serde(default = "keep_nothing")]
    pub keep_last: Bounded<0, 4>,
}

const fn yes() -> bool {
    true
}

/// A check on the digits of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenCheck {
    /// No check.
    #[default]
    None,
    /// ISO/IEC 7812-1 annex B.
    Luhn,
    /// J. Verhoeff's check digit.
    Verhoeff,
    /// ISO/IEC 7064, modulus 11 and 10.
    #[serde(rename = "mod_11_10")]
    Mod11And10,
    /// ISO/IEC 7064, modulus 97 and 10.
    #[serde(rename = "mod_97_10")]
    Mod97And10,
}

/// One direction.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Direction {
    /// Whether bodies in this direction are masked.
    pub bodies: Bodies,
    /// The headers whose values are masked, too; in `location`, `content-location` and `referer`
    /// as URLs. At most 32.
    pub headers: Vec<MaskedHeader>,
    /// The longest body that is masked as a whole, in bytes. Keep it below the proxy's own buffer
    /// limit (Envoy: `per_connection_buffer_limit_bytes`, 1 MiB unless set), or the proxy answers
    /// first.
    pub max_body_bytes: Bounded<1, 67_108_864>,
    /// The longest event of a stream, in bytes.
    pub max_event_bytes: Bounded<1024, 16_777_216>,
    /// The policy for longer bodies and events.
    pub on_oversize: DenyOrAllow,
    /// The policy for compressed bodies. With `decode`, gzip, deflate and zstd (and br, in the
    /// dynamic module) are decoded, up to
    /// `max_body_bytes`, and the body goes on without its coding; others are refused.
    pub on_compressed: OnCompressed,
    /// The policy for bodies that do not match their content type: malformed JSON, text that is
    /// not UTF-8.
    pub on_unparsable: DenyOrAllow,
    /// The policy for bodies other than JSON, JSON lines, server-sent events, forms and text, and
    /// for forms with a file of another type: with `allow`, such files pass.
    pub on_other_type: DenyOrAllow,
    /// Whether messages of gRPC and gRPC-Web in Protocol Buffers are read: `mask`, or `other_type`
    /// (`on_other_type` decides). With `mask` their texts are masked; `on_unparsable` decides about
    /// what is no message, `on_compressed` about messages with a coding, and `on_other_type` about
    /// bytes in them that are neither text nor known to be numbers.
    pub grpc: Grpc,
    /// Whether the names of JSON members and form fields are masked, too.
    pub json_names: Bodies,
    /// Whether JSON numbers are masked, too, if their name says what they are (`card_number`,
    /// `phone`, `ssn`); a masked number becomes a string.
    pub json_numbers: Bodies,
    /// JSON paths and form fields whose values are not masked, nor anything below them: names and
    /// indices joined by dots, `*` for any one: `metadata`, `messages.*.name`.
    pub skip_paths: Vec<String>,
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            bodies: Bodies::Mask,
            headers: Vec::new(),
            max_body_bytes: Bounded::new(1_000_000),
            max_event_bytes: Bounded::new(262_144),
            on_oversize: DenyOrAllow::Deny,
            on_compressed: OnCompressed::Deny,
            on_unparsable: DenyOrAllow::Deny,
            on_other_type: DenyOrAllow::Deny,
            grpc: Grpc::OtherType,
            json_names: Bodies::Mask,
            json_numbers: Bodies::Mask,
            skip_paths: Vec::new(),
        }
    }
}

/// A header whose values can be masked.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline)]
pub struct MaskedHeader(pub HeaderName);

/// Besides what frames a message: cookies are opaque, and have lines that cannot be joined; the
/// head of tensors is measured by its header.
const NOT_MASKED: [&str; 3] = ["cookie", "set-cookie", HEAD_LENGTH];

impl<'de> Deserialize<'de> for MaskedHeader {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = HeaderName::deserialize(deserializer)?;
        if FRAMING.contains(&&*name) || NOT_MASKED.contains(&&*name) {
            return Err(refused(
                "is not a header that can be masked",
                "name headers that hold text, such as x-user-email or location",
            ));
        }
        Ok(Self(name))
    }
}

/// The action for one entity.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The action.
    pub action: WrittenAction,
    /// The action for what is found in answers; the same unless given, or `redact` for
    /// `placeholder`, `pseudonym` and `fake`.
    #[serde(default)]
    pub answer_action: Option<AnswerAction>,
    /// With `mask`: how many letters and digits at the end stay readable; at most a third.
    #[serde(default = "keep_nothing")]
    pub keep_last: Bounded<0, 4>,
    /// The least evidence that a finding of this entity needs, in place of the general one.
    #[serde(default)]
    pub least_certainty: Option<WrittenCertainty>,
}

const fn keep_nothing() -> Bounded<0, 4> {
    Bounded::new(0)
}

/// An action.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenAction {
    /// Letters and digits become `*`; separators stay.
    Mask,
    /// It becomes a placeholder such as `[EMAIL]`.
    #[default]
    Redact,
    /// It becomes a code such as `[EMAIL:9f86d081884c7d65]`, by a keyed hash.
    Hash,
    /// It becomes `<EMAIL_1>`, numbered in each exchange, and is put back in the answer.
    Placeholder,
    /// It becomes `<EMAIL_kqnbtfmw>`, by a keyed hash, and is put back in the answer.
    Pseudonym,
    /// It becomes a value of the same form that is nobody's, by a keyed hash, and is put back in
    /// the answer.
    Fake,
    /// The message is refused.
    Block,
    /// The value passes, and is counted.
    Report,
    /// The value passes.
    Allow,
}

/// An action for what is found in answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerAction {
    /// Letters and digits become `*`; separators stay.
    Mask,
    /// It becomes `[EMAIL]`.
    Redact,
    /// It becomes a code such as `[EMAIL:9f86d081884c7d65]`, by a keyed hash.
    Hash,
    /// The answer is refused.
    Block,
    /// The value passes.
    Allow,
}

/// Whom codes are the same for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashScope {
    /// Everybody.
    #[default]
    Everybody,
    /// One verified consumer.
    Consumer,
    /// Callers with the same verified claim or label: its name, or a JSON Pointer such as
    /// `/org/tenant`.
    Claim(ClaimPath),
}

/// Whether what was replaced is put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// In the answer of the same exchange.
    #[default]
    Answer,
    /// Nowhere.
    Never,
}

/// The evidence for a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenCertainty {
    /// A word beside it is enough.
    #[default]
    Context,
    /// Its shape.
    Shape,
    /// Check digits, or a prefix that nothing else has.
    Check,
}

/// What becomes of a compressed body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCompressed {
    /// It is refused.
    #[default]
    Deny,
    /// It passes as it is, unread.
    Allow,
    /// It is decoded and masked.
    Decode,
}

/// What becomes of messages of gRPC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grpc {
    /// They are of another type.
    #[default]
    OtherType,
    /// They are masked.
    Mask,
}

/// Whether something is masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// It is.
    #[default]
    Mask,
    /// It passes as it is.
    Allow,
}

/// An encoding that values are read in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// RFC 4648, either alphabet, padded or not.
    Base64,
    /// Percent escapes (RFC 3986).
    Url,
    /// Character references of HTML.
    Html,
    /// Mail's (RFC 2045).
    QuotedPrintable,
}

/// What becomes of a stream whose shape is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknownStream {
    /// It is masked.
    #[default]
    Mask,
    /// It is cut.
    Deny,
}

/// Whether a query is masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// It passes as it is.
    #[default]
    Allow,
    /// It is.
    Mask,
}

/// What is held until a body has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Headers and body.
    #[default]
    Headers,
    /// The body alone.
    Body,
}
