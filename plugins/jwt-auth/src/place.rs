//! Where the token of a request may stand: what was written, as places to look for a credential.

use modelgate_kit::config::Problems;
use modelgate_kit::credential::{Place, is_token};

use crate::config::TokenFrom;

/// Checks what was written.
pub fn compile(written: TokenFrom, problems: &mut Problems) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for (at, place) in written.headers.into_iter().enumerate() {
        let name = place.name.to_ascii_lowercase();
        if !is_token(&name) || name == "cookie" {
            problems.add(
                format!("headers[{at}].name"),
                "is not a header name that can carry a token",
                "",
            );
        }
        if place
            .scheme
            .as_ref()
            .is_some_and(|scheme| !is_token(scheme))
        {
            problems.add(
                format!("headers[{at}].scheme"),
                "is not an authentication scheme",
                "write `Bearer`, or leave it out",
            );
        }
        let is_same =
            |other: &Place| matches!(other, Place::Header { name: known, .. } if *known == name);
        if places.iter().any(is_same) {
            problems.add(format!("headers[{at}].name"), "is listed twice", "");
        }
        places.push(Place::Header {
            name,
            scheme: place.scheme,
        });
    }
    for (at, name) in written.cookies.into_iter().enumerate() {
        if !is_token(&name) {
            problems.add(format!("cookies[{at}]"), "is not a cookie name", "");
        }
        places.push(Place::Cookie(name));
    }
    for (at, name) in written.query.into_iter().enumerate() {
        if name.is_empty() {
            problems.add(format!("query[{at}]"), "is empty", "");
        }
        places.push(Place::Query(name));
    }
    if places.is_empty() {
        problems.add(
            "",
            "names no place",
            "leave it out for the header `authorization: Bearer …`",
        );
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HeaderPlace;

    #[test]
    fn places_that_cannot_be_are_named() {
        let written = TokenFrom {
            headers: vec![
                HeaderPlace {
                    name: "a b".into(),
                    scheme: None,
                },
                HeaderPlace {
                    name: "cookie".into(),
                    scheme: None,
                },
                HeaderPlace {
                    name: "x".into(),
                    scheme: Some("Be arer".into()),
                },
                HeaderPlace {
                    name: "X".into(),
                    scheme: None,
                },
            ],
            cookies: vec!["a;b".into()],
            query: vec![String::new()],
        };
        let mut problems = Problems::default();
        compile(written, &mut problems);
        let paths: Vec<_> = problems
            .into_vec()
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            [
                "headers[0].name",
                "headers[1].name",
                "headers[2].scheme",
                "headers[3].name",
                "cookies[0]",
                "query[0]"
            ]
        );
    }
}
