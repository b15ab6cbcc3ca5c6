//! A repository of a registry, over the distribution API.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError as Error;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use serde_json::Value as Json;
use tokio::io::AsyncWrite;
use tokio::runtime::Runtime;

use crate::explain::{Asked, Failure};
use crate::manifests::Asking;
use crate::referrers::{Referrer, fallback_index, fallback_tag, listed};
use crate::{Credentials, Digest, Repository, Source, Wanted, media};

/// How long to wait before each try after the first.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// How long a connection may take, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(10);
/// See [`CONNECT`].
const SILENCE: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("modelgate/", env!("CARGO_PKG_VERSION"));

/// A repository.
pub struct Registry {
    client: Client,
    /// For what must not be longer than a manifest.
    http: reqwest::Client,
    scheme: &'static str,
    runtime: Runtime,
    repository: Repository,
    auth: RegistryAuth,
    /// Where the credentials are from.
    origin: Option<String>,
    write: bool,
}

impl Registry {
    /// Opens a repository to read, or to write as well. TLS is spoken everywhere but with this
    /// machine, unless `plain_http` says otherwise or the repository itself does.
    ///
    /// # Errors
    /// If the registry does not answer, or does not accept the credentials.
    pub fn open(
        repository: &Repository,
        plain_http: bool,
        credentials: Option<&Credentials>,
        write: bool,
    ) -> Result<Self> {
        // The one that is compiled; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unsaid = plain_http || repository.is_loopback();
        let (protocol, scheme) = match repository.plain_http.unwrap_or(unsaid) {
            true => (ClientProtocol::Http, "http"),
            false => (ClientProtocol::Https, "https"),
        };
        let config = ClientConfig {
            protocol,
            // Two requests for a blob in place of one for each 4 MiB and two more.
            use_monolithic_push: true,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            user_agent: USER_AGENT,
            platform_resolver: None,
            ..ClientConfig::default()
        };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(USER_AGENT);
        let registry = Self {
            http: http.build().context("the HTTP client")?,
            scheme,
            client: Client::try_from(config).context("the HTTP client")?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            repository: repository.clone(),
            auth: credentials.map_or(RegistryAuth::Anonymous, |it| {
                RegistryAuth::Basic(it.user.clone(), it.password.0.clone())
            }),
            origin: credentials.map(|it| it.origin.clone()),
            write,
        };
        let operation = match write {
            true => RegistryOperation::Push,
            false => RegistryOperation::Pull,
        };
        // Later requests would keep to themselves why they got no token.
        let image = registry.named("latest");
        registry.ask(|| registry.client.auth(&image, &registry.auth, operation))?;
        Ok(registry)
    }

    /// A manifest by its tag; or by its digest, which is given as a tag because the client takes
    /// for granted that there is one (its `push_manifest_raw`, where a registry answers without
    /// `Location`).
    fn named(&self, tag: &str) -> Reference {
        let repository = self.repository.clone();
        Reference::with_tag(repository.registry, repository.name, tag.to_owned())
    }

    /// Tries, and again a few times where it may go better; and what then went wrong.
    fn attempt<T, F: Future<Output = Result<T, Error>>>(
        &self,
        request: impl Fn() -> F,
    ) -> Result<T, Failure> {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.runtime.block_on(request()) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let failure = Failure::of(&error);
            match pauses.next() {
                Some(pause) if failure.transient => std::thread::sleep(*pause),
                _ => return Err(failure),
            }
        }
    }

    /// A manifest, or the list of what refers to one.
    fn get(&self, kind: &str, name: &str) -> Result<Vec<u8>, Failure> {
        let asking = Asking {
            client: &self.client,
            http: &self.http,
            scheme: self.scheme,
            auth: &self.auth,
        };
        let image = self.named("latest");
        self.attempt(|| asking.get(&image, kind, name))
    }

    fn explained(&self, failure: &Failure) -> anyhow::Error {
        failure.explain(Asked {
            repository: &self.repository,
            credentials: self.origin.as_deref(),
            write: self.write,
        })
    }

    fn ask<T, F: Future<Output = Result<T, Error>>>(&self, request: impl Fn() -> F) -> Result<T> {
        self.attempt(request)
            .map_err(|failure| self.explained(&failure))
    }

    /// What a tag stands for, if it is there.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub fn tag(&self, tag: &str) -> Result<Option<Digest>> {
        let image = self.named(tag);
        let found = self.attempt(|| self.client.fetch_manifest_digest(&image, &self.auth));
        match found {
            Ok(digest) => Digest::parse(&digest).map(Some),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(self.explained(&failure)),
        }
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// If the registry cannot be asked.
    pub fn has(&self, digest: &Digest) -> Result<bool> {
        let image = self.named("latest");
        self.ask(|| self.client.blob_exists(&image, digest.as_str()))
    }

    /// Has the registry take a blob over from another repository of its own; whether it did.
    pub fn mount(&self, digest: &Digest, from: &Repository) -> bool {
        let image = self.named("latest");
        let from = Reference::with_tag(
            from.registry.clone(),
            from.name.clone(),
            "latest".to_owned(),
        );
        let mounted = self.attempt(|| self.client.mount_blob(&image, &from, digest.as_str()));
        mounted.is_ok()
    }

    /// Uploads a blob.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn push_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let image = self.named("latest");
        self.ask(|| {
            self.client
                .push_blob(&image, bytes.to_vec(), digest.as_str())
        })
        .map(drop)
    }

    /// Puts a manifest under a tag, or under its digest.
    ///
    /// # Errors
    /// If the registry does not take it.
    pub fn push_manifest(&self, name: &str, media_type: &'static str, bytes: &[u8]) -> Result<()> {
        let image = self.named(name);
        self.ask(|| {
            let media_type = media_type.parse();
            async {
                let media_type = media_type
                    .map_err(|_| Error::UnsupportedMediaTypeError(media::MANIFEST.to_owned()))?;
                self.client
                    .push_manifest_raw(&image, bytes.to_vec(), media_type)
                    .await
            }
        })
        .map(drop)
    }

    /// Makes sure that what refers to `subject` is found: where the registry does not see to it,
    /// by the index that has the digest as its tag.
    ///
    /// # Errors
    /// If the registry cannot be asked, or does not take the index.
    pub fn announce(&self, subject: &Digest, added: &[Referrer]) -> Result<()> {
        let known = self.referrers(subject)?;
        let is_known = |it: &Referrer| known.iter().any(|known| known.digest == it.digest);
        if added.iter().all(is_known) {
            return Ok(());
        }
        let tag = fallback_tag(subject);
        let before = self.fallback(&tag)?;
        let index = serde_json::to_vec(&fallback_index(&before, added))?;
        self.push_manifest(&tag, media::INDEX, &index)
    }

    /// The entries of the index with this tag.
    fn fallback(&self, tag: &str) -> Result<Vec<Json>> {
        let bytes = match self.get("manifests", tag) {
            Ok(bytes) => bytes,
            Err(failure) if failure.is_absent() => return Ok(Vec::new()),
            Err(failure) => return Err(self.explained(&failure)),
        };
        let index: Json = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}:{tag} is not understood", self.repository))?;
        let entries = index.get("manifests").and_then(Json::as_array);
        let entries = entries.with_context(|| format!("{}:{tag} is no index", self.repository))?;
        Ok(entries.clone())
    }
}

impl Source for Registry {
    fn manifest(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let name = match wanted {
            Wanted::Tag(tag) => tag,
            Wanted::Digest(digest) => digest.as_str(),
        };
        let bytes = self.get("manifests", name);
        let bytes = bytes.map_err(|failure| self.explained(&failure))?;
        if let Wanted::Digest(digest) = wanted {
            digest.verify("the manifest", &bytes)?;
        }
        Ok(bytes)
    }

    fn blob(&self, digest: &Digest, bytes: u64) -> Result<Vec<u8>> {
        let image = self.named("latest");
        let limit = usize::try_from(bytes)?;
        let blob = self.ask(|| async {
            let mut blob = Bounded {
                bytes: Vec::new(),
                limit,
            };
            self.client
                .pull_blob(&image, digest.as_str(), &mut blob)
                .await?;
            Ok(blob.bytes)
        })?;
        ensure!(
            blob.len() == limit,
            "{}: {digest} has {} bytes, and not {bytes}",
            self.repository,
            blob.len()
        );
        Ok(blob)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Referrer>> {
        let list = match self.get("referrers", subject.as_str()) {
            Ok(index) => serde_json::from_slice(&index).ok(),
            Err(failure) if failure.is_refusal() || failure.transient => {
                return Err(self.explained(&failure));
            }
            // A registry that does not know the question.
            Err(_) => None,
        };
        let entries = list.and_then(|index: Json| index.get("manifests")?.as_array().cloned());
        let entries = match entries {
            Some(entries) => entries,
            None => self.fallback(&fallback_tag(subject))?,
        };
        Ok(listed(&entries))
    }
}

/// Memory that takes so much and no more, whatever a registry sends.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Task<'_>,
        more: &[u8],
    ) -> Poll<io::Result<usize>> {
        if more.len() > self.limit.saturating_sub(self.bytes.len()) {
            let limit = self.limit;
            return Poll::Ready(Err(io::Error::other(format!(
                "the blob has more than the {limit} bytes that its manifest says"
            ))));
        }
        self.bytes.extend_from_slice(more);
        Poll::Ready(Ok(more.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
