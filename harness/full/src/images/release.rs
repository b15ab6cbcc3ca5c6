//! The folder that a release's archive unpacks to, read by its list of checksums.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use modelgate_oci::Digest;
use serde_json::Value as Json;

use crate::release::CHECKSUMS;

/// An unpacked release.
pub(super) struct Release {
    folder: PathBuf,
    /// SHA-256 of each file, in hexadecimal, by its path.
    sums: BTreeMap<String, String>,
}

impl Release {
    /// Opens a folder.
    ///
    /// # Errors
    /// If it has no list of checksums.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CHECKSUMS);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{}: is this what the archive of a release unpacks to?",
                path.display()
            )
        })?;
        let sums = text.lines().filter_map(|line| {
            let (sum, path) = line.split_once("  ")?;
            Some((path.to_owned(), sum.to_owned()))
        });
        Ok(Self {
            folder: folder.to_owned(),
            sums: sums.collect(),
        })
    }

    /// A file of it.
    ///
    /// # Errors
    /// If it is not listed, cannot be read, or is another than was listed.
    pub(super) fn file(&self, path: &str) -> Result<Vec<u8>> {
        let sum = self.sums.get(path);
        let sum = sum.with_context(|| format!("{CHECKSUMS} of the release lists no {path}"))?;
        let file = self.folder.join(path);
        let content = fs::read(&file).with_context(|| file.display().to_string())?;
        anyhow::ensure!(
            Digest::of(&content).hex() == sum,
            "{}: is not the file that {CHECKSUMS} lists",
            file.display()
        );
        Ok(content)
    }

    /// A JSON document of it.
    ///
    /// # Errors
    /// Those of [`Release::file`], or if it is no JSON.
    pub(super) fn json(&self, path: &str) -> Result<Json> {
        serde_json::from_slice(&self.file(path)?).with_context(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_only_as_it_was_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let error = |result: Result<Vec<u8>>| format!("{:#}", result.unwrap_err());
        assert!(Release::open(folder.path()).is_err());
        fs::write(path("good"), "x").unwrap();
        fs::write(path("changed"), "y").unwrap();
        fs::write(path("extra"), "z").unwrap();
        let sum = Digest::of(b"x").hex().to_owned();
        let list = format!("{sum}  good\n{sum}  changed\n{sum}  missing\n");
        fs::write(path(CHECKSUMS), list).unwrap();
        let release = Release::open(folder.path()).unwrap();
        assert_eq!(release.file("good").unwrap(), b"x");
        assert!(error(release.file("changed")).contains("is not the file"));
        assert!(error(release.file("missing")).contains("missing"));
        assert!(error(release.file("extra")).contains("lists no extra"));
        assert!(error(release.file("../good")).contains("lists no"));
    }
}
