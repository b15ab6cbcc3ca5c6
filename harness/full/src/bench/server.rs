//! An Envoy under measurement: started, bound to a processor, asked for its CPU time, killed when
//! dropped.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use modelgate_envoy::process::{Launch, Process, Running as _, Verbosity};
use modelgate_envoy::release::Envoy;

/// How long an Envoy may take to compile its filters.
const START: Duration = Duration::from_secs(60);

/// Which processors are used; `None` where there is no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// For the Envoys that are measured.
    pub measured: Option<usize>,
    /// For the load and the upstream.
    pub load: Option<usize>,
}

impl Place {
    /// The last processor for what is measured, the first for the rest; none where there is only
    /// one.
    pub fn assign() -> Self {
        match std::thread::available_parallelism().map(usize::from) {
            Ok(count) if count > 1 => Self {
                measured: count.checked_sub(1),
                load: Some(0),
            },
            _ => Self {
                measured: None,
                load: None,
            },
        }
    }
}

/// Binds a process with all its threads to a processor. Where that is not possible it stays free:
/// the figures are noisier then.
pub fn bind_process(process: u32, processor: usize) {
    let bound = Command::new("taskset")
        .args([
            "-a",
            "-c",
            "-p",
            &processor.to_string(),
            &process.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    drop(bound);
}

/// A running Envoy.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub port: u16,
}

impl Server {
    /// Starts an Envoy with so many workers from a bootstrap in which `@PORT@` stands for the
    /// listener's port.
    ///
    /// # Errors
    /// If it ends at once or does not listen in time; the message holds the end of its log.
    pub fn start(
        envoy: &Envoy,
        bootstrap: &Json,
        processor: Option<usize>,
        name: &str,
        workers: u32,
    ) -> Result<Self> {
        Self::start_within(START, envoy, bootstrap, processor, name, workers)
    }

    /// As [`Self::start`], with the time that it may take.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_within(
        patience: Duration,
        envoy: &Envoy,
        bootstrap: &Json,
        processor: Option<usize>,
        name: &str,
        workers: u32,
    ) -> Result<Self> {
        let port = free_port()?;
        let bootstrap = bootstrap
            .to_string()
            .replace("\"@PORT@\"", &port.to_string());
        let launch = Launch {
            workers,
            verbosity: Verbosity::Errors,
            flush_ms: 10_000,
            drain_s: None,
            // What Envoy's own signing filter looks for.
            environment: &[
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "bench-secret"),
            ],
        };
        let process = Process::start(envoy, &serde_json::from_str(&bootstrap)?, &launch)?;
        let mut server = Self { process, port };
        if let Some(processor) = processor {
            bind_process(server.process.id(), processor);
        }
        let deadline = Instant::now() + patience;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.process.try_wait()? {
                let said = server.process.log()?;
                bail!("the Envoy of {name} has ended ({status}):\n{said}");
            }
            ensure!(
                Instant::now() < deadline,
                "the Envoy of {name} does not listen:\n{}",
                server.process.log()?
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(processor) = processor {
            // Threads that were started meanwhile.
            bind_process(server.process.id(), processor);
        }
        Ok(server)
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn log(&mut self) -> Result<String> {
        self.process.log()
    }

    /// The memory that it has in use, in bytes (`VmRSS`).
    ///
    /// # Errors
    /// If the kernel does not tell: this needs Linux.
    pub fn resident_bytes(&self) -> Result<u64> {
        let file = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(&file).with_context(|| file.clone())?;
        parse_resident(&status).with_context(|| format!("{file} in an unknown form"))
    }

    /// CPU time of all its threads so far, in nanoseconds.
    ///
    /// # Errors
    /// If the kernel does not tell: this needs Linux.
    pub fn cpu_ns(&self) -> Result<u64> {
        let tasks = format!("/proc/{}/task", self.process.id());
        let mut sum = 0u64;
        for task in std::fs::read_dir(&tasks)
            .with_context(|| format!("reading {tasks}: measuring CPU time needs Linux"))?
        {
            // A thread may end between being listed and being read.
            let Ok(stat) = std::fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            sum =
                sum.saturating_add(parse_schedstat(&stat).context("schedstat in an unknown form")?);
        }
        Ok(sum)
    }
}

/// Time on a processor, in nanoseconds: the first of three numbers.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// `VmRSS` of a process's `status`, in bytes.
fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_schedstat_is_the_time_on_a_processor() {
        assert_eq!(parse_schedstat("123456 789 10\n"), Some(123_456));
        assert_eq!(parse_schedstat(""), None);
    }

    #[test]
    fn resident_memory_is_counted_in_kilobytes() {
        let status = "Name:\tenvoy\nVmHWM:\t  9 kB\nVmRSS:\t   2048 kB\n";
        assert_eq!(parse_resident(status), Some(2 << 20));
        assert_eq!(parse_resident("Name:\tenvoy\n"), None);
    }
}
