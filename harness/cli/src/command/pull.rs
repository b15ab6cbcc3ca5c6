//! `modelgate pull`: a filter out of an OCI registry.

use std::path::PathBuf;

use clap::Args;

/// Fetch a filter from an OCI registry, and write its files into a folder.
///
/// Takes an image with plugin.wasm in its last layer, the form with two layers (solo-io/wasm), the
/// artifact of the CNCF, and an index of them, whoever has pushed it. Every digest is verified. The
/// module is written as NAME.wasm, what came with it beside it: README.md, config.schema.json,
/// and kong/ with the form for Kong.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image: REGISTRY/NAME:TAG, REGISTRY/NAME@sha256:…, or oci:FOLDER:TAG for an OCI layout.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The folder; without it, one in the current folder with the name of the filter.
    #[arg(long, short, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Access the registry without TLS.
    #[arg(long)]
    pub plain_http: bool,
}
