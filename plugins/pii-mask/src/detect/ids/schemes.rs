//! The numbers that people, papers, accounts and vehicles have: how they are written, and what is
//! checked.
//!
//! In a form, `d` is a digit, `a` a letter, `x` either, `s` the sign of a century (`-`, `+` or a
//! letter), `~` one separator or none (a space, hyphen, dot or slash), ` ` a space; everything else
//! stands for itself. Spaces and dashes of all kinds count, a space only in front of a digit and
//! behind one: so a stream holds the whole.

use super::checks as check;
use super::outline::Outline;
use super::{digits, registers, things, vat};
use crate::detect::id::Id;
use crate::detect::{Certainty, Entity};

/// One kind of number.
pub struct Scheme {
    /// Which.
    pub id: Id,
    /// What it is told as.
    pub entity: Entity,
    /// How it is written, with `|` between.
    pub forms: &'static str,
    /// What the forms have in common.
    pub outline: Outline,
    /// Whether these letters and digits are one.
    pub check: fn(&[u8]) -> bool,
    /// Whether that is a check digit or a form that nothing else has.
    pub certainty: Certainty,
}

const fn checked(id: Id, forms: &'static str, check: fn(&[u8]) -> bool) -> Scheme {
    Scheme {
        id,
        entity: Entity::NationalId,
        forms,
        outline: Outline::of(forms),
        check,
        certainty: Certainty::Check,
    }
}

const fn shaped(id: Id, forms: &'static str, check: fn(&[u8]) -> bool) -> Scheme {
    Scheme {
        certainty: Certainty::Context,
        ..checked(id, forms, check)
    }
}

const fn of(entity: Entity, scheme: Scheme) -> Scheme {
    Scheme { entity, ..scheme }
}

/// All of them. Those with [`Certainty::Check`] may be what a word means that names no country.
pub const SCHEMES: &[Scheme] = &[
    checked(Id::De, "dd~ddd~ddd~ddd", check::germany),
    shaped(Id::DeCard, "axxxxxxxxd|axxxxxxxx", check::germany_card),
    checked(Id::Fr, "d~dd~dd~dx~ddd~ddd~dd", check::france),
    checked(
        Id::EsDni,
        "dddddddda|dddddddd-a|dd.ddd.ddd-a|dd.ddd.ddda",
        check::spain,
    ),
    checked(
        Id::EsNie,
        "addddddda|a-ddddddd-a|addddddd-a",
        check::spain_foreigner,
    ),
    checked(Id::It, "aaaaaaxxaxxaxxxa", check::italy),
    checked(Id::PtNif, "ddd~ddd~ddd", check::portugal),
    checked(Id::PtCc, "dddddddddxxd", check::portugal_card),
    checked(
        Id::Nl,
        "ddd~ddd~ddd|dddd~dd~ddd|dddd.dd.ddd",
        check::netherlands,
    ),
    checked(Id::Be, "dd~dd~dd~ddd~dd", check::belgium),
    checked(Id::Pl, "ddddddddddd", check::poland),
    checked(
        Id::Se,
        "dddddd-dddd|dddddd+dddd|dddddddd-dddd|dddddddddd|dddddddddddd",
        check::sweden,
    ),
    checked(Id::No, "dddddd~ddddd", check::norway),
    shaped(Id::Dk, "dddddd-dddd|dddddd dddd|dddddddddd", check::denmark),
    checked(Id::Fi, "ddddddsdddx", check::finland),
    checked(Id::Ee, "ddddddddddd", check::estonia),
    checked(Id::Lv, "dddddd-ddddd|ddddddddddd", check::latvia),
    checked(Id::Cz, "dddddd/dddd|dddddd/ddd|dddddddddd", check::czechia),
    checked(Id::Ro, "ddddddddddddd", check::romania),
    checked(Id::Bg, "dddddddddd", check::bulgaria),
    checked(Id::Hr, "ddddddddddd", digits::mod_11_10),
    checked(Id::Yu, "ddddddddddddd", check::yugoslavia),
    checked(Id::Gr, "ddddddddddd", check::greece),
    checked(Id::Tr, "ddddddddddd", check::turkey),
    checked(Id::Ie, "ddddddda|dddddddaa", check::ireland),
    shaped(
        Id::Gb,
        "aadddddda|aadd-dd-dd-a|aa-dd-dd-dd-a|aa dd dd dd a|aadd dd dd a",
        check::britain,
    ),
    checked(Id::Ch, "ddd~dddd~dddd~dd", check::switzerland),
    checked(
        Id::At,
        "dddd~dddddd|dddd-dd-dd-dd|dddd dd dd dd",
        check::austria,
    ),
    checked(Id::Br, "ddd~ddd~ddd~dd", check::brazil),
    checked(
        Id::Cl,
        "dd.ddd.ddd-x|d.ddd.ddd-x|dddddddd-x|ddddddd-x|ddddddddx|dddddddx",
        check::chile,
    ),
    checked(Id::Ar, "dd~dddddddd~d", check::argentina),
    shaped(Id::ArDni, "dd.ddd.ddd|d.ddd.ddd|dddddddd", check::any),
    checked(Id::MxCurp, "aaaaddddddaaaaaaxd", check::mexico),
    shaped(Id::MxRfc, "aaaaddddddxxx", check::mexico_taxpayer),
    checked(
        Id::InVirtual,
        "dddd~dddd~dddd~dddd",
        registers::india_virtual,
    ),
    checked(Id::InAadhaar, "dddd~dddd~dddd", check::india),
    shaped(Id::InPan, "aaaaadddda", check::india_account),
    checked(Id::Cn, "dddddddddddddddddx", check::china),
    shaped(Id::Kr, "dddddd-ddddddd|ddddddddddddd", check::korea),
    checked(Id::Jp, "dddd~dddd~dddd", check::japan),
    checked(Id::Sg, "addddddda", check::singapore),
    shaped(Id::My, "dddddd-dd-dddd|dddddddddddd", check::malaysia),
    checked(Id::Th, "d~dddd~ddddd~dd~d", check::thailand),
    shaped(Id::Nik, "dddddddddddddddd", check::indonesia),
    checked(
        Id::Za,
        "dddddd~dddd~ddd|dddddd~dddd~dd~d",
        check::south_africa,
    ),
    checked(Id::AuTfn, "ddd~ddd~ddd|dd~ddd~ddd", check::australia),
    checked(Id::Nz, "ddd~ddd~ddd|dd~ddd~ddd", check::new_zealand),
    checked(Id::Ca, "ddd~ddd~ddd", digits::luhn),
    checked(Id::Il, "ddddddddd|d-ddddddd-d|dddddddd-d", digits::luhn),
    checked(Id::HuTaj, "ddd~ddd~ddd", check::hungary_social),
    checked(Id::HuTax, "dddddddddd", check::hungary_tax),
    checked(Id::Is, "dddddd-dddd|dddddddddd", check::iceland),
    checked(Id::Ua, "dddddddddd", check::ukraine),
    checked(Id::RuInn, "dddddddddddd", check::russia),
    checked(Id::RuSnils, "ddd~ddd~ddd~dd", check::russia_pension),
    checked(Id::EcCi, "dddddddddd|ddddddddd-d", check::ecuador),
    checked(Id::DoCedula, "ddd~ddddddd~d", digits::luhn),
    checked(Id::Tw, "addddddddd", check::taiwan),
    checked(
        Id::Hk,
        "adddddd(x)|adddddddx|addddddx|aadddddd(x)",
        check::hong_kong,
    ),
    shaped(Id::Pk, "ddddd-ddddddd-d|ddddddddddddd", check::pakistan),
    of(
        Entity::TaxId,
        shaped(Id::Ein, "dd-ddddddd", things::employer),
    ),
    of(
        Entity::TaxId,
        shaped(Id::Utr, "ddddd~ddddd", things::britain_taxpayer),
    ),
    of(
        Entity::BankAccount,
        checked(Id::Aba, "ddddddddd|dddd-dddd-d", things::routing),
    ),
    of(
        Entity::BankAccount,
        shaped(Id::SortCode, "dd-dd-dd|dd dd dd|dddddd", check::any),
    ),
    of(
        Entity::BankAccount,
        shaped(Id::Bsb, "ddd-ddd|dddddd", check::any),
    ),
    of(
        Entity::BankAccount,
        checked(Id::Clabe, "dddddddddddddddddd", things::clabe),
    ),
    of(
        Entity::Vin,
        shaped(Id::Vin, "xxxxxxxxxxxxxxxxx", things::is_vehicle),
    ),
    of(
        Entity::MedicalId,
        checked(Id::Npi, "dddddddddd", things::provider),
    ),
    of(
        Entity::MedicalId,
        checked(Id::Nhs, "ddd~ddd~dddd", things::nhs),
    ),
    of(
        Entity::MedicalId,
        checked(Id::Dea, "axddddddd", things::drugs),
    ),
    of(
        Entity::MedicalId,
        checked(Id::Kvnr, "addddddddd", things::germany_insured),
    ),
    of(
        Entity::MedicalId,
        shaped(Id::Mbi, "dxxdaxdaadd|dxxd-axd-aadd", things::medicare),
    ),
    of(
        Entity::MedicalId,
        checked(
            Id::AuMedicare,
            "dddd~ddddd~d|dddd~ddddd~d/d",
            things::australia_medicare,
        ),
    ),
    checked(
        Id::Co,
        "dddddddd-d|ddddddddd-d|dddddddddd-d|dd.ddd.ddd-d|ddd.ddd.ddd-d|d.ddd.ddd.ddd-d|dddddddddd",
        registers::colombia,
    ),
    shaped(Id::Cu, "ddddddddddd", registers::cuba),
    checked(Id::Pe, "dddddddd-x", registers::peru),
    checked(
        Id::Ve,
        "a-dddddddd-d|addddddddd|a-ddddddddd",
        registers::venezuela,
    ),
    shaped(
        Id::Cr,
        "d-dddd-dddd|dd-dddd-dddd|ddddddddd",
        registers::costa_rica,
    ),
    checked(
        Id::Sv,
        "dddd-dddddd-ddd-d|dddddddddddddd",
        registers::el_salvador,
    ),
    checked(
        Id::Mu,
        "adddddddddddda|addddddddddddd",
        registers::mauritius,
    ),
    checked(Id::BgForeigner, "dddddddddd", registers::bulgaria_foreigner),
    checked(Id::InVoter, "aaaddddddd", registers::india_voter),
    checked(Id::FrTax, "dd~dd~ddd~ddd~ddd", registers::france_tax),
    checked(Id::Uy, "d.ddd.ddd-d|ddddddd-d|dddddddd", registers::uruguay),
    checked(
        Id::Pupil,
        "addddddddddddd|addddddddddda|adddddddddddd",
        registers::britain_pupil,
    ),
    of(
        Entity::TaxId,
        checked(
            Id::PlTax,
            "ddd-ddd-dd-dd|ddd-dd-dd-ddd|dddddddddd",
            registers::poland_tax,
        ),
    ),
    of(
        Entity::TaxId,
        checked(Id::TrTax, "dddddddddd", registers::turkey_tax),
    ),
    of(
        Entity::TaxId,
        shaped(
            Id::DeTax,
            "dd/ddd/ddddd|ddd/ddd/ddddd|ddd/dddd/dddd|ddddd/ddddd|ddddddddddddd|ddddddddddd|dddddddddd|ddd ddd ddddd|dd ddd ddddd",
            check::any,
        ),
    ),
    of(
        Entity::TaxId,
        checked(
            Id::AtTax,
            "dd-ddd/dddd|dd ddd/dddd|ddddddddd",
            registers::austria_tax,
        ),
    ),
    of(
        Entity::TaxId,
        checked(Id::Vn, "dddddddddd", registers::vietnam),
    ),
    of(
        Entity::TaxId,
        checked(Id::ZaTax, "dddd~ddd~ddd", registers::south_africa_tax),
    ),
    of(
        Entity::TaxId,
        checked(
            Id::Npwp,
            "dd.ddd.ddd.d-ddd.ddd|ddddddddddddddd",
            registers::indonesia_tax,
        ),
    ),
    of(
        Entity::TaxId,
        shaped(Id::Ke, "addddddddda", registers::kenya),
    ),
    of(
        Entity::TaxId,
        shaped(Id::Ptin, "adddddddd", registers::preparer),
    ),
    of(
        Entity::TaxId,
        checked(
            Id::Cnpj,
            "dd.ddd.ddd/dddd-dd|dddddddddddddd",
            registers::brazil_company,
        ),
    ),
    of(Entity::TaxId, checked(Id::Vat, vat::FORMS, vat::europe)),
    of(
        Entity::BankAccount,
        checked(
            Id::EsAccount,
            "dddd~dddd~dd~dddddddddd|dddd~dddd~dddd~dddd~dddd",
            registers::spain_account,
        ),
    ),
    of(
        Entity::BankAccount,
        checked(
            Id::NoAccount,
            "dddd.dd.ddddd|dddd dd ddddd|ddddddddddd",
            registers::norway_account,
        ),
    ),
    of(
        Entity::BankAccount,
        checked(
            Id::Cbu,
            "dddddddddddddddddddddd",
            registers::argentina_account,
        ),
    ),
    of(
        Entity::BankAccount,
        shaped(
            Id::NzAccount,
            "dd-dddd-ddddddd-dd|dd-dddd-ddddddd-ddd",
            check::any,
        ),
    ),
    of(
        Entity::BankAccount,
        checked(
            Id::CzAccount,
            "dddddd-dddddddddd/dddd|dd-dddddddddd/dddd|dddddddddd/dddd|ddddddddd/dddd|dddddddd/dddd",
            registers::czechia_account,
        ),
    ),
    of(
        Entity::BankAccount,
        shaped(Id::Transit, "ddddd-ddd", check::any),
    ),
    of(
        Entity::BankAccount,
        shaped(Id::Ifsc, "aaaaxxxxxxx", registers::india_branch),
    ),
    of(
        Entity::BankAccount,
        shaped(Id::Pix, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", check::any),
    ),
    of(
        Entity::MedicalId,
        checked(Id::BcHealth, "dddd~ddd~ddd", registers::british_columbia),
    ),
];

/// Which may stand in text without a word, in these forms: with check digits and a form that
/// numbers, ids and words do not have.
pub const ALONE: &[(Id, &str)] = &[
    (Id::It, "aaaaaaxxaxxaxxxa"),
    (Id::MxCurp, "aaaaddddddaaaaaaxd"),
    (Id::Cn, "dddddddddddddddddx"),
    (Id::EsNie, "addddddda"),
    (Id::Sg, "addddddda"),
    (Id::InPan, "aaaaadddda"),
    (Id::Fi, "ddddddsdddx"),
    (Id::Br, "ddd.ddd.ddd-dd"),
    (Id::Ch, "ddd.dddd.dddd.dd"),
    (Id::Be, "dd.dd.dd-ddd.dd"),
    (Id::Cl, "dd.ddd.ddd-x"),
    (Id::Ar, "dd-dddddddd-d"),
    (Id::Th, "d-dddd-ddddd-dd-d"),
    (Id::RuSnils, "ddd-ddd-ddd dd"),
    (Id::Fr, "d dd dd dx ddd ddd dd"),
    (Id::Vin, "xxxxxxxxxxxxxxxxx"),
    (Id::Mbi, "dxxd-axd-aadd"),
];

/// The scheme of this id.
pub fn scheme(id: Id) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.id == id)
}
