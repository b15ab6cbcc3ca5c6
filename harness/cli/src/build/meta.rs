//! `target/modelgate/kong/NAME.meta.json`: what Kong reads beside each filter's module.

use anyhow::{Context, Result};

use super::{Workspace, put};
use crate::SUITE;
use crate::generate::kong_meta;

/// Writes the files of the filters with these crate names, unless the same is there.
///
/// # Errors
/// If one cannot be written.
pub(super) fn write(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let folder = workspace.target.join("modelgate/kong");
    for member in SUITE.filters() {
        if !names.contains(&member.krate) {
            continue;
        }
        let meta = kong_meta(member)?;
        let name = meta.path.file_name().context("a file without a name")?;
        put(&folder.join(name), meta.content.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_filter_has_its_file_under_the_name_of_its_module_and_the_bundle_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace {
            root: folder.path().to_owned(),
            target: folder.path().join("target"),
        };
        write(&workspace, &SUITE.modules()).unwrap();
        let written = fs::read_dir(workspace.target.join("modelgate/kong")).unwrap();
        let mut written: Vec<String> = written
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        written.sort();
        let mut wanted: Vec<String> = SUITE
            .filters()
            .iter()
            .map(|member| format!("{}.meta.json", member.filter.name))
            .collect();
        wanted.sort();
        assert_eq!(written, wanted);
    }
}
