//! `modelgate push`, `pull` and `inspect` with a real registry, and with clients that are not ours:
//! each gets the very module that was built.

// Helpers of tests stand outside of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used
)]

#[path = "registry/clients.rs"]
mod clients;
#[path = "registry/hosts.rs"]
mod hosts;
#[path = "registry/server.rs"]
mod server;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use clients::{oras, podman, skopeo};
use modelgate_oci::forms::{Made, make};
use modelgate_oci::read::{Form, attached, find};
use modelgate_oci::{
    Attachment, Credentials, Options, Package, Pushed, Registry, Repository, Source as _, Wanted,
    media, push,
};
use serde_json::Value as Json;
use server::{MOCK_PASSWORD, MOCK_USER, Server};

fn modelgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelgate-full"))
        .args(arguments)
        .current_dir(folder)
        // Nobody's credentials but those of a test.
        .env("DOCKER_CONFIG", folder)
        .env_remove("REGISTRY_AUTH_FILE")
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What a command that must do well writes.
fn written(folder: &Path, arguments: &[&str]) -> String {
    let output = modelgate(folder, arguments);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

fn json(folder: &Path, arguments: &[&str]) -> Json {
    serde_json::from_str(&written(folder, arguments)).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    modelgate_oci::Digest::of(bytes).hex().to_owned()
}

#[test]
fn every_client_gets_the_module_that_was_built() {
    let Some(server) = Server::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let prefix = format!("{}/acme/filters", server.address);
    let to = format!("{prefix}:1.2.3");
    let arguments = ["push", &to, "--filter", "consumer-acl", "--format", "json"];
    let pushed = json(folder, &arguments);
    let module = &pushed["modules"][0];
    let wanted = module["module_sha256"].as_str().unwrap().to_owned();
    let built = modelgate_cli::build::Workspace::locate()
        .unwrap()
        .artifact_path("consumer-acl");
    assert_eq!(sha256(&std::fs::read(built).unwrap()), wanted);
    let image = format!("{prefix}/consumer-acl");
    assert_eq!(module["repository"], image);

    // Again: nothing changes.
    let again = json(folder, &arguments);
    let tags = |pushed: &Json, unchanged: bool| -> Vec<String> {
        let tags = pushed["modules"][0]["tags"].as_array().unwrap();
        tags.iter()
            .inspect(|tag| assert_eq!(tag["unchanged"], unchanged, "{tag}"))
            .map(|tag| format!("{} {}", tag["tag"], tag["digest"]))
            .collect()
    };
    assert_eq!(tags(&pushed, false), tags(&again, true));
    assert_eq!(tags(&again, true).len(), 3);

    // And what a dry run writes has the same digests.
    let dry = folder.join("dry");
    let mut arguments = arguments.to_vec();
    arguments.extend(["--dry-run", dry.to_str().unwrap()]);
    let dry_run = json(folder, &arguments);
    assert_eq!(tags(&dry_run, false), tags(&again, true));

    // Ours, by tag and by digest, in every form.
    let digest = module["image_sha256"].as_str().unwrap();
    let layout = format!("oci:{}:1.2.3", dry.join("consumer-acl").display());
    for (name, source) in [
        ("tag", format!("{image}:1.2.3")),
        ("digest", format!("{image}@sha256:{digest}")),
        ("solo", format!("oci://{image}:1.2.3-solo")),
        ("wasm", format!("http://{image}:1.2.3-wasm")),
        ("layout", layout),
    ] {
        written(folder, &["pull", &source, "--output", name]);
        let pulled = std::fs::read(folder.join(name).join("consumer_acl.wasm")).unwrap();
        assert_eq!(sha256(&pulled), wanted, "{name}");
        let inspected = json(folder, &["inspect", &source, "--format", "json"]);
        let file = &inspected["files"][0];
        assert_eq!(file["sha256"], wanted, "{name}");
        assert_eq!(file["filters"][0]["name"], "consumer_acl", "{name}");
        let attached = file["image"]["referrers"].as_array().unwrap();
        let about = |it: &&Json| it["told"].as_str().unwrap().ends_with("of this module");
        let count = if name == "solo" { 0 } else { 2 };
        assert_eq!(
            attached.iter().filter(about).count(),
            count,
            "{name}: {file}"
        );
    }
    assert!(folder.join("tag/kong/consumer_acl.meta.json").is_file());

    // Theirs.
    for tag in ["1.2.3", "1.2.3-solo", "1.2.3-wasm"] {
        let source = format!("{image}:{tag}");
        if let Some(fetched) = skopeo(&source, &folder.join(format!("skopeo-{tag}"))) {
            let taken = hosts::istio(&fetched);
            match tag {
                "1.2.3-wasm" => assert!(taken.unwrap_err().contains("must be 2 but got 1")),
                _ => assert_eq!(sha256(&taken.unwrap()), wanted, "{tag}"),
            }
            assert_eq!(hosts::higress(&fetched).is_ok(), tag == "1.2.3", "{tag}");
            assert_eq!(hosts::cncf(&fetched).is_ok(), tag == "1.2.3-wasm", "{tag}");
        }
        if let Some(module) = oras(&source, &folder.join(format!("oras-{tag}"))) {
            assert_eq!(sha256(&module), wanted, "{tag}");
        }
    }
    if let Some(module) = podman(&format!("{image}:1.2.3"), &folder.join("podman")) {
        assert_eq!(sha256(&module), wanted);
    }
}

/// A package that is small, and has no module that anything could load.
/// A program called cosign that writes down what it is asked, and ends as it is told to. It signs
/// nothing: cosign itself is in no registry of packages that the tests use.
fn stand_in_for_cosign(folder: &Path, ends_with: u8) -> String {
    let cosign = folder.join("cosign");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{}/asked'\n[ \"$1\" = version ] || exit {ends_with}\n",
        folder.display()
    );
    std::fs::write(&cosign, script).unwrap();
    std::fs::set_permissions(&cosign, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_stand_in_for_cosign_is_asked_to_sign_every_digest_and_its_failure_is_told() {
    let Some(server) = Server::open() else { return };
    for (ends_with, code) in [(0, 0), (1, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = stand_in_for_cosign(folder, ends_with);
        let to = format!("{}/signed/filters:1.2.3", server.address);
        let output = Command::new(env!("CARGO_BIN_EXE_modelgate-full"))
            .args([
                "push",
                &to,
                "--filter",
                "consumer-acl",
                "--format",
                "json",
                "--sign",
            ])
            .current_dir(folder)
            .env("DOCKER_CONFIG", folder)
            .env("PATH", path)
            .output()
            .unwrap();
        let (pushed, told) = said(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        // Where nobody looks on, there is no progress.
        assert!(!told.contains('\r'), "{told}");
        assert_eq!(
            told.contains("cosign has not signed"),
            ends_with != 0,
            "{told}"
        );
        let pushed: Json = serde_json::from_str(&pushed).unwrap();
        let image = pushed["modules"][0]["repository"].as_str().unwrap();
        let tags = pushed["modules"][0]["tags"].as_array().unwrap();
        let wanted: Vec<String> = tags
            .iter()
            .map(|tag| format!("sign --yes {image}@{}", tag["digest"].as_str().unwrap()))
            .collect();
        let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
        let asked: Vec<String> = asked
            .lines()
            .map(str::to_owned)
            .filter(|line| line != "version")
            .collect();
        // Nothing is told but the image, and that by its digest.
        let signed = if ends_with == 0 { 3 } else { 1 };
        assert_eq!((wanted.len(), asked.as_slice()), (3, &wanted[..signed]));
    }
}

fn package(content: &[u8]) -> Package {
    Package {
        wasm: content.to_vec(),
        created: "1970-01-01T00:00:00Z".to_owned(),
        attachments: vec![Attachment {
            media_type: media::CYCLONEDX,
            title: "small.cdx.json".to_owned(),
            content: content.to_vec(),
        }],
        ..Package::default()
    }
}

fn pushed(
    server: &Server,
    made: &Made,
    credentials: Option<&Credentials>,
    overwrite: bool,
) -> anyhow::Result<Vec<Pushed>> {
    let (repository, _) = Repository::parse(&format!("{}/small", server.address))?;
    let registry = Registry::open(&repository, false, credentials, true)?;
    let mut options = Options {
        overwrite,
        progress: &mut |_| {},
        known: &mut Default::default(),
    };
    push(&registry, &repository, made, &mut options)
}

#[test]
fn a_tag_that_stands_for_something_else_is_moved_only_when_asked() {
    let Some(server) = Server::open() else { return };
    let [one, other] = [b"one", b"two"].map(|content| make(&package(content), "1", true).unwrap());
    let digests = |pushed: &[Pushed]| -> Vec<(String, bool)> {
        let pushed = pushed.iter();
        pushed
            .map(|it| (it.digest.to_string(), it.unchanged))
            .collect()
    };
    assert_eq!(
        digests(&pushed(&server, &one, None, false).unwrap()).len(),
        4
    );
    let error = pushed(&server, &other, None, false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("is something else"), "{error}");
    // Nothing was moved.
    let again = digests(&pushed(&server, &one, None, false).unwrap());
    assert!(again.iter().all(|(_, unchanged)| *unchanged));
    let moved = digests(&pushed(&server, &other, None, true).unwrap());
    assert!(
        moved
            .iter()
            .all(|(digest, unchanged)| !unchanged && again.iter().all(|(it, _)| it != digest))
    );
}

#[test]
fn an_index_leads_to_the_image_and_to_what_refers_to_it() {
    let Some(server) = Server::open() else { return };
    let made = make(&package(b"module"), "1", true).unwrap();
    pushed(&server, &made, None, false).unwrap();
    let (repository, _) = Repository::parse(&format!("{}/small", server.address)).unwrap();
    let registry = Registry::open(&repository, false, None, false).unwrap();
    let found = find(&registry, &Wanted::Tag("1".to_owned())).unwrap();
    assert_eq!(found.form, Form::Image);
    assert_eq!(found.digest, made.image);
    assert_eq!(found.wasm, b"module");
    let index = found.index.unwrap();
    assert_eq!(registry.tag("1").unwrap(), Some(index));
    assert_eq!(registry.tag("2").unwrap(), None);
    let referrers = registry.referrers(&made.image).unwrap();
    assert_eq!(referrers.len(), 1);
    assert_eq!(attached(&registry, &referrers[0]).unwrap(), b"module");
    let folder = tempfile::tempdir().unwrap();
    if let Some(fetched) = skopeo(&format!("{repository}:1"), &folder.path().join("index")) {
        assert_eq!(hosts::istio(&fetched).unwrap(), b"module");
    }
}

#[test]
fn credentials_are_those_of_docker_and_are_never_shown() {
    let Some(server) = Server::with_password() else {
        return;
    };
    let credentials = |password: &str| Credentials {
        user: MOCK_USER.to_owned(),
        password: modelgate_oci::Secret(password.to_owned()),
        origin: "a test".to_owned(),
    };
    let made = make(&package(b"module"), "1", false).unwrap();
    let refused = |credentials: Option<&Credentials>| {
        let error = pushed(&server, &made, credentials, false).unwrap_err();
        format!("{error:#}")
    };
    let error = refused(None);
    assert!(
        error.contains("no credentials were found") && error.contains("docker login"),
        "{error}"
    );
    let error = refused(Some(&credentials("mock-wrong")));
    assert!(
        error.contains("from a test are not accepted") && !error.contains("mock-wrong"),
        "{error}"
    );
    pushed(&server, &made, Some(&credentials(MOCK_PASSWORD)), false).unwrap();

    // The program finds them where docker keeps them, and asks a helper where docker would.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let image = format!("{}/small:1", server.address);
    let output = modelgate(folder, &["pull", &image]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).1.contains("docker login"), "{output:?}");
    server.log_in(folder);
    let output = modelgate(folder, &["pull", &image]);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{err}");
    assert!(!out.contains(MOCK_PASSWORD) && !err.contains(MOCK_PASSWORD));
    assert_eq!(
        std::fs::read(folder.join("small/small.wasm")).unwrap(),
        b"module"
    );
}

#[test]
fn what_is_not_there_is_said() {
    let Some(server) = Server::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = format!("{}/acme/none:1", server.address);
    for command in ["pull", "inspect"] {
        let output = modelgate(folder.path(), &[command, &image]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let (out, err) = said(&output);
        assert!(
            format!("{out}{err}").contains("there is no such repository, tag or digest"),
            "{out}{err}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
