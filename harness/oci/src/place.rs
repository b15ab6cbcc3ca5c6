//! Where an image is: the registry, the repository in it, and the tag or digest.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Result, bail, ensure};

use crate::Digest;

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    /// Host, and port where one is named.
    pub registry: String,
    /// The name in it.
    pub name: String,
    /// Whether it is to be spoken to without TLS; nothing where it is not said.
    pub plain_http: Option<bool>,
}

/// Which manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What a tag stands for now.
    Tag(String),
    /// This one.
    Digest(Digest),
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it is.
    pub repository: Repository,
    /// Which one. Where both tag and digest are named, the digest counts.
    pub wanted: Wanted,
}

/// OCI distribution-spec: the longest tag.
const LONGEST_TAG: usize = 128;

/// The longest name that registries take.
const LONGEST_NAME: usize = 255;

impl Repository {
    /// Reads `REGISTRY/NAME`, and the tag behind it if there is one. `oci://` may stand before it,
    /// as in a WasmPlugin, or `http://` and `https://`.
    ///
    /// # Errors
    /// If it names no registry, or has a name or a tag that no registry takes.
    pub fn parse(text: &str) -> Result<(Self, Option<String>)> {
        let (plain_http, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("oci" | "docker", rest)) => (None, rest),
            Some(("http", rest)) => (Some(true), rest),
            Some(("https", rest)) => (Some(false), rest),
            Some((scheme, _)) => bail!("`{scheme}://` is none of: oci, https, http"),
        };
        let (registry, name) = rest.split_once('/').unwrap_or((rest, ""));
        ensure!(
            is_registry(registry),
            "`{}` does not begin with a registry's host, as in ghcr.io/example/filters, docker.io/example or localhost:5000/filters",
            rest.escape_debug()
        );
        let (name, tag) = match name.split_once(':') {
            Some((name, tag)) => (name, Some(check_tag(tag)?)),
            None => (name, None),
        };
        check_name(name)?;
        let repository = Self {
            registry: registry.to_owned(),
            name: name.to_owned(),
            plain_http,
        };
        Ok((repository, tag))
    }

    /// One below it.
    ///
    /// # Errors
    /// If the name becomes one that no registry takes.
    pub fn below(&self, name: &str) -> Result<Self> {
        let name = format!("{}/{name}", self.name);
        check_name(&name)?;
        Ok(Self {
            name,
            ..self.clone()
        })
    }

    /// Whether the registry is on this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Without the port.
    pub fn host(&self) -> &str {
        match self.registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
            _ => &self.registry,
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl Image {
    /// Reads `REGISTRY/NAME:TAG`, `REGISTRY/NAME@sha256:…`, or both.
    ///
    /// # Errors
    /// If it names no registry or neither tag nor digest, or is otherwise none.
    pub fn parse(text: &str) -> Result<Self> {
        let (before, digest) = match text.split_once('@') {
            Some((before, digest)) => (before, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (repository, tag) = Repository::parse(before)?;
        let wanted = match (digest, tag) {
            (Some(digest), _) => Wanted::Digest(digest),
            (None, Some(tag)) => Wanted::Tag(tag),
            (None, None) => {
                bail!("{repository} names neither a tag nor a digest: {repository}:TAG")
            }
        };
        Ok(Self { repository, wanted })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository, self.wanted)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// A tag as the distribution-spec has it.
///
/// # Errors
/// If it is none.
pub fn check_tag(tag: &str) -> Result<String> {
    let first = tag.bytes().next();
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    ensure!(
        tag.len() <= LONGEST_TAG
            && tag.bytes().all(good)
            && first.is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_'),
        "`{}` is no tag: up to 128 of A-Z a-z 0-9 _ . -, the first none of . and -",
        tag.escape_debug()
    );
    Ok(tag.to_owned())
}

/// A name as the distribution-spec has it: parts of lower-case letters and digits, with `.`, `_`,
/// `__` or dashes between them.
fn check_name(name: &str) -> Result<()> {
    let part_is_good = |part: &str| {
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let odd = ["..", "___", "._", "_.", ".-", "-.", "_-", "-_"];
        edge(part.chars().next())
            && edge(part.chars().next_back())
            && part.chars().all(inner)
            && !odd.iter().any(|odd| part.contains(odd))
    };
    ensure!(
        !name.is_empty(),
        "no repository is named behind the registry"
    );
    ensure!(
        name.len() <= LONGEST_NAME && name.split('/').all(part_is_good),
        "`{}` is no repository's name: lower-case letters and digits, with . _ - between them, in parts divided by /",
        name.escape_debug()
    );
    Ok(())
}

/// Whether it is a host, with or without a port, and no folder: docker's rule, by which `a/b` is
/// none.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        // An address of IPv6.
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<IpAddr>().is_ok() => ("localhost", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let named = host == "localhost" || host.contains('.') || !port.is_empty();
    let host_is_good = host.chars().all(good)
        && edge(host.chars().next())
        && edge(host.chars().next_back())
        && !host.contains("..");
    named && host_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_docker_reads_them() {
        let digest = Digest::of(b"x");
        for (text, registry, name, wanted) in [
            ("ghcr.io/a/b:1.0", "ghcr.io", "a/b", ":1.0".to_owned()),
            ("oci://ghcr.io/a:1", "ghcr.io", "a", ":1".to_owned()),
            ("localhost:5000/a:v", "localhost:5000", "a", ":v".to_owned()),
            ("localhost/a__b:v", "localhost", "a__b", ":v".to_owned()),
            ("[::1]:5000/a:v", "[::1]:5000", "a", ":v".to_owned()),
            (
                &format!("r.io/a:1@{digest}"),
                "r.io",
                "a",
                format!("@{digest}"),
            ),
        ] {
            let image = Image::parse(text).unwrap();
            assert_eq!(image.repository.registry, registry, "{text}");
            assert_eq!(image.repository.name, name, "{text}");
            assert_eq!(image.wanted.to_string(), wanted, "{text}");
        }
    }

    #[test]
    fn what_no_registry_takes_is_refused_before_anything_is_sent() {
        for bad in [
            "",
            "a",
            "a/b:1",
            "ghcr.io",
            "ghcr.io/",
            "ghcr.io/A:1",
            "ghcr.io/a//b:1",
            "ghcr.io/../a:1",
            "ghcr.io/a:",
            "ghcr.io/a:-1",
            "ghcr.io/a:1/2",
            "ghcr.io/a",
            "ghcr.io/a@sha256:12",
            "ghcr.io:x/a:1",
            "user@ghcr.io/a:1",
            "ftp://ghcr.io/a:1",
            "ghcr.io/a?x:1",
            "ghcr.io/a b:1",
        ] {
            assert!(Image::parse(bad).is_err(), "{bad}");
        }
        assert!(check_tag(&"a".repeat(129)).is_err());
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls_unasked() {
        let loopback = |text| Repository::parse(text).unwrap().0.is_loopback();
        for here in [
            "localhost/a",
            "localhost:5000/a",
            "127.0.0.1:1/a",
            "127.9.9.9/a",
            "[::1]:5/a",
        ] {
            assert!(loopback(here), "{here}");
        }
        for away in [
            "ghcr.io/a",
            "10.0.0.1:5000/a",
            "localhost.example.com/a",
            "127.0.0.1.example.com/a",
        ] {
            assert!(!loopback(away), "{away}");
        }
    }
}
