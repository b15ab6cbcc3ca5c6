//! Numbers of people and things, in the ways in which they are written and named.

use super::super::{Certainty, Entity, EntitySet, scan};

fn found(label: &str, text: &str) -> Vec<(Entity, String)> {
    scan(text, 0, label, EntitySet::all())
        .into_iter()
        .map(|finding| (finding.entity, text[finding.span].to_owned()))
        .collect()
}

/// Each row marks what is to be found.
#[track_caller]
fn marked(entity: Entity, rows: &[&str]) {
    for row in rows {
        let text = row.replace(['«', '»'], "");
        let wanted: Vec<_> = row
            .split('«')
            .skip(1)
            .map(|part| (entity, part.split('»').next().unwrap().to_owned()))
            .collect();
        assert_eq!(found("", &text), wanted, "{row}");
    }
}

#[test]
fn national_numbers_are_found_beside_their_word() {
    marked(
        Entity::NationalId,
        &[
            "my BSN is «111222333», ok",
            "PESEL: «44051401359»",
            "CPF «11144477735»",
            "Steuer-ID «36 574 261 809»",
            "Personnummer: «811228-9874»",
            "rodné číslo «736028/5163»",
            "numéro de sécurité sociale : «255081416802538»",
            "DNI «54362315K»",
            "fødselsnummer «15108695088»",
            "Aadhaar number «2341 2341 2346»",
            "My national identity number is «8001015009087».",
            "主 身份证号 «110101199003070978».",
            "NINO: «AB123456C»",
            "SIN «046-454-286»",
            "OIB «69435151530»",
            "RUT «12.531.909-2»",
            "AHV-Nr. «756.9217.0769.85»",
            "{\"bsn\": \"«111222333»\"}",
        ],
    );
}

#[test]
fn distinctive_numbers_are_found_by_themselves() {
    marked(
        Entity::NationalId,
        &[
            "see «RCCMNL83S18D969H» there",
            "«BOXW310820HNERXN09»",
            "x «131052-308T» y",
            "«S1234567D»",
            "«X2482300W»",
            "«111.444.777-35»",
            "«756.9217.0769.85»",
            "«2 55 08 14 168 025 38»",
            "«20-05536168-2»",
        ],
    );
    marked(Entity::Vin, &["a «1M8GDM9AXKP042788» car"]);
    marked(Entity::MedicalId, &["«1EG4-TE5-MK73»"]);
    marked(
        Entity::CryptoAddress,
        &[
            "pay to «1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa».",
            "«bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq»",
            "«0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed»",
            "ETH wallet «0x52908400098527886e0f7030069857d2e4169ee7»",
        ],
    );
    marked(
        Entity::Mac,
        &["at «00:1A:2B:3c:4d:5e»", "«00-1A-2B-3C-4D-5E»."],
    );
}

#[test]
fn papers_and_accounts_are_found_beside_their_word() {
    marked(
        Entity::Passport,
        &["Passport No. «C01X00T47»", "passeport n° «12AB34567»"],
    );
    marked(
        Entity::DriverLicense,
        &["driver's license: «D1234567»", "Führerschein «B072RRE2I55»"],
    );
    marked(
        Entity::DateOfBirth,
        &[
            "born on «17.05.1980» in Ulm",
            "DOB: «05/17/1980»",
            "Geburtsdatum «17. Mai 1980»",
            "née le «17 mai 1980»",
            "nacido el «17 de mayo de 1980»",
            "date of birth: «1980-05-17»",
            "born May «17», «1980» there",
            "She was born on March «3rd», «1980».",
        ],
    );
    marked(
        Entity::Bic,
        &["BIC: «DEUTDEFF»", "SWIFT code is «CHASUS33XXX»"],
    );
    marked(
        Entity::BankAccount,
        &[
            "routing number «021000021»",
            "sort code «12-34-56», account number «12345678»",
            "Kontonummer «1234567890»",
        ],
    );
    marked(
        Entity::LicensePlate,
        &["license plate «7ABC123»", "Kennzeichen «M-AB1234»"],
    );
    marked(
        Entity::MedicalId,
        &[
            "NPI «1234567893»",
            "NHS number «943 476 5919»",
            "DEA «AB1234563»",
            "MRN: «00123456»",
        ],
    );
    marked(Entity::TaxId, &["EIN «12-3456789»", "UTR «19558 39661»"]);
    marked(Entity::NationalId, &["personnummer «811228+9874»"]);
    marked(Entity::Vin, &["VIN «WBA3A5C51CF256551»"]);
}

#[test]
fn names_of_members_say_what_a_value_is() {
    for (label, text, entity) in [
        ("passport", "C01X00T47", Entity::Passport),
        ("dateOfBirth", "1980-05-17", Entity::DateOfBirth),
        ("bic", "DEUTDEFF", Entity::Bic),
        ("driver_license", "D123-4567-8901", Entity::DriverLicense),
        ("bsn", "111222333", Entity::NationalId),
    ] {
        assert_eq!(found(label, text), [(entity, text.to_owned())], "{label}");
    }
    let judge = |digits: &str, name: &str| {
        super::judge(
            digits.as_bytes(),
            name.as_bytes(),
            &Default::default(),
            EntitySet::all(),
        )
    };
    let national = Some((Entity::NationalId, Certainty::Check));
    assert_eq!(judge("111222333", "bsn"), national);
    assert_eq!(judge("1000000", "bsn"), None);
    assert_eq!(judge("111222334", "bsn"), None);
    assert_eq!(judge("111222333", "id"), None);
    assert_eq!(
        judge("19800517", "dob"),
        Some((Entity::DateOfBirth, Certainty::Context))
    );
    assert_eq!(judge("19801517", "dob"), None);
}

#[test]
fn other_numbers_stay() {
    for text in [
        "build 240115-1234, run 20240115-123456",
        "sizes 640 480 1024, ids 111222333 and 44051401359",
        "passport control opens at 10:30, gate 12345678 of the airport",
        "was born in 1980 at 5",
        "version 12.345.678-5",
        "v1.111.444.777-35",
        "3b18e512dba79e4c8300dd08aeb37f8e728b8dad and 0x1a2b3c4d5e6f",
        "0x3b18e512dba79e4c8300dd08aeb37f8e728b8dad",
        "fingerprint 3b:18:e5:12:db:a7:9e:4c:83:00:dd:08:ae:b3:7f:8e",
        "12:34:56:78:90",
        "12-34-56-78-90-12",
        "00:00:00:00:00:00 FF:FF:FF:FF:FF:FF",
        "id=ABCDE1234F0 S1234567A1 X1234567A",
        "user_S1234567D",
        "BIC pens are COOLPENS",
        "the plate 12 and plates 1234",
        "your account number of 5",
        "passport expires 20300101",
        "2024.01.15-123.45",
    ] {
        assert_eq!(found("", text), [], "{text}");
    }
}

/// Of python-stdnum's making; with another last digit they are none.
#[test]
fn numbers_for_value_added_tax_are_told_by_their_check_digits() {
    for number in [
        "ATU09979068",
        "BE0397203518",
        "BG883237024",
        "CY46335489S",
        "CZ64271072",
        "DE887488020",
        "DK69474810",
        "ESB95715736",
        "HR34814327202",
        "HU08826736",
        "IE9646259BW",
        "IT16445160951",
        "LT206529418",
        "LV44445186723",
        "MT41451958",
        "PL6497096900",
        "PT895769280",
        "RO73658533",
        "SI25054538",
    ] {
        let text = format!("VAT number {number}");
        assert_eq!(found("", &text), [(Entity::TaxId, number.to_owned())]);
        assert_eq!(
            found("vat_id", number),
            [(Entity::TaxId, number.to_owned())]
        );
        let (front, check) = number.split_at(number.len() - 1);
        let other = match check.as_bytes() {
            [digit @ b'0'..=b'8'] => char::from(digit + 1),
            [b'9'] => '0',
            _ => 'Q',
        };
        let text = format!("VAT number {front}{other}");
        assert_eq!(found("", &text), [], "{text}");
        assert_eq!(found("", &format!("part {number}")), []);
    }
}

#[test]
fn numbers_of_further_registers_are_found_beside_their_word() {
    marked(
        Entity::NationalId,
        &[
            "NIT: «576.558.851-7»",
            "carné de identidad «48080349425»",
            "DNI «38792735-8»",
            "RIF: «V639287439», RIF «V-63928743-9»",
            "cédula física «07-3638-9907»",
            "NIT «0407-404935-370-5»",
            "NIC number «S1703554020239»",
            "ЛНЧ «8082794925»",
            "voter ID «XXX4717500»",
            "Aadhaar VID «3405 5676 2514 9910»",
            "SPI «33 85 787 167 301»",
            "unique pupil number «P801092017655»",
            "NINO «ZL 07 54 94 D»",
        ],
    );
    marked(
        Entity::TaxId,
        &[
            "NIP «213-709-09-68»",
            "VKN: «5833702656»",
            "Steuernummer «5429057321675» oder «21/815/08150»",
            "Abgabenkontonummer «12-189/7730»",
            "SARS number «2245834433»",
            "NPWP «24.041.661.0-575.150»",
            "KRA PIN «A173584811A»",
            "CNPJ «76.563.885/8920-75»",
        ],
    );
    marked(
        Entity::BankAccount,
        &[
            "CCC: «0011 0061 56 1301621229»",
            "CBU «2767242444767241578852»",
            "transit no. «77646-051»",
            "IFSC code «TWOT0868374»",
            "chave Pix «c70cd5b3-8d04-ae31-0ac2-01ecaaf2a25c»",
        ],
    );
    marked(Entity::MedicalId, &["personal health number «9300728790»"]);
}

#[test]
fn passports_and_licences_are_found_as_countries_write_them() {
    marked(
        Entity::Passport,
        &[
            "US passport number «123456789», or # «533 380 006»",
            "Reisepassnummer: «C01X00T478»",
            "Reisepass «CFGHJKL12», Reisepass «P 1234567»",
            "passeport «12AB34567»",
            "Pasaporte N.º «PAB012345»",
            "Passaporto n. «YB 1234567»",
            "Passaporte brasileiro «GA 123456»",
            "paspoort «SPECI2014»",
            "numer paszportu «ZS 1234567»",
            "travel document number «L898902C3»",
            "passport no «C03005988» and PASSPORT NO «123456789»",
        ],
    );
    marked(
        Entity::DriverLicense,
        &[
            "driver's license «S123-4567-8901», driver license no. «WDLABCD456DG»",
            "UK driving licence «MORGA657054SM9IJ»",
            "Führerschein «B072RRE2I55», Führerausweis Nr. «003000123001»",
            "permis de conduire «13AA00002»",
            "carnet de conducir «12345678-Z», permiso de conducir «12345678 Z»",
            "patente: «MI 1234567 A», patente di guida «U1A23B456C»",
            "carta de condução «L-1234567 8»",
            "prawo jazdy «12345/06/1234»",
            "DL No: «MH-12-2011-0012345»",
            "CNH «12345678900»",
        ],
    );
    for text in [
        "Passport control 12345678 people",
        "boarding pass AB123456 of passport.js 1.2",
        "patente de invención 1234567, patente europea EP1234567",
        "passport RENEWAL in 2024",
    ] {
        assert_eq!(found("", text), [], "{text}");
    }
}
