//! Keys that are published one by one, in PEM, each at a URL with its name in it: those of AWS load
//! balancers (Elastic Load Balancing user guide, "User claims encoding and signature
//! verification").
//!
//! There is no set to ask for, so what is fetched are the keys that tokens have named and those
//! that we have. A name goes into a URL, so only plain ones are asked for, and only so many at a
//! time.

use modelgate_kit::config::types::refused_unlike;
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::jose::{Key, KeySet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FetchFault;

/// What stands for the name of the key in a URL.
pub const KID: &str = "{kid}";
/// Most keys that are kept.
const MAX_KEPT: usize = 8;
/// Most names that are remembered for the next fetch.
const MAX_WANTED: usize = 4;
/// Longest name that is asked for, in bytes.
const MAX_KID_BYTES: usize = 128;

/// The URL of each key.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(inline)]
pub struct Template(String);

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| {
            refused_unlike(
                "https://refused/{kid}",
                "is not an http or https URL with `{kid}` once in its path",
                "write e.g. https://public-keys.auth.elb.eu-central-1.amazonaws.com/{kid}",
            )
        })
    }
}

impl Template {
    /// A URL with one `{kid}` in its path.
    pub fn parse(url: &str) -> Option<Self> {
        let (one, other) = (
            HttpUrl::parse(&url.replace(KID, "a"))?,
            HttpUrl::parse(&url.replace(KID, "b"))?,
        );
        let is_in_path = one.authority == other.authority && one.path != other.path;
        (is_in_path && url.matches(KID).count() == 1).then(|| Self(url.to_owned()))
    }

    /// Where the key of this name is; none for a name that is not plain.
    pub fn of(&self, kid: &str) -> Option<HttpUrl> {
        is_plain(kid).then(|| HttpUrl::parse(&self.0.replace(KID, kid)))?
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Whether a name can be asked for: it cannot leave its place in the path.
pub fn is_plain(kid: &str) -> bool {
    (1..=MAX_KID_BYTES).contains(&kid.len())
        && kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Names that tokens have asked for, the last ones.
#[derive(Debug, Default)]
pub struct Wanted(Vec<String>);

impl Wanted {
    /// Adds a name.
    pub fn add(&mut self, kid: &str) {
        if !is_plain(kid) || self.0.iter().any(|known| known == kid) {
            return;
        }
        if self.0.len() >= MAX_WANTED {
            self.0.remove(0);
        }
        self.0.push(kid.to_owned());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to fetch next: these, and then those that are kept.
    pub fn take_with(&mut self, kept: &str) -> Vec<String> {
        let mut names = std::mem::take(&mut self.0);
        for (kid, _) in parse(kept.as_bytes()).unwrap_or_default() {
            if !names.contains(&kid) {
                names.push(kid);
            }
        }
        names.truncate(MAX_KEPT);
        names
    }
}

/// Keys as they lie in shared data: pairs of name and PEM.
pub fn write(keys: &[(String, String)]) -> String {
    serde_json::to_string(keys).unwrap_or_default()
}

fn parse(text: &[u8]) -> Option<Vec<(String, String)>> {
    serde_json::from_slice(text).ok()
}

/// Reads them.
pub fn read(text: &[u8]) -> Result<KeySet, FetchFault> {
    let pairs = parse(text).ok_or_else(|| FetchFault::NoKeys(String::new()))?;
    let keys = pairs
        .into_iter()
        .map(|(kid, pem)| read_one(&kid, &pem))
        .collect::<Result<Vec<Key>, FetchFault>>()?;
    KeySet::from_keys(keys).map_err(FetchFault::KeySet)
}

/// Reads the key of this name.
pub fn read_one(kid: &str, pem: &str) -> Result<Key, FetchFault> {
    Key::parse_pem(pem, Some(kid.to_owned()), None)
        .map_err(|fault| FetchFault::NoKeys(format!("`{kid}` ({fault})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_url() {
        let template = Template::parse("https://keys.test/{kid}").unwrap();
        let place = |kid: &str| template.of(kid).map(|location| location.to_string());
        assert_eq!(place("a-1_B").as_deref(), Some("https://keys.test/a-1_B"));
        for kid in [
            "",
            "a/b",
            "..",
            "a?b",
            "a#b",
            "a%2fb",
            "a b",
            "\u{e9}",
            &"a".repeat(129),
        ] {
            assert_eq!(place(kid), None, "{kid}");
        }
        for url in [
            "https://keys.test/",
            "https://{kid}.test/",
            "https://keys.test/{kid}/{kid}",
            "keys/{kid}",
        ] {
            assert_eq!(Template::parse(url), None, "{url}");
        }
    }

    #[test]
    fn what_was_asked_for_last_comes_first_and_there_is_an_end() {
        let mut wanted = Wanted::default();
        for kid in ["a", "b", "a", "c", "d", "e", "x/y"] {
            wanted.add(kid);
        }
        let kept: Vec<(String, String)> = ["c", "k1", "k2", "k3", "k4", "k5"]
            .map(|kid| (kid.to_owned(), String::new()))
            .into();
        let names = wanted.take_with(&write(&kept));
        assert_eq!(names, ["b", "c", "d", "e", "k1", "k2", "k3", "k4"]);
        assert!(wanted.is_empty());
        assert_eq!(wanted.take_with("").len(), 0);
    }
}
