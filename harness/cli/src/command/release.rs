//! `modelgate release`: everything that a release consists of, in one folder.

use std::path::PathBuf;

use clap::Args;

/// Build a release into dist/: modules, program, schemas, bills of materials, licences, checksums.
///
/// The modules are built twice, in two directories, and must have the same bytes. The folder
/// modelgate-VERSION and its archive hold the modules (also in their form for Kong and nginx), the
/// program for Linux with its manual pages, JSON Schemas, the example configurations, a bill of
/// materials (CycloneDX) and a statement of provenance for each module, the licence texts of all
/// that is linked, and SHA256SUMS. The same commit gives the same archive.
///
/// Refuses a work tree with changes, a version without a dated section in CHANGELOG.md, and
/// dependencies whose licence deny.toml does not allow or whose licence text is missing.
///
/// Exit code 0: all is written; 1: two builds of a module differ; 2: it was refused.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder to write to. A release of this version that is there already is not overwritten.
    #[arg(long, short, value_name = "FOLDER", default_value = "dist")]
    pub output: PathBuf,
    /// For a trial: take a work tree with changes, and the section "Unreleased" of CHANGELOG.md.
    #[arg(long)]
    pub allow_dirty: bool,
    /// Leave the program out.
    #[arg(long)]
    pub filters_only: bool,
    /// For a trial: do not build the modules a second time to compare them.
    #[arg(long)]
    pub once: bool,
    /// Where the sources are, for the statements of provenance.
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
}
