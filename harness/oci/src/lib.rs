//! Proxy-wasm modules in OCI registries: the images that hosts take them from, made and read.
//!
//! It knows nothing of the suite: a [`Package`] is a module with what belongs to it, from whomever.
//! [`forms`] makes manifests of one, [`Layout`] and [`Registry`] are where they go and come from,
//! [`read`] finds the module in whatever form it lies there.
//!
//! Nothing that comes from a registry is believed: every digest is computed here, every size has a
//! limit, and a name in an archive that leads out of it ends the reading.

pub mod archive;
mod credentials;
mod digest;
mod explain;
pub mod forms;
mod layout;
mod manifests;
pub mod media;
mod place;
mod push;
pub mod read;
mod referrers;
mod registry;

pub use credentials::{Ask, Credentials, PASSWORD_VARIABLE, Secret, USER_VARIABLE};
pub use digest::Digest;
pub use forms::{Attachment, Package};
pub use layout::Layout;
pub use place::{Image, Repository, Wanted};
pub use push::{Options, Pushed, push};
pub use referrers::Referrer;
pub use registry::Registry;

use anyhow::Result;

/// Where manifests and blobs are read from.
pub trait Source {
    /// The bytes of a manifest, which have the digest if one is asked for.
    ///
    /// # Errors
    /// If there is none, or what comes is not what was asked for.
    fn manifest(&self, wanted: &Wanted) -> Result<Vec<u8>>;

    /// The bytes of a blob, which are so many and have this digest.
    ///
    /// # Errors
    /// If there is none, or what comes is not what was asked for.
    fn blob(&self, digest: &Digest, bytes: u64) -> Result<Vec<u8>>;

    /// What refers to a manifest: SBOMs, attestations, signatures.
    ///
    /// # Errors
    /// If it cannot be asked.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Referrer>>;
}
