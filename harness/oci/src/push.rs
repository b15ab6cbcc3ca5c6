//! Bringing what was made into a repository: blobs, then manifests, then what refers to them, then
//! the tags. A tag stands for nothing that is not all there; what was broken off is gone on with,
//! because what is there already is not sent again.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::Value as Json;

use crate::forms::Made;
use crate::referrers::Referrer;
use crate::{Digest, Registry, Repository};

/// How to push.
pub struct Options<'a> {
    /// Whether a tag that stands for something else is moved.
    pub overwrite: bool,
    /// Is told what goes on.
    pub progress: &'a mut dyn FnMut(&str),
    /// Where blobs are already, in the same registry.
    pub known: &'a mut BTreeMap<Digest, Repository>,
}

/// What a tag stands for now.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The form.
    pub what: String,
    /// Its tag.
    pub tag: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether it stood for that before.
    pub unchanged: bool,
}

/// Pushes everything of a repository; gives its tags.
///
/// # Errors
/// If a tag stands for something else, or the registry refuses something.
pub fn push(
    registry: &Registry,
    repository: &Repository,
    made: &Made,
    options: &mut Options,
) -> Result<Vec<Pushed>> {
    let mut pushed = Vec::new();
    for manifest in &made.manifests {
        let Some(tag) = &manifest.tag else { continue };
        let before = registry.tag(tag)?;
        ensure!(
            options.overwrite
                || before
                    .as_ref()
                    .is_none_or(|before| *before == manifest.digest),
            "{repository}:{tag} is there, and is something else: push another tag, or move this one with --overwrite"
        );
        pushed.push(Pushed {
            what: manifest.what.clone(),
            tag: tag.clone(),
            digest: manifest.digest.clone(),
            unchanged: before.as_ref() == Some(&manifest.digest),
        });
    }
    for (digest, bytes) in &made.blobs {
        (options.progress)(&format!(
            "{} ({} KiB)",
            repository.name,
            bytes.len().div_ceil(1024)
        ));
        if !registry.has(digest)? {
            let elsewhere = options.known.get(digest);
            if !elsewhere.is_some_and(|from| registry.mount(digest, from)) {
                registry.push_blob(digest, bytes)?;
            }
        }
        options.known.insert(digest.clone(), repository.clone());
    }
    let mut referrers: BTreeMap<&Digest, Vec<Referrer>> = BTreeMap::new();
    for manifest in &made.manifests {
        (options.progress)(&format!("{} ({})", repository.name, manifest.what));
        let tag = manifest.tag.as_ref();
        if !pushed.iter().any(|it| it.unchanged && Some(&it.tag) == tag) {
            registry.push_manifest(
                manifest.digest.as_str(),
                manifest.media_type,
                &manifest.bytes,
            )?;
        }
        if let Some(subject) = &manifest.subject {
            let content: Json = serde_json::from_slice(&manifest.bytes)?;
            let size = u64::try_from(manifest.bytes.len())?;
            let referrer = Referrer::of(manifest.digest.clone(), size, &content);
            referrers.entry(subject).or_default().push(referrer);
        }
    }
    for (subject, added) in &referrers {
        registry.announce(subject, added)?;
    }
    for manifest in &made.manifests {
        let Some(at) = pushed
            .iter()
            .find(|it| Some(&it.tag) == manifest.tag.as_ref())
        else {
            continue;
        };
        if !at.unchanged {
            registry.push_manifest(&at.tag, manifest.media_type, &manifest.bytes)?;
        }
    }
    Ok(pushed)
}
