//! Proves that a filter's bytes depend on its sources alone: the repository is copied to a
//! directory of another name and depth, the copy is built from nothing, and the SHA-256 sums are
//! compared with those of what is built where the repository lies.

use super::{Profile, Workspace, build_anew, output_of};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the copy lies inside the temporary directory: deeper, and with a space.
const PLACE: &str = "elsewhere/and deeper/modelgate-copy";

/// One filter, built twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The module's name.
    pub name: String,
    /// The SHA-256 sums of the two builds, in hexadecimal.
    pub sha256: [String; 2],
}

impl Pair {
    /// Whether both builds gave the same bytes.
    pub fn same(&self) -> bool {
        let [first, second] = &self.sha256;
        first == second
    }
}

/// Builds the filters `names` (crate names) of `workspace` where it lies, and a copy of it in
/// another directory from nothing. Progress goes to standard error.
///
/// # Errors
/// If the copy cannot be made, or a build fails; two different sums are not an error but the
/// answer.
pub fn build_twice(workspace: &Workspace, names: &[&str], profile: Profile) -> Result<Vec<Pair>> {
    let folder = tempfile::tempdir().context("making a temporary directory")?;
    let root = folder.path().join(PLACE);
    copy_sources(&workspace.root, &root)?;
    eprintln!("building in {} as well", root.display());
    let copy = Workspace {
        target: root.join("target"),
        root,
    };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| build_anew(&copy, names, profile));
        (build_anew(workspace, names, profile), second.join())
    });
    let second = second.map_err(|_| anyhow!("building was broken off"))?;
    let pairs = first?.into_iter().zip(second?);
    Ok(pairs
        .map(|(first, second)| Pair {
            name: first.name,
            sha256: [first.sha256, second.sha256],
        })
        .collect())
}

/// Copies what git knows or would add, as it stands now.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    for file in sources(from)? {
        let (source, copy) = (from.join(&file), to.join(&file));
        if !source.is_file() {
            // Deleted, and not committed yet.
            continue;
        }
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        fs::copy(&source, &copy).with_context(|| format!("copying {}", source.display()))?;
    }
    Ok(())
}

/// What git knows or would add, below the root.
///
/// # Errors
/// If git cannot be asked.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(root);
    let listed =
        String::from_utf8(output_of(&mut list)?).context("a file name that is not UTF-8")?;
    Ok(listed
        .split('\0')
        .filter(|file| !file.is_empty())
        .map(PathBuf::from)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sums_are_the_same_or_not() {
        let pair = |first: &str, second: &str| Pair {
            name: "x".to_owned(),
            sha256: [first.to_owned(), second.to_owned()],
        };
        assert!(pair("1", "1").same());
        assert!(!pair("1", "2").same());
    }

    #[test]
    fn the_copy_holds_the_sources_and_nothing_built() {
        let workspace = Workspace::locate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy_sources(&workspace.root, folder.path()).unwrap();
        assert!(folder.path().join("Cargo.lock").is_file());
        assert!(folder.path().join("plugins/audit-log/src/lib.rs").is_file());
        assert!(!folder.path().join("target").exists());
    }
}
