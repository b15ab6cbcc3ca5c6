//! `modelgate new`: a complete filter from the template in `new/template`, in the suite or as a
//! crate of its own.
//!
//! The template is a filter that works: its names (`example-filter`, `example_filter`,
//! `ExampleFilter`) are replaced, and nothing else, except its place in the chain. In the suite the
//! filter is also entered where it must be: among the dependencies of `plugins/modelgate`, in its
//! `suite!`, and in the list of what filters do on nginx. Nothing is written before everything has
//! been checked.

mod name;

use std::fs;
use std::path::{Path, PathBuf};

use crate::SUITE;
use anyhow::{Context, Result, bail, ensure};
use modelgate_kit::suite::Member;

pub use name::Name;

/// The crate that lists the filters, below the repository's root.
const SUITE_FOLDER: &str = "plugins/modelgate";

/// What each filter does on nginx, by feature, below the repository's root.
const FEATURES: &str = "tests/on-nginx-features.txt";

/// The files that a filter has wherever it stands: path and content.
const FILES: [(&str, &str); 7] = [
    ("src/lib.rs", include_str!("new/template/src/lib.rs")),
    ("src/config.rs", include_str!("new/template/src/config.rs")),
    ("src/plan.rs", include_str!("new/template/src/plan.rs")),
    (
        "src/reasons.rs",
        include_str!("new/template/src/reasons.rs"),
    ),
    ("src/tests.rs", include_str!("new/template/src/tests.rs")),
    (
        "scenarios/example-filter.yaml",
        include_str!("new/template/scenarios/example-filter.yaml"),
    ),
    (
        "scenarios/refused-configuration.yaml",
        include_str!("new/template/scenarios/refused-configuration.yaml"),
    ),
];

/// Its place in the chain, as the template has it.
const ORDER: &str = "order: 45,";

/// Where a crate outside the suite takes the kit from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kit {
    /// A folder.
    Path(PathBuf),
    /// A published release.
    Version(String),
}

/// Writes a filter into the suite whose root is given, behind the filter `after` in the chain.
/// Gives the paths of what was written or changed, below the root.
///
/// # Errors
/// If the name is taken, there is no such filter or no room behind it, or a file cannot be read or
/// written.
pub fn in_suite(root: &Path, name: &Name, after: &str) -> Result<Vec<PathBuf>> {
    let folder = PathBuf::from("plugins").join(name.kebab());
    ensure!(
        !root.join(&folder).exists(),
        "{} exists already",
        folder.display()
    );
    name.free_of(&fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?)?;
    let (before, order) = place(after)?;
    let mut files = filled(name, order);
    files.push((
        "Cargo.toml".into(),
        name.fill(include_str!("new/template/Cargo.toml")),
    ));
    files.push((
        "README.md".into(),
        name.fill(include_str!("new/template/README.md")),
    ));
    let mut writes: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|(path, content)| (folder.join(path), content))
        .collect();
    writes.extend(entered(root, name, before)?);
    for (path, content) in &writes {
        write(&root.join(path), content)?;
    }
    Ok(writes.into_iter().map(|(path, _)| path).collect())
}

/// Writes a filter as a crate of its own into a folder, which must be empty or not there yet.
/// `root` is the repository whose `Cargo.lock` and compiler it begins with. Gives the paths of what
/// was written, below the folder.
///
/// # Errors
/// If the folder is not empty, or a file cannot be read or written.
pub fn standalone(root: &Path, folder: &Path, name: &Name, kit: &Kit) -> Result<Vec<PathBuf>> {
    if let Ok(mut entries) = fs::read_dir(folder) {
        ensure!(
            entries.next().is_none(),
            "{} is not empty",
            folder.display()
        );
    }
    let kit = match kit {
        Kit::Path(path) => format!("path = {}", serde_json::to_string(path)?),
        Kit::Version(version) => format!("version = {}", serde_json::to_string(version)?),
    };
    let read =
        |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"));
    let mut files = filled(name, 45);
    for (path, content) in [
        (
            "Cargo.toml",
            include_str!("new/template/Cargo.standalone.toml").replace("KIT", &kit),
        ),
        (
            "README.md",
            include_str!("new/template/README.standalone.md").to_owned(),
        ),
        (
            ".cargo/config.toml",
            include_str!("new/template/cargo-config.toml").to_owned(),
        ),
        (".gitignore", "/target\n".to_owned()),
    ] {
        files.push((path.into(), name.fill(&content)));
    }
    for path in ["Cargo.lock", "rust-toolchain.toml"] {
        files.push((path.into(), read(path)?));
    }
    for (path, content) in &files {
        write(&folder.join(path), content)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// The files of the filter, with this place in the chain.
fn filled(name: &Name, order: u8) -> Vec<(PathBuf, String)> {
    FILES
        .into_iter()
        .map(|(path, content)| {
            let content = content.replace(ORDER, &format!("order: {order},"));
            (name.fill(path).into(), name.fill(&content))
        })
        .collect()
}

/// The filter behind which the new one stands, and the place in the chain between it and the next.
fn place(after: &str) -> Result<(&'static Member, u8)> {
    let known = || SUITE.filters().iter().map(|member| member.krate);
    let Some(at) = known().position(|krate| krate == after) else {
        bail!(
            "there is no filter {after:?}; there are {}",
            known().collect::<Vec<_>>().join(", ")
        );
    };
    let order = |at: usize| {
        SUITE
            .filters()
            .get(at)
            .map(|member| member.filter.needs.order)
    };
    let (low, next) = (order(at).unwrap_or_default(), at.saturating_add(1));
    let high = order(next).unwrap_or(low.saturating_add(10));
    let between = low.midpoint(high);
    ensure!(
        between > low,
        "there is no place between {after} ({low}) and the filter behind it ({high}): change `order` in the NEEDS of one of them"
    );
    SUITE
        .filters()
        .get(at)
        .map(|member| (member, between))
        .context("a filter of the suite")
}

/// The files outside of its own folder with the filter entered, in the suite behind `before`.
fn entered(root: &Path, name: &Name, before: &Member) -> Result<Vec<(PathBuf, String)>> {
    let (kebab, type_name) = (name.kebab(), name.camel());
    let folder = Path::new(SUITE_FOLDER);
    let edit = |path: &str, edits: &[(&str, String)]| -> Result<(PathBuf, String)> {
        let path = folder.join(path);
        let mut text = fs::read_to_string(root.join(&path))
            .with_context(|| format!("reading {}", path.display()))?;
        for (mark, line) in edits {
            text = behind(&text, mark, line).with_context(|| {
                format!("{} has no line that begins with {mark:?}", path.display())
            })?;
        }
        Ok((path, text))
    };
    let features = fs::read_to_string(root.join(FEATURES)).context(FEATURES)?;
    let feature = format!("{kebab} | what it refuses, and what passes | works | {kebab}\n");
    Ok(vec![
        (FEATURES.into(), features + &feature),
        edit(
            "Cargo.toml",
            &[
                ("default = [", format!("    \"{kebab}\",")),
                ("tools = [", format!("    \"{kebab}/default\",")),
                (
                    "[dependencies]",
                    format!(
                        "{kebab} = {{ path = \"../{kebab}\", default-features = false, optional = true }}"
                    ),
                ),
            ],
        )?,
        edit(
            "src/lib.rs",
            &[(
                &format!("    \"{}\" =>", before.krate),
                format!("    \"{kebab}\" => {}::{type_name},", name.snake()),
            )],
        )?,
    ])
}

/// The text with a line more, behind the one that begins with `mark`.
fn behind(text: &str, mark: &str, line: &str) -> Option<String> {
    let at = text.find(&format!("\n{mark}"))?.checked_add(1)?;
    let end = text
        .get(at..)?
        .find('\n')?
        .checked_add(at)?
        .checked_add(1)?;
    let (head, tail) = text.split_at_checked(end)?;
    Some(format!("{head}{line}\n{tail}"))
}

fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_behind_its_mark_and_nothing_else_changes() {
        let text = "a\n[b]\nc\n";
        assert_eq!(behind(text, "[b]", "x").unwrap(), "a\n[b]\nx\nc\n");
        assert_eq!(behind(text, "[d]", "x"), None);
    }

    #[test]
    fn a_filter_stands_between_its_neighbours() {
        for [one, next] in SUITE.filters().array_windows() {
            let (before, order) = place(one.krate).unwrap();
            assert_eq!(before.krate, one.krate);
            assert!((one.filter.needs.order..next.filter.needs.order).contains(&order));
        }
        let error = place("jwt_auth").err().unwrap().to_string();
        assert!(
            error.contains("\"jwt_auth\"; there are audit-log, jwt-auth"),
            "{error}"
        );
    }

    #[test]
    fn no_name_of_the_templates_is_left() {
        let name = Name::parse("geo-fence").unwrap();
        for (path, content) in filled(&name, 45) {
            let all = format!("{}{content}", path.display()).to_lowercase();
            assert!(!all.contains("example"), "{}", path.display());
        }
    }
}
