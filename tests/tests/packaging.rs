//! The layout for machines with systemd: what `packaging/install.sh` installs, and that systemd
//! takes the unit; and how Envoy is drained.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use modelgate_cli::build::Workspace;
use modelgate_cli::skip::require_or_skip;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// What a release unpacks to, as far as it is installed.
fn unpacked(folder: &Path) {
    let root = Workspace::locate().unwrap().root;
    let copy = |from: &str| {
        run(Command::new("cp")
            .arg("-r")
            .arg(root.join(from))
            .arg(folder));
    };
    for from in ["packaging", "envoy", "LICENSE", "NOTICE", "CHANGELOG.md"] {
        copy(from);
    }
    let texts = ["THIRD-PARTY.txt", "INSTALL.md", "UPGRADING.md"];
    let others = [
        "filters/jwt_auth.wasm",
        "bin/modelgate",
        "share/man/man1/modelgate.1",
        "share/completions/modelgate.bash",
        "share/completions/_modelgate",
        "share/completions/modelgate.fish",
    ];
    for file in texts.into_iter().chain(others) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

#[test]
fn a_release_is_installed_into_a_folder_and_systemd_takes_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let (release, root) = (folder.path().join("release"), folder.path().join("root"));
    fs::create_dir(&release).unwrap();
    unpacked(&release);
    let install = release.join("packaging/install.sh");
    run(Command::new(&install).arg("--root").arg(&root));
    for (path, mode) in [
        ("usr/bin/modelgate", 0o755),
        ("usr/lib/modelgate/drain", 0o755),
        ("usr/lib/modelgate/filters/jwt_auth.wasm", 0o644),
        ("usr/lib/systemd/system/modelgate.service", 0o644),
        ("usr/lib/sysusers.d/modelgate.conf", 0o644),
        ("usr/lib/tmpfiles.d/modelgate.conf", 0o644),
        ("etc/logrotate.d/modelgate", 0o644),
        ("usr/share/man/man1/modelgate.1", 0o644),
        ("usr/share/doc/modelgate/THIRD-PARTY.txt", 0o644),
        ("usr/share/doc/modelgate/examples/envoy/openai.yaml", 0o644),
    ] {
        let found = fs::metadata(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
    }
    // Again, over what is there; and without modules not at all.
    run(Command::new(&install).arg("--root").arg(&root));
    fs::remove_dir_all(release.join("filters")).unwrap();
    let refused = Command::new(&install)
        .arg("--root")
        .arg(&root)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));

    let version = Command::new("systemd-analyze").arg("--version").output();
    if require_or_skip("systemd-analyze", version).is_none() {
        return;
    }
    // What the unit starts is there, as it would be.
    let envoy = root.join("usr/bin/envoy");
    fs::write(&envoy, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&envoy, fs::Permissions::from_mode(0o755)).unwrap();
    let unit = root.join("usr/lib/systemd/system/modelgate.service");
    let at = |path: &str| root.join(path).display().to_string();
    let here = fs::read_to_string(&unit).unwrap();
    let here = here.replace("/usr/bin/envoy", &at("usr/bin/envoy"));
    let here = here.replace("/usr/lib/modelgate/drain", &at("usr/lib/modelgate/drain"));
    fs::write(&unit, here).unwrap();
    let output = run(Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit));
    let said = String::from_utf8_lossy(&output.stderr);
    // It warns of what it does not understand, and goes on.
    assert!(!said.contains("modelgate.service"), "{said}");
    run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=25"])
        .arg(&unit));
}

/// An admin interface with one request under way, which ends when it has been asked twice.
fn admin(asked: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && connection.read_exact(&mut byte).is_ok() {
                head.extend(byte);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let first = head.lines().next().unwrap_or_default();
            let first = first.trim_end_matches(" HTTP/1.1").to_owned();
            let mut asked = asked.lock().unwrap();
            let before = asked.iter().filter(|known| **known == first).count();
            let body = match first.starts_with("GET /stats") {
                true => format!("http.gateway.downstream_rq_active: {}\n", 1 - before.min(1)),
                false => "OK\n".to_owned(),
            };
            asked.push(first);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn envoy_is_drained_until_no_request_is_under_way_and_a_dead_one_is_not_waited_for() {
    let drain = Workspace::locate()
        .unwrap()
        .root
        .join("packaging/systemd/drain");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let drained = |admin: &str| {
        run(Command::new(&drain)
            .env("MODELGATE_ADMIN", admin)
            .env("MODELGATE_DRAIN_S", "10")
            .env("MODELGATE_EVENTS_S", "0"));
    };
    drained(&admin(Arc::clone(&asked)));
    let stats = "GET /stats?filter=^http\\.gateway\\.downstream_rq_active$";
    let wanted = [
        "POST /healthcheck/fail",
        "POST /drain_listeners?graceful",
        stats,
        stats,
    ];
    assert_eq!(*asked.lock().unwrap(), wanted);
    // Nobody listens there.
    drained("http://127.0.0.1:1");
}
