//! What a real Envoy needs to start: CPU time until it is ready and idle, and the memory that it
//! then has.
//!
//! CPU time, not time: it is the same whatever else the machine does. Each start is that of a new
//! process; modules are compiled anew, as Envoy does.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::case::Variant;
use super::server::{Place, Server};
use modelgate_envoy::release::Envoy;

/// How often each start is measured; the median counts.
const TIMES: usize = 3;
/// An Envoy is idle when it takes less CPU time than [`IDLE`] in this time.
const WATCHED: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(15);
/// How long it may take to become idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a start costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What is configured.
    pub name: String,
    /// Envoy's workers.
    pub workers: u32,
    /// CPU time of all threads.
    pub cpu_ms: u64,
    /// Memory in use.
    pub resident_bytes: u64,
}

/// Measures starts of an Envoy with each of these chains, with one worker and with several.
/// `progress` is told what goes on.
///
/// # Errors
/// If an Envoy does not start.
pub fn measure(
    envoy: &Envoy,
    wasm: &Path,
    variants: &[&Variant],
    workers: &[u32],
    progress: &dyn Fn(&str),
) -> Result<Vec<Start>> {
    let places = Place::assign();
    let mut starts = Vec::new();
    for variant in variants {
        for count in workers {
            progress(&format!("starting: {}, {count} workers", variant.name));
            // Nothing is sent: the upstream need not be there.
            let bootstrap = variant.bootstrap(wasm, 9)?;
            let mut taken = Vec::new();
            for _ in 0..TIMES {
                let server =
                    Server::start(envoy, &bootstrap, places.measured, &variant.name, *count)?;
                taken.push((settled(&server)?, server.resident_bytes()?));
            }
            let median = |mut figures: Vec<u64>| {
                figures.sort_unstable();
                figures.get(TIMES / 2).copied().unwrap_or_default()
            };
            let (cpu, resident) = taken.into_iter().unzip();
            let start = Start {
                name: variant.name.clone(),
                workers: *count,
                cpu_ms: median(cpu) / 1_000_000,
                resident_bytes: median(resident),
            };
            progress(&format!(
                "{} ms of CPU, {} bytes of memory",
                start.cpu_ms, start.resident_bytes
            ));
            starts.push(start);
        }
    }
    Ok(starts)
}

/// Waits until an Envoy is idle; the CPU time that it has taken.
fn settled(server: &Server) -> Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = server.cpu_ns()?;
        std::thread::sleep(WATCHED);
        let now = server.cpu_ns()?;
        if u128::from(now.saturating_sub(before)) < IDLE.as_nanos() {
            return Ok(now);
        }
        ensure!(
            Instant::now() < deadline,
            "an Envoy that does not become idle"
        );
    }
}
