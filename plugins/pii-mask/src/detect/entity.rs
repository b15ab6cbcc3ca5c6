//! The kinds of findings, and sets of them.

use super::id::{Id, Ids};
use super::{Custom, countries};

/// What a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// An e-mail address (RFC 5322 dot-atom form, internationalised ones too).
    Email,
    /// A telephone number: international (E.164), North American, or national with separators or
    /// context.
    Phone,
    /// A payment card number: issuer prefix, length, Luhn check digit (ISO/IEC 7812).
    Card,
    /// A social security number of the United States.
    Ssn,
    /// An international bank account number (ISO 13616): country length and check digits.
    Iban,
    /// An IPv4 or IPv6 address, with prefix length or zone if it has one.
    Ip,
    /// The id of an AWS access key (`AKIA…`, `ASIA…`, `ABIA…`, `ACCA…`).
    AwsAccessKey,
    /// An AWS secret access key, recognised by its context.
    AwsSecretKey,
    /// A GitHub token (`ghp_…`, `github_pat_…` and their kin).
    GithubToken,
    /// A key of an API in a well-known form (`sk-…`, `sk_live_…`, `AIza…`, `glpat-…`, `hf_…`,
    /// `npm_…`).
    ApiKey,
    /// A Slack token (`xoxb-…` and its kin), or the path of a Slack webhook.
    SlackToken,
    /// A signed or encrypted JSON web token.
    Jwt,
    /// A private key: PEM, OpenPGP, SSH2, PuTTY.
    PrivateKey,
    /// A password, or a key without a form of its own, recognised by its name.
    Secret,
    /// A number that a state gives to a person, by its check digits or by what it is called, or the
    /// machine-readable zone of a card.
    NationalId,
    /// A taxpayer's number without check digits of its own, by what it is called.
    TaxId,
    /// The number of a passport, by what it is called, or the machine-readable zone of one or of a
    /// visa.
    Passport,
    /// The number of a driver's licence, by what it is called.
    DriverLicense,
    /// A date of birth, by what it is called.
    DateOfBirth,
    /// A hardware address (IEEE 802).
    Mac,
    /// An address of a cryptocurrency.
    CryptoAddress,
    /// A business identifier code (ISO 9362), by what it is called.
    Bic,
    /// A bank account's or a bank's number, by what it is called.
    BankAccount,
    /// A vehicle identification number (ISO 3779).
    Vin,
    /// The registration plate of a vehicle, by what it is called.
    LicensePlate,
    /// A number of a patient, an insured person or a provider of health care.
    MedicalId,
    /// The name of a person, as far as lists of names and what stands beside it tell.
    Person,
    /// An address of the post: a street with its number, a post-office box, with what follows.
    StreetAddress,
    /// A kind of the operator's own.
    Custom(Custom),
}

impl Entity {
    /// All that are looked for unless configured otherwise, in the order of their declaration.
    pub const ALL: [Entity; 26] = [
        Entity::Email,
        Entity::Phone,
        Entity::Card,
        Entity::Ssn,
        Entity::Iban,
        Entity::Ip,
        Entity::AwsAccessKey,
        Entity::AwsSecretKey,
        Entity::GithubToken,
        Entity::ApiKey,
        Entity::SlackToken,
        Entity::Jwt,
        Entity::PrivateKey,
        Entity::Secret,
        Entity::NationalId,
        Entity::TaxId,
        Entity::Passport,
        Entity::DriverLicense,
        Entity::DateOfBirth,
        Entity::Mac,
        Entity::CryptoAddress,
        Entity::Bic,
        Entity::BankAccount,
        Entity::Vin,
        Entity::LicensePlate,
        Entity::MedicalId,
    ];

    /// Those that are looked for only where a configuration asks.
    pub const ASKED: [Entity; 2] = [Entity::Person, Entity::StreetAddress];

    /// Whether it is a credential, which has no shape worth keeping, rather than personal data.
    #[must_use]
    pub const fn is_credential(self) -> bool {
        matches!(
            self,
            Entity::AwsAccessKey
                | Entity::AwsSecretKey
                | Entity::GithubToken
                | Entity::ApiKey
                | Entity::SlackToken
                | Entity::Jwt
                | Entity::PrivateKey
                | Entity::Secret
        )
    }

    /// Its place in a set, which is that in [`Entity::ALL`]; behind all others those that are asked
    /// for, and the operator's own.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Entity::Email => 0,
            Entity::Phone => 1,
            Entity::Card => 2,
            Entity::Ssn => 3,
            Entity::Iban => 4,
            Entity::Ip => 5,
            Entity::AwsAccessKey => 6,
            Entity::AwsSecretKey => 7,
            Entity::GithubToken => 8,
            Entity::ApiKey => 9,
            Entity::SlackToken => 10,
            Entity::Jwt => 11,
            Entity::PrivateKey => 12,
            Entity::Secret => 13,
            Entity::NationalId => 14,
            Entity::TaxId => 15,
            Entity::Passport => 16,
            Entity::DriverLicense => 17,
            Entity::DateOfBirth => 18,
            Entity::Mac => 19,
            Entity::CryptoAddress => 20,
            Entity::Bic => 21,
            Entity::BankAccount => 22,
            Entity::Vin => 23,
            Entity::LicensePlate => 24,
            Entity::MedicalId => 25,
            Entity::Person => 61,
            Entity::StreetAddress => 62,
            Entity::Custom(_) => 63,
        }
    }

    /// The name in configuration, facts and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Entity::Email => "email",
            Entity::Phone => "phone",
            Entity::Card => "card",
            Entity::Ssn => "ssn",
            Entity::Iban => "iban",
            Entity::Ip => "ip",
            Entity::AwsAccessKey => "aws_access_key",
            Entity::AwsSecretKey => "aws_secret_key",
            Entity::GithubToken => "github_token",
            Entity::ApiKey => "api_key",
            Entity::SlackToken => "slack_token",
            Entity::Jwt => "jwt",
            Entity::PrivateKey => "private_key",
            Entity::Secret => "secret",
            Entity::NationalId => "national_id",
            Entity::TaxId => "tax_id",
            Entity::Passport => "passport",
            Entity::DriverLicense => "driver_license",
            Entity::DateOfBirth => "date_of_birth",
            Entity::Mac => "mac",
            Entity::CryptoAddress => "crypto_address",
            Entity::Bic => "bic",
            Entity::BankAccount => "bank_account",
            Entity::Vin => "vin",
            Entity::LicensePlate => "license_plate",
            Entity::MedicalId => "medical_id",
            Entity::Person => "person",
            Entity::StreetAddress => "street_address",
            Entity::Custom(custom) => custom.name(),
        }
    }

    /// What stands in the text in place of a redacted finding.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Entity::Email => "[EMAIL]",
            Entity::Phone => "[PHONE]",
            Entity::Card => "[CARD]",
            Entity::Ssn => "[SSN]",
            Entity::Iban => "[IBAN]",
            Entity::Ip => "[IP]",
            Entity::AwsAccessKey => "[AWS_ACCESS_KEY]",
            Entity::AwsSecretKey => "[AWS_SECRET_KEY]",
            Entity::GithubToken => "[GITHUB_TOKEN]",
            Entity::ApiKey => "[API_KEY]",
            Entity::SlackToken => "[SLACK_TOKEN]",
            Entity::Jwt => "[JWT]",
            Entity::PrivateKey => "[PRIVATE_KEY]",
            Entity::Secret => "[SECRET]",
            Entity::NationalId => "[NATIONAL_ID]",
            Entity::TaxId => "[TAX_ID]",
            Entity::Passport => "[PASSPORT]",
            Entity::DriverLicense => "[DRIVER_LICENSE]",
            Entity::DateOfBirth => "[DATE_OF_BIRTH]",
            Entity::Mac => "[MAC]",
            Entity::CryptoAddress => "[CRYPTO_ADDRESS]",
            Entity::Bic => "[BIC]",
            Entity::BankAccount => "[BANK_ACCOUNT]",
            Entity::Vin => "[VIN]",
            Entity::LicensePlate => "[LICENSE_PLATE]",
            Entity::MedicalId => "[MEDICAL_ID]",
            Entity::Person => "[PERSON]",
            Entity::StreetAddress => "[STREET_ADDRESS]",
            Entity::Custom(custom) => custom.placeholder(),
        }
    }
}

/// A set of entities, and whose numbers are left out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntitySet {
    entities: u64,
    barred: Ids,
}

impl EntitySet {
    /// Every entity that is looked for unless configured otherwise.
    #[must_use]
    pub fn all() -> Self {
        Entity::ALL.into_iter().collect()
    }

    /// Whether the entity is in the set.
    #[must_use]
    pub const fn has(self, entity: Entity) -> bool {
        self.entities & (1 << entity.number()) != 0
    }

    /// The set without one entity.
    #[must_use]
    pub const fn without(self, entity: Entity) -> Self {
        Self {
            entities: self.entities & !(1 << entity.number()),
            ..self
        }
    }

    /// The set without numbers that are given out by other countries than these, by their codes of
    /// ISO 3166.
    #[must_use]
    pub fn of_countries(self, countries: &[[u8; 2]]) -> Self {
        Self {
            barred: countries::barred(countries),
            ..self
        }
    }

    /// Whether numbers of this kind are looked for.
    pub(super) const fn permits(self, id: Id) -> bool {
        !self.barred.has(id)
    }

    /// Those that are looked for.
    pub(super) const fn permitted(self, ids: Ids) -> Ids {
        ids.without(self.barred)
    }

    /// Whether names or addresses are in the set.
    #[must_use]
    pub const fn has_people(self) -> bool {
        self.has(Entity::Person) || self.has(Entity::StreetAddress)
    }

    /// The set without these.
    #[must_use]
    pub const fn without_people(self) -> Self {
        self.without(Entity::Person).without(Entity::StreetAddress)
    }

    /// Whether the set has no entity.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.entities == 0
    }
}

impl FromIterator<Entity> for EntitySet {
    fn from_iter<I: IntoIterator<Item = Entity>>(entities: I) -> Self {
        Self {
            entities: entities
                .into_iter()
                .fold(0, |set, entity| set | 1 << entity.number()),
            barred: Ids::NONE,
        }
    }
}
