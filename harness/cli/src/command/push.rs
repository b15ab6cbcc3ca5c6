//! `modelgate push`: the filters as images in an OCI registry.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Push the filters and modelgate.wasm to an OCI registry, in every form that hosts take.
///
/// Each module gets a repository below PREFIX: ghcr.io/example/filters/jwt-auth. There TAG is an
/// image with plugin.wasm in its last layer (Istio, Envoy Gateway, Higress, docker, podman),
/// TAG-solo the form of solo-io/wasm with two layers, TAG-wasm the artifact of the CNCF. A bill of
/// materials (CycloneDX) and a statement of provenance refer to them. The same modules give the
/// same digests, so pushing twice changes nothing.
///
/// Modules are built first, and pushed as `modelgate build` makes them; with --release those of a
/// release are, which needs neither sources nor a compiler. What the registry already
/// has is not sent again. A tag that names something else is not moved.
///
/// Credentials are those of `docker login` or `podman login`, credential helpers included, or
/// MODELGATE_REGISTRY_USER and MODELGATE_REGISTRY_PASSWORD. HTTPS_PROXY and NO_PROXY are obeyed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to; without a tag, the version is the tag.
    #[arg(value_name = "REGISTRY/PREFIX[:TAG]")]
    pub to: String,
    /// Push only this module, by its crate's name; may be repeated.
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Push the modules of this release instead of building them: the folder that its archive
    /// unpacks to. Each file must be the one that SHA256SUMS there lists.
    #[arg(long, value_name = "FOLDER")]
    pub release: Option<PathBuf>,
    /// Make TAG an index over image (for amd64 and arm64) and CNCF artifact; the image's own tag is
    /// then TAG-image. A WasmPlugin pins the image's digest, not the index's.
    #[arg(long)]
    pub index: bool,
    /// Move tags that stand for something else.
    #[arg(long)]
    pub overwrite: bool,
    /// Send nothing: write what would be pushed into FOLDER, an OCI layout for each module.
    #[arg(long, value_name = "FOLDER")]
    pub dry_run: Option<PathBuf>,
    /// Where the sources are, for the annotation org.opencontainers.image.source.
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    /// Sign each image and each index by its digest: runs `cosign sign --yes`, and prints the
    /// commands where there is no cosign.
    #[arg(long)]
    pub sign: bool,
    /// Access the registry without TLS. This is the default for registries on this machine
    /// (localhost, 127.0.0.1) unless the name begins with https://.
    #[arg(long)]
    pub plain_http: bool,
    /// How to say what was pushed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How to say what was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}
