//! Media types, as the specifications and the consumers of wasm images spell them.

/// OCI image-spec: an image, or an artifact.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image-spec: a list of manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image-spec: what an image is started with.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI image-spec: an archive of files.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI image-spec: the content `{}`, where nothing is to be said.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Docker's image, of which most registries have older ones.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's list of manifests.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's archive of files.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The module in the form of two layers (solo-io/wasm, spec v0).
pub const SOLO_MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// Its other layer: what the module is for.
pub const SOLO_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
/// The module in the form of the CNCF (TAG Runtime, Wasm OCI Artifact).
pub const CNCF_MODULE: &str = "application/wasm";
/// Its config.
pub const CNCF_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// A bill of materials.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";
/// A statement of how something was made.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Every kind of manifest that is taken.
pub const MANIFESTS: [&str; 4] = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
