//! `modelgate release`: everything that a release consists of, made from one commit.

mod changelog;
mod contents;
mod elf;
mod notices;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use modelgate_cli::SUITE;
use modelgate_cli::build::reproduce::build_twice;
use modelgate_cli::build::{Profile, Workspace, build};
use modelgate_cli::command::release::Arguments;
use modelgate_cli::inspect::VERSION;
use modelgate_cli::provenance;
use modelgate_oci::Digest;
use modelgate_oci::archive::{File, gzip, tar_with_programs};
use modelgate_oci::read::write_file;

/// The list of checksums, in the form that `sha256sum -c` reads.
pub(crate) const CHECKSUMS: &str = "SHA256SUMS";

/// Makes a release; see [`Arguments`].
///
/// # Errors
/// If it is refused, something does not compile, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let notes = notes(&workspace, arguments.allow_dirty)?;
    let revision = provenance::revision(&workspace);
    ensure!(
        revision.is_some() || arguments.allow_dirty,
        "the work tree has changes, or is no git checkout: commit first, or try with --allow-dirty"
    );
    let folder = arguments.output.join(format!("modelgate-{VERSION}"));
    ensure!(
        !folder.exists(),
        "{} is there already: remove it, or write elsewhere with --output",
        folder.display()
    );
    // First what may refuse the release, then what takes long.
    let licences = contents::licences(&workspace, !arguments.filters_only)?;
    let names = SUITE.modules();
    if !arguments.once {
        let pairs = build_twice(&workspace, &names, Profile::Release)?;
        let mut differ = pairs.iter().filter(|pair| !pair.same()).peekable();
        if differ.peek().is_some() {
            for pair in differ {
                eprintln!(
                    "error: two builds of {} differ: {:?}",
                    pair.name, pair.sha256
                );
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    let artifacts = build(&workspace, &names, Profile::Release)?;
    let making = contents::Making {
        workspace: &workspace,
        artifacts: &artifacts,
        source: arguments.source.as_deref(),
        revision: revision.as_deref(),
        notes: &notes,
    };
    let mut files = making.modules()?;
    let machine = match arguments.filters_only {
        true => "filters".to_owned(),
        false => {
            let (machine, program) = making.program()?;
            files.extend(program);
            machine
        }
    };
    files.extend(making.texts()?);
    files.extend(licences);
    files.sort();
    let sums = checksums(&files);
    files.push((CHECKSUMS.to_owned(), sums.into_bytes()));
    let archive = format!("modelgate-{VERSION}-{machine}.tar.gz");
    let packed = pack(&files)?;
    for (path, content) in &files {
        let file = folder.join(path);
        write_file(&file, content)?;
        if contents::is_program(path) {
            executable(&file)?;
        }
    }
    // The archive last: whoever sees it finds a whole release.
    let sum = checksums(&[(archive.clone(), packed.clone())]);
    write_file(&arguments.output.join(CHECKSUMS), sum.as_bytes())?;
    write_file(&arguments.output.join(&archive), &packed)?;
    print!("{sum}");
    eprintln!("release notes: {}", folder.join(contents::NOTES).display());
    Ok(ExitCode::SUCCESS)
}

/// The release notes, from CHANGELOG.md.
fn notes(workspace: &Workspace, trial: bool) -> Result<String> {
    let file = workspace.root.join("CHANGELOG.md");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    match changelog::notes(&text, VERSION) {
        Err(error) if trial => {
            eprintln!("warning: {error:#}");
            changelog::trial_notes(&text, VERSION)
        }
        notes => notes,
    }
}

/// A line for each file, as `sha256sum` writes it.
fn checksums(files: &[File]) -> String {
    let lines = files
        .iter()
        .map(|(path, content)| format!("{}  {path}\n", Digest::of(content).hex()));
    lines.collect()
}

/// The archive of the files, in a folder that is called as the release.
fn pack(files: &[File]) -> Result<Vec<u8>> {
    let within = |(path, content): &File| (format!("modelgate-{VERSION}/{path}"), content.clone());
    let within: Vec<File> = files.iter().map(within).collect();
    let below = |path: &str| {
        path.split_once('/')
            .is_some_and(|(_, path)| contents::is_program(path))
    };
    gzip(&tar_with_programs(&within, below)?)
}

fn executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelgate_oci::archive::{LIMITS, gunzip, untar};

    #[test]
    fn an_archive_unpacks_into_one_folder_and_is_the_same_each_time() {
        let files = vec![
            ("bin/modelgate".to_owned(), vec![1]),
            ("LICENSE".to_owned(), vec![2]),
        ];
        let packed = pack(&files).unwrap();
        assert_eq!(packed, pack(&files).unwrap());
        let archive = gunzip(&packed, LIMITS).unwrap();
        assert_eq!(&archive[100..107], b"0000755");
        let paths: Vec<String> = untar(&archive, LIMITS)
            .unwrap()
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let inside = |path: &str| format!("modelgate-{VERSION}/{path}");
        assert_eq!(paths, [inside("bin/modelgate"), inside("LICENSE")]);
    }
}
