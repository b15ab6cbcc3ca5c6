//! What numbers are called, for whoever asks why something was found.

use super::match_form;
use super::schemes::SCHEMES;
use crate::detect::Entity;
use crate::detect::id::Id;

/// Which of the entity's numbers have such a form and such check digits: usually one, and more
/// where the word beside it has decided.
pub fn numbers(entity: Entity, value: &[u8]) -> Vec<&'static str> {
    let fits = |forms: &str, check: fn(&[u8]) -> bool| {
        forms.split('|').any(|form| {
            let found = match_form(value, 0, form);
            found.is_some_and(|(end, compact)| end == value.len() && check(compact.get()))
        })
    };
    let of_entity = SCHEMES.iter().filter(|scheme| scheme.entity == entity);
    let known = of_entity.filter(|scheme| fits(scheme.forms, scheme.check));
    let known: Vec<_> = known.collect();
    // What has no check digits fits everything.
    let best = known.iter().map(|scheme| scheme.certainty).max();
    let best = known.iter().filter(|scheme| Some(scheme.certainty) == best);
    best.map(|scheme| name(scheme.id)).collect()
}

const fn name(id: Id) -> &'static str {
    match id {
        Id::De => "Steuer-ID (Germany)",
        Id::DeCard => "Personalausweis (Germany)",
        Id::Fr => "NIR (France)",
        Id::EsDni => "DNI (Spain)",
        Id::EsNie => "NIE (Spain)",
        Id::It => "codice fiscale (Italy)",
        Id::PtNif => "NIF (Portugal)",
        Id::PtCc => "cartão de cidadão (Portugal)",
        Id::Nl => "BSN (Netherlands)",
        Id::Be => "national number (Belgium)",
        Id::Pl => "PESEL (Poland)",
        Id::Se => "personnummer (Sweden)",
        Id::No => "fødselsnummer (Norway)",
        Id::Dk => "CPR (Denmark)",
        Id::Fi => "henkilötunnus (Finland)",
        Id::Ee => "isikukood (Estonia, Lithuania)",
        Id::Lv => "personas kods (Latvia)",
        Id::Cz => "rodné číslo (Czechia, Slovakia)",
        Id::Ro => "CNP (Romania)",
        Id::Bg => "EGN (Bulgaria)",
        Id::BgForeigner => "LNCh (Bulgaria)",
        Id::Hr => "OIB (Croatia)",
        Id::Yu => "JMBG (Yugoslavia's successors)",
        Id::Gr => "AMKA (Greece)",
        Id::Tr => "kimlik (Turkey)",
        Id::Ie => "PPS (Ireland)",
        Id::Gb => "national insurance (United Kingdom)",
        Id::Ch => "AHV (Switzerland)",
        Id::At => "Sozialversicherungsnummer (Austria)",
        Id::Br => "CPF (Brazil)",
        Id::Cl => "RUT (Chile)",
        Id::Ar => "CUIT (Argentina)",
        Id::ArDni => "DNI (Argentina, Peru)",
        Id::MxCurp => "CURP (Mexico)",
        Id::MxRfc => "RFC (Mexico)",
        Id::InAadhaar => "Aadhaar (India)",
        Id::InPan => "PAN (India)",
        Id::InVoter => "EPIC (India)",
        Id::InVirtual => "VID (India)",
        Id::Cn => "resident identity (China)",
        Id::Kr => "RRN (Korea)",
        Id::Jp => "My Number (Japan)",
        Id::Sg => "NRIC (Singapore)",
        Id::My => "MyKad (Malaysia)",
        Id::Th => "identity (Thailand)",
        Id::Nik => "NIK (Indonesia)",
        Id::Za => "identity (South Africa)",
        Id::AuTfn => "TFN (Australia)",
        Id::Nz => "IRD (New Zealand)",
        Id::Ca => "SIN (Canada)",
        Id::Il => "identity (Israel)",
        Id::HuTaj => "TAJ (Hungary)",
        Id::HuTax => "adóazonosító (Hungary)",
        Id::Is => "kennitala (Iceland)",
        Id::Ua => "RNOKPP (Ukraine)",
        Id::RuInn => "INN (Russia)",
        Id::RuSnils => "SNILS (Russia)",
        Id::EcCi => "cédula (Ecuador)",
        Id::DoCedula => "cédula (Dominican Republic)",
        Id::Tw => "identity (Taiwan)",
        Id::Hk => "HKID (Hong Kong)",
        Id::Pk => "CNIC (Pakistan)",
        Id::Co => "cédula or NIT (Colombia)",
        Id::Cu => "identity (Cuba)",
        Id::Pe => "DNI (Peru)",
        Id::Ve => "RIF (Venezuela)",
        Id::Cr => "cédula (Costa Rica)",
        Id::Sv => "NIT (El Salvador)",
        Id::Mu => "identity (Mauritius)",
        Id::FrTax => "SPI (France)",
        Id::Uy => "cédula (Uruguay)",
        Id::Pupil => "UPN (England)",
        Id::Ein => "EIN (United States)",
        Id::Ptin => "PTIN (United States)",
        Id::Utr => "UTR (United Kingdom)",
        Id::Vat => "VAT (European Union)",
        Id::PlTax => "NIP (Poland)",
        Id::TrTax => "VKN (Turkey)",
        Id::DeTax => "Steuernummer (Germany)",
        Id::AtTax => "Abgabenkontonummer (Austria)",
        Id::Vn => "MST (Vietnam)",
        Id::ZaTax => "income tax (South Africa)",
        Id::Npwp => "NPWP (Indonesia)",
        Id::Ke => "KRA PIN (Kenya)",
        Id::Cnpj => "CNPJ (Brazil)",
        Id::Aba => "ABA routing (United States)",
        Id::SortCode => "sort code (United Kingdom)",
        Id::Bsb => "BSB (Australia)",
        Id::Clabe => "CLABE (Mexico)",
        Id::EsAccount => "CCC (Spain)",
        Id::NoAccount => "kontonummer (Norway)",
        Id::Cbu => "CBU (Argentina)",
        Id::NzAccount => "account (New Zealand)",
        Id::CzAccount => "číslo účtu (Czechia, Slovakia)",
        Id::Transit => "transit number (Canada)",
        Id::Ifsc => "IFSC (India)",
        Id::Pix => "Pix key (Brazil)",
        Id::Vin => "ISO 3779",
        Id::Npi => "NPI (United States)",
        Id::Nhs => "NHS (United Kingdom)",
        Id::Dea => "DEA (United States)",
        Id::Kvnr => "KVNR (Germany)",
        Id::Mbi => "MBI (United States)",
        Id::AuMedicare => "Medicare (Australia)",
        Id::BcHealth => "PHN (British Columbia)",
        _ => "other",
    }
}
