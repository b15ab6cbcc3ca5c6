//! Which countries numbers belong to that are told by their form: where only some are of interest,
//! the others' numbers are nothing but digits.

use super::id::{Id, Ids};

/// ISO 3166-1 alpha-2, and XK.
pub const CODES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// Whether this is the code of a country.
pub fn is_country(code: &[u8]) -> bool {
    CODES.chunks(2).any(|known| known == code)
}

/// Whose value-added tax has numbers with the letters of a country before them.
const TAXED: &[u8] = b"ATBEBGCYCZDEDKEEESFIFRGBGRHRHUIEITLTLULVMCMTNLPLPTROSESISK";

/// Where numbers are written with a 0 in front within the country (libphonenumber's examples).
const TRUNK: &[u8] = b"AEAFALAMARATAUAXAZBABDBEBGBJBLBRCCCDCGCHCICNCUCXCYDEDZECEGEHERETFIFRGAGBGEGFGGGHGPHRHUIDIEILIMINIQIRITJEJOJPKEKGKHKPKRLALBLKLRLTLYMAMCMDMEMFMGMKMMMNMQMWMYNANGNLNPNZPEPHPKPMPSPYRERORSRWSASDSESISKSLSMSSSYTHTJTMTRTWTZUAUGUYUZVAVEVNXKYEYTZAZMZW";

/// The plan of North America.
const AMERICAN: &[u8] = b"AGAIASBBBMBSCADMDOGDGUJMKNKYLCMPMSPRSXTCTTUMUSVCVGVI";

/// Those of kinds that belong to countries, and which.
const OWNERS: &[(Id, &[u8])] = &[
    (Id::De, b"DE"),
    (Id::DeCard, b"DE"),
    (Id::Fr, b"FRGFGPMQREYT"),
    (Id::EsDni, b"ES"),
    (Id::EsNie, b"ES"),
    (Id::It, b"ITSMVA"),
    (Id::PtNif, b"PT"),
    (Id::PtCc, b"PT"),
    (Id::Nl, b"NL"),
    (Id::Be, b"BE"),
    (Id::Pl, b"PL"),
    (Id::Se, b"SE"),
    (Id::No, b"NOSJ"),
    (Id::Dk, b"DKFOGL"),
    (Id::Fi, b"FIAX"),
    (Id::Ee, b"EELT"),
    (Id::Lv, b"LV"),
    (Id::Cz, b"CZSK"),
    (Id::Ro, b"RO"),
    (Id::Bg, b"BG"),
    (Id::Hr, b"HR"),
    (Id::Yu, b"BAHRMEMKRSSIXK"),
    (Id::Gr, b"GR"),
    (Id::Tr, b"TR"),
    (Id::Ie, b"IE"),
    (Id::Gb, b"GBGGIMJE"),
    (Id::Ch, b"CHLI"),
    (Id::At, b"AT"),
    (Id::Br, b"BR"),
    (Id::Cl, b"CL"),
    (Id::Ar, b"AR"),
    (Id::ArDni, b"ARPE"),
    (Id::MxCurp, b"MX"),
    (Id::MxRfc, b"MX"),
    (Id::InAadhaar, b"IN"),
    (Id::InPan, b"IN"),
    (Id::Cn, b"CN"),
    (Id::Kr, b"KR"),
    (Id::Jp, b"JP"),
    (Id::Sg, b"SG"),
    (Id::My, b"MY"),
    (Id::Th, b"TH"),
    (Id::Nik, b"ID"),
    (Id::Za, b"ZA"),
    (Id::AuTfn, b"AU"),
    (Id::Nz, b"NZ"),
    (Id::Ca, b"CA"),
    (Id::Il, b"ILPS"),
    (Id::HuTaj, b"HU"),
    (Id::HuTax, b"HU"),
    (Id::Is, b"IS"),
    (Id::Ua, b"UA"),
    (Id::RuInn, b"RU"),
    (Id::RuSnils, b"RU"),
    (Id::EcCi, b"EC"),
    (Id::DoCedula, b"DO"),
    (Id::Tw, b"TW"),
    (Id::Hk, b"HK"),
    (Id::Pk, b"PK"),
    (Id::Ein, b"US"),
    (Id::Utr, b"GBGGIMJE"),
    (Id::Aba, b"US"),
    (Id::SortCode, b"GBGGIEIMJE"),
    (Id::Bsb, b"AU"),
    (Id::Clabe, b"MX"),
    (Id::Npi, b"US"),
    (Id::Nhs, b"GBIM"),
    (Id::Dea, b"US"),
    (Id::Kvnr, b"DE"),
    (Id::Mbi, b"US"),
    (Id::AuMedicare, b"AU"),
    (Id::Vat, TAXED),
    (Id::Co, b"CO"),
    (Id::Cu, b"CU"),
    (Id::Pe, b"PE"),
    (Id::Ve, b"VE"),
    (Id::Cr, b"CR"),
    (Id::Sv, b"SV"),
    (Id::Mu, b"MU"),
    (Id::BgForeigner, b"BG"),
    (Id::InVoter, b"IN"),
    (Id::InVirtual, b"IN"),
    (Id::FrTax, b"FR"),
    (Id::Uy, b"UY"),
    (Id::Pupil, b"GB"),
    (Id::PlTax, b"PL"),
    (Id::TrTax, b"TR"),
    (Id::DeTax, b"DE"),
    (Id::AtTax, b"AT"),
    (Id::Vn, b"VN"),
    (Id::ZaTax, b"ZA"),
    (Id::Npwp, b"ID"),
    (Id::Ke, b"KE"),
    (Id::Ptin, b"US"),
    (Id::Cnpj, b"BR"),
    (Id::EsAccount, b"ES"),
    (Id::NoAccount, b"NO"),
    (Id::Cbu, b"AR"),
    (Id::NzAccount, b"NZ"),
    (Id::CzAccount, b"CZSK"),
    (Id::Transit, b"CA"),
    (Id::Ifsc, b"IN"),
    (Id::Pix, b"BR"),
    (Id::BcHealth, b"CA"),
    (Id::PhoneAmerican, AMERICAN),
    (Id::PhoneTrunk, TRUNK),
    (Id::PhoneRussian, b"BYKZKGRUTJTMUZ"),
    (Id::PhoneBrazilian, b"BR"),
    (Id::PhoneChinese, b"CN"),
];

/// The kinds that belong to none of these countries; none where no country is named.
pub fn barred(chosen: &[[u8; 2]]) -> Ids {
    if chosen.is_empty() {
        return Ids::NONE;
    }
    let is_chosen = |code: &[u8]| chosen.iter().any(|country| country == code);
    OWNERS
        .iter()
        .filter(|(_, owners)| !owners.chunks(2).any(is_chosen))
        .fold(Ids::NONE, |barred, (id, _)| barred.with(Ids::of(&[*id])))
}

#[cfg(test)]
mod tests {
    use super::super::{Entity, EntitySet, scan};
    use super::*;

    #[test]
    fn every_code_is_known_and_written_once() {
        assert!(CODES.chunks(2).is_sorted());
        for (id, owners) in OWNERS {
            assert!(owners.chunks(2).all(is_country), "{id:?}");
            let again = OWNERS.iter().filter(|(other, _)| other == id);
            assert_eq!(again.count(), 1, "{id:?}");
        }
    }

    #[test]
    fn numbers_of_other_countries_are_none() {
        let found = |text: &str, countries: &[[u8; 2]]| {
            let wanted = EntitySet::all().of_countries(countries);
            let found = scan(text, 0, "", wanted).into_iter();
            found.map(|finding| finding.entity).collect::<Vec<_>>()
        };
        for (text, country, entity) in [
            ("BSN 111222333", *b"NL", Entity::NationalId),
            ("see RCCMNL83S18D969H", *b"IT", Entity::NationalId),
            ("national id 44051401359", *b"PL", Entity::NationalId),
            ("EIN 12-3456789", *b"US", Entity::TaxId),
            ("at (415) 555-0132", *b"CA", Entity::Phone),
            ("at 0171 2345678", *b"DE", Entity::Phone),
            ("at 138-1234-5678", *b"CN", Entity::Phone),
            ("routing number 021000021", *b"US", Entity::BankAccount),
        ] {
            assert_eq!(found(text, &[]), [entity], "{text}");
            assert_eq!(found(text, &[country]), [entity], "{text}");
            assert_eq!(found(text, &[*b"ES", country]), [entity], "{text}");
            assert_eq!(found(text, &[*b"ES"]), [], "{text}");
        }
        // What says where it belongs stays, and what belongs to no country.
        for (text, entity) in [
            ("at +49 171 2345678", Entity::Phone),
            ("phone 2345678", Entity::Phone),
            ("passport C01X00T47", Entity::Passport),
            ("ann@example.com", Entity::Email),
        ] {
            assert_eq!(found(text, &[*b"ES"]), [entity], "{text}");
        }
    }
}
