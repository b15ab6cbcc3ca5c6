//! Where other people's test data is found.
//!
//! It lies outside the repository: in the folder that `MODELGATE_ORACLES` names, else in `../shared/oracles` beside the
//! repository. Data that is absent is a printed skip, and a failure where `CI=true`.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of third-party data named `name` (such as `sigv4/botocore`), or nothing if it is absent and may be.
///
/// # Panics
/// If the data is absent and `CI=true`.
#[must_use]
pub fn folder(name: &str) -> Option<PathBuf> {
    let root = env::var_os("MODELGATE_ORACLES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        env::var("CI").as_deref() != Ok("true"),
        "CI=true, but there is no {}: set MODELGATE_ORACLES",
        folder.display()
    );
    println!("SKIPPED: no {} (set MODELGATE_ORACLES)", folder.display());
    None
}
