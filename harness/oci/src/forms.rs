//! A module as the manifests that hosts take it from.
//!
//! | form | what takes it |
//! |---|---|
//! | image: an archive with `plugin.wasm`, and a real image config | Istio, Envoy Gateway, Higress, docker, podman, image volumes of Kubernetes |
//! | two layers: what the module is for, and the module (solo-io/wasm, spec v0) | Gloo, wasme; Istio and Envoy Gateway too |
//! | artifact of the CNCF (TAG Runtime): the module as the one layer | wkg, Spin, wasmCloud, runwasi, oras |
//!
//! Nothing in them comes from a clock or a machine: the same package gives the same digests.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::Digest;
use crate::archive::{File, gzip, tar};
use crate::media;

/// Where the module is in an image: the name that Istio and Envoy Gateway look for.
pub const MODULE_PATH: &str = "plugin.wasm";

/// The annotation with the SHA-256 of the module itself, as `modelgate build` prints it.
pub const MODULE_SHA256: &str = "modelgate.wasm.sha256";

/// What stands behind the version in the tag of the form with two layers, and in that of the
/// CNCF's.
pub const SOLO_SUFFIX: &str = "-solo";
/// See [`SOLO_SUFFIX`].
pub const CNCF_SUFFIX: &str = "-wasm";
/// The image's own tag where the version's is the index.
pub const IMAGE_SUFFIX: &str = "-image";

/// A module and what belongs to it.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// The module.
    pub wasm: Vec<u8>,
    /// What lies beside it in an image.
    pub files: Vec<File>,
    /// The filters in it.
    pub root_ids: Vec<String>,
    /// Versions of the proxy-wasm ABI.
    pub abi: Vec<String>,
    /// RFC 3339; the form of the CNCF must have it.
    pub created: String,
    /// Of every manifest.
    pub annotations: BTreeMap<String, String>,
    /// What refers to it.
    pub attachments: Vec<Attachment>,
}

/// A document about a module that is found by the module's digest.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What kind it is.
    pub media_type: &'static str,
    /// The name of its file.
    pub title: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A manifest, ready to be pushed.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// What it is, for people.
    pub what: String,
    /// Its bytes, whose SHA-256 is its digest.
    pub bytes: Vec<u8>,
    /// Of these.
    pub digest: Digest,
    /// Its kind.
    pub media_type: &'static str,
    /// The tag that it is given.
    pub tag: Option<String>,
    /// What it refers to, where it is an attachment.
    pub subject: Option<Digest>,
}

/// Everything of one repository.
#[derive(Clone, Debug)]
pub struct Made {
    /// What the manifests name.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// What another one names comes before it.
    pub manifests: Vec<Manifest>,
    /// The manifest whose digest Istio, Envoy Gateway and Higress compare.
    pub image: Digest,
    /// SHA-256 of the module.
    pub module: Digest,
}

impl Made {
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Json {
        let digest = Digest::of(&bytes);
        let descriptor =
            json!({ "mediaType": media_type, "digest": digest.as_str(), "size": bytes.len() });
        self.blobs.insert(digest, bytes);
        descriptor
    }

    fn manifest(&mut self, what: &str, tag: Option<String>, content: &Json) -> Result<Descriptor> {
        let media_type = match content.get("manifests") {
            Some(_) => media::INDEX,
            None => media::MANIFEST,
        };
        let bytes = serde_json::to_vec(content)?;
        let digest = Digest::of(&bytes);
        let subject = content.pointer("/subject/digest").and_then(Json::as_str);
        let descriptor = Descriptor {
            digest: digest.clone(),
            size: bytes.len(),
        };
        self.manifests.push(Manifest {
            what: what.to_owned(),
            bytes,
            digest,
            media_type,
            tag,
            subject: subject.map(Digest::parse).transpose()?,
        });
        Ok(descriptor)
    }
}

/// A manifest that another one names.
struct Descriptor {
    digest: Digest,
    size: usize,
}

impl Descriptor {
    fn json(&self) -> Json {
        json!({ "mediaType": media::MANIFEST, "digest": self.digest.as_str(), "size": self.size })
    }

    fn on(&self, os: &str, architecture: &str) -> Json {
        let mut json = self.json();
        if let Some(members) = json.as_object_mut() {
            members.insert(
                "platform".into(),
                json!({ "architecture": architecture, "os": os }),
            );
        }
        json
    }
}

/// All forms of a package, and what refers to them. The tag is the image's, or with `index` that of
/// an index over image and artifact.
///
/// # Errors
/// If a file cannot be put into an archive.
pub fn make(package: &Package, tag: &str, index: bool) -> Result<Made> {
    let module = Digest::of(&package.wasm);
    let mut made = Made {
        blobs: BTreeMap::new(),
        manifests: Vec::new(),
        image: module.clone(),
        module: module.clone(),
    };
    let mut annotations = package.annotations.clone();
    annotations.insert(MODULE_SHA256.to_owned(), module.hex().to_owned());
    let image_tag = match index {
        true => format!("{tag}{IMAGE_SUFFIX}"),
        false => tag.to_owned(),
    };
    let image = image(package, &annotations, image_tag, &mut made)?;
    made.image = image.digest.clone();
    solo(
        package,
        &annotations,
        format!("{tag}{SOLO_SUFFIX}"),
        &mut made,
    )?;
    let artifact = cncf(
        package,
        &annotations,
        format!("{tag}{CNCF_SUFFIX}"),
        &mut made,
    )?;
    if index {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media::INDEX,
            "manifests": [
                image.on("linux", "amd64"),
                // The module is the same everywhere, and an engine looks for its own platform.
                image.on("linux", "arm64"),
                artifact.on("wasip1", "wasm"),
            ],
            "annotations": annotations,
        });
        made.manifest("index", Some(tag.to_owned()), &index)?;
    }
    for subject in [&image, &artifact] {
        for attachment in &package.attachments {
            attach(attachment, subject, &mut made)?;
        }
    }
    Ok(made)
}

/// What `runtime-config.json` and the layer beside the module say (solo-io/wasm, spec v0).
fn purpose(package: &Package) -> Json {
    json!({
        "type": "envoy_proxy",
        "abiVersions": package.abi,
        "config": { "rootIds": package.root_ids },
    })
}

fn image(
    package: &Package,
    annotations: &BTreeMap<String, String>,
    tag: String,
    made: &mut Made,
) -> Result<Descriptor> {
    let mut files = vec![
        (MODULE_PATH.to_owned(), package.wasm.clone()),
        (
            "runtime-config.json".to_owned(),
            serde_json::to_vec_pretty(&purpose(package))?,
        ),
    ];
    files.extend(package.files.iter().cloned());
    let archive = tar(&files)?;
    let diff_id = Digest::of(&archive);
    let layer = made.blob(media::LAYER, gzip(&archive)?);
    // Without a real config neither skopeo nor podman take it.
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Labels": annotations },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.as_str()] },
        "history": [{ "created_by": "modelgate push" }],
    });
    let config = made.blob(media::IMAGE_CONFIG, serde_json::to_vec(&config)?);
    let mut annotations = annotations.clone();
    annotations.insert("module.wasm.image/variant".to_owned(), "compat".to_owned());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": annotations,
    });
    made.manifest("image", Some(tag), &manifest)
}

fn solo(
    package: &Package,
    annotations: &BTreeMap<String, String>,
    tag: String,
    made: &mut Made,
) -> Result<Descriptor> {
    let config = made.blob(media::EMPTY, b"{}".to_vec());
    let purpose = made.blob(media::SOLO_CONFIG, serde_json::to_vec(&purpose(package))?);
    let module = titled(
        made.blob(media::SOLO_MODULE, package.wasm.clone()),
        MODULE_PATH,
    );
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config,
        "layers": [titled(purpose, "runtime-config.json"), module],
        "annotations": annotations,
    });
    made.manifest("two layers", Some(tag), &manifest)
}

fn cncf(
    package: &Package,
    annotations: &BTreeMap<String, String>,
    tag: String,
    made: &mut Made,
) -> Result<Descriptor> {
    let module = titled(
        made.blob(media::CNCF_MODULE, package.wasm.clone()),
        MODULE_PATH,
    );
    let config = json!({
        "created": package.created,
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [module.get("digest")],
    });
    let config = made.blob(media::CNCF_CONFIG, serde_json::to_vec(&config)?);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config,
        "layers": [module],
        "annotations": annotations,
    });
    made.manifest("CNCF artifact", Some(tag), &manifest)
}

fn attach(attachment: &Attachment, subject: &Descriptor, made: &mut Made) -> Result<()> {
    let config = made.blob(media::EMPTY, b"{}".to_vec());
    let content = made.blob(attachment.media_type, attachment.content.clone());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "artifactType": attachment.media_type,
        "config": config,
        "layers": [titled(content, &attachment.title)],
        "subject": subject.json(),
    });
    made.manifest(&attachment.title, None, &manifest)?;
    Ok(())
}

/// A descriptor with the name that oras gives the file.
fn titled(mut descriptor: Json, title: &str) -> Json {
    if let Some(members) = descriptor.as_object_mut() {
        members.insert(
            "annotations".into(),
            json!({ "org.opencontainers.image.title": title }),
        );
    }
    descriptor
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small package with everything.
    pub(crate) fn package() -> Package {
        Package {
            wasm: b"\0asm\x01\0\0\0".to_vec(),
            files: vec![("README.md".to_owned(), b"# It\n".to_vec())],
            root_ids: vec!["jwt_auth".to_owned()],
            abi: vec!["0.2.1".to_owned()],
            created: "1970-01-01T00:00:00Z".to_owned(),
            annotations: [("org.opencontainers.image.version", "1.2.3")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            attachments: vec![Attachment {
                media_type: media::CYCLONEDX,
                title: "jwt-auth.cdx.json".to_owned(),
                content: b"{\"bomFormat\":\"CycloneDX\"}".to_vec(),
            }],
        }
    }

    #[test]
    fn the_same_package_gives_the_same_digests_and_another_module_others() {
        let digests = |package: &Package, index| -> Vec<Digest> {
            let made = make(package, "1.2.3", index).unwrap();
            made.manifests.into_iter().map(|it| it.digest).collect()
        };
        for index in [false, true] {
            assert_eq!(digests(&package(), index), digests(&package(), index));
            let mut other = package();
            other.wasm.push(0);
            let (one, other) = (digests(&package(), index), digests(&other, index));
            assert!(one.iter().all(|digest| !other.contains(digest)));
        }
    }

    #[test]
    fn every_form_has_its_tag_and_the_image_the_plain_one() {
        let tags = |index| -> Vec<(String, Option<String>)> {
            let made = make(&package(), "1.2.3", index).unwrap();
            let manifests = made.manifests.into_iter();
            manifests.map(|it| (it.what, it.tag)).collect()
        };
        let of = |what: &str, tag: &str| (what.to_owned(), Some(tag.to_owned()));
        let sbom = ("jwt-auth.cdx.json".to_owned(), None);
        let plain = tags(false);
        assert_eq!(
            plain,
            [
                of("image", "1.2.3"),
                of("two layers", "1.2.3-solo"),
                of("CNCF artifact", "1.2.3-wasm"),
                sbom.clone(),
                sbom,
            ]
        );
        let indexed = tags(true);
        assert_eq!(indexed[0], of("image", "1.2.3-image"));
        assert_eq!(indexed[3], of("index", "1.2.3"));
    }

    #[test]
    fn whatever_a_manifest_names_comes_before_it() {
        let made = make(&package(), "1.2.3", true).unwrap();
        let mut known: Vec<&str> = made.blobs.keys().map(Digest::as_str).collect();
        for manifest in &made.manifests {
            let content: Json = serde_json::from_slice(&manifest.bytes).unwrap();
            let mut named = vec![&content["config"], &content["subject"]];
            for list in ["layers", "manifests"] {
                named.extend(content[list].as_array().into_iter().flatten());
            }
            for descriptor in named.into_iter().filter(|it| !it.is_null()) {
                let digest = descriptor["digest"].as_str().unwrap();
                assert!(known.contains(&digest), "{}: {digest}", manifest.what);
                let size = descriptor["size"].as_u64().unwrap();
                let blob = made.blobs.get(&Digest::parse(digest).unwrap());
                let sizes = made
                    .manifests
                    .iter()
                    .find(|it| it.digest.as_str() == digest);
                let bytes = blob.or(sizes.map(|it| &it.bytes)).unwrap();
                assert_eq!(size, bytes.len() as u64);
            }
            known.push(manifest.digest.as_str());
        }
    }
}
