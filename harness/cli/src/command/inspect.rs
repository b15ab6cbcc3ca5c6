//! `modelgate inspect`: what a `.wasm` file is, or one in a registry.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::full;
use crate::inspect::{Format, Image, Inspected, Module, render};
use anyhow::Result;
use clap::{Args, ValueEnum};

/// Show what .wasm files and images contain: filters, version, ABI, what they need of their host,
/// SHA-256.
///
/// Nothing is run. The custom sections of modelgate's filters name their release and requirements;
/// for any other proxy-wasm module the exported and imported functions show what its host must
/// provide.
///
/// Instead of a file, name an image in an OCI registry by tag or digest. The output then includes
/// the form of the image, the digest to pin, and what refers to it: bills of materials, statements
/// of provenance, signatures.
///
/// Exit code 0: all are proxy-wasm modules; 1: some are not, or are cut off; 2: a file or an image
/// could not be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files, - for standard input, or images: REGISTRY/NAME:TAG, REGISTRY/NAME@sha256:…, or
    /// oci:FOLDER:TAG for an OCI layout.
    #[arg(required = true, value_name = "FILE|IMAGE")]
    files: Vec<PathBuf>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Written::Text)]
    format: Written,
    /// Access the registry without TLS.
    #[arg(long)]
    plain_http: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    Text,
    Json,
}

/// Fetches a module: the image's name, and whether to do without TLS.
pub type Fetch = fn(&str, bool) -> Result<(Image, Vec<u8>)>;

/// Looks at the files; see [`Arguments`]. Without `fetch`, the program that has it looks at images.
pub fn run(arguments: &Arguments, fetch: Option<Fetch>) -> Result<ExitCode> {
    let names_image = |path: &PathBuf| path.to_str().is_some_and(is_image);
    let fetch = match fetch {
        None if arguments.files.iter().any(names_image) => return full::run(),
        None => |_: &str, _| Err(anyhow::anyhow!("is an image")),
        Some(fetch) => fetch,
    };
    let mut code = 0;
    let mut inspected = Vec::new();
    for path in &arguments.files {
        let mut image = None;
        let (path, bytes) = match path.to_str().filter(|text| is_image(text)) {
            None => read(path),
            Some(text) => {
                let fetched = fetch(text, arguments.plain_http).map(|(about, bytes)| {
                    image = Some(about);
                    bytes
                });
                (
                    text.to_owned(),
                    fetched.map_err(|error| format!("{error:#}")),
                )
            }
        };
        let module = match bytes {
            Ok(bytes) => Module::read(&bytes).inspect_err(|_| code = code.max(1)),
            Err(error) => {
                code = 2;
                Err(error)
            }
        };
        inspected.push(Inspected {
            path,
            image,
            module,
        });
    }
    let format = match arguments.format {
        Written::Text => Format::Text,
        Written::Json => Format::Json,
    };
    // A closed pipe is the reader's wish.
    let _ = std::io::stdout().write_all(render(&inspected, format).as_bytes());
    Ok(ExitCode::from(code))
}

/// A file as it is shown, and its content.
fn read(path: &Path) -> (String, Result<Vec<u8>, String>) {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    if path.to_str() == Some("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        return ("(stdin)".to_owned(), read.map(|_| bytes).map_err(unread));
    }
    let bytes = std::fs::read(path).map_err(unread);
    (path.display().to_string(), bytes)
}

/// Whether a text names an image, and not a file: it has a scheme, or begins with a registry's host
/// as docker tells it from a folder's, by a dot or a port in it.
fn is_image(text: &str) -> bool {
    if text.contains("://") || text.starts_with("oci:") {
        return true;
    }
    let Some((first, rest)) = text.split_once('/') else {
        return false;
    };
    let host = first == "localhost" || first.contains(['.', ':']) && !first.starts_with('.');
    host && !rest.ends_with(".wasm") && !Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_taken_for_an_image() {
        for file in [
            "a.wasm",
            "./a.wasm",
            "../b/a",
            "target/modelgate/a.wasm",
            "/x/y",
            "my.folder/a.wasm",
            "-",
        ] {
            assert!(!is_image(file), "{file}");
        }
        for image in [
            "ghcr.io/a/b:1",
            "localhost/a:1",
            "localhost:5000/a:1",
            "registry:5000/a@sha256:0",
            "oci://ghcr.io/a:1",
            "oci:folder:1",
        ] {
            assert!(is_image(image), "{image}");
        }
    }
}
