//! What refers to a manifest (distribution-spec, "Referrers API"): found by asking the registry, or
//! in the index that has the digest as its tag where a registry cannot be asked.

use serde_json::{Value as Json, json};

use crate::{Digest, media};

/// A manifest that refers to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Which.
    pub digest: Digest,
    /// How large its manifest is.
    pub size: u64,
    /// What kind, such as `application/vnd.cyclonedx+json`.
    pub artifact_type: String,
}

impl Referrer {
    /// Of its manifest.
    pub fn of(digest: Digest, size: u64, manifest: &Json) -> Self {
        let kind = manifest.get("artifactType");
        let kind = kind.or_else(|| manifest.pointer("/config/mediaType"));
        Self {
            digest,
            size,
            artifact_type: kind.and_then(Json::as_str).unwrap_or_default().to_owned(),
        }
    }

    fn entry(&self) -> Json {
        json!({
            "mediaType": media::MANIFEST,
            "digest": self.digest.as_str(),
            "size": self.size,
            "artifactType": self.artifact_type,
        })
    }
}

/// The entries of an index that have a digest that is understood.
pub fn listed(entries: &[Json]) -> Vec<Referrer> {
    let entries = entries.iter();
    let referrer = |entry: &Json| {
        let kind = entry.get("artifactType").and_then(Json::as_str);
        Some(Referrer {
            digest: Digest::parse(entry.get("digest")?.as_str()?).ok()?,
            size: entry.get("size")?.as_u64()?,
            artifact_type: kind.unwrap_or_default().to_owned(),
        })
    };
    entries.filter_map(referrer).collect()
}

/// The index for the tag: the entries that were in it stay as they are, whoever has made them.
pub fn fallback_index(before: &[Json], added: &[Referrer]) -> Json {
    let known = listed(before);
    let mut manifests = before.to_vec();
    for referrer in added {
        if !known.iter().any(|known| known.digest == referrer.digest) {
            manifests.push(referrer.entry());
        }
    }
    json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": manifests })
}

/// The tag for what refers to `subject` (distribution-spec, "Referrers Tag Schema").
pub fn fallback_tag(subject: &Digest) -> String {
    subject.as_str().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_put_there_stays() {
        let theirs = json!({ "digest": Digest::of(b"1").as_str(), "size": 7, "mediaType": "x", "annotations": { "a": "b" } });
        let ours = Referrer {
            digest: Digest::of(b"2"),
            size: 9,
            artifact_type: media::CYCLONEDX.to_owned(),
        };
        let index = fallback_index(std::slice::from_ref(&theirs), std::slice::from_ref(&ours));
        let entries = index["manifests"].as_array().unwrap();
        assert_eq!(entries[0], theirs);
        assert_eq!(listed(entries)[1], ours);
        // Once more: nothing is there twice.
        assert_eq!(fallback_index(entries, &[ours]), index);
    }
}
