//! Signatures by cosign, over digests: a tag can be moved while it is being signed.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use super::Done;

/// Signs every image and index, or says how where it is not to be done or there is no cosign.
pub(super) fn sign(done: &[Done], now: bool) -> Result<ExitCode> {
    let images: Vec<String> = done.iter().flat_map(images).collect();
    let there = || {
        let version = Command::new("cosign")
            .arg("version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok()
    };
    if !now || !there() {
        let why = if now { "cosign is not installed; " } else { "" };
        eprintln!("{why}to sign:");
        for image in &images {
            println!("cosign sign --yes {image}");
        }
        return Ok(if now {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    for image in &images {
        eprintln!("cosign sign --yes {image}");
        let status = Command::new("cosign")
            .args(["sign", "--yes", image])
            .status()
            .context("starting cosign")?;
        if !status.success() {
            eprintln!("error: cosign has not signed {image} ({status})");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What of a module is signed: whatever has a tag, each by its digest.
fn images(done: &Done) -> Vec<String> {
    let tags = done.tags.iter();
    tags.map(|tag| format!("{}@{}", done.repository, tag.digest))
        .collect()
}
