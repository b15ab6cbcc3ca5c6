//! Manifests over HTTP, of which no more is taken than a manifest may have: the methods of the
//! client read whatever a registry sends.

use oci_client::errors::OciDistributionError as Error;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::ACCEPT;
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::media;

/// The largest manifest that is taken: registries take 4 MiB.
const LARGEST: usize = 4 << 20;

/// Whom to ask, and as whom.
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    pub(super) http: &'a reqwest::Client,
    pub(super) scheme: &'a str,
    pub(super) auth: &'a RegistryAuth,
}

impl Asking<'_> {
    /// The bytes of a manifest (`manifests`), by tag or digest; or of the list of what refers to
    /// one (`referrers`).
    pub(super) async fn get(
        &self,
        image: &Reference,
        kind: &str,
        name: &str,
    ) -> Result<Vec<u8>, Error> {
        let (registry, repository) = (image.resolve_registry(), image.repository());
        let url = format!("{}://{registry}/v2/{repository}/{kind}/{name}", self.scheme);
        let request = || {
            self.http
                .get(&url)
                .header(ACCEPT, media::MANIFESTS.join(", "))
        };
        let token = self
            .client
            .auth(image, self.auth, RegistryOperation::Pull)
            .await?;
        let answer = match token {
            Some(token) => request().bearer_auth(token).send().await?,
            None => self.with_password(request).await?,
        };
        let (status, url) = (answer.status(), answer.url().to_string());
        let body = bounded(answer).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(Error::ServerError {
            code: status.as_u16(),
            url,
            message: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// A registry without tokens sees a password only if it asks for one.
    async fn with_password(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let answer = request().send().await?;
        match self.auth {
            RegistryAuth::Basic(user, password) if answer.status() == StatusCode::UNAUTHORIZED => {
                Ok(request().basic_auth(user, Some(password)).send().await?)
            }
            _ => Ok(answer),
        }
    }
}

async fn bounded(mut answer: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if piece.len() > LARGEST.saturating_sub(body.len()) {
            let said = format!("the manifest is larger than {} MiB", LARGEST >> 20);
            return Err(Error::SpecViolationError(said));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
