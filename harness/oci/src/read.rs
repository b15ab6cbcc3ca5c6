//! The module in an image, in whatever form it lies there, and what came with it.
//!
//! The rules are those of Istio's agent and Envoy Gateway (istio/istio, pkg/wasm/imagefetcher.go)
//! for images and for two layers, and the CNCF's for its artifact; stricter where a stranger's
//! archive could do harm.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::archive::{File, LIMITS, gunzip, untar};
use crate::forms::MODULE_PATH;
use crate::referrers::Referrer;
use crate::{Digest, Source, Wanted, media};

/// The largest layer that is fetched.
const LARGEST_LAYER: u64 = 64 << 20;

/// The largest config that is fetched.
const LARGEST_CONFIG: u64 = 1 << 20;

/// The form in which a module lies in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An archive with `plugin.wasm`.
    Image,
    /// What the module is for, and the module.
    TwoLayers,
    /// The CNCF's.
    Artifact,
}

impl Form {
    /// What takes it.
    pub fn taken_by(self) -> &'static str {
        match self {
            Self::Image => {
                "Istio, Envoy Gateway, Higress, docker, podman, image volumes of Kubernetes"
            }
            Self::TwoLayers => "Gloo, wasme, Istio, Envoy Gateway",
            Self::Artifact => "wkg, Spin, wasmCloud, runwasi, oras",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::TwoLayers => "two layers (solo-io/wasm)",
            Self::Artifact => "CNCF artifact",
        }
    }
}

/// An image that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// The digest of its manifest: what to pin.
    pub digest: Digest,
    /// The index that it was found in.
    pub index: Option<Digest>,
    /// In which form.
    pub form: Form,
    /// The module.
    pub wasm: Vec<u8>,
    /// What lies beside it in its archive.
    pub files: Vec<File>,
    /// Of its manifest.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest, as far as it is looked at.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "schemaVersion")]
    schema_version: u64,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

/// Reads an image.
///
/// # Errors
/// If it cannot be fetched, is not what it is named, or holds no module in a form that is known.
pub fn find(source: &dyn Source, wanted: &Wanted) -> Result<Found> {
    let (digest, manifest) = manifest(source, wanted)?;
    let Some(entries) = manifest.manifests else {
        return module(source, digest, None, manifest);
    };
    let on = |os: &str, architecture: &str| {
        entries.iter().find(|entry| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|it| it.os == os && it.architecture == architecture)
        })
    };
    // As Istio chooses; then what is made for this.
    let entry = on("linux", "amd64").or_else(|| on("wasip1", "wasm"));
    let entry = entry.with_context(|| {
        format!("the index {digest} has neither an image for linux/amd64 nor one for wasip1/wasm")
    })?;
    let child = Digest::parse(&entry.digest)?;
    let (child, manifest) = self::manifest(source, &Wanted::Digest(child))?;
    ensure!(
        manifest.manifests.is_none(),
        "the index {digest} has an index in it"
    );
    module(source, child, Some(digest), manifest)
}

fn manifest(source: &dyn Source, wanted: &Wanted) -> Result<(Digest, Manifest)> {
    let bytes = source.manifest(wanted)?;
    let digest = Digest::of(&bytes);
    if let Wanted::Digest(wanted) = wanted {
        wanted.verify("the manifest", &bytes)?;
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .with_context(|| format!("the manifest {digest} is not understood"))?;
    ensure!(
        manifest.schema_version == 2,
        "the manifest {digest} is of schema version {}, and only 2 is understood",
        manifest.schema_version
    );
    Ok((digest, manifest))
}

fn module(
    source: &dyn Source,
    digest: Digest,
    index: Option<Digest>,
    manifest: Manifest,
) -> Result<Found> {
    let (form, wasm, files) = match form_of(&manifest.layers)? {
        (Form::Image, layer) => {
            let archive = gunzip(&blob(source, layer, LARGEST_LAYER)?, LIMITS)?;
            check_archive(
                source,
                manifest.config.as_ref(),
                manifest.layers.len(),
                &archive,
            )?;
            let (wasm, files) = from_archive(&archive)?;
            (Form::Image, wasm, files)
        }
        (form, layer) => (form, blob(source, layer, LARGEST_LAYER)?, Vec::new()),
    };
    Ok(Found {
        digest,
        index,
        form,
        wasm,
        files,
        annotations: manifest.annotations.unwrap_or_default(),
    })
}

/// The form that an image has by its layers, and the one with the module.
fn form_of(layers: &[Descriptor]) -> Result<(Form, &Descriptor)> {
    let of = |media_type: &str| layers.iter().find(|layer| layer.media_type == media_type);
    if let ([_, _], Some(layer)) = (layers, of(media::SOLO_MODULE)) {
        return Ok((Form::TwoLayers, layer));
    }
    match layers {
        [layer] if layer.media_type == media::CNCF_MODULE => Ok((Form::Artifact, layer)),
        [.., layer] if [media::LAYER, media::DOCKER_LAYER].contains(&layer.media_type.as_str()) => {
            Ok((Form::Image, layer))
        }
        _ => {
            let kinds: Vec<String> = layers
                .iter()
                .map(|layer| layer.media_type.escape_debug().to_string())
                .collect();
            bail!(
                "it is no image of a proxy-wasm module; its layers are: {}",
                if kinds.is_empty() {
                    "none".to_owned()
                } else {
                    kinds.join(", ")
                }
            )
        }
    }
}

fn blob(source: &dyn Source, of: &Descriptor, limit: u64) -> Result<Vec<u8>> {
    let digest = Digest::parse(&of.digest)?;
    ensure!(
        of.size <= limit,
        "{digest} has {} bytes, and {limit} at most are fetched",
        of.size
    );
    let bytes = source.blob(&digest, of.size)?;
    digest.verify("the blob", &bytes)?;
    Ok(bytes)
}

/// Holds the unpacked layer against what the image's config says of it.
fn check_archive(
    source: &dyn Source,
    config: Option<&Descriptor>,
    layers: usize,
    archive: &[u8],
) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let image_config = [
        media::IMAGE_CONFIG,
        "application/vnd.docker.container.image.v1+json",
    ];
    if !image_config.contains(&config.media_type.as_str()) {
        return Ok(());
    }
    let config: Json = serde_json::from_slice(&blob(source, config, LARGEST_CONFIG)?)
        .context("the image's config is not JSON")?;
    // Layers that are no archives (Higress) have none.
    let Some(ids) = config.pointer("/rootfs/diff_ids").and_then(Json::as_array) else {
        return Ok(());
    };
    if let Some(id) = ids
        .last()
        .and_then(Json::as_str)
        .filter(|_| ids.len() == layers)
    {
        Digest::parse(id)?.verify("the unpacked layer", archive)?;
    }
    Ok(())
}

/// The module in an archive: the first file of that name, in whatever folder.
fn from_archive(archive: &[u8]) -> Result<(Vec<u8>, Vec<File>)> {
    let mut files = untar(archive, LIMITS)?;
    let is_module = |(path, _): &File| path.rsplit('/').next() == Some(MODULE_PATH);
    let Some(at) = files.iter().position(is_module) else {
        let names: Vec<&str> = files
            .iter()
            .map(|(path, _)| path.as_str())
            .take(8)
            .collect();
        bail!(
            "the image's last layer has no {MODULE_PATH}, but: {}",
            names.join(", ")
        );
    };
    let (_, wasm) = files.remove(at);
    Ok((wasm, files))
}

/// The documents of a kind that refer to an image, with the names of their files.
///
/// # Errors
/// If one cannot be fetched, or is too large.
pub fn attached(source: &dyn Source, referrer: &Referrer) -> Result<Vec<u8>> {
    let (digest, manifest) = manifest(source, &Wanted::Digest(referrer.digest.clone()))?;
    let layer = manifest.layers.first();
    let layer = layer.with_context(|| format!("{digest} has no layer"))?;
    blob(source, layer, LARGEST_LAYER)
}

/// Writes a file in one step: whoever reads meanwhile sees the old one or the new one.
///
/// # Errors
/// If it cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut partial = tempfile::Builder::new()
        .permissions(readable_by_all())
        .tempfile_in(folder)
        .with_context(|| folder.display().to_string())?;
    partial.write_all(bytes)?;
    partial
        .persist(path)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

/// Temporary files are private; a proxy often runs as another user.
fn readable_by_all() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{gzip, tar};
    use crate::forms::{make, tests::package};
    use serde_json::json;

    /// A registry in memory that says what it is told to, lies included.
    #[derive(Default)]
    struct MockSource(BTreeMap<String, Vec<u8>>);

    impl MockSource {
        fn put(&mut self, media_type: &str, bytes: &[u8]) -> Json {
            let digest = Digest::of(bytes);
            self.0.insert(format!("@{digest}"), bytes.to_vec());
            json!({ "mediaType": media_type, "digest": digest.as_str(), "size": bytes.len() })
        }

        fn tag(&mut self, manifest: &Json) {
            let bytes = serde_json::to_vec(manifest).unwrap();
            self.0.insert(":1".to_owned(), bytes);
        }

        fn find(&self) -> Result<Found> {
            find(self, &Wanted::Tag("1".to_owned()))
        }

        /// An image of these files, and what becomes of it.
        fn image(&mut self, files: &[(&str, &[u8])]) -> Result<Found> {
            let files: Vec<File> = files
                .iter()
                .map(|(path, content)| ((*path).to_owned(), content.to_vec()))
                .collect();
            let layer = self.put(media::LAYER, &gzip(&tar(&files).unwrap()).unwrap());
            self.tag(&json!({ "schemaVersion": 2, "layers": [layer] }));
            self.find()
        }
    }

    impl Source for MockSource {
        fn manifest(&self, wanted: &Wanted) -> Result<Vec<u8>> {
            self.0
                .get(&wanted.to_string())
                .cloned()
                .context("not there")
        }

        fn blob(&self, digest: &Digest, _: u64) -> Result<Vec<u8>> {
            self.manifest(&Wanted::Digest(digest.clone()))
        }

        fn referrers(&self, _: &Digest) -> Result<Vec<Referrer>> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn every_form_gives_the_same_module() {
        let made = make(&package(), "1", true).unwrap();
        let mut source = MockSource::default();
        for bytes in made.blobs.values() {
            source.put("", bytes);
        }
        for manifest in &made.manifests {
            source.put("", &manifest.bytes);
            if let Some(tag) = &manifest.tag {
                source.0.insert(format!(":{tag}"), manifest.bytes.clone());
            }
        }
        for (tag, form) in [
            ("1", Form::Image),
            ("1-image", Form::Image),
            ("1-solo", Form::TwoLayers),
            ("1-wasm", Form::Artifact),
        ] {
            let found = find(&source, &Wanted::Tag(tag.to_owned())).unwrap();
            assert_eq!(found.form, form, "{tag}");
            assert_eq!(Digest::of(&found.wasm), made.module, "{tag}");
            assert_eq!(found.index.is_some(), tag == "1");
            assert_eq!(found.digest == made.image, form == Form::Image, "{tag}");
            let version = &found.annotations["org.opencontainers.image.version"];
            assert_eq!(version, "1.2.3");
        }
    }

    #[test]
    fn the_first_plugin_wasm_in_whatever_folder_is_the_module() {
        let mut source = MockSource::default();
        let files: &[(&str, &[u8])] = &[
            ("./a/other.wasm", b"o"),
            ("opt/plugin.wasm", b"m"),
            ("plugin.wasm", b"n"),
        ];
        let found = source.image(files).unwrap();
        assert_eq!(found.wasm, b"m");
        assert_eq!(found.files.len(), 2);
        let error = source.image(&[("a.wasm", b"m")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the image's last layer has no plugin.wasm, but: a.wasm"
        );
    }

    #[test]
    fn an_archive_that_leads_out_of_its_folder_is_refused() {
        let mut source = MockSource::default();
        let error = source
            .image(&[("plugin.wasm", b"m"), ("../../x", b"x")])
            .unwrap_err();
        assert!(error.to_string().contains("leads out of it"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_what_they_are_named_are_refused() {
        let mut source = MockSource::default();
        let module = source.put(media::CNCF_MODULE, b"module");
        let digest = module["digest"].as_str().unwrap().to_owned();
        source.tag(&json!({ "schemaVersion": 2, "layers": [module] }));
        assert_eq!(source.find().unwrap().wasm, b"module");
        source.0.insert(format!("@{digest}"), b"moduli".to_vec());
        let error = source.find().unwrap_err().to_string();
        assert!(
            error.starts_with("the blob is not what it is named"),
            "{error}"
        );
        // A manifest that is asked for by its digest.
        let wanted = Wanted::Digest(Digest::of(b"another"));
        source.0.insert(wanted.to_string(), source.0[":1"].clone());
        assert!(find(&source, &wanted).is_err());
    }

    #[test]
    fn a_layer_that_is_not_the_one_in_the_config_is_refused() {
        let mut source = MockSource::default();
        let archive = tar(&[("plugin.wasm".to_owned(), b"m".to_vec())]).unwrap();
        let layer = source.put(media::LAYER, &gzip(&archive).unwrap());
        for (id, good) in [(Digest::of(&archive), true), (Digest::of(b""), false)] {
            let config = json!({ "rootfs": { "diff_ids": [id.as_str()] } });
            let config = source.put(media::IMAGE_CONFIG, &serde_json::to_vec(&config).unwrap());
            source.tag(&json!({ "schemaVersion": 2, "config": config, "layers": [layer] }));
            assert_eq!(source.find().is_ok(), good);
        }
    }

    #[test]
    fn what_is_too_large_is_not_fetched() {
        let mut source = MockSource::default();
        let mut layer = source.put(media::LAYER, b"");
        layer["size"] = json!(LARGEST_LAYER + 1);
        source.tag(&json!({ "schemaVersion": 2, "layers": [layer] }));
        let error = source.find().unwrap_err().to_string();
        assert!(error.contains("at most are fetched"), "{error}");
    }

    #[test]
    fn what_is_no_image_of_a_module_is_said() {
        let mut source = MockSource::default();
        let module = source.put(media::CNCF_MODULE, b"module");
        let other = source.put("text/plain", b"x");
        for layers in [
            json!([]),
            json!([other]),
            json!([module, other]),
            json!([module, module]),
        ] {
            source.tag(&json!({ "schemaVersion": 2, "layers": layers }));
            let error = source.find().unwrap_err().to_string();
            assert!(
                error.starts_with("it is no image of a proxy-wasm module"),
                "{error}"
            );
        }
        for manifest in [
            json!({}),
            json!({ "schemaVersion": 1 }),
            json!([]),
            json!({ "schemaVersion": 2, "manifests": [] }),
        ] {
            source.tag(&manifest);
            assert!(source.find().is_err(), "{manifest}");
        }
    }

    #[test]
    fn an_index_in_an_index_is_not_followed() {
        let mut source = MockSource::default();
        let inner = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [] })).unwrap();
        let mut entry = source.put(media::INDEX, &inner);
        entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        source.tag(&json!({ "schemaVersion": 2, "manifests": [entry] }));
        assert!(
            source
                .find()
                .unwrap_err()
                .to_string()
                .ends_with("has an index in it")
        );
    }
}
