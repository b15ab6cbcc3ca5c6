//! Where a key may stand in a request, and what is left of the request without it.
//!
//! Every place is looked at, whatever is found in the first: a request that carries two keys is refused, because a server behind us
//! might look at the other one. A header that is sent twice counts as two keys, even if the values are equal.

use modelgate_kit::headers::{HeaderBlock, Occurrence};
use modelgate_kit::query::take_parameter;

/// A place for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The whole value of a header.
    Header(String),
    /// What follows a scheme in a header, such as `Bearer`.
    Scheme {
        /// Header, usually `authorization`.
        header: String,
        /// Scheme, compared without case (RFC 9110, section 11.1).
        scheme: String,
    },
    /// A parameter of the query.
    Query(String),
}

/// A key as it was found.
pub struct Presented {
    /// The key.
    pub key: Vec<u8>,
    /// How to take it out of the request.
    pub removal: Removal,
}

/// A key is a secret: only where it stood is shown.
impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.removal {
            Removal::Header(name) => write!(f, "Presented(header {name})"),
            Removal::Path(_) => f.write_str("Presented(query)"),
        }
    }
}

/// What takes a key out of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Removal {
    /// This header goes.
    Header(String),
    /// The request target becomes this.
    Path(String),
}

/// Why what was presented is not even looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// More than one key.
    Several,
    /// It cannot be a key.
    Malformed,
}

/// The key that a request carries, if it carries one.
///
/// # Errors
/// If it carries several, or something that cannot be a key: empty, or longer than `max_key_bytes`.
pub fn find(
    sources: &[Source],
    headers: &HeaderBlock,
    max_key_bytes: usize,
) -> Result<Option<Presented>, Unusable> {
    let mut found: Option<Presented> = None;
    for source in sources {
        let presented = source.look(headers)?;
        if presented.is_some() && found.is_some() {
            return Err(Unusable::Several);
        }
        found = found.or(presented);
    }
    match found {
        Some(presented) if !(1..=max_key_bytes).contains(&presented.key.len()) => {
            Err(Unusable::Malformed)
        }
        found => Ok(found),
    }
}

impl Source {
    fn look(&self, headers: &HeaderBlock) -> Result<Option<Presented>, Unusable> {
        let name = match self {
            Self::Header(header) | Self::Scheme { header, .. } => header,
            Self::Query(name) => return look_in_query(headers, name),
        };
        let value = match headers.once(name) {
            Occurrence::Absent => return Ok(None),
            Occurrence::Repeated => return Err(Unusable::Several),
            Occurrence::Once(value) => value,
        };
        let key = match self {
            Self::Scheme { scheme, .. } => match after_scheme(value, scheme.as_bytes()) {
                Some(key) => key,
                // Credentials of another kind are not ours to judge.
                None => return Ok(None),
            },
            Self::Header(_) | Self::Query(_) => value.trim_ascii(),
        };
        Ok(Some(Presented {
            key: key.to_vec(),
            removal: Removal::Header(name.clone()),
        }))
    }
}

fn look_in_query(headers: &HeaderBlock, name: &str) -> Result<Option<Presented>, Unusable> {
    let Occurrence::Once(target) = headers.once(":path") else {
        return Err(Unusable::Malformed);
    };
    let target = std::str::from_utf8(target).map_err(|_| Unusable::Malformed)?;
    let Some(taken) = take_parameter(target, name) else {
        return Ok(None);
    };
    let mut values = taken.values.into_iter();
    match (values.next(), values.next()) {
        (Some(key), None) => Ok(Some(Presented {
            key,
            removal: Removal::Path(taken.rest),
        })),
        _ => Err(Unusable::Several),
    }
}

/// What follows the scheme, which ends at the first space.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let (word, rest) = value.split_at_checked(scheme.len())?;
    let apart = rest.is_empty() || rest.starts_with(b" ");
    (apart && word.eq_ignore_ascii_case(scheme)).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<Source> {
        vec![
            Source::Header("x-api-key".to_owned()),
            Source::Scheme {
                header: "authorization".to_owned(),
                scheme: "Bearer".to_owned(),
            },
            Source::Scheme {
                header: "authorization".to_owned(),
                scheme: "ApiKey".to_owned(),
            },
            Source::Query("api_key".to_owned()),
        ]
    }

    fn found(pairs: &[(&str, &str)]) -> Result<Option<(String, Removal)>, Unusable> {
        let path = if pairs.iter().any(|(name, _)| *name == ":path") {
            None
        } else {
            Some((":path", "/"))
        };
        let block = HeaderBlock::from_pairs(
            pairs
                .iter()
                .copied()
                .chain(path)
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect::<Vec<_>>(),
        );
        find(&sources(), &block, 16).map(|presented| {
            presented
                .map(|presented| (String::from_utf8(presented.key).unwrap(), presented.removal))
        })
    }

    impl std::fmt::Debug for Removal {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match self {
                Self::Header(name) => write!(f, "header {name}"),
                Self::Path(path) => write!(f, "path {path}"),
            }
        }
    }

    #[test]
    fn a_key_is_found_in_each_place() {
        let header = |name: &str| Removal::Header(name.to_owned());
        for (pairs, key, removal) in [
            (&[("X-Api-Key", " k1 ")][..], "k1", header("x-api-key")),
            (
                &[("authorization", "bearer  k2")],
                "k2",
                header("authorization"),
            ),
            (
                &[("authorization", "ApiKey k3")],
                "k3",
                header("authorization"),
            ),
            (
                &[(":path", "/a?x=1&api%5Fkey=k%2B4")],
                "k+4",
                Removal::Path("/a?x=1".to_owned()),
            ),
            (
                &[("authorization", "Basic eDp5"), ("x-api-key", "k5")],
                "k5",
                header("x-api-key"),
            ),
        ] {
            assert_eq!(
                found(pairs),
                Ok(Some((key.to_owned(), removal))),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn credentials_of_another_kind_are_none() {
        for pairs in [
            &[][..],
            &[("authorization", "Basic eDp5")],
            &[("authorization", "Bearerk")],
            &[("authorization", "")],
            &[(":path", "/api_key?apikey=1")],
        ] {
            assert_eq!(found(pairs), Ok(None), "{pairs:?}");
        }
    }

    #[test]
    fn two_keys_are_refused_wherever_they_stand() {
        for pairs in [
            &[("x-api-key", "a"), ("x-api-key", "a")][..],
            &[("x-api-key", "a"), ("authorization", "Bearer a")],
            &[("x-api-key", "a"), (":path", "/?api_key=a")],
            &[(":path", "/?api_key=a&api_key=a")],
            &[
                ("authorization", "Basic eDp5"),
                ("authorization", "Bearer a"),
            ],
            &[("x-api-key", ""), ("authorization", "Bearer a")],
        ] {
            assert_eq!(found(pairs), Err(Unusable::Several), "{pairs:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        for pairs in [
            &[("x-api-key", "")][..],
            &[("x-api-key", "12345678901234567")],
            &[("authorization", "Bearer")],
            &[(":path", "/?api_key")],
            &[(":path", "/"), (":path", "/")],
        ] {
            assert_eq!(found(pairs), Err(Unusable::Malformed), "{pairs:?}");
        }
    }

    #[test]
    fn debug_output_has_no_key() {
        let block =
            HeaderBlock::from_pairs([(&b":path"[..], &b"/"[..]), (b"x-api-key", b"s3cret")]);
        let shown = format!("{:?}", find(&sources(), &block, 16).unwrap());
        assert_eq!(shown, "Some(Presented(header x-api-key))");
    }
}
