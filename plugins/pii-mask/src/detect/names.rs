//! What the name of a member says about a number in it. A name is read as words (`mobileNumber`,
//! `mobile_number` and `mobile-number` are two each); a word that is only part of another says
//! nothing.
//!
//! A number in JSON has no shape of its own, and most numbers in requests to models are features,
//! ids and counts. So only a name that cannot mean anything else makes one a telephone, a card or a
//! social security number.

use super::LABEL;

const MOST_WORDS: usize = 12;
const LONGEST: usize = 18;

/// The words of a name, in lower case; of more than fit the last ones.
#[derive(Debug, Default)]
pub struct Words {
    /// A ring.
    words: [[u8; LONGEST]; MOST_WORDS],
    lengths: [usize; MOST_WORDS],
    /// How many there were.
    count: usize,
}

impl Words {
    /// Reads the end of a name.
    pub fn read(name: &[u8]) -> Self {
        let mut words = Self::default();
        let tail = name
            .get(name.len().saturating_sub(LABEL)..)
            .unwrap_or_default();
        for part in tail.split(|byte| !byte.is_ascii_alphabetic()) {
            for word in part.chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase())) {
                words.push(word);
            }
        }
        words
    }

    fn push(&mut self, word: &[u8]) {
        if word.is_empty() {
            return;
        }
        // A longer word is none that is known.
        let known = word.len() <= LONGEST;
        let place = self.count % MOST_WORDS;
        if let (Some(slot), Some(length)) = (self.words.get_mut(place), self.lengths.get_mut(place))
        {
            *length = if known { word.len() } else { 0 };
            for (to, from) in slot.iter_mut().zip(word) {
                *to = from.to_ascii_lowercase();
            }
            self.count = self.count.saturating_add(1);
        }
    }

    /// The words in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (self.count.saturating_sub(MOST_WORDS)..self.count).map(|at| {
            let place = at % MOST_WORDS;
            let length = self.lengths.get(place).copied().unwrap_or_default();
            self.words
                .get(place)
                .and_then(|word| word.get(..length))
                .unwrap_or_default()
        })
    }

    fn last(&self) -> &[u8] {
        self.iter().next_back().unwrap_or_default()
    }

    /// Whether the last word is one of these.
    pub fn ends_with(&self, wanted: &[&str]) -> bool {
        is_one(self.last(), wanted)
    }

    /// Whether one of these is among the words.
    pub fn has(&self, wanted: &[&str]) -> bool {
        self.iter().any(|word| is_one(word, wanted))
    }

    /// Whether a word of `first` is directly followed by one of `second`.
    pub fn has_pair(&self, first: &[&str], second: &[&str]) -> bool {
        self.iter()
            .zip(self.iter().skip(1))
            .any(|(a, b)| is_one(a, first) && is_one(b, second))
    }
}

fn is_one(word: &[u8], wanted: &[&str]) -> bool {
    wanted.iter().any(|wanted| word == wanted.as_bytes())
}

const PHONES: [&str; 33] = [
    "phone",
    "phones",
    "telephone",
    "telephones",
    "cellphone",
    "tel",
    "msisdn",
    "fax",
    "telefax",
    "whatsapp",
    "phoneno",
    "phonenumber",
    "phonenumbers",
    "telefon",
    "telefono",
    "telefone",
    "telephonenumber",
    "telefonnummer",
    "telefoonnummer",
    "handynummer",
    "rufnummer",
    "mobilnummer",
    "mobilephone",
    "mobileno",
    "mobilenumber",
    "cellnumber",
    "faxnumber",
    "celular",
    "movil",
    "portable",
    "cellulare",
    "telno",
    "phonenum",
];
const HALF_PHONES: [&str; 12] = [
    "mobile", "cell", "contact", "callback", "caller", "handy", "whats", "dial", "sms", "home",
    "work", "office",
];
const NUMBERS: [&str; 8] = [
    "number", "numbers", "num", "no", "nr", "nummer", "app", "phone",
];

/// Words that call a number a card's.
pub const CARDS: [&str; 24] = [
    "card",
    "cards",
    "cc",
    "ccn",
    "ccnum",
    "ccno",
    "ccnumber",
    "pan",
    "pans",
    "cardnumber",
    "cardnumbers",
    "cardnum",
    "cardno",
    "creditcard",
    "debitcard",
    "visa",
    "mastercard",
    "amex",
    "maestro",
    "kreditkarte",
    "kartennummer",
    "tarjeta",
    "carte",
    "creditcardnumber",
];

const SSNS: [&str; 7] = [
    "ssn",
    "ssns",
    "itin",
    "tin",
    "taxid",
    "socialsecurity",
    "taxpayer",
];

/// Words that make of a telephone, a card or an account something that is told about it.
const ABOUT: [&str; 42] = [
    "id",
    "ids",
    "uid",
    "uuid",
    "guid",
    "hash",
    "count",
    "counts",
    "type",
    "kind",
    "model",
    "price",
    "version",
    "index",
    "idx",
    "time",
    "timestamp",
    "ts",
    "at",
    "date",
    "ms",
    "size",
    "length",
    "len",
    "width",
    "height",
    "minutes",
    "seconds",
    "duration",
    "usage",
    "total",
    "sum",
    "balance",
    "limit",
    "amount",
    "score",
    "rank",
    "users",
    "calls",
    "views",
    "token",
    "offset",
];

/// Words that call a number the id of something.
const IDS: [&str; 26] = [
    "id",
    "ids",
    "uid",
    "uuid",
    "guid",
    "hash",
    "ean",
    "gtin",
    "upc",
    "sku",
    "asin",
    "isbn",
    "barcode",
    "imei",
    "imsi",
    "iccid",
    "serial",
    "tracking",
    "timestamp",
    "nonce",
    "seed",
    "snowflake",
    "token",
    "checksum",
    "order",
    "orderid",
];

/// What is told of telephones and of their use, behind the word for them.
const TOLD: [&str; 34] = [
    "sold",
    "sales",
    "pages",
    "calls",
    "users",
    "units",
    "minutes",
    "seconds",
    "shipped",
    "sent",
    "made",
    "bought",
    "produced",
    "subscribers",
    "customers",
    "downloads",
    "installs",
    "views",
    "messages",
    "models",
    "orders",
    "returns",
    "returned",
    "bill",
    "bills",
    "cost",
    "costs",
    "revenue",
    "stock",
    "inventory",
    "qty",
    "quantity",
    "rev",
    "rate",
];

/// What can be said of a telephone's number itself, in the same form as what is told of telephones.
const OF_NUMBERS: [&str; 17] = [
    "phones",
    "telephones",
    "phonenumbers",
    "numbers",
    "digits",
    "contacts",
    "business",
    "address",
    "formatted",
    "unformatted",
    "normalized",
    "normalised",
    "verified",
    "unverified",
    "validated",
    "registered",
    "preferred",
];

/// Whether a word behind that for telephones makes a count or a measure of them: a participle
/// (`phones_ordered`), a plural of other things (`fax_pages`), or a word for such.
fn tells_of_phones(word: &[u8]) -> bool {
    let plural = word.len() > 3 && word.ends_with(b"s") && !word.ends_with(b"ss");
    let participle = word.len() > 4 && word.ends_with(b"ed");
    is_told_of_phones(word) || ((plural || participle) && !is_one(word, &OF_NUMBERS))
}

/// The same for words of a text, where only known ones count: verbs end as plurals do.
pub fn is_told_of_phones(word: &[u8]) -> bool {
    is_one(word, &TOLD) || is_one(word, &TOLD_IN_TEXT)
}

/// What names of columns and variables tell of telephones ("phone_model").
const TOLD_IN_TEXT: [&str; 9] = [
    "hash", "uuid", "count", "price", "usage", "size", "index", "idx", "type",
];

/// Words that call groups of digits a thing's: "model 539-645-6421", "rev 777-53-9874".
const PARTS: [&str; 14] = [
    "model", "part", "serial", "art", "sku", "isbn", "version", "rev", "revision", "ean", "upc",
    "lot", "batch", "rgb",
];

/// The same, where what has a person's name may have one too: "size 640 480 1024".
const THINGS: [&str; 19] = [
    "item",
    "build",
    "run",
    "size",
    "sizes",
    "shape",
    "resolution",
    "dimension",
    "dimensions",
    "order",
    "invoice",
    "ticket",
    "tracking",
    "claim",
    "chart",
    "ref",
    "reference",
    "columns",
    "pixels",
];

/// Whether the word before a number says that its groups are those of a part.
pub fn is_part_number(before: &[u8]) -> bool {
    Words::read(before).ends_with(&PARTS)
}

/// Whether the word before a number says that its groups are something else's.
pub fn is_number_of_things(before: &[u8]) -> bool {
    let words = Words::read(before);
    words.ends_with(&PARTS) || words.ends_with(&THINGS)
}

/// Whether the name can only be a telephone's.
pub fn is_phone(words: &Words) -> bool {
    if words.has(&ABOUT) || words.has_pair(&["num", "of", "n", "new", "avg", "mean"], &["phones"]) {
        return false;
    }
    let mut behind = words.iter().skip_while(|word| !is_one(word, &PHONES));
    if behind.any(tells_of_phones) {
        return false;
    }
    words.has(&PHONES) || words.has_pair(&HALF_PHONES, &NUMBERS) || words.ends_with(&["mobile"])
}

/// Whether the name is a card's.
pub fn is_card(words: &Words) -> bool {
    !words.has(&ABOUT) && words.has(&CARDS)
}

/// Whether the name is a social security (or other taxpayer's) number's.
pub fn is_ssn(words: &Words) -> bool {
    words.has(&SSNS)
        || words.has_pair(&["social", "soc"], &["security", "sec", "number", "no"])
        || words.has_pair(&["tax"], &["id", "number", "no"])
}

/// Whether the name calls the value an id of something that is no card.
pub fn is_id(words: &Words) -> bool {
    words.has(&IDS) && !words.has(&CARDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_words_and_only_unmistakable_ones_count() {
        let phone = |name: &str| is_phone(&Words::read(name.as_bytes()));
        for name in [
            "phone",
            "home_phone",
            "phoneNumber",
            "phone-numbers",
            "mobile",
            "user_mobile",
            "mobile_number",
            "mobileNo",
            "tel",
            "TEL",
            "telephone",
            "fax",
            "faxNumber",
            "whatsapp",
            "WhatsApp",
            "whatsAppNumber",
            "msisdn",
            "cell_phone",
            "cellNumber",
            "contact_number",
            "customer.phone",
            "phone_numbers",
            "phones",
            "phone_verified",
            "phone_business",
            "phone1",
            "telefonnummer",
        ] {
            assert!(phone(name), "{name}");
        }
        for name in [
            "",
            "number",
            "call_id",
            "calls",
            "contact",
            "contacts",
            "contact_id",
            "cell",
            "cell_count",
            "signal",
            "reach",
            "ring",
            "handy",
            "sms",
            "telemetry",
            "telescope",
            "hotel",
            "intel",
            "mobile_users",
            "phones_sold",
            "phonesSold",
            "phones_ordered",
            "fax_pages",
            "fax_pages_per_day",
            "telephone_bill",
            "num_phones",
            "phone_rev",
            "phone_id",
            "phone_count",
            "phone_model",
            "instances",
            "data",
            "inputs",
            "faxes_total",
            "microphone",
            "headphones",
            "xylophone",
            "numbers",
            "recall",
            "callback",
            "string",
            "excellent",
        ] {
            assert!(!phone(name), "{name}");
        }
        let card = |name: &str| is_card(&Words::read(name.as_bytes()));
        for name in [
            "card",
            "card_number",
            "cardNumber",
            "creditCard",
            "cc",
            "pan",
            "CCNumber",
        ] {
            assert!(card(name), "{name}");
        }
        for name in [
            "",
            "user_id",
            "card_id",
            "cardinality",
            "discard",
            "scorecard_total",
            "number",
            "pancake",
            "span",
        ] {
            assert!(!card(name), "{name}");
        }
        let ssn = |name: &str| is_ssn(&Words::read(name.as_bytes()));
        assert!(ssn("ssn") && ssn("socialSecurityNumber") && ssn("tax_id") && ssn("itin"));
        assert!(!ssn("social") && !ssn("security_id") && !ssn("classname") && !ssn("tax"));
    }

    #[test]
    fn of_a_long_name_the_end_counts() {
        let name = format!("{}_phone", "ab_".repeat(1000));
        assert!(is_phone(&Words::read(name.as_bytes())));
        let name = format!("phone_{}", "ab_".repeat(1000));
        assert!(!is_phone(&Words::read(name.as_bytes())));
    }
}
