//! Builds the filters' `.wasm` files, the same bytes wherever the repository lies.
//!
//! Each filter is built by its own `cargo rustc --crate-type cdylib`, with every path of this
//! machine replaced by a fixed one, and copied to `target/modelgate/NAME.wasm`. The crates
//! themselves are plain libraries: one that is a module and a library would be linked without
//! link-time optimization, and as a dependency of the bundle would write over the filter's own
//! file. Cargo decides what is out of date; a file whose bytes did not change is not touched.
//! Beside each module comes its form for nginx and Kong ([`second_host`]).
//! [`reproduce`] proves the claim by building in two directories.
//!
//! What it cannot do: give the same bytes with another compiler than `rust-toolchain.toml` names,
//! or with other versions than `Cargo.lock` does.

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::SUITE;
use modelgate_scenario::catalogue::{GUESTS, file_name, module_name};
use modelgate_scenario::file::ScenarioFile;

pub mod bundle;
mod meta;
pub mod native;
pub mod program;
pub mod reproduce;
pub mod second_host;

/// The compiler's name for the machine that filters run on.
pub const TARGET: &str = "wasm32-wasip1";

/// The repository that filters are built from, and the place for what is built.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target directory.
    pub target: PathBuf,
}

/// How a filter is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// As it is shipped.
    #[default]
    Release,
    /// Quickly, with checks for overflow.
    Dev,
}

/// A filter as built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The module's name: the crate's in snake case, as in `jwt_auth`.
    pub name: String,
    /// Where its `.wasm` is.
    pub path: PathBuf,
    /// The size of the `.wasm`, in bytes.
    pub bytes: u64,
    /// SHA-256 of the `.wasm`, in hexadecimal.
    pub sha256: String,
}

/// What `cargo metadata` says of the workspace.
#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// modelgate's workspace around the current directory; where there is none, the one that this
    /// program was built from.
    ///
    /// # Errors
    /// If neither is there.
    pub fn locate() -> Result<Self> {
        let current = env::current_dir().context("the current directory")?;
        let built_from = program::SOURCES.map(Path::new).filter(|it| it.is_dir());
        let root = workspace_around(&current).or(built_from.and_then(|it| it.ancestors().nth(2)));
        Self::at(root.context("this needs the sources of modelgate: run it in a checkout of them")?)
    }

    /// The workspace around the folder `inside`.
    ///
    /// # Errors
    /// If there is none.
    pub fn at(inside: &Path) -> Result<Self> {
        let mut command = cargo();
        command
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(inside);
        let metadata: Metadata = serde_json::from_slice(&output_of(&mut command)?)
            .context("reading what `cargo metadata` says")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
        })
    }

    /// Where the module `name` (a crate's name) for nginx and Kong is put: a filter in the folder
    /// that `wasm_filters_path` of Kong is to name, in which Kong loads everything; the bundle,
    /// which only nginx can be given, in another.
    pub fn second_host_path(&self, name: &str) -> PathBuf {
        let folder = match SUITE.member(name) {
            Some(_) => "modelgate/kong",
            None => "modelgate/nginx",
        };
        self.target.join(folder).join(file_name(name))
    }

    /// Where the built filter `name` (a crate's name) is put.
    pub fn artifact_path(&self, name: &str) -> PathBuf {
        self.target.join("modelgate").join(file_name(name))
    }
}

/// The scenario files of a workspace, `plugins/*/scenarios/*.yaml` and `tests/scenarios/*.yaml`:
/// their paths below `root`, in order.
///
/// # Errors
/// If a folder cannot be read.
pub fn scenario_files(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = |folder: &str| -> Result<Vec<PathBuf>> {
        fs::read_dir(root.join(folder))
            .with_context(|| folder.to_owned())?
            .map(|entry| Ok(Path::new(folder).join(entry?.file_name())))
            .collect()
    };
    let mut files = entries("tests/scenarios")?;
    for plugin in entries("plugins")? {
        let folder = plugin.join("scenarios");
        if root.join(&folder).is_dir() {
            files.extend(entries(&folder.to_string_lossy())?);
        }
    }
    files.retain(|file| file.extension().is_some_and(|kind| kind == "yaml"));
    files.sort();
    Ok(files)
}

/// The nearest folder above `inside`, or `inside` itself, that holds this package where modelgate's
/// workspace has it.
fn workspace_around(inside: &Path) -> Option<&Path> {
    let name = concat!("name = \"", env!("CARGO_PKG_NAME"), "\"");
    inside.ancestors().find(|folder| {
        folder.join("Cargo.toml").is_file()
            && fs::read_to_string(folder.join("harness/cli/Cargo.toml"))
                .is_ok_and(|manifest| manifest.lines().any(|line| line.trim() == name))
    })
}

/// Builds every filter; see [`build`].
///
/// # Errors
/// As [`build`].
pub fn build_filters(workspace: &Workspace, profile: Profile) -> Result<Vec<Artifact>> {
    build(workspace, &SUITE.crates().collect::<Vec<_>>(), profile)
}

/// Builds every module of the suite, the one that holds all filters included; see [`build`].
///
/// # Errors
/// As [`build`].
pub fn build_all(workspace: &Workspace, profile: Profile) -> Result<Vec<Artifact>> {
    build(workspace, &SUITE.modules(), profile)
}

/// What this process has built last at a place, from which folder and how.
struct Built {
    root: PathBuf,
    profile: Profile,
    artifact: Artifact,
}

/// Builds the filters with the crate names `names` and puts them in `target/modelgate/`, and what
/// Kong reads beside them in `target/modelgate/kong/`. Progress goes to standard error. What this
/// process has built is not looked at again: cargo takes a second to see that nothing has changed,
/// and many tests ask.
///
/// # Errors
/// If the compiler's target cannot be installed, a filter does not compile, or a file cannot be
/// written.
pub fn build(workspace: &Workspace, names: &[&str], profile: Profile) -> Result<Vec<Artifact>> {
    static BUILT: Mutex<BTreeMap<PathBuf, Built>> = Mutex::new(BTreeMap::new());
    // Whoever asks meanwhile waits here, as it would for cargo's lock.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let find = |built: &BTreeMap<PathBuf, Built>, name: &str| {
        let path = workspace.artifact_path(name);
        let last = built.get(&path)?;
        let same = last.root == workspace.root && last.profile == profile && path.is_file();
        same.then(|| last.artifact.clone())
    };
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| find(&built, name).is_none())
        .collect();
    if !missing.is_empty() {
        for artifact in build_anew(workspace, &missing, profile)? {
            let root = workspace.root.clone();
            let whole = Built {
                root,
                profile,
                artifact: artifact.clone(),
            };
            built.insert(artifact.path, whole);
        }
    }
    names
        .iter()
        .map(|name| find(&built, name).with_context(|| format!("{name} was not built")))
        .collect()
}

/// The same, whether it has been built before or not.
fn build_anew(workspace: &Workspace, names: &[&str], profile: Profile) -> Result<Vec<Artifact>> {
    ensure_target(workspace)?;
    let flags = path_flags(workspace, TARGET)?;
    // Link-time optimization keeps one processor busy: two filters at a time, each lane with a
    // target directory of its own.
    let lane = |lane: usize| -> Result<Vec<(usize, Artifact)>> {
        let mine = names.iter().enumerate();
        mine.filter(|(_, name)| lane_of(name) == lane)
            .map(|(position, name)| {
                let progress = format!(
                    "[{}/{}] {}",
                    position.saturating_add(1),
                    names.len(),
                    file_name(name)
                );
                eprintln!("{progress}");
                let started = Instant::now();
                let target = lane_folder(workspace, lane_of(name));
                let built = compile(workspace, &target, name, None, profile, &flags)?;
                let artifact = install(workspace, name, &built)?;
                let took = started.elapsed().as_secs_f32();
                if took > 2.0 {
                    let kilobytes = artifact.bytes.div_ceil(1024);
                    eprintln!("{progress}: {kilobytes} KiB in {took:.0} s");
                }
                Ok((position, artifact))
            })
            .collect()
    };
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| lane(1));
        (lane(0), second.join())
    });
    let mut artifacts = first?;
    artifacts.extend(second.map_err(|_| anyhow!("building was broken off"))??);
    artifacts.sort_by_key(|(position, _)| *position);
    meta::write(workspace, names)?;
    Ok(artifacts
        .into_iter()
        .map(|(_, artifact)| artifact)
        .collect())
}

/// In which lane a module is built; always the same one, so that cargo finds there what it has
/// built before. The first has those with the signature algorithms, and one more so that the
/// filters alone, which the demo builds, keep both lanes busy.
fn lane_of(name: &str) -> usize {
    usize::from(name != SUITE.bundle() && !matches!(name, "jwt-auth" | "consumer-acl"))
}

/// Cargo's target directory of a lane.
fn lane_folder(workspace: &Workspace, lane: usize) -> PathBuf {
    match lane {
        0 => workspace.target.clone(),
        _ => workspace.target.join("modelgate/lane"),
    }
}

/// Builds the modules that these scenarios need, and gives the folder where they are.
///
/// # Errors
/// As [`build`].
pub fn build_for(workspace: &Workspace, scenarios: &[&ScenarioFile]) -> Result<PathBuf> {
    let used: Vec<&str> = SUITE
        .modules()
        .into_iter()
        .filter(|name| scenarios.iter().any(|file| file.uses(name)))
        .collect();
    build(workspace, &used, Profile::Release)?;
    if scenarios.iter().any(|file| file.uses_guests()) {
        build_guests(workspace)?;
    }
    Ok(workspace.target.join("modelgate"))
}

/// Builds the guests that hosts are tested with, and puts their module beside the filters. They are
/// a workspace of their own, with the `proxy-wasm` SDK in it.
///
/// # Errors
/// As [`build`].
pub fn build_guests(workspace: &Workspace) -> Result<Artifact> {
    ensure_target(workspace)?;
    let target = workspace.target.join(GUESTS);
    let mut command = cargo_alone();
    command
        .current_dir(workspace.root.join("harness/guests"))
        .args(["build", "--locked", "--release"])
        .args(["--target", TARGET])
        .arg("--target-dir")
        .arg(&target);
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "the guests do not compile ({status})");
    let built = target.join(TARGET).join("release").join(file_name(GUESTS));
    install(workspace, GUESTS, &built)
}

/// Runs cargo for one module in the target directory `target`, with these features of its crate or
/// its own default, and gives the file that it made.
fn compile(
    workspace: &Workspace,
    target: &Path,
    name: &str,
    features: Option<&[&str]>,
    profile: Profile,
    flags: &str,
) -> Result<PathBuf> {
    let mut command = cargo_alone();
    command
        .current_dir(&workspace.root)
        .args([
            "rustc",
            "--locked",
            "--package",
            name,
            "--lib",
            "--crate-type",
            "cdylib",
        ])
        .args(["--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        // Arrays of several sources are joined: the flags of .cargo/config.toml stay.
        .args(["--config", flags]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    if let Some(features) = features {
        command.arg("--no-default-features");
        command.args(["--features", &features.join(",")]);
    }
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "{name} does not compile ({status})");
    Ok(compiled(target, profile).join(file_name(name)))
}

/// Where cargo puts a module that it has compiled.
fn compiled(target: &Path, profile: Profile) -> PathBuf {
    target.join(TARGET).join(match profile {
        Profile::Release => "release",
        Profile::Dev => "debug",
    })
}

/// Cargo without settings from outside, which would end up in the bytes.
fn cargo_alone() -> Command {
    let mut command = cargo();
    command.stdin(Stdio::null());
    for (variable, _) in env::vars_os() {
        let variable = variable.to_string_lossy();
        if variable.ends_with("RUSTFLAGS") || variable.starts_with("CARGO_PROFILE_") {
            command.env_remove(variable.as_ref());
        }
    }
    // Nothing that is set: the compiler itself.
    command.env("RUSTC_WORKSPACE_WRAPPER", "");
    command
}

/// Copies `built` to its place, unless the same bytes are there.
fn install(workspace: &Workspace, name: &str, built: &Path) -> Result<Artifact> {
    let wasm = fs::read(built).with_context(|| format!("reading {}", built.display()))?;
    let path = workspace.artifact_path(name);
    put(&path, &wasm)?;
    if SUITE.modules().contains(&name) {
        let complete = second_host::complete(&wasm);
        let complete = complete.with_context(|| format!("completing {}", built.display()))?;
        put(&workspace.second_host_path(name), &complete)?;
    }
    artifact(&module_name(name), path, &wasm)
}

/// What has been built.
fn artifact(name: &str, path: PathBuf, bytes: &[u8]) -> Result<Artifact> {
    Ok(Artifact {
        name: name.to_owned(),
        path,
        bytes: u64::try_from(bytes.len())?,
        sha256: Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    })
}

/// Writes a file, unless the same bytes are there.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // In one step: a proxy that starts meanwhile must not see half of it.
    let partial = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(partial.path(), bytes)?;
    readable_by_all(partial.path())?;
    partial
        .persist(path)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Temporary files are private; a proxy often runs as another user.
#[cfg(unix)]
fn readable_by_all(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o644),
    )?)
}

#[cfg(not(unix))]
fn readable_by_all(_path: &Path) -> Result<()> {
    Ok(())
}

/// Cargo's setting for `target` that replaces this machine's paths, in panics' locations and
/// elsewhere, by fixed ones. The compiler takes the last prefix that fits, so the more special ones
/// come later.
fn path_flags(workspace: &Workspace, target: &str) -> Result<String> {
    let mut prefixes = vec![(workspace.root.clone(), "/modelgate".to_owned())];
    prefixes.push((workspace.target.clone(), "/modelgate/target".to_owned()));
    let home = cargo_home().context("neither CARGO_HOME nor HOME is set")?;
    prefixes.push((home.clone(), "/cargo".to_owned()));
    // The name of a registry's folder depends on where it is reached.
    for registry in fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
    {
        prefixes.push((registry?.path(), "/cargo/registry/src".to_owned()));
    }
    let (sysroot, commit) = compiler(workspace)?;
    prefixes.push((
        sysroot.join("lib/rustlib/src/rust"),
        format!("/rustc/{commit}"),
    ));
    let mut flags = Vec::new();
    for (from, to) in prefixes {
        let from = from
            .to_str()
            .context("a path that is not UTF-8 cannot be replaced")?;
        flags.push(serde_json::to_string(&format!(
            "--remap-path-prefix={from}={to}"
        ))?);
    }
    Ok(format!("target.{target}.rustflags=[{}]", flags.join(",")))
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::home_dir().map(|home| home.join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// The compiler's own folder, and the commit that it was built from.
fn compiler(workspace: &Workspace) -> Result<(PathBuf, String)> {
    let ask = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new("rustc");
        command.args(arguments).current_dir(&workspace.root);
        Ok(String::from_utf8(output_of(&mut command)?)?)
    };
    let sysroot = ask(&["--print", "sysroot"])?;
    let version = ask(&["-vV"])?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    Ok((
        PathBuf::from(sysroot.trim()),
        commit.context("rustc names no commit")?.to_owned(),
    ))
}

/// Makes sure that the compiler can build for [`TARGET`]; installs what is missing with rustup.
///
/// # Errors
/// If it is missing and rustup cannot install it.
pub fn ensure_target(workspace: &Workspace) -> Result<()> {
    let mut ask = Command::new("rustc");
    ask.args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(&workspace.root);
    let library = PathBuf::from(String::from_utf8(output_of(&mut ask)?)?.trim());
    if library.is_dir() {
        return Ok(());
    }
    eprintln!("installing the compiler's target {TARGET}");
    let mut install = Command::new("rustup");
    install
        .args(["target", "add", TARGET])
        .current_dir(&workspace.root);
    match install.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`rustup target add {TARGET}` failed ({status})"),
        Err(error) => {
            bail!(
                "the compiler lacks the target {TARGET}, and rustup does not start ({error}): install the target"
            )
        }
    }
}

/// The cargo that runs this program, else the one on the path; without what it tells a program of
/// its package. Build scripts that ask for that (ring's) would otherwise run again for each program
/// that starts cargo, and all that depends on them be compiled again.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let told = |prefix| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if told("CARGO_PKG_") || told("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

fn output_of(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} failed ({}): {}",
        output.status,
        complaint.trim()
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_and_holds_every_filter() {
        let workspace = Workspace::locate().unwrap();
        for name in SUITE.modules() {
            assert!(workspace.root.join("plugins").join(name).is_dir(), "{name}");
        }
        let plugins = fs::read_dir(workspace.root.join("plugins")).unwrap();
        assert_eq!(plugins.count(), SUITE.modules().len());
    }

    #[test]
    fn the_workspace_around_a_folder_is_modelgates_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let inside = root.join("plugins/jwt-auth");
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(root.join("harness/cli")).unwrap();
        fs::write(root.join("Cargo.toml"), "[workspace]\n").unwrap();
        assert_eq!(workspace_around(&inside), None);
        let manifest = root.join("harness/cli/Cargo.toml");
        fs::write(&manifest, "[package]\nname = \"another-cli\"\n").unwrap();
        assert_eq!(workspace_around(&inside), None);
        fs::write(&manifest, "[package]\nname = \"modelgate-cli\"\n").unwrap();
        // A package of somebody else's on the way does not end the search.
        fs::write(inside.join("Cargo.toml"), "[package]\n").unwrap();
        assert_eq!(workspace_around(&inside), Some(root));
        assert_eq!(workspace_around(root), Some(root));
    }

    #[test]
    fn the_paths_of_this_machine_are_replaced() {
        let workspace = Workspace::locate().unwrap();
        let flags = path_flags(&workspace, TARGET).unwrap();
        let root = workspace.root.to_str().unwrap();
        assert!(flags.contains(&format!("--remap-path-prefix={root}=/modelgate\"")));
        assert!(flags.contains("=/cargo\""));
    }

    #[test]
    fn module_names_have_no_dashes() {
        assert_eq!(file_name("jwt-auth"), "jwt_auth.wasm");
    }
}
