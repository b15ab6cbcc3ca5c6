//! A folder in OCI's image layout (image-spec, image-layout.md), which skopeo, podman and oras read
//! as `oci:FOLDER:TAG`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value as Json, json};

use crate::forms::Made;
use crate::referrers::{Referrer, listed};
use crate::{Digest, Source, Wanted, media};

/// image-spec, annotations.md: the tag, in the index of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The largest manifest that is read: what registries take at most.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// A folder.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// The layout in a folder.
    ///
    /// # Errors
    /// If it is none.
    pub fn open(folder: &Path) -> Result<Self> {
        let marker = folder.join("oci-layout");
        let text = fs::read_to_string(&marker)
            .with_context(|| format!("{} is no OCI layout", folder.display()))?;
        let marker: Json = serde_json::from_str(&text)?;
        ensure!(
            marker.get("imageLayoutVersion") == Some(&json!("1.0.0")),
            "{} is an OCI layout of another version than 1.0.0",
            folder.display()
        );
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Writes one. What is in the folder already and has the same name is the same.
    ///
    /// # Errors
    /// If the folder holds something else, or cannot be written.
    pub fn write(folder: &Path, made: &Made) -> Result<Self> {
        let blobs = folder.join("blobs/sha256");
        if folder.exists() && !folder.join("oci-layout").is_file() {
            let mut entries = fs::read_dir(folder)?;
            ensure!(
                entries.next().is_none(),
                "{} holds something else than an OCI layout: choose another folder",
                folder.display()
            );
        }
        fs::create_dir_all(&blobs).with_context(|| blobs.display().to_string())?;
        for (digest, bytes) in &made.blobs {
            put(&blobs.join(digest.hex()), bytes)?;
        }
        let mut manifests = Vec::new();
        for manifest in &made.manifests {
            put(&blobs.join(manifest.digest.hex()), &manifest.bytes)?;
            let mut entry = json!({
                "mediaType": manifest.media_type,
                "digest": manifest.digest.as_str(),
                "size": manifest.bytes.len(),
            });
            if let (Some(tag), Some(members)) = (&manifest.tag, entry.as_object_mut()) {
                members.insert("annotations".into(), json!({ REF_NAME: tag }));
            }
            manifests.push(entry);
        }
        let index =
            json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests });
        put(&folder.join("index.json"), &serde_json::to_vec(&index)?)?;
        put(
            &folder.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        Self::open(folder)
    }

    fn entries(&self) -> Result<Vec<Json>> {
        let index = self.folder.join("index.json");
        let text = fs::read(&index).with_context(|| index.display().to_string())?;
        let index: Json = serde_json::from_slice(&text)?;
        let entries = index.get("manifests").and_then(Json::as_array).cloned();
        Ok(entries.unwrap_or_default())
    }

    fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let path = self.folder.join("blobs/sha256").join(digest.hex());
        let size = fs::metadata(&path)
            .with_context(|| path.display().to_string())?
            .len();
        ensure!(size <= limit, "{}: larger than it may be", path.display());
        let bytes = fs::read(&path)?;
        digest.verify(&path.display().to_string(), &bytes)?;
        Ok(bytes)
    }
}

impl Source for Layout {
    fn manifest(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let digest = match wanted {
            Wanted::Digest(digest) => digest.clone(),
            Wanted::Tag(tag) => {
                let entries = self.entries()?;
                let tag_of = |entry: &Json| {
                    entry
                        .get("annotations")?
                        .get(REF_NAME)?
                        .as_str()
                        .map(str::to_owned)
                };
                let entry = entries
                    .iter()
                    .find(|entry| tag_of(entry).as_ref() == Some(tag));
                let digest = entry.and_then(|entry| entry.get("digest")?.as_str());
                let Some(digest) = digest else {
                    let tags: Vec<String> = entries.iter().filter_map(tag_of).collect();
                    bail!("there is no tag {tag}, but: {}", tags.join(", "));
                };
                Digest::parse(digest)?
            }
        };
        self.read(&digest, LARGEST_MANIFEST)
    }

    fn blob(&self, digest: &Digest, bytes: u64) -> Result<Vec<u8>> {
        let blob = self.read(digest, bytes)?;
        ensure!(
            u64::try_from(blob.len())? == bytes,
            "{digest} has {} bytes, and not {bytes}",
            blob.len()
        );
        Ok(blob)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Referrer>> {
        let mut found = Vec::new();
        for entry in listed(&self.entries()?) {
            let manifest = self.read(&entry.digest, LARGEST_MANIFEST)?;
            let manifest: Json = serde_json::from_slice(&manifest)?;
            let of = manifest.pointer("/subject/digest").and_then(Json::as_str);
            if of == Some(subject.as_str()) {
                found.push(Referrer::of(entry.digest, entry.size, &manifest));
            }
        }
        Ok(found)
    }
}

/// Writes a file in one step, unless it is there.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    crate::read::write_file(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{make, tests::package};

    #[test]
    fn what_is_written_is_read_and_what_was_changed_since_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("layout");
        let made = make(&package(), "1.2.3", true).unwrap();
        let layout = Layout::write(&folder, &made).unwrap();
        // Again, over it.
        Layout::write(&folder, &made).unwrap();
        for manifest in &made.manifests {
            let tag = manifest.tag.clone().map(Wanted::Tag);
            let wanted = tag.unwrap_or_else(|| Wanted::Digest(manifest.digest.clone()));
            assert_eq!(layout.manifest(&wanted).unwrap(), manifest.bytes);
        }
        let referrers = layout.referrers(&made.image).unwrap();
        assert_eq!(referrers.len(), 1);
        assert_eq!(referrers[0].artifact_type, media::CYCLONEDX);
        let (digest, bytes) = made.blobs.first_key_value().unwrap();
        let size = bytes.len() as u64;
        assert_eq!(&layout.blob(digest, size).unwrap(), bytes);
        assert!(layout.blob(digest, size + 1).is_err());
        let mut changed = bytes.clone();
        changed[0] ^= 1;
        fs::write(folder.join("blobs/sha256").join(digest.hex()), changed).unwrap();
        let error = layout.blob(digest, size).unwrap_err().to_string();
        assert!(error.contains("is not what it is named"), "{error}");
        let error = layout.manifest(&Wanted::Tag("2".into())).unwrap_err();
        assert!(error.to_string().ends_with("1.2.3-wasm, 1.2.3"), "{error}");
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        let made = make(&package(), "1", false).unwrap();
        assert!(Layout::write(folder.path(), &made).is_err());
        assert!(Layout::open(folder.path()).is_err());
    }
}
