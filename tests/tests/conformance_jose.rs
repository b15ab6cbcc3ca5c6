//! Tokens and keys against other people's vectors: Wycheproof's JWS, JWK and JWE/JWS files, and the
//! JOSE cookbook, by the modules' own code and by the verifier of the native form.
//!
//! Six Wycheproof cases are waived, with the reason beside each, and two contradict a third; one of
//! them that starts to be decided as its `result` says fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_kit::jose::{
    Accelerator, Algorithms, Key, KeySet, NativeVerifier, Refusal, Secrets, Token,
};
use modelgate_tests::oracles;
use serde_json::{Value, json};

/// Marked valid by Wycheproof, and refused here.
const WAIVED: [(u64, &str); 6] = [
    (346, "the header says PS384, the key's `alg` PS256"),
    (347, "the key's `alg` is ES521, which is no algorithm"),
    (350, "the header says PS384, the key's `alg` PS256"),
    (351, "the key's `alg` is ES521, which is no algorithm"),
    (372, "a `?` inside the base64url of the header"),
    (373, "a `?` inside the base64url of the payload"),
];

/// Marked invalid by Wycheproof, and byte for byte the valid case 357 with the same key: the
/// padding that their comments name is not in the file. No verifier can tell them apart, so the
/// padding is put back here.
const SAME_AS_357: [u64; 2] = [367, 370];

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// The JWK Set of a test group, which has a set or a single key, public where there is a public
/// one.
fn key_set(group: &Value) -> Option<KeySet> {
    let keys = group
        .get("public")
        .or_else(|| group.get("private"))
        .expect("a group has keys");
    let set = match keys.get("keys") {
        Some(_) => keys.clone(),
        None => json!({ "keys": [keys] }),
    };
    KeySet::parse(set.to_string().as_bytes(), Secrets::Allowed).ok()
}

/// Everything a configuration can allow: the key alone has to bind the algorithm.
fn every_algorithm() -> Algorithms {
    modelgate_kit::jose::Algorithm::ALL.into_iter().collect()
}

fn is_accepted(keys: &KeySet, jws: &str) -> bool {
    verify(keys, jws).is_ok()
}

/// What the modules decide, once it is sure that the native form decides the same.
fn verify(keys: &KeySet, jws: &str) -> Result<Vec<u8>, Refusal> {
    let by = |accelerator: Option<&dyn Accelerator>| -> Result<Vec<u8>, Refusal> {
        let token = Token::parse(jws.as_bytes(), 64 * 1024)?;
        let verified = token.verify(keys, every_algorithm(), accelerator)?;
        Ok(verified.payload().to_vec())
    };
    let decided = by(None);
    assert_eq!(by(Some(&NativeVerifier)), decided, "{jws}");
    decided
}

/// Runs all JWS cases of one Wycheproof file: how many, and the ids of those not decided as their
/// `result` says.
fn wycheproof(file: &str) -> Option<(usize, Vec<u64>)> {
    let folder = oracles::folder("jwt/wycheproof")?;
    let vectors = read(&folder.join("testvectors_v1").join(file));
    let (mut run, mut differing) = (0, Vec::new());
    for group in vectors["testGroups"].as_array().expect("groups") {
        for case in group["tests"].as_array().expect("tests") {
            let jws = match case.get("jws") {
                None => continue,
                Some(Value::String(compact)) => compact.clone(),
                Some(serialization) => serialization.to_string(),
            };
            let accepted = key_set(group).is_some_and(|keys| is_accepted(&keys, &jws));
            run += 1;
            if accepted != (case["result"] == "valid") {
                differing.push(case["tcId"].as_u64().expect("an id"));
            }
        }
    }
    Some((run, differing))
}

#[test]
fn wycheproof_jws_cases_are_decided_as_their_result_says() {
    let Some((run, differing)) = wycheproof("json_web_signature_test.json") else {
        return;
    };
    println!(
        "Wycheproof JWS: {run} cases run, {} waived, {} that contradict case 357",
        WAIVED.len(),
        SAME_AS_357.len()
    );
    assert_eq!(run, 401);
    let mut expected = WAIVED.map(|(id, _)| id).to_vec();
    expected.extend(SAME_AS_357);
    expected.sort_unstable();
    assert_eq!(differing, expected, "{WAIVED:?}");
}

#[test]
fn wycheproof_padding_cases_are_refused_once_they_have_padding() {
    let Some(folder) = oracles::folder("jwt/wycheproof") else {
        return;
    };
    let vectors = read(&folder.join("testvectors_v1/json_web_signature_test.json"));
    let groups = vectors["testGroups"].as_array().expect("groups").iter();
    let (group, cases) = groups
        .map(|group| (group, group["tests"].as_array().expect("tests")))
        .find(|(_, cases)| cases.iter().any(|case| case["tcId"] == 357))
        .expect("the group of case 357");
    let jws = |id: u64| {
        let case = cases.iter().find(|case| case["tcId"] == id).expect("case");
        case["jws"].as_str().expect("text")
    };
    let keys = key_set(group).expect("a set");
    assert!(is_accepted(&keys, jws(357)));
    for id in SAME_AS_357 {
        // As soon as the file is mended, the two are ordinary cases again.
        assert_eq!(jws(id), jws(357), "case {id}");
    }
    let (signing_input, signature) = jws(357).rsplit_once('.').expect("three parts");
    let (header, payload) = signing_input.split_once('.').expect("three parts");
    for padded in [
        format!("{signing_input}.{signature}="),
        format!("{header}.{payload}==.{signature}"),
        format!("{header}=.{payload}.{signature}"),
    ] {
        assert_eq!(verify(&keys, &padded), Err(Refusal::Malformed), "{padded}");
    }
}

#[test]
fn wycheproof_key_sets_are_taken_or_refused_as_their_result_says() {
    let Some((run, differing)) = wycheproof("json_web_key_test.json") else {
        return;
    };
    println!("Wycheproof JWK sets: {run} cases run");
    assert_eq!((run, differing), (26, Vec::new()));
}

#[test]
fn wycheproof_signatures_in_the_crypto_file_are_decided_as_their_result_says() {
    let Some((run, differing)) = wycheproof("json_web_crypto_test.json") else {
        return;
    };
    println!("Wycheproof JWS in the crypto file: {run} cases run");
    assert_eq!((run, differing), (49, Vec::new()));
}

/// The files of one cookbook folder, by name.
fn cookbook(folder: &str) -> Option<BTreeMap<String, Value>> {
    Some(files(&oracles::folder("jwt/jose-cookbook")?.join(folder)))
}

fn files(folder: &Path) -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder).expect("the folder is there");
    let paths = files.map(|file| file.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), read(&path))
        })
        .collect()
}

/// The compact JWS inside a vector: written so, or put together from its flattened form where that
/// has no unprotected header. With detached content, the payload is filled in: the signature covers
/// it.
fn compact(vector: &Value) -> Option<String> {
    let flat = vector["output"].get("json_flat")?;
    if flat.get("header").is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.encode(vector["input"]["payload"].as_str()?);
    let (protected, signature) = (flat["protected"].as_str()?, flat["signature"].as_str()?);
    Some(format!("{protected}.{payload}.{signature}"))
}

#[test]
fn cookbook_signatures_are_accepted_as_written_and_refused_with_any_byte_changed() {
    let Some(mut vectors) = cookbook("jws") else {
        return;
    };
    let curve25519 = cookbook("curve25519").expect("beside the others");
    vectors.insert("curve25519".into(), curve25519["jws.json"].clone());
    assert_eq!(take_and_change(&vectors), (6, 3));
}

#[test]
fn cookbook_signatures_of_jwcryptos_tests_are_accepted_as_written_and_refused_with_any_byte_changed()
 {
    let Some(folder) = oracles::COOKBOOK.make() else {
        return;
    };
    assert_eq!(take_and_change(&files(&folder.join("jws"))), (4, 2));
}

/// How many compact signatures were accepted, and refused with any byte changed; and how many JSON
/// serializations were refused.
fn take_and_change(vectors: &BTreeMap<String, Value>) -> (usize, usize) {
    let (mut compact_run, mut other_run, mut changed_run) = (0, 0, 0);
    for (name, vector) in vectors {
        let key = &vector["input"]["key"];
        let set = if key.is_array() {
            json!({ "keys": key })
        } else {
            json!({ "keys": [key] })
        };
        let Some(jws) = compact(vector) else {
            // An unprotected header, or several signatures: JSON serializations, which are never a
            // bearer token.
            let text = vector["output"]["json"].to_string();
            let refusal = Token::parse(text.as_bytes(), 64 * 1024).err();
            assert_eq!(refusal, Some(Refusal::Malformed), "{name}");
            other_run += 1;
            continue;
        };
        if let Some(written) = vector["output"]["compact"]
            .as_str()
            .filter(|text| !text.contains(".."))
        {
            assert_eq!(written, jws, "{name}");
        }
        let keys = KeySet::parse(set.to_string().as_bytes(), Secrets::Allowed).expect("a set");
        let payload = vector["input"]["payload"].as_str().expect("text");
        assert_eq!(
            verify(&keys, &jws).as_deref(),
            Ok(payload.as_bytes()),
            "{name}"
        );
        compact_run += 1;
        for at in 0..jws.len() {
            let mut bytes = jws.clone().into_bytes();
            // Another letter of the alphabet where it was one: the text stays well-formed more
            // often.
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert!(!is_accepted(&keys, &changed), "{name}: byte {at}");
            changed_run += 1;
        }
    }
    println!(
        "JOSE cookbook: {compact_run} signatures accepted, {changed_run} changed ones and {other_run} JSON serializations refused"
    );
    (compact_run, other_run)
}

#[test]
fn cookbook_unencoded_payloads_are_refused() {
    let Some(vectors) = cookbook("rfc7797") else {
        return;
    };
    for (name, vector) in &vectors {
        let set = json!({ "keys": [vector["input"]["key"]] });
        let keys = KeySet::parse(set.to_string().as_bytes(), Secrets::Allowed).expect("a set");
        assert_eq!(keys.len(), 1, "{name}");
        let header = URL_SAFE_NO_PAD.encode(vector["signing"]["protected"].to_string());
        let signature = vector["signing"]["sig"].as_str().expect("text");
        let raw = vector["input"]["payload"].as_str().expect("text");
        for payload in [raw.to_owned(), URL_SAFE_NO_PAD.encode(raw), String::new()] {
            let refusal = verify(&keys, &format!("{header}.{payload}.{signature}")).err();
            // A payload with a dot makes four parts of three.
            let expected = if payload.contains('.') {
                Refusal::Malformed
            } else {
                Refusal::ExtensionRefused
            };
            assert_eq!(refusal, Some(expected), "{name}");
        }
    }
    println!(
        "JOSE cookbook: {} unencoded payloads refused",
        vectors.len()
    );
    assert_eq!(vectors.len(), 2);
}

#[test]
fn cookbook_keys_are_read_for_what_they_are() {
    let Some(vectors) = cookbook("jwk") else {
        return;
    };
    for (name, key) in &vectors {
        let text = key.to_string();
        let open = Key::parse_jwk(text.as_bytes(), Secrets::Allowed);
        let is_secret = key["kty"] == "oct";
        // One of the two secrets is for encryption.
        assert_eq!(open.is_ok(), key["use"] == "sig", "{name}");
        let public_only = Key::parse_jwk(text.as_bytes(), Secrets::Refused);
        assert_eq!(public_only.is_ok(), !is_secret, "{name}");
    }
    println!("JOSE cookbook: {} keys read", vectors.len());
    assert_eq!(vectors.len(), 6);
}
