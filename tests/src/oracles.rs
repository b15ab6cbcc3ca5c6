//! Where other people's test data is found.
//!
//! Three sources: a folder outside the repository (`MODELGATE_ORACLES`, else `../shared/oracles`
//! beside the repository); packages of a registry that hold the same data; and other people's
//! programs from such packages, asked for their answer by a script in `tests/makers`. Tests of data
//! that has several sources judge each of them. Data that is absent is a printed skip, and a
//! failure where `CI=true`.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::services::{complete, install, run, target_dir};
use modelgate_cli::skip::require_or_skip;

/// The folder of third-party data named `name` (such as `sigv4/botocore`), or nothing if it is
/// absent and may be.
///
/// # Panics
/// If the data is absent and `CI=true`.
#[must_use]
pub fn folder(name: &str) -> Option<PathBuf> {
    require_or_skip(
        name,
        recorded(name).ok_or_else(|| "set MODELGATE_ORACLES".to_owned()),
    )
}

/// The same for data of which there is another source: absent is absent.
#[must_use]
pub fn recorded(name: &str) -> Option<PathBuf> {
    let root = env::var_os("MODELGATE_ORACLES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles"),
        PathBuf::from,
    );
    Some(root.join(name)).filter(|folder| folder.is_dir())
}

/// Somebody's program that makes test data.
#[derive(Debug, Clone, Copy)]
pub struct Maker {
    /// Script in `tests/makers`; it is given a path, and writes a file or a folder there.
    pub script: &'static str,
    /// The Python package that it asks, `name==version`.
    pub package: &'static str,
    /// What the package needs for that, where it asks for much more.
    pub dependencies: &'static [&'static str],
}

/// The requests that botocore's clients sign: `sagemaker.jsonl` and `bedrock.jsonl`.
pub const BOTOCORE: Maker = Maker {
    script: "botocore_vectors.py",
    package: "botocore==1.44.8",
    dependencies: &[],
};

/// Traces of a token bucket.
pub const THROTTLED: Maker = Maker {
    script: "gcra_traces.py",
    package: "throttled-py==3.5.0",
    dependencies: &[],
};

/// Examples of RFC 7520.
pub const COOKBOOK: Maker = Maker {
    script: "jose_cookbook.py",
    package: "jwcrypto==1.6.1",
    dependencies: &[],
};

/// What Presidio's recognizers find.
pub const PRESIDIO: Maker = Maker {
    script: "presidio_verdicts.py",
    package: "presidio-analyzer==2.2.366",
    dependencies: &[
        "phonenumbers==9.0.43",
        "pyyaml==6.0.4",
        "regex==2026.11.19",
        "tldextract==5.4.0",
    ],
};

/// Numbers of people, their papers and telephones, in labelled texts.
pub const LABELLED: Maker = Maker {
    script: "pii_labelled.py",
    package: "python-stdnum==2.2",
    dependencies: &[
        "faker==40.63.0",
        "phonenumbers==9.0.43",
        "pycryptodome==3.23.0",
    ],
};

/// Names and addresses in labelled texts.
pub const PEOPLE: Maker = Maker {
    script: "pii_people.py",
    package: "faker==40.63.0",
    dependencies: &[],
};

impl Maker {
    /// The path of what the script has written, or nothing if the package cannot be had and need
    /// not be.
    ///
    /// # Panics
    /// If it cannot be had and `CI=true`.
    #[must_use]
    pub fn make(&self) -> Option<PathBuf> {
        require_or_skip(self.package, self.try_make())
    }

    fn try_make(&self) -> Result<PathBuf, String> {
        let script = makers().join(self.script);
        let text = fs::read(&script).map_err(|error| format!("{}: {error}", script.display()))?;
        let mut hasher = DefaultHasher::new();
        (text, self.package).hash(&mut hasher);
        let name = format!("{}-{:016x}", self.script, hasher.finish());
        let folder = complete(&target_dir().join("oracles").join(name), |folder| {
            let package = install(self.package, self.dependencies)?;
            run(Command::new("python3")
                .arg(&script)
                .arg(folder.join("made"))
                .env("PYTHONPATH", package))
        })?;
        Ok(folder.join("made"))
    }
}

/// A folder in the package of a crate that `tests/makers/crates` pins, or nothing if it cannot be
/// had and need not be.
///
/// # Panics
/// If it cannot be had and `CI=true`.
#[must_use]
pub fn in_crate(name: &str, folder: &str) -> Option<PathBuf> {
    require_or_skip(name, find_in_crate(name, folder))
}

fn find_in_crate(name: &str, folder: &str) -> Result<PathBuf, String> {
    let manifest = makers().join("crates/Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(&manifest)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| package["name"] == name)
        .filter_map(|package| package["manifest_path"].as_str())
        .map(|manifest| Path::new(manifest).with_file_name(folder))
        .find(|path| path.is_dir())
        .ok_or_else(|| format!("its package has no {folder}"))
}

fn makers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("makers")
}
