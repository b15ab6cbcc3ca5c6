//! What the whole Envoy executes for a request, counted by valgrind's callgrind: Envoy's own code,
//! the filters', and what V8 has compiled. Repeatable to about two in a hundred, whatever else the
//! machine does, so that a ratio to the bare request can be held to a ceiling.
//!
//! Two things are not as on the processor itself: valgrind does not show the instructions for
//! SHA-256 (SHA-NI), so hashes are computed in software, and it has no restartable sequences, so
//! Envoy's allocator takes its slower way. The kernel's part of a request is not counted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::Variant;
use super::load::Load;
use super::server::{Place, Server};
use super::upstream;
use modelgate_envoy::release::Envoy;

/// Requests before those that are counted: caches are filled, and V8 has compiled what it will.
const WARM: u64 = 60;
/// Requests that are counted.
const COUNTED: u64 = 300;
/// How long an Envoy may take to compile its filters under valgrind.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What Envoy logs where a worker gets no VM, for which V8 reserves some ten gigabytes of
/// addresses. It then answers without the filter (docs/security.md), which is not to be counted.
const NO_ROOM: &str = "Failed to create new Wasm instance";

/// What one variant executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Its name.
    pub name: String,
    /// Instructions of one request; 0 where they could not be counted.
    pub instructions: u64,
}

impl Executed {
    /// How many times as many as `bare`, in hundredths.
    pub fn ratio(&self, bare: &Self) -> u64 {
        let hundredths = self.instructions.saturating_mul(100);
        hundredths
            .saturating_add(bare.instructions / 2)
            .checked_div(bare.instructions)
            .unwrap_or(0)
    }
}

/// Counts what each variant executes, one after the other. With `dumps`, callgrind's files are
/// kept in that folder, for `callgrind_annotate`. `progress` is told what goes on.
///
/// # Errors
/// If valgrind is not there, or an Envoy does not start or answers a request otherwise than the
/// case says.
pub fn measure(
    envoy: &Envoy,
    wasm: &Path,
    variants: &[&Variant],
    dumps: Option<&Path>,
    progress: &dyn Fn(&str),
) -> Result<Vec<Executed>> {
    let load = Place::assign().load;
    let upstream = Server::start(envoy, &upstream::bootstrap(), load, "upstream", 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let mut executed = Vec::new();
    for variant in variants {
        progress(&format!("starting Envoy under valgrind: {}", variant.name));
        let file = folder.path().join(variant.name.replace([' ', ','], "_"));
        let config = variant.bootstrap(wasm, upstream.port)?;
        let mut server = Server::start_within(
            PATIENCE,
            &envoy.under(valgrind(&file)),
            &config,
            None,
            &variant.name,
            1,
        )?;
        let load = Load::new(&variant.request, variant.status);
        let counted = runtime.block_on(async {
            let mut connection = load.connect(server.port).await?;
            for _ in 0..WARM {
                connection.exchange().await?;
            }
            control(&server, &["-i", "on"])?;
            for _ in 0..COUNTED {
                connection.exchange().await?;
            }
            control(&server, &["-d"])
        });
        counted.with_context(|| variant.name.clone())?;
        let has_all_vms = !server.log()?.contains(NO_ROOM);
        drop(server);
        // The first file that is written on demand.
        let file = file.with_extension("1");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let total = total(&text).context("callgrind has counted nothing")?;
        let one = Executed {
            name: variant.name.clone(),
            instructions: match has_all_vms {
                true => total.checked_div(COUNTED).unwrap_or_default(),
                false => 0,
            },
        };
        progress(&match has_all_vms {
            true => format!("{} instructions", one.instructions),
            false => "not counted: valgrind has no room for so many VMs".to_owned(),
        });
        executed.push(one);
        if let (Some(dumps), Some(name)) = (dumps, file.file_name()) {
            std::fs::create_dir_all(dumps)?;
            std::fs::copy(&file, dumps.join(name))?;
        }
    }
    Ok(executed)
}

/// What an Envoy is started under; callgrind's files begin with `file`.
fn valgrind(file: &Path) -> Vec<String> {
    let mut words = [
        "valgrind",
        "--tool=callgrind",
        // V8 writes code while it runs.
        "--smc-check=all-non-file",
        "--instr-atstart=no",
    ]
    .map(str::to_owned)
    .to_vec();
    words.push(format!("--callgrind-out-file={}", file.display()));
    words
}

/// Tells callgrind what to do in a process.
fn control(server: &Server, order: &[&str]) -> Result<()> {
    let output = Command::new("callgrind_control")
        .args(order)
        .arg(server.id().to_string())
        .stdin(Stdio::null())
        .output()
        .context("this needs valgrind, with callgrind_control")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains("OK"),
        "callgrind_control {}: {said}{}",
        order.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The sum in one of callgrind's files.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_stands_in_a_line_of_its_own() {
        let file = "# callgrind format\nevents: Ir\nsummary: 42\n\nfn=(1) totals\n1 2\n\ntotals: 42136030\n";
        assert_eq!(total(file), Some(42_136_030));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn a_ratio_is_rounded_to_hundredths() {
        let executed = |instructions| Executed {
            name: String::new(),
            instructions,
        };
        assert_eq!(executed(3_755).ratio(&executed(2_000)), 188);
        assert_eq!(executed(3_754).ratio(&executed(2_000)), 188);
        assert_eq!(executed(3_740).ratio(&executed(2_000)), 187);
        assert_eq!(executed(1).ratio(&executed(0)), 0);
    }
}
