//! The prefixes that issuers have given their credentials, and what may follow them.
//!
//! Most end in a dash or an underscore, which are anchors of the scan; some have an `I` near their
//! front. Where the prefix alone may be the front of an ordinary name, the rest must look random.
//! What a public key or the id of an application is (`pk_live_`, `phc_`, `sq0idp-`) is not here.

use super::Entity;
use super::class::base64_url;

/// One form: what it is, its prefix, which bytes may follow, how many at least.
pub struct Form {
    pub entity: Entity,
    pub prefix: &'static [u8],
    pub tail: Alphabet,
    /// No more than are judged.
    pub least: usize,
    /// Longest tail; 0 if open.
    pub most: usize,
    /// Whether the tail must mix kinds of characters in a long stretch: the prefix is also the
    /// front of hyphenated words.
    pub mixed: bool,
    /// Whether the tail must be of letters and digits as chance brings them: names of variables go
    /// on behind such a prefix, too.
    pub random: bool,
    /// How long the groups of the tail are between its dashes, in each way that there is; empty if
    /// open.
    pub groups: &'static [&'static [usize]],
}

/// What the tail of a credential is written in.
#[derive(Clone, Copy)]
pub enum Alphabet {
    Alphanumeric,
    /// Upper case, and the digits of base32.
    Base32,
    /// Lower case, with dashes.
    Hex,
    /// Upper case and digits, with dashes.
    Upper,
    Base64Url,
    /// Base64, its signs as they are or as percent escapes.
    UrlEncoded,
    /// The same without the signs that fill its end.
    Base64,
}

impl Alphabet {
    pub fn has(self, byte: u8) -> bool {
        match self {
            Alphabet::Alphanumeric => byte.is_ascii_alphanumeric(),
            Alphabet::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Alphabet::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'),
            Alphabet::Upper => matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'-'),
            Alphabet::Base64Url => base64_url(byte),
            Alphabet::UrlEncoded => Alphabet::Base64.has(byte) || byte == b'=',
            Alphabet::Base64 => base64_url(byte) || matches!(byte, b'%' | b'+' | b'/'),
        }
    }
}

const fn form(entity: Entity, prefix: &'static [u8], tail: Alphabet, least: usize) -> Form {
    Form {
        entity,
        prefix,
        tail,
        least,
        most: 0,
        mixed: false,
        random: false,
        groups: &[],
    }
}

/// One whose tail has groups of fixed lengths.
const fn grouped(
    prefix: &'static [u8],
    tail: Alphabet,
    groups: &'static [&'static [usize]],
) -> Form {
    Form {
        groups,
        ..form(Entity::ApiKey, prefix, tail, 20)
    }
}

/// One whose tail is so long, and has digits in it and letters.
const fn exactly(prefix: &'static [u8], tail: Alphabet, length: usize) -> Form {
    Form {
        random: true,
        most: length,
        ..form(Entity::ApiKey, prefix, tail, length)
    }
}

/// One whose tail may have dashes and underscores, as names of variables have.
const fn random(prefix: &'static [u8], tail: Alphabet, least: usize) -> Form {
    Form {
        random: true,
        ..form(Entity::ApiKey, prefix, tail, least)
    }
}

/// One whose prefix is also the front of ordinary names.
const fn mixed(prefix: &'static [u8], tail: Alphabet, least: usize) -> Form {
    Form {
        mixed: true,
        ..form(Entity::ApiKey, prefix, tail, least)
    }
}

/// The id of a key of AWS.
const fn aws(prefix: &'static [u8]) -> Form {
    Form {
        most: 16,
        ..form(Entity::AwsAccessKey, prefix, Alphabet::Base32, 16)
    }
}

use Alphabet::{Alphanumeric, Base64, Base64Url, Hex, Upper, UrlEncoded};
use Entity::{ApiKey, AwsSecretKey, GithubToken, SlackToken};

/// The forms with an `I`, and how many bytes stand before it. Session tokens of AWS are base64 that
/// begins as all of them do; Grafana's old keys are a JSON object that begins with the key.
pub const AROUND_I: &[(usize, Form)] = &[
    (2, aws(b"AKIA")),
    (2, aws(b"ASIA")),
    (2, aws(b"ABIA")),
    (1, form(ApiKey, b"AIza", Base64Url, 35)),
    (0, form(AwsSecretKey, b"IQoJb3JpZ2lu", Base64, 40)),
    (6, form(AwsSecretKey, b"FwoGZXIvYXdz", Base64, 40)),
    (6, form(AwsSecretKey, b"FQoGZXIvYXdz", Base64, 40)),
    (3, mixed(b"LTAI", Alphanumeric, 17)),
    (4, random(b"eyJrIjoi", UrlEncoded, 60)),
];

const UUID: &[&[usize]] = &[&[8, 4, 4, 4, 12]];

/// The forms whose prefix ends in a dash or an underscore.
const FORMS: &[Form] = &[
    form(GithubToken, b"ghp_", Alphanumeric, 36),
    form(GithubToken, b"gho_", Alphanumeric, 36),
    form(GithubToken, b"ghu_", Alphanumeric, 36),
    form(GithubToken, b"ghs_", Alphanumeric, 36),
    form(GithubToken, b"ghr_", Alphanumeric, 36),
    form(GithubToken, b"github_pat_", Base64Url, 50),
    form(ApiKey, b"sk_live_", Alphanumeric, 10),
    form(ApiKey, b"sk_test_", Alphanumeric, 10),
    form(ApiKey, b"sk_prod_", Alphanumeric, 10),
    form(ApiKey, b"rk_live_", Alphanumeric, 10),
    form(ApiKey, b"rk_test_", Alphanumeric, 10),
    form(ApiKey, b"rk_prod_", Alphanumeric, 10),
    form(ApiKey, b"hf_", Alphanumeric, 30),
    form(ApiKey, b"api_org_", Alphanumeric, 34),
    form(ApiKey, b"npm_", Alphanumeric, 36),
    form(ApiKey, b"sk-proj-", Base64Url, 20),
    form(ApiKey, b"sk-svcacct-", Base64Url, 20),
    form(ApiKey, b"sk-admin-", Base64Url, 20),
    form(ApiKey, b"sk-ant-", Base64Url, 20),
    form(ApiKey, b"sk-or-v1-", Base64Url, 20),
    random(b"sk-lf-", Base64Url, 36),
    mixed(b"sk-", Base64Url, 20),
    form(ApiKey, b"glpat-", Base64Url, 20),
    form(ApiKey, b"gldt-", Base64Url, 20),
    form(ApiKey, b"glrt-", Base64Url, 20),
    form(ApiKey, b"glrtr-", Base64Url, 20),
    form(ApiKey, b"glcbt-", Base64Url, 20),
    form(ApiKey, b"glptt-", Base64Url, 20),
    form(ApiKey, b"glft-", Base64Url, 20),
    form(ApiKey, b"glimt-", Base64Url, 20),
    form(ApiKey, b"glagent-", Base64Url, 20),
    form(ApiKey, b"glsoat-", Base64Url, 20),
    form(ApiKey, b"gloas-", Base64Url, 20),
    form(ApiKey, b"glffct-", Base64Url, 20),
    form(ApiKey, b"gsk_", Alphanumeric, 40),
    form(SlackToken, b"xoxa-", Base64Url, 10),
    form(SlackToken, b"xoxb-", Base64Url, 10),
    form(SlackToken, b"xoxc-", Base64Url, 10),
    form(SlackToken, b"xoxe-", Base64Url, 10),
    form(SlackToken, b"xoxo-", Base64Url, 10),
    form(SlackToken, b"xoxp-", Base64Url, 10),
    form(SlackToken, b"xoxr-", Base64Url, 10),
    form(SlackToken, b"xoxs-", Base64Url, 10),
    form(SlackToken, b"xapp-", Base64Url, 10),
    form(SlackToken, b"xoxd-", UrlEncoded, 10),
    form(ApiKey, b"xai-", Alphanumeric, 60),
    form(ApiKey, b"pplx-", Alphanumeric, 40),
    form(ApiKey, b"r8_", Alphanumeric, 36),
    random(b"nvapi-", Base64Url, 60),
    form(ApiKey, b"csk-", Alphanumeric, 44),
    random(b"tgp_v1_", Base64Url, 40),
    form(ApiKey, b"jina_", Alphanumeric, 60),
    random(b"pcsk_", Base64Url, 60),
    random(b"lsv2_pt_", Base64Url, 40),
    random(b"lsv2_sk_", Base64Url, 40),
    mixed(b"tvly-", Base64Url, 32),
    form(ApiKey, b"apify_api_", Alphanumeric, 30),
    form(ApiKey, b"rpa_", Alphanumeric, 40),
    form(ApiKey, b"e2b_", Alphanumeric, 40),
    mixed(b"sk_", Alphanumeric, 48),
    random(b"bedrock-api-key-", Base64, 64),
    form(ApiKey, b"dop_v1_", Alphanumeric, 64),
    form(ApiKey, b"doo_v1_", Alphanumeric, 64),
    form(ApiKey, b"dor_v1_", Alphanumeric, 64),
    random(b"GOCSPX-", Base64Url, 28),
    random(b"HRKU-", Base64Url, 58),
    random(b"v1.0-", Base64Url, 64),
    form(ApiKey, b"sbp_", Alphanumeric, 40),
    random(b"sb_secret_", Base64Url, 20),
    form(ApiKey, b"vck_", Alphanumeric, 40),
    form(ApiKey, b"vcp_", Alphanumeric, 40),
    random(b"fm1a_", UrlEncoded, 60),
    random(b"fm1r_", UrlEncoded, 60),
    random(b"fm2_", UrlEncoded, 60),
    random(b"fo1_", Base64Url, 43),
    form(ApiKey, b"pul-", Alphanumeric, 40),
    random(b"pscale_oauth_", Base64Url, 32),
    random(b"pscale_pw_", Base64Url, 32),
    random(b"pscale_tkn_", Base64Url, 32),
    random(b"tskey-api-", Base64Url, 20),
    random(b"tskey-auth-", Base64Url, 20),
    random(b"tskey-client-", Base64Url, 20),
    random(b"tskey-scim-", Base64Url, 20),
    random(b"tskey-webhook-", Base64Url, 20),
    random(b"tk-us-", Base64Url, 48),
    random(b"dnkey-", Base64Url, 40),
    random(b"pypi-", Base64Url, 64),
    random(b"dckr_oat_", Base64Url, 27),
    random(b"dckr_pat_", Base64Url, 27),
    form(ApiKey, b"rubygems_", Alphanumeric, 48),
    form(ApiKey, b"CLOJARS_", Alphanumeric, 60),
    random(b"sgp_", Base64Url, 40),
    form(ApiKey, b"sqa_", Alphanumeric, 40),
    form(ApiKey, b"sqp_", Alphanumeric, 40),
    form(ApiKey, b"squ_", Alphanumeric, 40),
    form(ApiKey, b"shpat_", Alphanumeric, 32),
    form(ApiKey, b"shpca_", Alphanumeric, 32),
    form(ApiKey, b"shppa_", Alphanumeric, 32),
    form(ApiKey, b"shpss_", Alphanumeric, 32),
    form(ApiKey, b"sq0atp-", Base64Url, 22),
    random(b"sq0csp-", Base64Url, 40),
    random(b"whsec_", UrlEncoded, 32),
    random(b"xkeysib-", Base64Url, 64),
    random(b"xsmtpsib-", Base64Url, 64),
    form(ApiKey, b"shippo_live_", Alphanumeric, 40),
    form(ApiKey, b"shippo_test_", Alphanumeric, 40),
    random(b"duffel_live_", Base64Url, 43),
    random(b"duffel_test_", Base64Url, 43),
    form(ApiKey, b"lin_api_", Alphanumeric, 40),
    form(ApiKey, b"lin_oauth_", Alphanumeric, 40),
    form(ApiKey, b"ntn_", Alphanumeric, 40),
    mixed(b"secret_", Alphanumeric, 43),
    random(b"figd_", Base64Url, 38),
    random(b"PMAK-", Base64Url, 59),
    random(b"CFPAT-", Base64Url, 43),
    form(ApiKey, b"NRAK-", Alphanumeric, 27),
    random(b"NRII-", Base64Url, 32),
    random(b"glsa_", Base64Url, 41),
    random(b"glc_", UrlEncoded, 40),
    random(b"sntrys_", UrlEncoded, 60),
    form(ApiKey, b"sntryu_", Alphanumeric, 64),
    random(b"phx_", Base64Url, 40),
    form(ApiKey, b"rdme_", Alphanumeric, 64),
    form(ApiKey, b"p8e-", Alphanumeric, 32),
    random(b"ops_", UrlEncoded, 64),
    form(ApiKey, b"AGE-SECRET-KEY-", Alphanumeric, 58),
    random(b"cfk_", Base64Url, 40),
    random(b"cfut_", Base64Url, 40),
    random(b"cfat_", Base64Url, 40),
    grouped(b"key-", Hex, &[&[32]]),
    grouped(b"pat-na1-", Hex, UUID),
    grouped(b"pat-eu1-", Hex, UUID),
    grouped(b"access-sandbox-", Hex, UUID),
    grouped(b"access-development-", Hex, UUID),
    grouped(b"access-production-", Hex, UUID),
    grouped(b"A3-", Upper, &[&[6, 11, 5, 5, 5], &[6, 6, 5, 5, 5, 5]]),
    grouped(b"API-", Upper, &[&[26]]),
    grouped(b"FLWSECK_TEST-", Alphanumeric, &[&[32]]),
    Form {
        least: 12,
        most: 12,
        ..grouped(b"FLWSECK_TEST-", Alphanumeric, &[&[12]])
    },
    grouped(b"FLWSECK-", Alphanumeric, &[&[32]]),
    form(ApiKey, b"nfp_", Alphanumeric, 36),
    form(ApiKey, b"pnu_", Alphanumeric, 36),
    form(ApiKey, b"pnb_", Alphanumeric, 36),
    mixed(b"sm_aat_", Alphanumeric, 16),
    mixed(b"sm_pat_", Alphanumeric, 16),
    mixed(b"sm_sat_", Alphanumeric, 16),
    random(b"tfp_", Base64Url, 40),
    form(ApiKey, b"ico-", Alphanumeric, 32),
    random(b"fio-u-", Base64Url, 60),
    form(ApiKey, b"s-s4t2ud-", Alphanumeric, 64),
    form(ApiKey, b"s-s4t2af-", Alphanumeric, 64),
    random(b"figo_", Base64Url, 38),
    random(b"figu_", Base64Url, 38),
    random(b"samsara_api_", Alphanumeric, 30),
    random(b"glwt-", Base64Url, 20),
    random(b"CCIPAT_", Base64Url, 60),
    random(b"CCIPRJ_", Base64Url, 60),
    form(ApiKey, b"bkua_", Alphanumeric, 40),
    form(ApiKey, b"KGAT_", Alphanumeric, 32),
    form(ApiKey, b"shpua_", Alphanumeric, 32),
    form(ApiKey, b"shprt_", Alphanumeric, 32),
    form(SlackToken, b"xwfp-", Base64Url, 20),
    random(b"re_", Base64Url, 33),
    random(b"hcaik_", Alphanumeric, 58),
    random(b"napi_", Alphanumeric, 60),
    random(b"fw_", Alphanumeric, 22),
    random(b"pa-", Base64Url, 43),
    random(b"sess-", Alphanumeric, 40),
    random(b"mdb_sa_sk_", Base64Url, 40),
    random(b"zpka_", Base64Url, 40),
    random(b"tr_dev_", Alphanumeric, 20),
    random(b"tr_prod_", Alphanumeric, 20),
    random(b"nbp_", Alphanumeric, 36),
    random(b"dtn_", Alphanumeric, 60),
    random(b"vercel_blob_rw_", Base64Url, 40),
    random(b"wandb_v1_", Base64Url, 60),
    random(b"sk_car_", Alphanumeric, 20),
    random(b"signkey-prod-", Alphanumeric, 64),
    random(b"live_", Alphanumeric, 40),
    exactly(b"live_", Hex, 35),
    exactly(b"test_", Hex, 35),
    exactly(b"NRJS-", Hex, 19),
    random(b"y0_", Base64Url, 50),
    random(b"aio_", Alphanumeric, 28),
    random(b"esecret_", Alphanumeric, 24),
    random(b"ALTAK-", Base64, 60),
    grouped(b"fc-", Hex, &[&[32]]),
    grouped(b"sdk-", Hex, UUID),
    // The account in an access key of Authress, in the middle of it.
    form(ApiKey, b"acc-", Base64Url, 10),
    form(ApiKey, b"acc_", Base64Url, 10),
];

/// The last three bytes of a prefix, which no prefix is shorter than.
const fn ending(prefix: &[u8]) -> [u8; 3] {
    match prefix {
        [.., a, b, c] => [*a, *b, *c],
        _ => [0; 3],
    }
}

/// Places of [`CHAINS`].
const PLACES: usize = 1024;

/// The longest prefix.
const LONGEST: usize = 19;

const fn place([a, b, c]: [u8; 3]) -> usize {
    (a as usize * 61 + b as usize * 7 + c as usize) % PLACES
}

/// For each place the number of the first form whose ending has it, and for each form that of the
/// next one, in the order of [`FORMS`]: numbers begin at 1, and 0 ends a chain. Most words with a
/// dash or an underscore end in none.
static CHAINS: ([u16; PLACES], [u16; FORMS.len()]) = {
    let (mut first, mut next) = ([0; PLACES], [0; FORMS.len()]);
    let mut number = FORMS.len();
    while number > 0 {
        // A form's number less one is its place in the list, and the other place is a remainder.
        #[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
        {
            let place = place(ending(FORMS[number - 1].prefix));
            next[number - 1] = first[place];
            first[place] = number as u16;
        }
        number -= 1;
    }
    (first, next)
};

/// The forms whose prefix ends at `at` and does not begin before `floor`.
pub fn ending_in(bytes: &[u8], floor: usize, at: usize) -> impl Iterator<Item = &'static Form> {
    let (first, next) = &CHAINS;
    let from = at.saturating_sub(LONGEST.saturating_sub(1)).max(floor);
    let before = bytes.get(from..=at).unwrap_or_default();
    let of = |number: u16| usize::from(number).checked_sub(1);
    core::iter::successors(first.get(place(ending(before))).copied(), move |number| {
        next.get(of(*number)?).copied()
    })
    .map_while(move |number| FORMS.get(of(number)?))
    .filter(move |form| before.ends_with(form.prefix))
}

/// The longest prefix that a credential begins with.
pub fn prefix_of(value: &[u8]) -> Option<&'static str> {
    let around = AROUND_I.iter().map(|(_, form)| form.prefix);
    let known = FORMS.iter().map(|form| form.prefix).chain(around);
    let longest = known
        .filter(|prefix| value.starts_with(prefix))
        .max_by_key(|prefix| prefix.len());
    core::str::from_utf8(longest?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_found_by_its_end() {
        for form in FORMS {
            let prefix = form.prefix;
            assert!(prefix.len() >= 3 && prefix.len() <= LONGEST);
            assert!(matches!(prefix.last(), Some(b'-' | b'_')));
            // Dates are passed over.
            let digits = prefix.iter().rev().skip(1).take(2);
            assert!(!digits.copied().all(|byte| byte.is_ascii_digit()));
            assert!(form.least <= super::super::secret::FRONT);
            let text = [b" ", prefix].concat();
            let found = ending_in(&text, 0, text.len() - 1);
            assert!(found.into_iter().any(|found| found.prefix == prefix));
        }
        for (before, form) in AROUND_I {
            assert_eq!(form.prefix.get(*before), Some(&b'I'));
        }
    }
}
