//! Envoy as a process of this machine: started from a bootstrap, watched, asked to stop, killed
//! when dropped.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::child::Adopted;
use crate::release::Envoy;

/// The bootstrap, in the process's folder.
pub const CONFIG: &str = "envoy.json";
/// What it writes to standard output, in the process's folder.
pub const ACCESS_LOG: &str = "access.log";
/// What it writes to standard error, in the process's folder.
pub const LOG: &str = "envoy.log";
/// Where it writes the address of its admin interface, in the process's folder.
const ADMIN: &str = "admin";

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// How much Envoy and its filters log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors only.
    Errors,
    /// Envoy's warnings, what filters say at `info`.
    Warnings,
    /// Envoy at `info`, filters at `debug`.
    Debug,
}

impl Verbosity {
    /// Envoy's arguments for it.
    pub const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Errors => &["--log-level", "error"],
            Self::Warnings => &[
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info,dynamic_modules:info",
            ],
            Self::Debug => &[
                "--log-level",
                "info",
                "--component-log-level",
                "wasm:debug,dynamic_modules:debug",
            ],
        }
    }
}

/// What an Envoy is started with besides its bootstrap.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Worker threads.
    pub workers: u32,
    /// How much it logs.
    pub verbosity: Verbosity,
    /// How long access-log lines may wait in a buffer, in milliseconds.
    pub flush_ms: u32,
    /// Seconds that a listener which is taken away goes on serving what it has begun, and then
    /// breaks it off; `None` = Envoy's ten minutes.
    pub drain_s: Option<u32>,
    /// Environment variables besides those of this process.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Launch<'_> {
    /// Envoy's arguments for it, without the bootstrap.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--disable-hot-restart".to_owned()];
        arguments.extend(
            self.verbosity
                .arguments()
                .iter()
                .map(|text| (*text).to_owned()),
        );
        for (name, value) in [
            ("--file-flush-interval-msec", self.flush_ms),
            ("--concurrency", self.workers),
        ] {
            arguments.extend([name.to_owned(), value.to_string()]);
        }
        if let Some(drain_s) = self.drain_s {
            let seconds = drain_s.to_string();
            let strategy = ["--drain-time-s", &seconds, "--drain-strategy", "immediate"];
            arguments.extend(strategy.map(str::to_owned));
        }
        arguments
    }
}

/// An Envoy that was started, wherever it runs.
pub trait Running {
    /// Port of the admin interface, as soon as it is known.
    fn admin_port(&mut self) -> Option<u16>;
    /// What it wrote to stderr so far: its log.
    ///
    /// # Errors
    /// If it cannot be read.
    fn log(&mut self) -> Result<String>;
    /// What it wrote to stdout so far: the access log.
    ///
    /// # Errors
    /// If it cannot be read.
    fn access_log(&mut self) -> Result<String>;
    /// Whether it has ended.
    ///
    /// # Errors
    /// If it cannot be asked.
    fn ended(&mut self) -> Result<bool>;
}

/// An Envoy process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Adopted,
    folder: TempDir,
}

impl Process {
    /// Starts it; log and access log go to files in its folder.
    ///
    /// # Errors
    /// If a file cannot be written, or the binary not be run.
    pub fn start(envoy: &Envoy, bootstrap: &Json, launch: &Launch<'_>) -> Result<Self> {
        let (folder, config) = written(bootstrap)?;
        Self::start_in(folder, envoy, &config, launch)
    }

    /// Starts it from a bootstrap in a file; its folder, where log and access log go, is given.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_in(
        folder: TempDir,
        envoy: &Envoy,
        config: &Path,
        launch: &Launch<'_>,
    ) -> Result<Self> {
        let file = |name: &str| File::create(folder.path().join(name));
        let mut command = command(envoy, config, folder.path(), launch);
        command.stdout(file(ACCESS_LOG)?).stderr(file(LOG)?);
        let child = Adopted::new(spawn(&mut command)?);
        Ok(Self { child, folder })
    }

    /// Starts it for somebody who watches: the log goes to this process's standard error, each line
    /// of the access log to `line`, on a thread of its own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn follow(
        envoy: &Envoy,
        bootstrap: &Json,
        launch: &Launch<'_>,
        line: impl Fn(&str) + Send + 'static,
    ) -> Result<Self> {
        let (folder, config) = written(bootstrap)?;
        let mut command = command(envoy, &config, folder.path(), launch);
        let mut child = spawn(command.stdout(Stdio::piped()))?;
        let lines = child.stdout.take();
        let child = Adopted::new(child);
        let lines = BufReader::new(lines.context("no standard output")?);
        std::thread::spawn(move || {
            // Read to the end, whatever it is: Envoy would wait for a pipe that nobody reads.
            for bytes in lines.split(b'\n').map_while(Result::ok) {
                line(&String::from_utf8_lossy(&bytes));
            }
        });
        Ok(Self { child, folder })
    }

    /// Where its files are, as long as it lives.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn try_wait(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If the system does not say.
    pub async fn wait(&self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to end (SIGTERM), as an orchestrator does, and waits. Gives whether it did in time;
    /// what did not is killed when dropped.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn terminate(&self, at_most: Duration) -> Result<bool> {
        let began = Instant::now();
        // The signal has no safe function in the standard library; its number cannot be another
        // process's, for nobody has waited for it.
        Command::new("kill")
            .arg(self.id().to_string())
            .stdin(Stdio::null())
            .status()?;
        while self.try_wait()?.is_none() {
            if began.elapsed() > at_most {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(true)
    }

    fn read(&self, name: &str) -> Result<String> {
        let bytes = std::fs::read(self.folder.path().join(name))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The address of the admin interface, as soon as it has written it.
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.read(ADMIN).ok()?.trim().parse().ok()
    }
}

impl Running for Process {
    fn admin_port(&mut self) -> Option<u16> {
        self.admin_address().map(|address| address.port())
    }

    fn log(&mut self) -> Result<String> {
        self.read(LOG)
    }

    fn access_log(&mut self) -> Result<String> {
        self.read(ACCESS_LOG)
    }

    fn ended(&mut self) -> Result<bool> {
        Ok(self.try_wait()?.is_some())
    }
}

/// A folder with a bootstrap in it.
fn written(bootstrap: &Json) -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("modelgate-").tempdir()?;
    let config = folder.path().join(CONFIG);
    std::fs::write(&config, bootstrap.to_string())?;
    Ok((folder, config))
}

fn spawn(command: &mut Command) -> Result<Child> {
    let binary = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .with_context(|| format!("cannot start {binary}"))
}

fn command(envoy: &Envoy, config: &Path, folder: &Path, launch: &Launch<'_>) -> Command {
    let mut command = envoy.command();
    command
        .arg("-c")
        .arg(config)
        .arg("--admin-address-path")
        .arg(folder.join(ADMIN))
        .args(launch.arguments())
        .envs(launch.environment.iter().copied())
        .stdin(Stdio::null());
    command
}

/// What Envoy says of a configuration without serving it (`--mode validate`): nothing if it takes
/// it, or else its log. Filters are compiled and started for it.
///
/// # Errors
/// If the binary cannot be run.
pub fn validate(
    envoy: &Envoy,
    config: &Path,
    environment: &[(&str, Option<&str>)],
) -> Result<Option<String>> {
    let mut command = Command::new(envoy.path());
    command
        .args(["--mode", "validate", "--log-level", "error", "-c"])
        .arg(config)
        .stdin(Stdio::null());
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command
        .output()
        .with_context(|| envoy.path().display().to_string())?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then_some(log))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_what_was_asked_for() {
        let launch = Launch {
            workers: 3,
            verbosity: Verbosity::Errors,
            flush_ms: 10,
            drain_s: Some(0),
            environment: &[],
        };
        assert_eq!(
            launch.arguments().join(" "),
            "--disable-hot-restart --log-level error --file-flush-interval-msec 10 --concurrency 3 \
             --drain-time-s 0 --drain-strategy immediate"
        );
    }
}
