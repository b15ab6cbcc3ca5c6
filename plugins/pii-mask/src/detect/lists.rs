//! Words that say what a value beside them is, in lower case without accents, with `|` between; in
//! English, German, French, Spanish, Italian, Portuguese and Dutch, and in the language of whoever
//! gives the number out.

use super::id::Id;

/// Words, and what they may mean.
pub const WORDS: &[(&str, &[Id])] = &[
    // What else has numbers, and what is told of documents: what stands behind these is neither.
    (
        "phone|telephone|telefon|telefono|telefone|telefoon|tel|mobile|mobil|handy|cell|fax|sms|whatsapp|call|celular|movil|cellulare|\
order|bestellung|bestellnummer|commande|pedido|ordine|encomenda|bestelling|invoice|rechnung|rechnungsnummer|facture|factura|fattura|fatura|factuur|\
ticket|tracking|serial|version|build|release|commit|sha|hash|checksum|port|row|line|page|isbn|ean|upc|sku|gtin|asin|barcode|part|model|\
patente de invencion|patente europea|patente europeo|patente internacional|passport control|\
steel plate|base plate|hot plate|face plate|back plate|name plate|plate heat|placa base|placa madre|placa mae|placa de video|\
price|preis|prix|precio|prezzo|preco|amount|betrag|total|sum|count|qty|quantity|size|length|index|offset|score|rate|weight|\
card|visa|mastercard|amex|ssn|itin|social security|iban|ip|ipv|email|mail|\
expires|expiry|expiration|expire|issued|issue|issuing|valid until|valid|gultig|country|nationality|type|status|date|timestamp|time|uuid|guid|port number|\
zip|postal|postcode|plz|room|floor|flight|seat|gate|chapter|section|figure|table|article|paragraph|year|jahr|annee|ano|anno|jaar",
        &[Id::Other],
    ),
    // Whoever has one of the numbers with check digits may be asked for it so.
    (
        "national id|nationalid|national identity|national identification|national insurance|national number|identity number|identitynumber|identity card|\
identification number|id number|idnumber|id no|id nr|id card|idcard|identity no|personal number|personal id|personal identification|personal code|\
identity document|citizen id|citizen number|citizenid|civil id|government id|resident id|\
ausweisnummer|personenkennziffer|identifikationsnummer|identitatsnummer|ausweis nr|\
carte d identite|numero d identite|piece d identite|cni|numero national|identifiant national|identite|\
documento de identidad|numero de identidad|documento nacional|carnet de identidad|cedula de identidad|documento identidad|cedula|identidad|\
carta d identita|documento d identita|carta identita|codice identita|\
documento de identidade|bilhete de identidade|cartao de cidadao|numero de identidade|identidade|rg|\
identiteitskaart|identiteitsnummer|identiteitsbewijs|persoonsnummer",
        &[Id::AnyNational],
    ),
    (
        "steuer id|steuerid|steuer idnr|steueridnr|idnr|steuerliche identifikationsnummer|steueridentifikationsnummer|steuer identifikationsnummer|tin de",
        &[Id::De],
    ),
    (
        "personalausweis|personalausweisnummer|personalausweis nr",
        &[Id::DeCard],
    ),
    (
        "nir|numero de securite|securite sociale|numero secu|insee|numero insee|secu|numero securite sociale|carte vitale",
        &[Id::Fr],
    ),
    ("dni", &[Id::EsDni, Id::EsNie, Id::ArDni, Id::Pe]),
    ("nie|numero de extranjero", &[Id::EsNie]),
    ("nif", &[Id::EsDni, Id::EsNie, Id::PtNif]),
    (
        "codice fiscale|codicefiscale|cod fisc|cod fiscale",
        &[Id::It],
    ),
    (
        "contribuinte|numero de contribuinte|numero contribuinte|identificacao fiscal",
        &[Id::PtNif],
    ),
    ("cartao cidadao", &[Id::PtCc]),
    (
        "bsn|burgerservicenummer|sofinummer|sofi nummer|burger service nummer|bsn nummer",
        &[Id::Nl],
    ),
    (
        "rijksregisternummer|rijksregister|registre national|nationalregisternummer|numero de registre|insz|niss|rrn number|nationaal nummer",
        &[Id::Be],
    ),
    ("pesel|numer pesel|nr pesel", &[Id::Pl]),
    ("personnummer", &[Id::Se, Id::No]),
    (
        "personnumret|samordningsnummer|pnr|svenskt personnummer",
        &[Id::Se],
    ),
    (
        "fodselsnummer|fodselsnr|fnr|dnummer|norsk fodselsnummer",
        &[Id::No],
    ),
    (
        "cpr|cprnr|cpr nummer|cpr nr|cprnummer|personnumer",
        &[Id::Dk],
    ),
    (
        "hetu|henkilotunnus|henkilotunnuksen|sotu|personbeteckning",
        &[Id::Fi],
    ),
    (
        "isikukood|isikukoodi|asmens kodas|asmenskodas|asmens kodo|ik kood",
        &[Id::Ee],
    ),
    (
        "personas kods|personas kodu|personaskods|personas koda",
        &[Id::Lv],
    ),
    ("rodne cislo|rodnecislo|rodneho cisla|rodne c", &[Id::Cz]),
    ("cnp|cod numeric personal|codul numeric personal", &[Id::Ro]),
    ("egn", &[Id::Bg]),
    ("oib|osobni identifikacijski broj", &[Id::Hr]),
    (
        "emso|jmbg|maticni broj|enotna maticna stevilka|maticna stevilka",
        &[Id::Yu],
    ),
    ("amka", &[Id::Gr]),
    (
        "tckn|tc kimlik|kimlik|kimlik no|kimlik numarasi|tckimlik|tc no",
        &[Id::Tr],
    ),
    ("pps|ppsn|pps number|pps no", &[Id::Ie]),
    (
        "nino|ni number|ni no|national insurance number|nationalinsurance|national insurance no",
        &[Id::Gb],
    ),
    (
        "ahv|avs|ahvn|ahv nummer|ahv nr|numero avs|navs|sozialversicherungsnummer|sozialversicherungsnr|oasi",
        &[Id::Ch, Id::At],
    ),
    ("svnr|sv nummer|sv nr|vsnr|versicherungsnummer", &[Id::At]),
    ("cpf|cpf no|numero cpf|cadastro de pessoa", &[Id::Br]),
    ("rut|rol unico tributario", &[Id::Cl]),
    ("cuit|cuil|cuit cuil", &[Id::Ar]),
    ("curp", &[Id::MxCurp]),
    ("rfc del contribuyente|rfc", &[Id::MxRfc]),
    (
        "aadhaar|aadhar|uidai|adhaar|aadhaar number|aadhar number|aadhaar no|aadhar no",
        &[Id::InAadhaar],
    ),
    (
        "pan number|pan no|pan card|permanent account number",
        &[Id::InPan],
    ),
    ("shenfenzheng|resident identity card|chinese id", &[Id::Cn]),
    (
        "rrn|resident registration number|resident registration|jumin",
        &[Id::Kr],
    ),
    ("my number|mynumber|kojin bango", &[Id::Jp]),
    ("nric|fin number", &[Id::Sg, Id::My]),
    ("mykad|my kad|ic number|ic no|kad pengenalan", &[Id::My]),
    ("thai id|thai national id", &[Id::Th]),
    (
        "nik|ktp|nomor ktp|nomor induk kependudukan|induk kependudukan",
        &[Id::Nik],
    ),
    ("sa id|rsa id|south african id", &[Id::Za]),
    ("tfn|tax file number|tax file no", &[Id::AuTfn]),
    ("ird|ird number|inland revenue number|ird no", &[Id::Nz]),
    (
        "sin|sin number|social insurance number|social insurance|numero d assurance|assurance sociale",
        &[Id::Ca],
    ),
    ("teudat zehut|mispar zehut|israeli id|zehut", &[Id::Il]),
    ("taj|taj szam|taj szama|tajszam", &[Id::HuTaj]),
    ("adoazonosito|adoazonosito jel|adoszam", &[Id::HuTax]),
    ("kennitala|kennitolu", &[Id::Is]),
    ("rnokpp|rntrc", &[Id::Ua]),
    ("inn number|inn rf", &[Id::RuInn]),
    ("snils", &[Id::RuSnils]),
    ("cedula ecuatoriana", &[Id::EcCi]),
    (
        "cedula de ciudadania|cc no|nit|cedula colombiana|numero nit",
        &[Id::Co, Id::Sv, Id::EcCi],
    ),
    ("carne de identidad|carnet cubano", &[Id::Cu]),
    ("cui", &[Id::Pe]),
    ("rif|cedula venezolana", &[Id::Ve]),
    (
        "cedula fisica|persona fisica|cedula costarricense",
        &[Id::Cr],
    ),
    ("mauritian id|mauritius id|nic number", &[Id::Mu]),
    ("lnch|enchch", &[Id::BgForeigner]),
    (
        "epic number|epic no|voter id|voter card|voter id card|voters id",
        &[Id::InVoter],
    ),
    ("aadhaar vid|virtual id|vid number", &[Id::InVirtual]),
    (
        "spi|numero spi|numero fiscal de|reference fiscale|numero fiscal francais",
        &[Id::FrTax],
    ),
    ("cedula uruguaya", &[Id::Uy]),
    ("upn|unique pupil number|pupil number", &[Id::Pupil]),
    ("cedula dominicana", &[Id::DoCedula]),
    ("hkid|hong kong id|hkid number", &[Id::Hk]),
    ("cnic|cnic number|nadra", &[Id::Pk]),
    ("taiwan id|roc id|taiwanese id", &[Id::Tw]),
    // Taxpayers.
    (
        "ein|fein|employer identification number|employer id|federal tax id|federal ein|federal id number",
        &[Id::Ein],
    ),
    (
        "utr|unique taxpayer reference|taxpayer reference|utr number",
        &[Id::Utr],
    ),
    (
        "vat|vat number|vat no|vat id|vatid|vatnumber|vatin|vat reg|vat registration|vat registration number|eu vat|\
ust id|ust idnr|ustid|ust id nr|ustidnr|umsatzsteuer|umsatzsteuer id|mehrwertsteuernummer|uid nummer|mwst nummer|\
numero de tva|tva|no tva|tva intracommunautaire|nif iva|numero de iva|iva|partita iva|p iva|piva|partitaiva|numero iva|contribuinte iva|\
btw|btw nummer|btw nr|btwnummer|btw id|nr vat|moms nr|momsregistreringsnummer|alv numero|alv nro|dph|ic dph|dic|cif|id za ddv|pvm kodas|kmkr|afm",
        &[Id::Vat],
    ),
    ("nip|numer nip|nr nip", &[Id::PlTax, Id::Vat]),
    (
        "vkn|vergi kimlik|vergi no|vergi numarasi|vergi kimlik no",
        &[Id::TrTax],
    ),
    (
        "steuernummer|steuernr|steuer nr|st nr|stnr|steuer nummer",
        &[Id::DeTax, Id::De, Id::AtTax],
    ),
    (
        "abgabenkontonummer|abgabenkonto|finanzamtsnummer",
        &[Id::AtTax],
    ),
    ("ma so thue|mst", &[Id::Vn]),
    (
        "income tax reference|sars tax|sars number|income tax number",
        &[Id::ZaTax],
    ),
    ("npwp|nomor npwp|nomor pokok wajib", &[Id::Npwp]),
    ("kra pin|kra", &[Id::Ke]),
    ("ptin|preparer tax id", &[Id::Ptin]),
    ("cnpj|numero cnpj|cadastro nacional", &[Id::Cnpj]),
    (
        "tax id|taxid|tax number|tax identification|tin|tax identification number|numero fiscal|numero fiscale|identification fiscale|codigo fiscal|numero de identificacion|fiscaal nummer",
        &[
            Id::Ein,
            Id::De,
            Id::EsDni,
            Id::EsNie,
            Id::It,
            Id::Br,
            Id::Ar,
            Id::Cl,
            Id::InPan,
            Id::RuInn,
            Id::Ua,
            Id::HuTax,
            Id::FrTax,
            Id::Vat,
            Id::ZaTax,
            Id::Ke,
        ],
    ),
    // Papers.
    (
        "passport|passports|passportnumber|passportno|passport number|passport no|reisepass|reisepassnummer|pass nr|passnummer|reisepassnr|\
passeport|numero de passeport|passeport numero|pasaporte|numero de pasaporte|numero pasaporte|passaporto|numero di passaporto|numero passaporto|\
passaporte|numero do passaporte|numero de passaporte|paspoort|paspoortnummer|reispas|pas nummer|passport num|\
paszport|paszportu|numer paszportu|travel document|travel document number|travel document no|reisedokument",
        &[Id::Passport],
    ),
    (
        "driver license|drivers license|driver s license|driver licence|drivers licence|driver s licence|driving license|driving licence|driverlicense|driverslicense|driverlicence|\
driverslicence|driverlicensenumber|driverslicensenumber|driver license number|dl number|dl no|dln|dlnumber|driving permit|\
fuhrerschein|fuhrerscheinnummer|fuehrerschein|fuehrerscheinnummer|fuhrerschein nr|fahrerlaubnis|\
permis de conduire|numero de permis|permis conduire|permiso de conducir|licencia de conducir|carnet de conducir|permiso de conduccion|licencia de conduccion|\
patente di guida|patente guida|numero patente|patente|carta de conducao|carteira de motorista|cnh|carta conducao|carteira de habilitacao|\
rijbewijs|rijbewijsnummer|fuhrerausweis|fuehrerausweis|fuhrerausweisnummer|permiso conducir|licencia conducir|\
prawo jazdy|prawa jazdy|korkort|korkortsnummer|korkortsnr",
        &[Id::License],
    ),
    (
        "date of birth|dateofbirth|dob|birth date|birthdate|birthday|born|born on|birth dt|birthdt|bday|d o b|\
geburtsdatum|geboren|geboren am|geb|geb am|geburtstag|gebdat|geburtstage|\
date de naissance|ne le|nee le|naissance|datenaissance|date naissance|\
fecha de nacimiento|nacimiento|nacido|nacida|nacio|fechanacimiento|fecha nacimiento|\
data di nascita|nato il|nata il|nascita|nato|nata|datanascita|data nascita|\
data de nascimento|nascido|nascida|nascimento|datanascimento|data nascimento|nasceu|\
geboortedatum|geboren op|geboortedag|gebdatum",
        &[Id::Birth],
    ),
    (
        "vin|vehicle identification number|vehicle identification|vin number|vin no|chassis number|chassis no|fahrgestellnummer|fahrzeugidentifikationsnummer|fin nummer|fahrgestell nr|\
numero de chassis|numero de serie|numero de bastidor|bastidor|numero di telaio|telaio|numero do chassi|chassi|chassisnummer",
        &[Id::Vin],
    ),
    (
        "license plate|licence plate|licenseplate|licenceplate|number plate|numberplate|plate number|plate no|platenumber|plate|registration plate|vehicle registration|car registration|registration number|reg plate|vrn|\
vehicle plate|vehicle number|car plate|rego|\
kennzeichen|kfz kennzeichen|nummernschild|autokennzeichen|kfzkennzeichen|fahrzeugkennzeichen|kontrollschild|autonummer|\
immatriculation|immatricule|immatriculee|plaque|plaque d immatriculation|numero d immatriculation|matricula|placa|placas|numero de matricula|numero de placa|\
targa|numero di targa|matricula do carro|placa do carro|kenteken|kentekenplaat|nummerplaat|kentekennummer|\
registreringsnummer|numer rejestracyjny|nr rejestracyjny|tablica rejestracyjna",
        &[Id::Plate],
    ),
    // Money.
    (
        "routing number|routing no|routing|aba|aba number|rtn|routingnumber|aba routing|aba no|bank routing",
        &[Id::Aba, Id::Transit],
    ),
    ("sort code|sortcode|sort codes", &[Id::SortCode]),
    ("bsb|bsb number|bsb code|bsb no", &[Id::Bsb]),
    (
        "transit number|transit no|institution number|branch transit|branch transit number",
        &[Id::Aba, Id::Transit],
    ),
    ("clabe|clabe interbancaria", &[Id::Clabe]),
    ("ccc|codigo cuenta cliente|codigo cuenta", &[Id::EsAccount]),
    ("cbu|clave bancaria|clave bancaria uniforme|cvu", &[Id::Cbu]),
    (
        "cislo uctu|cislo bankovniho uctu|bankovni ucet|cislo ucet",
        &[Id::CzAccount],
    ),
    ("ifsc|ifsc code|ifsccode|ifsc no", &[Id::Ifsc]),
    (
        "pix|chave pix|chavepix|chave aleatoria",
        &[Id::Pix, Id::Br, Id::Cnpj],
    ),
    (
        "bank account|bankaccount|bank account number|account number|accountnumber|account no|acct no|acct number|acct|bank acct|checking account|savings account|bankaccountnumber|\
kontonummer|konto nr|kontonr|kto|kto nr|ktonr|konto|bankkonto|bankleitzahl|blz|\
numero de compte|compte bancaire|numero compte|numero de cuenta|cuenta bancaria|numero cuenta|numero di conto|conto corrente|conto bancario|\
numero da conta|conta bancaria|conta corrente|numero conta|rekeningnummer|bankrekening|rekening nummer|bankkontonummer",
        &[
            Id::Account,
            Id::EsAccount,
            Id::NoAccount,
            Id::NzAccount,
            Id::CzAccount,
        ],
    ),
    (
        "bic|swift|bic code|swift code|swiftcode|swift bic|bic swift|biccode",
        &[Id::Bic],
    ),
    (
        "bitcoin|btc|ethereum|eth|litecoin|ltc|dogecoin|doge|tron|trx|usdt|wallet|wallet address|crypto address|crypto wallet|bitcoin address|eth address|ethereum address|btc address|walletaddress",
        &[Id::Crypto],
    ),
    // Health.
    (
        "npi|npi number|npi no|national provider identifier|national provider id|provider npi",
        &[Id::Npi],
    ),
    (
        "phn|personal health number|bc health number|health card number",
        &[Id::BcHealth],
    ),
    ("nhs|nhs number|nhs no|nhsnumber|nhs nr", &[Id::Nhs]),
    (
        "dea|dea number|dea no|dea registration|deanumber",
        &[Id::Dea],
    ),
    (
        "mrn|medical record number|medical record|medicalrecordnumber|medical record no|patient id|patientid|patient number|patient no|patient identifier|chart number|health record number|\
hospital number|medical id|patient mrn|patientennummer|patientennr|patienten id|fallnummer|numero de patient|numero de paciente|historia clinica|\
numero paciente|numero paziente|cartella clinica|numero de utente|prontuario|patientnummer|patientennummer nr|id paciente|id patient|health plan id",
        &[Id::Mrn],
    ),
    (
        "versichertennummer|krankenversichertennummer|krankenversicherungsnummer|kvnr|krankenversicherung|versicherten nr|versichertennr|health insurance number",
        &[Id::Kvnr],
    ),
    (
        "mbi|medicare beneficiary|medicare beneficiary identifier|medicare id",
        &[Id::Mbi],
    ),
    (
        "medicare|medicare number|medicare no|medicare card",
        &[Id::AuMedicare, Id::Mbi],
    ),
];

/// The same in scripts without case, and in Greek and Cyrillic.
pub const OTHER_SCRIPTS: &[(&str, Id)] = &[
    ("身份证", Id::Cn),
    ("身份證", Id::Tw),
    ("身分證", Id::Tw),
    ("居民身份", Id::Cn),
    ("주민등록번호", Id::Kr),
    ("주민번호", Id::Kr),
    ("マイナンバー", Id::Jp),
    ("個人番号", Id::Jp),
    ("ИНН", Id::RuInn),
    ("СНИЛС", Id::RuSnils),
    ("РНОКПП", Id::Ua),
    ("ІПН", Id::Ua),
    ("ЕГН", Id::Bg),
    ("ЛНЧ", Id::BgForeigner),
    ("ЈМБГ", Id::Yu),
    ("ΑΜΚΑ", Id::Gr),
    ("תעודת זהות", Id::Il),
    ("ת.ז", Id::Il),
    ("ประจำตัวประชาชน", Id::Th),
    ("บัตรประชาชน", Id::Th),
    ("आधार", Id::InAadhaar),
    ("护照", Id::Passport),
    ("護照", Id::Passport),
    ("パスポート", Id::Passport),
    ("旅券番号", Id::Passport),
    ("여권번호", Id::Passport),
    ("паспорт", Id::Passport),
    ("生年月日", Id::Birth),
    ("出生日期", Id::Birth),
    ("생년월일", Id::Birth),
    ("дата рождения", Id::Birth),
];
