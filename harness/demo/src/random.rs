//! Random names and secrets that live as long as the demo.

use std::fmt::Write as _;

use anyhow::{Context, Result};

/// So many random bytes from the system, as hexadecimal digits.
///
/// # Errors
/// If the system has none.
pub fn hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).context("no random numbers")?;
    Ok(hex_of(&random))
}

/// Bytes as hexadecimal digits.
pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
