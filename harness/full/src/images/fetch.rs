//! Images out of registries, or out of folders in OCI's layout.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use modelgate_cli::command::pull::Arguments;
use modelgate_cli::inspect::Image as About;
use modelgate_oci::read::{Found, attached, find, write_file};
use modelgate_oci::{
    Credentials, Digest, Image, Layout, Referrer, Registry, Source, Wanted, media,
};
use serde_json::{Value as Json, json};

/// An image that was fetched, and from where.
struct Fetched {
    source: Box<dyn Source>,
    /// As it is pinned, without the digest.
    place: String,
    /// What the filter is called there.
    name: String,
    found: Found,
}

fn fetch(text: &str, plain_http: bool) -> Result<Fetched> {
    let layout = text
        .strip_prefix("oci:")
        .filter(|rest| !rest.starts_with("//"));
    if let Some(rest) = layout {
        let (folder, tag) = rest.rsplit_once(':').context("expected oci:FOLDER:TAG")?;
        let folder = Path::new(folder);
        let source = Layout::open(folder)?;
        let found = find(&source, &Wanted::Tag(tag.to_owned())).with_context(|| text.to_owned())?;
        let name = folder.file_name().and_then(|name| name.to_str());
        return Ok(Fetched {
            source: Box::new(source),
            place: format!("oci:{}", folder.display()),
            name: name.unwrap_or_default().to_owned(),
            found,
        });
    }
    let image = Image::parse(text)?;
    let repository = &image.repository;
    let credentials = Credentials::find(&repository.registry, &super::helper::ask)?;
    let source = Registry::open(repository, plain_http, credentials.as_ref(), false)?;
    let found = find(&source, &image.wanted)?;
    let name = repository.name.rsplit('/').next().unwrap_or_default();
    Ok(Fetched {
        place: repository.to_string(),
        name: name.to_owned(),
        source: Box::new(source),
        found,
    })
}

/// Pulls; see [`Arguments`].
///
/// # Errors
/// If there is no such image, it is not what it is named, or the folder cannot be written.
pub fn pull(arguments: &Arguments) -> Result<ExitCode> {
    let Fetched {
        place, name, found, ..
    } = fetch(&arguments.image, arguments.plain_http)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ensure!(
        name.chars().all(good)
            && name
                .chars()
                .next()
                .is_some_and(|c| c.is_ascii_alphanumeric()),
        "`{}` is no name for a file",
        name.escape_debug()
    );
    let folder = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(&name));
    // What came with the module first: who sees the module finds the rest.
    // Hidden ones change what programs do in a folder, and belong to no filter.
    let hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    for (path, content) in found.files.iter().filter(|(path, _)| !hidden(path)) {
        write_file(&folder.join(path), content)?;
    }
    let file = folder.join(format!("{}.wasm", name.replace('-', "_")));
    write_file(&file, &found.wasm)?;
    if let Some(index) = &found.index {
        println!("{index}  {place} (index)");
    }
    println!("{}  {place} ({})", found.digest, found.form.name());
    println!("{}  {}", Digest::of(&found.wasm), file.display());
    Ok(ExitCode::SUCCESS)
}

/// What is known of an image, and the module in it.
///
/// # Errors
/// If there is no such image, or it is not what it is named.
pub fn inspect(text: &str, plain_http: bool) -> Result<(About, Vec<u8>)> {
    let fetched = fetch(text, plain_http)?;
    let found = fetched.found;
    let referrers = fetched.source.referrers(&found.digest)?;
    let mut about = About::default();
    let mut line = |name, value: String| about.lines.push((name, value));
    line("image", format!("{}@{}", fetched.place, found.digest));
    if let Some(index) = &found.index {
        line(
            "index",
            format!("{index}: Istio and Envoy Gateway compare the image's digest, not this one"),
        );
    }
    line(
        "form",
        format!("{}: for {}", found.form.name(), found.form.taken_by()),
    );
    for (path, content) in &found.files {
        line("file", format!("{path} ({} bytes)", content.len()));
    }
    for (name, value) in &found.annotations {
        let short = name
            .strip_prefix("org.opencontainers.image.")
            .unwrap_or(name);
        line("says", format!("{short}: {value}"));
    }
    let module = Digest::of(&found.wasm);
    let mut listed = Vec::new();
    for referrer in &referrers {
        let told = told(fetched.source.as_ref(), referrer, &module)?;
        line(
            "attached",
            format!("{} {}: {told}", referrer.artifact_type, referrer.digest),
        );
        listed.push(json!({
            "type": referrer.artifact_type,
            "digest": referrer.digest.as_str(),
            "told": told,
        }));
    }
    about.json = json!({
        "place": fetched.place,
        "digest": found.digest.as_str(),
        "index": found.index.as_ref().map(Digest::as_str),
        "form": found.form.name(),
        "files": found.files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        "annotations": found.annotations,
        "referrers": listed,
    });
    Ok((about, found.wasm))
}

/// What a document says that refers to an image, and whether it is about the module in it.
fn told(source: &dyn Source, referrer: &Referrer, module: &Digest) -> Result<String> {
    let about = match referrer.artifact_type.as_str() {
        media::CYCLONEDX => "/metadata/component/hashes/0/content",
        media::IN_TOTO => "/subject/0/digest/sha256",
        _ => return Ok("not looked at".to_owned()),
    };
    let document = attached(source, referrer)?;
    let document: Json = match serde_json::from_slice(&document) {
        Ok(document) => document,
        Err(_) => return Ok("not JSON".to_owned()),
    };
    let subject = document.pointer(about).and_then(Json::as_str);
    let whose = match subject == Some(module.hex()) {
        true => "of this module",
        false => "NOT of this module",
    };
    let components = document.get("components").and_then(Json::as_array);
    Ok(match components {
        Some(components) => format!("{} components, {whose}", components.len()),
        None => whose.to_owned(),
    })
}
