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
pub fn made(form: &str, random: &mut Random) -> String {
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
            "b32" | "base32" => B32,
            "digits" => DIGITS,
            "letters" => &ALNUM[..52],
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
    "cfk_{40 alnum}{8 hex}",
    "cfut_{40 alnum}{8 hex}",
    "cfat_{40 alnum}{8 hex}",
    "key-{32 hex}",
    "pat-na1-{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}",
    "access-production-{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}",
    "A3-{6 base32}-{11 base32}-{5 base32}-{5 base32}-{5 base32}",
    "API-{26 base32}",
    "nfp_{36 alnum}",
    "pnu_{36 alnum}",
    "tfp_{44 url}",
    "ico-{32 alnum}",
    "fio-u-{64 url}",
    "s-s4t2ud-{64 hex}",
    "EZAK{54 alnum}",
    "AKCp{69 alnum}",
    "cmVmdGtu{56 alnum}",
    "4b1d{38 alnum}",
    "EAACEdEose0cBA{130 alnum}",
    "GOOG1E{55 b32}",
    "pat{14 alnum}.{64 hex}",
    "{14 lower}.atlasv1.{67 url}",
    "{32 hex}-us14",
    "mfa.{84 url}",
    "sk.{60 alnum}.{22 alnum}",
    "pat.{22 alnum}.{24 hex}.{20 alnum}",
    "abC8Q~{34 url}",
    "CCIPAT_{22 alnum}_{40 hex}",
    "bkua_{40 hex}",
    "KGAT_{32 hex}",
    "shpua_{32 hex}",
    "shprt_{32 hex}",
    "xwfp-{12 digits}-{13 digits}-{24 alnum}",
    "re_{8 alnum}_{24 alnum}",
    "hcaik_01{56 lower}",
    "napi_{64 lower}",
    "fw_{24 alnum}",
    "pa-{43 url}",
    "sess-{40 alnum}",
    "mdb_sa_sk_{40 url}",
    "zpka_{32 lower}_{8 hex}",
    "tr_dev_{24 alnum}",
    "tr_prod_{24 alnum}",
    "nbp_{36 alnum}",
    "dtn_{64 hex}",
    "vercel_blob_rw_{16 alnum}_{30 alnum}",
    "wandb_v1_{80 url}",
    "sk_car_{22 alnum}",
    "signkey-prod-{64 hex}",
    "live_{40 alnum}",
    "y0_AgAAAA{50 url}",
    "aio_{28 alnum}",
    "esecret_{26 alnum}",
    "ALTAK-{21 alnum}/{40 hex}",
    "fc-{32 hex}",
    "sdk-{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}",
    "EAAA{60 alnum}",
    "ATBB{32 alnum}",
    "ATTA{72 hex}",
    "nsec1{58 lower}",
    "dose{32 hex}",
    "1//0{2 alnum}{90 url}",
    "amzn1.oa2-cs.v1.{64 hex}",
    "{6 alnum}_{29 alnum}_mmk",
    "sha256~{43 url}",
    "A3TX{15 b32}7",
    "EZTK{54 alnum}",
    "FLWSECK_TEST-{12 hex}",
    "sgp_{16 hex}_{40 hex}",
    "live_{35 hex}",
    "test_{35 hex}",
    "NRJS-{19 hex}",
    "xoxe-1-{146 alnum}",
    "xoxe.xoxb-1-{166 alnum}",
    "rdme_{70 lower}",
    "dp.ct.{43 alnum}",
    "ATCTT3{180 url}",
    "{76 alnum}AZDO{4 alnum}",
    "{76 alnum}+ASt{5 alnum}Q",
    "{33 alnum}AIoT{5 alnum}k",
    "{42 alnum}AzSeA{5 alnum}",
];

/// Values in which no digit or dash tells where the word is are as rare as their form makes them.
#[test]
fn keys_of_every_known_provider_are_found_whole() {
    let mut random = Random(7);
    for form in FORMS {
        let (mut whole, mut left) = (0, Vec::new());
        for _ in 0..100 {
            let value = made(form, &mut random);
            let filling = match (form.contains("+ASt"), form.contains("AIoT")) {
                (true, _) => "==",
                (_, true) => "=",
                _ => "",
            };
            let text = format!("key {value}{filling} and more");
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
        "https://canary.discord.com/api/webhooks/{18 digits}/{68 url}",
        "https://acme.webhook.office.com/webhookb2/{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}@{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}/IncomingWebhook/{32 hex}/{8 hex}-{4 hex}-{4 hex}-{4 hex}-{12 hex}",
        "https://hooks.zapier.com/hooks/catch/{7 digits}/{7 lower}",
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

/// Values by what stands before them; the fillings of base64 stay.
#[test]
fn keys_that_something_beside_them_tells_are_found_whole() {
    let mut random = Random(9);
    for (before, form, behind) in [
        (
            "AccountName=acme;AccountKey=",
            "{86 alnum}",
            "==;EndpointSuffix=core.windows.net",
        ),
        ("AZURE_STORAGE_ACCOUNT_KEY=\"", "{86 alnum}", "==\""),
        (
            "SharedAccessKeyName=root;SharedAccessKey=",
            "{43 alnum}",
            "=",
        ),
        (
            "https://acme.blob.core.windows.net/c/b?sv=2024-11-04&sp=r&sig=",
            "{20 alnum}%2B{22 alnum}%3D",
            "",
        ),
        (
            "?sv=2024-11-04&sig=",
            "%2F{18 alnum}%2B{23 alnum}%3D",
            "&se=2026-12-01",
        ),
        ("&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=", "{43 url}", ""),
        ("&X-Amz-SignedHeaders=host&X-Amz-Signature=", "{64 hex}", ""),
        (
            "&X-Goog-SignedHeaders=host&X-Goog-Signature=",
            "{512 hex}",
            " ",
        ),
        ("cloudflare token: ", "{40 alnum}", ""),
        ("CF_API_TOKEN=", "{12 alnum}-{27 alnum}", ""),
        ("mailgun ", "{32 hex}-{8 hex}-{8 hex}", ""),
        ("[Interface]\nPrivateKey = ", "{43 alnum}", "=\n"),
        ("presharedKey: \"", "{43 alnum}", "=\""),
    ] {
        let mut whole = 0;
        for _ in 0..100 {
            let value = made(form, &mut random);
            let text = format!("{before}{value}{behind}");
            let found = scan(&text, 0, "", EntitySet::all());
            let span = before.len()..before.len() + value.len();
            whole += usize::from(found.iter().any(|one| one.span == span));
        }
        assert!(whole >= 97, "{before}{form}: {whole}");
    }
}

/// Where a string's source has an escape in front of them, and where they stand in a path.
#[test]
fn keys_behind_an_escape_and_in_a_path_are_found_whole() {
    let mut random = Random(12);
    for form in [
        "dapi{32 hex}",
        "SK{32 hex}",
        "AKCp{69 alnum}",
        "EAAM{120 alnum}",
        "ATBB{32 alnum}",
        "GR1348941{20 url}",
        "ya29.{120 url}",
        "pat{14 alnum}.{64 hex}",
        "GOOG1E{55 b32}",
    ] {
        for (before, behind) in [
            ("keys\\n", "\\nend"),
            ("keys\\u00e9", " end"),
            ("https://api.example.com/v1/", "/models"),
            ("a+", "+b"),
        ] {
            let value = made(form, &mut random);
            let text = format!("{before}{value}{behind}");
            let found = scan(&text, 0, "", EntitySet::all());
            let span = before.len()..before.len() + value.len();
            assert!(
                found.iter().any(|one| one.span == span),
                "{text}: {found:?}"
            );
        }
    }
    let value = made("{40 alnum}", &mut random);
    let text = format!("aws_secret_access_key:\\n{value}\\n");
    let found = scan(&text, 0, "", EntitySet::all());
    assert!(found.iter().any(|one| one.span.len() == 40), "{found:?}");
}

/// The id of an application is a number, and its base64 has a form of its own.
#[test]
fn tokens_of_discords_bots_are_found_whole() {
    let mut random = Random(10);
    for _ in 0..100 {
        let length = 17 + usize::try_from(random.next() % 3).unwrap();
        let id = base64(random.digits(length).as_bytes());
        let value = made(
            &format!("{}.{{6 url}}.{{38 url}}", id.trim_end_matches('=')),
            &mut random,
        );
        let text = format!("DISCORD_TOKEN={value}");
        let found = scan(&text, 0, "", EntitySet::all());
        assert_eq!(
            found.first().map(|one| one.span.clone()),
            Some(14..text.len()),
            "{text}"
        );
    }
}

fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain("+/".chars())
        .collect();
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits = part
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - part.len()));
        for at in 0..4 {
            let sign = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap();
            text.push(if at <= part.len() {
                alphabet[sign]
            } else {
                '='
            });
        }
    }
    text
}

#[test]
fn copies_of_keys_in_base64_are_found_and_other_base64_is_not() {
    let mut random = Random(11);
    for form in [
        "ghp_{36 alnum}",
        "sk-proj-{74 url}T3BlbkFJ{74 url}",
        "AKIA{16 b32}",
        "AIza{35 url}",
        "sk_live_{24 alnum}",
        "glpat-{20 url}",
        "xoxb-{12 digits}-{12 digits}-{24 alnum}",
        "hf_{34 alnum}",
    ] {
        for _ in 0..50 {
            let value = made(form, &mut random);
            for ending in ["", "\n"] {
                let copy = base64(format!("{value}{ending}").as_bytes());
                let text = format!("  token: {copy}\n");
                let found = scan(&text, 0, "", EntitySet::all());
                let end = 9 + copy.trim_end_matches('=').len();
                assert!(
                    matches!(found.as_slice(), [one] if one.span == (9..end)),
                    "{text}: {found:?}"
                );
                // Within something longer it is a part of that.
                let other = base64(format!("{{\"key\": \"{value}\"}}").as_bytes());
                assert_eq!(scan(&format!("data: {other}"), 0, "", EntitySet::all()), []);
            }
        }
    }
    let key = base64(b"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg6h0v0mX1u8Jv7dQx9S2o1q\n-----END EC PRIVATE KEY-----\n");
    let text = format!("client-key-data: {key}");
    let found = scan(&text, 0, "", EntitySet::all());
    assert!(
        matches!(found.as_slice(), [one] if one.entity == Entity::PrivateKey),
        "{found:?}"
    );
    let certificate =
        base64(b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUd0\n-----END CERTIFICATE-----\n");
    assert_eq!(scan(&certificate, 0, "", EntitySet::all()), []);
}

/// Tensors and images in base64, of many widths: whatever they hold, nothing of them is a key.
#[test]
fn tensors_and_images_in_base64_pass() {
    let mut random = Random(12);
    for count in (1..400).step_by(7) {
        let integers: Vec<u8> = (0..count)
            .flat_map(|_| u32::try_from(random.next() % 300).unwrap().to_le_bytes())
            .collect();
        let floats: Vec<u8> = (0..count)
            .flat_map(|_| {
                (f32::from(u16::try_from(random.next() % 65_000).unwrap()) / 65_000.0).to_le_bytes()
            })
            .collect();
        let noise: Vec<u8> = (0..count * 4)
            .map(|_| u8::try_from(random.next() & 255).unwrap())
            .collect();
        for bytes in [
            integers,
            floats,
            noise,
            [16, 0, 0, 0].repeat(count),
            vec![0; count],
        ] {
            let text = base64(&bytes);
            assert_eq!(scan(&text, 0, "image", EntitySet::all()), [], "{text}");
        }
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
        "key-0123456789 and key-value-store-configuration-2026 and api-key-0123456789abcdef",
        "sig=deadbeef, ?sig=3045022100 and signature=0123456789012345678901234567890123456789012",
        "AccountKey=<your key>, AccountKey=${KEY}, accountKey: abc123==, AccountKeyName=k1",
        "API-2026-11-28, API-GATEWAY-CONFIGURATION-V2, A3-SIZE-PAPER-12345, A3-2026",
        "pat-na1-, access-sandbox-id, access-production-environment-2026-11-28-blue-green",
        "cloudflare worker 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "EZAK1, EAAB2, EAA0123456789, AKCp1, 4b1d4b1d, 4b1d0c9a7f3e4b1d0c9a7f3e",
        "MTIz.abc.def, MTIzNDU2Nzg5MDEyMzQ1Njc4 and Mon2024.11.28",
        "sha256~x, abc8Q~x, 8Q~ and a8Q~ as in 3~4, ~0.5, ~/path/2026",
        "v1.atlasv1.x, the pat.1 of pat.22, sk.1, mfa.x, t1.x and t1.2.3",
        "https://acme.webhook.office.com/ and https://hooks.zapier.com/hooks/catch/1/",
        "commit 3f2504e04f8911d39a0c0305e82c330112345678 on Cloudflare Pages, deployed",
        "|123456789012345|5d41402abc4b2a76b9719d911017c592| and |1234567890123456|a-long-name-of-a-thing-in-2026|",
        "|12345678901234|mVNQM7zzxJ2fmORCAxcmXXNltCn| id%7C123456789012345 AQVN AQVN-x AQVNfSoYTE-uPF2NcuoDS",
        "acc-1234567890, sc_abc.de.acc-x.y, the acc_balance_2026_11_28.total, x.y.acc-0123456789.abcdefghijklmnopqrstuvwxyz0123456789",
        "sm_pat_terns_2026 sm_pat_configuration_of_2026 sq0atp-x",
        "api_key: \"MyVeryOwnTestKeyForTheDemo2\", token = getTokenFromHeaderV2ForUser, secret_key: NotASecretButAPlaceHolder1",
        "deploy 5d41402abc4b2a76b9719d911017c592-us-east-1 and 5d41402abc4b2a76b9719d911017c592-us",
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
