//! Keys and tokens of many providers, made by their published forms from a fixed generator, and
//! names in code and logs that begin as these do.

use super::rates::Random;
use super::*;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const URL: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
const HEX: &str = "0123456789abcdef";
const BECH: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
const B32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DIGITS: &str = "0123456789";

/// A value by its form: text as it is, and `{count of alphabet}`.
fn made(form: &str, random: &mut Random) -> String {
    let mut value = String::new();
    for part in form.split_inclusive('}') {
        let (text, hole) = part.split_once('{').unwrap_or((part, ""));
        value.push_str(text);
        let Some((count, alphabet)) = hole.trim_end_matches('}').split_once(' ') else {
            continue;
        };
        let alphabet = match alphabet {
            "lower" => LOWER,
            "alnum" => ALNUM,
            "url" => URL,
            "hex" => HEX,
            "bech" => BECH,
            "b32" => B32,
            "digits" => DIGITS,
            other => panic!("no alphabet {other}"),
        };
        let count: usize = count.parse().unwrap();
        let signs = alphabet.as_bytes();
        for at in 0..count {
            let mut sign = char::from(signs[usize::try_from(random.next()).unwrap() % signs.len()]);
            // Nothing ends in a dash.
            if at + 1 == count && !sign.is_ascii_alphanumeric() {
                sign = 'x';
            }
            value.push(sign);
        }
    }
    value
}

const FORMS: &[&str] = &[
    "xai-{80 alnum}",
    "pplx-{48 alnum}",
    "ABSKQmVkcm9ja0FQSUtleS{110 alnum}==",
    "bedrock-api-key-{120 alnum}",
    "SG.{22 url}.{43 url}",
    "AGE-SECRET-KEY-1{58 bech}",
    "hf_{34 alnum}",
    "api_org_{34 alnum}",
    "r8_{37 alnum}",
    "gsk_{52 alnum}",
    "sk-proj-{74 url}T3BlbkFJ{74 url}",
    "sk-ant-api03-{93 url}AA",
    "sk-or-v1-{64 hex}",
    "sk-lf-{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}",
    "AIza{35 url}",
    "ya29.{120 url}",
    "GOCSPX-{28 url}",
    "glpat-{20 url}",
    "GR1348941{20 url}",
    "gho_{36 alnum}",
    "ghs_{36 alnum}",
    "github_pat_{22 alnum}_{59 alnum}",
    "npm_{36 alnum}",
    "pypi-AgEIcHlwaS5vcmc{80 url}",
    "rubygems_{48 hex}",
    "dckr_pat_{27 url}",
    "CLOJARS_{60 lower}",
    "oy2{43 lower}",
    "xoxb-{12 digits}-{12 digits}-{24 alnum}",
    "xapp-1-A{10 b32}-{13 digits}-{64 hex}",
    "shpat_{32 hex}",
    "shpss_{32 hex}",
    "sq0csp-{43 url}",
    "rk_live_{24 alnum}",
    "sk_live_{24 alnum}",
    "whsec_{32 alnum}",
    "dop_v1_{64 hex}",
    "doo_v1_{64 hex}",
    "lin_api_{40 alnum}",
    "ntn_{11 digits}{35 alnum}",
    "secret_{43 alnum}",
    "figd_{40 url}",
    "PMAK-{24 hex}-{34 hex}",
    "NRAK-{27 b32}",
    "glsa_{32 alnum}_{8 hex}",
    "eyJrIjoi{80 alnum}",
    "hvs.{95 url}",
    "hvb.{140 url}",
    "tskey-auth-{17 alnum}-{32 alnum}",
    "sntrys_{120 alnum}_{43 alnum}",
    "sntryu_{64 hex}",
    "AKIA{16 b32}",
    "ABIA{16 b32}",
    "ACCA{15 b32}7",
    "LTAI{20 alnum}",
    "{52 alnum}JQQJ99{10 alnum}ACOG{12 alnum}",
    "dapi{32 hex}",
    "SK{32 hex}",
    "vck_{56 alnum}",
    "fm2_{150 alnum}",
    "fo1_{43 url}",
    "sbp_{40 hex}",
    "pul-{40 hex}",
    "pscale_tkn_{43 url}",
    "HRKU-AA{58 url}",
    "ATATT3{180 url}",
    "dt0c01.{24 b32}.{64 b32}",
    "dp.pt.{43 alnum}",
    "xkeysib-{64 hex}-{16 alnum}",
    "phx_{43 alnum}",
    "nvapi-{64 url}",
    "csk-{48 lower}",
    "tvly-{32 alnum}",
    "pcsk_{6 alnum}_{63 alnum}",
    "lsv2_pt_{32 hex}_{10 hex}",
    "{10 digits}:AA{33 url}",
];

/// Values in which no digit or dash tells where the word is are as rare as their form makes them.
#[test]
fn keys_of_every_known_provider_are_found_whole() {
    let mut random = Random(7);
    for form in FORMS {
        let (mut whole, mut left) = (0, Vec::new());
        for _ in 0..100 {
            let value = made(form, &mut random);
            let text = format!("key {value} and more");
            let found = scan(&text, 0, "", EntitySet::all());
            match found.first() {
                Some(one) if found.len() == 1 && one.span == (4..4 + value.len()) => whole += 1,
                _ => left.push((value, found)),
            }
        }
        assert!(whole >= 97, "{form}: {whole}, {:?}", left.first());
    }
}

#[test]
fn addresses_of_webhooks_are_found() {
    let mut random = Random(8);
    for form in [
        "https://hooks.slack.com/services/T{8 b32}/B{10 b32}/{24 alnum}",
        "https://hooks.slack.com/workflows/T{8 b32}/A{10 b32}/{18 digits}/{24 alnum}",
        "https://discord.com/api/webhooks/{18 digits}/{68 url}",
    ] {
        let value = made(form, &mut random);
        let text = format!("post to {value} now");
        let found = scan(&text, 0, "", EntitySet::all());
        let last = value.rsplit('/').next().unwrap();
        let at = text.find(last).unwrap();
        let held = |one: &Finding| one.span.start <= at && at + last.len() <= one.span.end;
        assert!(found.iter().any(held), "{text}: {found:?}");
    }
}

#[test]
fn what_only_begins_as_a_key_passes() {
    for text in [
        "xai-org/grok-1 and pplx-api, r8_img, hf_hub_download(repo_id)",
        "secret_key_base, secret_manager_client_with_a_long_name_that_goes_on_and_on",
        "sk_learn, sk_buff_head, sk-learn-contrib, pul-pul-pul, ops_per_second",
        "the dapi of dapi0 and dapi12345, SKU SK12345, SG.1 SG.ab.cd, hvs.x, dp.pt.x",
        "AGE-SECRET-KEY- is how it begins, GOCSPX-, shpat_, whsec_ and dop_v1_",
        "https://hooks.slack.com/services/ and https://discord.com/api/webhooks/123",
        "at 12:AA and 1234567:AAA, ratio 3:AA",
        "JQQJ99 in a text, and ya29. as a sentence ends",
        "v1.0-rc1, v1.0-beta.2, tskey-auth-, nvapi-, figd_x, glc_, phc_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "sha 3f2504e04f8911d39a0c0305e82c3301 and oy2 oy22222",
        "pk_live_51HxyzAbCdEfGhIjKlMnOpQr is public",
        "sq0idp-abcdefghijklmnopqrstuv is the id of an application",
        "whsec_key_rotation_policy_configuration_map, ops_train_test_split_with_seed_20261128_and_so_on_until_it_is_long_enough_for_one",
        "sb_secret_manager_service_account_name, glsa_default_service_account_token_name_in_grafana",
        "csk-1, tvly-dev, pcsk_x, e2b_sandbox, rpa_bot, jina_embeddings_v3_base_en_large_model_name",
        "fm2_radio_station, fo1_x, vcp_helper, sbp_x",
    ] {
        let found = scan(text, 0, "", EntitySet::all());
        let keys: Vec<_> = found
            .iter()
            .filter(|one| one.entity.is_credential())
            .map(|one| &text[one.span.clone()])
            .collect();
        assert!(keys.is_empty(), "{text}: {keys:?}");
    }
}
