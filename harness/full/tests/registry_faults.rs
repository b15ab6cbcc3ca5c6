//! Registries that do what they should not, or what not every one does: tokens, helpers, lists of
//! referrers, lies, connections that break.

// Helpers of tests stand outside of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used
)]

#[path = "registry/middleman.rs"]
mod middleman;
#[path = "registry/server.rs"]
mod server;
#[path = "registry/tokens.rs"]
mod tokens;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use middleman::{Middleman, Request, Turn};
use modelgate_oci::forms::{Made, make};
use modelgate_oci::read::find;
use modelgate_oci::{
    Attachment, Credentials, Digest, Options, Package, Pushed, Registry, Repository, Secret,
    Source as _, Wanted, media, push,
};
use serde_json::{Value as Json, json};
use server::{MOCK_PASSWORD, MOCK_USER, Server};

fn made(content: &[u8]) -> Made {
    let package = Package {
        wasm: content.to_vec(),
        created: "1970-01-01T00:00:00Z".to_owned(),
        attachments: vec![Attachment {
            media_type: media::CYCLONEDX,
            title: "small.cdx.json".to_owned(),
            content: b"{}".to_vec(),
        }],
        ..Package::default()
    };
    make(&package, "1", false).unwrap()
}

fn repository(address: &str) -> Repository {
    Repository::parse(&format!("{address}/small")).unwrap().0
}

fn pushed(
    address: &str,
    made: &Made,
    credentials: Option<&Credentials>,
) -> anyhow::Result<Vec<Pushed>> {
    let repository = repository(address);
    let registry = Registry::open(&repository, false, credentials, true)?;
    let mut options = Options {
        overwrite: false,
        progress: &mut |_| {},
        known: &mut Default::default(),
    };
    push(&registry, &repository, made, &mut options)
}

fn reader(address: &str) -> Registry {
    Registry::open(&repository(address), false, None, false).unwrap()
}

fn error<T>(result: anyhow::Result<T>) -> String {
    format!("{:#}", result.err().expect("an error"))
}

fn pull(folder: &Path, address: &str) -> (Output, String) {
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_modelgate-full"))
        .args(["pull", &format!("{address}/small:1")])
        .current_dir(folder)
        .env("DOCKER_CONFIG", folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env_remove("REGISTRY_AUTH_FILE")
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    (output, said)
}

#[test]
fn a_registry_with_tokens_is_asked_with_one_from_the_server_that_it_names() {
    let tokens = tokens::Issuer::start(MOCK_USER, MOCK_PASSWORD);
    let Some(server) = Server::with_auth(&tokens.settings("PATH"), tokens.certificate()) else {
        return;
    };
    let credentials = |password: &str| Credentials {
        user: MOCK_USER.to_owned(),
        password: Secret(password.to_owned()),
        origin: "a test".to_owned(),
    };
    let made = made(b"module");
    let refused = error(pushed(&server.address, &made, None));
    assert!(refused.contains("no credentials were found"), "{refused}");
    let refused = error(pushed(
        &server.address,
        &made,
        Some(&credentials("mock-wrong")),
    ));
    assert!(
        refused.contains("are not accepted") && !refused.contains("mock-wrong"),
        "{refused}"
    );
    pushed(&server.address, &made, Some(&credentials(MOCK_PASSWORD))).unwrap();
    let asked = tokens.asked();
    let scope = "repository:small:pull,push";
    assert!(
        asked.iter().any(
            |query| query.contains(scope) || query.contains("repository%3Asmall%3Apull%2Cpush")
        ),
        "{asked:?}"
    );

    // The program, with the password where docker keeps it; neither it nor a token is shown.
    let folder = tempfile::tempdir().unwrap();
    server.log_in(folder.path());
    let (output, said) = pull(folder.path(), &server.address);
    assert!(output.status.success(), "{said}");
    assert!(
        !said.contains(MOCK_PASSWORD) && !said.contains("eyJ"),
        "{said}"
    );
    let module = std::fs::read(folder.path().join("small/small.wasm")).unwrap();
    assert_eq!(module, b"module");
}

/// A helper as docker has them: `get` with the server's name on standard input.
fn helper(folder: &Path, script: &str) {
    let file = folder.join("docker-credential-mock");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = json!({ "credsStore": "mock" }).to_string();
    std::fs::write(folder.join("config.json"), config).unwrap();
}

#[test]
fn a_helper_on_the_path_is_asked_as_docker_asks_it() {
    let Some(server) = Server::with_password() else {
        return;
    };
    let credentials = Credentials {
        user: MOCK_USER.to_owned(),
        password: Secret(MOCK_PASSWORD.to_owned()),
        origin: "a test".to_owned(),
    };
    pushed(&server.address, &made(b"module"), Some(&credentials)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let address = &server.address;
    let known = json!({ "ServerURL": address, "Username": MOCK_USER, "Secret": MOCK_PASSWORD });
    let gives = format!(
        "echo \"$@\" >>'{0}/arguments'; read -r server || true\n\
         case \"$server\" in {address}) echo '{known}';; *) echo 'credentials not found in native keychain'; exit 1;; esac",
        folder.display()
    );
    helper(folder, &gives);
    let (output, said) = pull(folder, address);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(MOCK_PASSWORD), "{said}");
    let arguments = std::fs::read_to_string(folder.join("arguments")).unwrap();
    assert_eq!(arguments.trim(), "get");
    for (script, wanted) in [
        (
            "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1",
            "no credentials were found",
        ),
        (
            "cat >/dev/null; echo locked: mock-secret; exit 1",
            "docker-credential-mock get has failed",
        ),
        ("cat >/dev/null; echo mock-secret", "says what is not JSON"),
        (
            "cat >/dev/null; echo '{\"Username\":\"<token>\",\"Secret\":\"mock-secret\"}'",
            "has an identity token",
        ),
    ] {
        helper(folder, script);
        let (output, said) = pull(folder, address);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(wanted) && !said.contains("mock-secret"),
            "{said}"
        );
    }
    std::fs::remove_file(folder.join("docker-credential-mock")).unwrap();
    let (_, said) = pull(folder, address);
    assert!(
        said.contains("docker-credential-mock, which does not start"),
        "{said}"
    );
}

/// Debian's registry does not know the list of referrers; this stub in front of it plays one that
/// does (distribution-spec 1.1, "Listing Referrers"): the list and `OCI-Subject` are its own, all
/// else is the registry's.
fn stub_with_referrers(registry: &str) -> Middleman {
    let known: Mutex<Vec<(String, Json)>> = Mutex::default();
    Middleman::before(registry, move |request: &Request| {
        let mut known = known.lock().unwrap();
        if let Some((_, subject)) = request.path.split_once("/referrers/") {
            let subject = subject.split('?').next().unwrap();
            let manifests = known.iter().filter(|(of, _)| of == subject);
            let manifests: Vec<&Json> = manifests.map(|(_, entry)| entry).collect();
            let index =
                json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests });
            let headers = format!("content-type: {}\r\n", media::INDEX);
            return Turn::Answer(200, headers, index.to_string().into_bytes());
        }
        let manifest = request.method == "PUT" && request.path.contains("/manifests/");
        let body: Option<Json> = serde_json::from_slice(&request.body).ok();
        let subject = body
            .as_ref()
            .and_then(|body| body.pointer("/subject/digest"));
        match subject.and_then(Json::as_str).filter(|_| manifest) {
            Some(subject) => {
                let body = body.as_ref().unwrap();
                let digest = Digest::of(&request.body);
                known.push((
                    subject.to_owned(),
                    json!({ "mediaType": media::MANIFEST, "digest": digest.as_str(), "size": request.body.len(), "artifactType": body["artifactType"] }),
                ));
                Turn::ForwardWith(format!("OCI-Subject: {subject}\r\n"))
            }
            None => Turn::Forward,
        }
    })
}

#[test]
fn a_stub_with_the_referrers_api_before_a_real_registry_gets_no_tag_for_them() {
    let Some(server) = Server::open() else { return };
    let front = stub_with_referrers(&server.address);
    let made = made(b"module");
    pushed(&front.address, &made, None).unwrap();
    let fallback = made.image.as_str().replace(':', "-");
    let seen = |address: &str| reader(address).referrers(&made.image).unwrap();
    assert_eq!(reader(&server.address).tag(&fallback).unwrap(), None);
    assert_eq!(seen(&front.address).len(), 1);
    assert_eq!(seen(&front.address)[0].artifact_type, media::CYCLONEDX);
    // The registry behind it cannot be asked, and has no tag: nothing is found there.
    assert_eq!(seen(&server.address), []);
    pushed(&server.address, &made, None).unwrap();
    assert_eq!(seen(&server.address).len(), 1);
}

#[test]
fn what_has_another_digest_than_it_was_asked_for_is_refused() {
    let Some(server) = Server::open() else { return };
    let made = made(b"module");
    pushed(&server.address, &made, None).unwrap();
    let by_digest = || Wanted::Digest(made.image.clone());
    for (what, wanted) in [
        ("/manifests/", by_digest()),
        ("/blobs/", Wanted::Tag("1".into())),
    ] {
        let front = Middleman::before(&server.address, move |request: &Request| {
            let asked = request.method == "GET" && request.path.contains(what);
            // It lies about the digest as well.
            let claimed = request.path.rsplit('/').next().unwrap();
            match asked {
                true => Turn::Answer(
                    200,
                    format!("docker-content-digest: {claimed}\r\n"),
                    b"{\"schemaVersion\":2}".to_vec(),
                ),
                false => Turn::Forward,
            }
        });
        let error = error(find(&reader(&front.address), &wanted));
        let digest = error.to_lowercase();
        assert!(digest.contains("digest"), "{what}: {error}");
    }
    // As it is, it is taken.
    let found = find(&reader(&server.address), &by_digest()).unwrap();
    assert_eq!(found.wasm, b"module");
}

#[test]
fn a_manifest_without_an_end_is_not_read_to_its_end() {
    let taken = Arc::new(AtomicUsize::new(usize::MAX));
    let told = Arc::clone(&taken);
    let front = Middleman::before("", move |request: &Request| {
        let told = Arc::clone(&told);
        match request.path.contains("/manifests/") || request.path.contains("/referrers/") {
            true => Turn::Endless(Box::new(move |bytes| told.store(bytes, Ordering::SeqCst))),
            false => Turn::Answer(200, String::new(), Vec::new()),
        }
    });
    let registry = reader(&front.address);
    let error = error(registry.manifest(&Wanted::Tag("1".to_owned())));
    assert!(error.contains("larger than 4 MiB"), "{error}");
    drop(registry);
    // What lies in the buffers of the connection is not read.
    for _ in 0..200 {
        if taken.load(Ordering::SeqCst) != usize::MAX {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < 64 << 20, "{taken}");
}

#[test]
fn a_push_that_breaks_off_leaves_no_tag_and_is_gone_on_with() {
    let Some(server) = Server::open() else { return };
    let made = made(b"module");
    // Every upload breaks off, then every other one.
    for every in [1, 2] {
        let count = AtomicUsize::new(0);
        let front = Middleman::before(&server.address, move |request: &Request| {
            let upload = request.method == "PUT" && request.path.contains("/uploads/");
            match upload && count.fetch_add(1, Ordering::SeqCst).is_multiple_of(every) {
                true => Turn::BreakOff,
                false => Turn::Forward,
            }
        });
        let result = pushed(&front.address, &made, None);
        let tag = reader(&server.address).tag("1").unwrap();
        match every {
            1 => {
                assert!(result.is_err());
                assert_eq!(tag, None);
            }
            _ => {
                assert!(result.unwrap().iter().all(|tag| !tag.unchanged));
                assert_eq!(tag, Some(made.image.clone()));
            }
        }
    }
    let again = pushed(&server.address, &made, None).unwrap();
    assert!(again.iter().all(|tag| tag.unchanged));
}
