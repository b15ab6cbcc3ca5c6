//! The engine `envoy-container`: Envoy in a container, started by testcontainers.
//!
//! The image is built here, FROM scratch: the binary and the libraries that it is linked with,
//! nothing else and nothing pulled. A public image can be named instead
//! (`MODELGATE_ENVOY_IMAGE=envoyproxy/envoy:v1.40.0`). Containers share the host's network, so that
//! Envoy reaches the servers of this process on loopback; a Docker engine on another machine cannot
//! be used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use testcontainers::core::{BuildImageOptions, Mount};
use testcontainers::runners::{SyncBuilder, SyncRunner};
use testcontainers::{Container, CopyTargetOptions, GenericBuildableImage, GenericImage, ImageExt};

use modelgate_envoy::process::Running;
use modelgate_envoy::release::Envoy;
use modelgate_scenario::engine::kept::Kept;
use modelgate_scenario::engine::launch::{self, Launch, Launcher};
use modelgate_scenario::engine::{Engine, Observations, WasmFiles, envoy};
use modelgate_scenario::file::EngineKind;
use modelgate_scenario::file::{EngineName, Scenario};

/// Names a public image to be used instead of the one that is built here.
pub const IMAGE_VARIABLE: &str = "MODELGATE_ENVOY_IMAGE";
/// Where Envoy lies in our image, and in the public ones.
const BINARY: &str = "/usr/local/bin/envoy";
const CONFIG: &str = "/etc/envoy/modelgate.json";

/// Runs scenarios on Envoy in a container.
pub struct EnvoyContainer {
    name: EngineName,
    image: (String, String),
    kept: Kept<Started>,
    wasm: Arc<dyn WasmFiles>,
}

impl EnvoyContainer {
    /// An engine of the image that the environment names, or of one that is built from a found
    /// Envoy.
    ///
    /// # Errors
    /// If there is no container engine, or the image cannot be built.
    pub fn new(envoy: &Envoy, wasm: Arc<dyn WasmFiles>) -> Result<Self> {
        let (image, version) = match std::env::var(IMAGE_VARIABLE) {
            Ok(image) => {
                let (name, tag) = image
                    .rsplit_once(':')
                    .with_context(|| format!("{IMAGE_VARIABLE}: expected name:tag"))?;
                (
                    (name.to_owned(), tag.to_owned()),
                    tag.trim_start_matches('v').to_owned(),
                )
            }
            Err(_) => {
                envoy.require_wasm()?;
                (build(envoy)?, envoy.version().to_owned())
            }
        };
        Ok(Self {
            name: EngineName {
                kind: EngineKind::Container,
                version: Some(version),
            },
            image,
            kept: Kept::default(),
            wasm,
        })
    }
}

impl Engine for EnvoyContainer {
    fn name(&self) -> &EngineName {
        &self.name
    }

    fn refuses(&self, scenario: &Scenario) -> Option<String> {
        (!scenario.reloaded().is_empty())
            .then(|| "files of this machine cannot be replaced in a container".to_owned())
    }

    fn run(&self, scenario: &Scenario) -> Result<Observations> {
        envoy::run(&self.name, self.wasm.as_ref(), self, &self.kept, scenario)
    }
}

/// The blocking interface of testcontainers has a runtime of its own, which must not be entered
/// from within another one.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(anyhow::anyhow!("testcontainers has panicked")))
}

/// Builds the image, unless it is there.
fn build(envoy: &Envoy) -> Result<(String, String)> {
    const NAME: &str = "modelgate-envoy";
    let (libraries, loader) = linked(envoy.path())?;
    let mut dockerfile = String::from("FROM scratch\nCOPY envoy /usr/local/bin/envoy\n");
    let mut image =
        GenericBuildableImage::new(NAME, envoy.version()).with_file(envoy.path(), "./envoy");
    for library in &libraries {
        let name = library
            .file_name()
            .and_then(|name| name.to_str())
            .context("a library without a name")?;
        image = image.with_file(library, format!("./{name}"));
        dockerfile.push_str(&format!("COPY {name} /lib/{name}\n"));
    }
    let loader_path = loader.to_str().context("a path that is not UTF-8")?;
    image = image.with_file(&loader, "./loader");
    dockerfile.push_str(&format!(
        "COPY loader {loader_path}\nENV LD_LIBRARY_PATH=/lib\nENTRYPOINT [\"{BINARY}\"]\n"
    ));
    let image = image.with_dockerfile_string(dockerfile);
    apart(|| {
        image
            .build_image_with(BuildImageOptions::new().with_skip_if_exists(true))
            .map(drop)
            .map_err(anyhow::Error::from)
    })
    .context("cannot build an image: is there a container engine?")?;
    Ok((NAME.to_owned(), envoy.version().to_owned()))
}

/// The libraries that a binary is linked with, and its loader.
fn linked(binary: &Path) -> Result<(Vec<PathBuf>, PathBuf)> {
    let output = Command::new("ldd")
        .arg(binary)
        .stdin(Stdio::null())
        .output()
        .context("cannot run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut libraries, mut loader) = (Vec::new(), None);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(_), Some("=>"), Some(path)) if path.starts_with('/') => {
                libraries.push(PathBuf::from(path))
            }
            (Some(path), Some(_), _) if path.starts_with('/') => loader = Some(PathBuf::from(path)),
            _ => {}
        }
    }
    Ok((
        libraries,
        loader.with_context(|| {
            format!(
                "{} is not linked dynamically: {}",
                binary.display(),
                text.trim()
            )
        })?,
    ))
}

impl Launcher for EnvoyContainer {
    type Running = Started;

    fn path(&self, name: &str, _: &Path) -> Result<String> {
        Ok(format!("/etc/envoy/{name}.wasm"))
    }

    fn launch(&self, launch: &Launch) -> Result<Started> {
        let (name, tag) = &self.image;
        let image = GenericImage::new(name.clone(), tag.clone()).with_entrypoint(BINARY);
        let arguments = ["-c", CONFIG]
            .into_iter()
            .map(str::to_owned)
            .chain(launch::launched(launch.workers).arguments());
        let mut request = image
            .with_cmd(arguments)
            .with_copy_to(
                CopyTargetOptions::new(CONFIG).with_mode(0o644),
                launch.config.to_string().into_bytes(),
            )
            .with_host_config_modifier(|host| host.network_mode = Some("host".into()));
        for (there, here) in &launch.files {
            request = request.with_copy_to(
                CopyTargetOptions::new(there.as_str()).with_mode(0o644),
                here.as_path(),
            );
        }
        if let Some(folder) = &launch.folder {
            let path = folder.to_str().context("a path that is not UTF-8")?;
            request = request.with_mount(Mount::bind_mount(path, path));
        }
        let container = apart(|| Ok(request.start()?)).context("cannot start a container")?;
        Ok(Started {
            container: Some(container),
            admin: None,
        })
    }
}

/// A started container; removed when dropped.
pub struct Started {
    container: Option<Container<GenericImage>>,
    /// Where its admin interface listens, once it has said so.
    admin: Option<u16>,
}

impl Started {
    fn ask<T: Send>(
        &self,
        question: impl FnOnce(&Container<GenericImage>) -> testcontainers::core::error::Result<T> + Send,
    ) -> Result<T> {
        let container = self.container.as_ref().context("the container is gone")?;
        apart(|| Ok(question(container)?))
    }
}

/// The port of the admin interface, from Envoy's log (`source/server/admin/admin.cc`: "admin
/// address: 127.0.0.1:PORT").
fn announced_admin(log: &str) -> Option<u16> {
    let address = log
        .lines()
        .find_map(|line| line.split_once("] admin address: "))?
        .1;
    address.trim().rsplit_once(':')?.1.parse().ok()
}

impl Running for Started {
    fn admin_port(&mut self) -> Option<u16> {
        if self.admin.is_none() {
            self.admin = self.log().ok().and_then(|log| announced_admin(&log));
        }
        self.admin
    }

    fn log(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.ask(Container::stderr_to_vec)?).into_owned())
    }

    fn access_log(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.ask(Container::stdout_to_vec)?).into_owned())
    }

    fn ended(&mut self) -> Result<bool> {
        Ok(!self.ask(Container::is_running)?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // An error here leaves a container behind, which is not the scenario's matter.
            drop(apart(|| Ok(container.rm()?)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_interface_is_where_the_log_says() {
        let log = "[2026-11-22 00:14:07.1][1][info][main] [source/server/server.cc:1] initializing\n\
                   [2026-11-22 00:14:07.3][1][info][admin] [source/server/admin/admin.cc:66] admin address: 127.0.0.1:37683\n";
        assert_eq!(announced_admin(log), Some(37_683));
        assert_eq!(announced_admin("[1][info][main] initializing\n"), None);
    }
}
