//! Numbers by who gives them out, and sets of them.

/// What a number is, by who gives it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Id {
    De,
    DeCard,
    Fr,
    EsDni,
    EsNie,
    It,
    PtNif,
    PtCc,
    Nl,
    Be,
    Pl,
    Se,
    No,
    Dk,
    Fi,
    Ee,
    Lv,
    Cz,
    Ro,
    Bg,
    Hr,
    Yu,
    Gr,
    Tr,
    Ie,
    Gb,
    Ch,
    At,
    Br,
    Cl,
    Ar,
    ArDni,
    MxCurp,
    MxRfc,
    InAadhaar,
    InPan,
    Cn,
    Kr,
    Jp,
    Sg,
    My,
    Th,
    Nik,
    Za,
    AuTfn,
    Nz,
    Ca,
    Il,
    HuTaj,
    HuTax,
    Is,
    Ua,
    RuInn,
    RuSnils,
    EcCi,
    DoCedula,
    Tw,
    Hk,
    Pk,
    Ein,
    Utr,
    Aba,
    SortCode,
    Bsb,
    Clabe,
    Vin,
    Npi,
    Nhs,
    Dea,
    Kvnr,
    Mbi,
    AuMedicare,
    Vat,
    Co,
    Cu,
    Pe,
    Ve,
    Cr,
    Sv,
    Mu,
    BgForeigner,
    InVoter,
    InVirtual,
    FrTax,
    Uy,
    Pupil,
    PlTax,
    TrTax,
    DeTax,
    AtTax,
    Vn,
    ZaTax,
    Npwp,
    Ke,
    Ptin,
    Cnpj,
    EsAccount,
    NoAccount,
    Cbu,
    NzAccount,
    CzAccount,
    Transit,
    Ifsc,
    Pix,
    BcHealth,
    // Telephone numbers as they are written within a country.
    PhoneAmerican,
    PhoneTrunk,
    PhoneRussian,
    PhoneBrazilian,
    PhoneChinese,
    // Without a form of their own.
    Passport,
    License,
    Birth,
    Plate,
    Account,
    Mrn,
    Bic,
    Crypto,
    /// One of those with check digits: the word names no country.
    AnyNational,
    /// Something else.
    Other,
}

/// A set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids(u128);

impl Ids {
    pub const NONE: Self = Self(0);

    pub const fn of(ids: &[Id]) -> Self {
        let (mut set, mut rest) = (0, ids);
        while let [first, behind @ ..] = rest {
            set |= 1 << *first as u8;
            rest = behind;
        }
        Self(set)
    }

    pub const fn has(self, id: Id) -> bool {
        self.0 & (1 << id as u8) != 0
    }

    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
