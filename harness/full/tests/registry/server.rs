//! Debian's docker-registry on a port of its own, with or without a password.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use modelgate_cli::skip::require_or_skip;
use modelgate_tests::services::{self, free_port};
use tempfile::TempDir;

/// Who may push where there is a password.
pub const MOCK_USER: &str = "mock-user";
/// See [`MOCK_USER`].
pub const MOCK_PASSWORD: &str = "mock-password-of-a-test";
/// `htpasswd -Bbn mock-user mock-password-of-a-test`.
const MOCK_HTPASSWD: &str =
    "mock-user:$2y$05$TTv8HqOXhJ6tDMwFjxwIb.jiJ6DZBNw.fJpTpe2toS0MzkaM6Mg.e\n";

/// A registry; it ends when this is dropped.
pub struct Server {
    /// Host and port.
    pub address: String,
    _process: services::Server,
    _folder: TempDir,
}

impl Server {
    /// One for everybody; nothing if there is no docker-registry and need not be.
    pub fn open() -> Option<Self> {
        require_or_skip("docker-registry", Self::start("", MOCK_HTPASSWD))
    }

    /// One that asks for a password.
    pub fn with_password() -> Option<Self> {
        let auth = "auth: {htpasswd: {realm: mock, path: PATH}}\n";
        Self::with_auth(auth, MOCK_HTPASSWD)
    }

    /// One that asks as this configuration says, which names the file PATH with `content`.
    pub fn with_auth(auth: &str, content: &str) -> Option<Self> {
        require_or_skip("docker-registry", Self::start(auth, content))
    }

    fn start(auth: &str, content: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let passwords = folder.path().join("auth");
        let data = folder.path().join("data");
        let auth = auth.replace("PATH", &passwords.display().to_string());
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n{auth}",
            data.display()
        );
        let file = folder.path().join("config.yml");
        std::fs::write(&passwords, content).map_err(|error| error.to_string())?;
        std::fs::write(&file, config).map_err(|error| error.to_string())?;
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = services::Server::start(&mut command, port)?;
        Ok(Self {
            address,
            _process: process,
            _folder: folder,
        })
    }

    /// Writes what `docker login` writes into a folder.
    pub fn log_in(&self, folder: &Path) {
        let auth = BASE64_STANDARD.encode(format!("{MOCK_USER}:{MOCK_PASSWORD}"));
        let config = serde_json::json!({ "auths": { (self.address.clone()): { "auth": auth } } });
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
}
