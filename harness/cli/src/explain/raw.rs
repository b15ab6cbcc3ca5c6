//! Messages as they are on the wire of HTTP/1.1 (RFC 9112): a first line, headers, an empty line, a
//! body.

use anyhow::{Context as _, Result, bail, ensure};
use modelgate_scenario::engine::explained::ModelAnswer;
use modelgate_scenario::file::{Body, Chunk, Request};

/// Headers in order, names in lower case.
type Headers = Vec<(String, String)>;

/// What a request is for that names no host.
const NO_HOST: &str = "gateway.test";

/// Whether a text begins as a request on the wire does.
pub fn is_request(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii_end();
    let Some(at) = line.iter().rposition(|byte| *byte == b' ') else {
        return false;
    };
    line.get(at..)
        .is_some_and(|version| version.starts_with(b" HTTP/"))
        && line.first().is_some_and(u8::is_ascii_alphabetic)
}

/// Reads a request.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn request(bytes: &[u8]) -> Result<Request> {
    let message = Message::read(bytes)?;
    let mut words = message.first.split(' ');
    let (Some(method), Some(path), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        bail!("line 1: write METHOD PATH HTTP/1.1, such as `POST /v1/chat/completions HTTP/1.1`");
    };
    ensure!(
        !method.is_empty() && method.bytes().all(is_token),
        "line 1: `{method}` is no method"
    );
    let (named, path) = match path.starts_with('/') {
        true => (None, path.to_owned()),
        false => target(path).context("line 1")?,
    };
    let (hosts, headers): (Vec<_>, Vec<_>) = message
        .headers
        .into_iter()
        .partition(|(name, _)| name == "host");
    ensure!(hosts.len() < 2, "it has the header `host` more than once");
    let host = hosts.into_iter().next().map(|(_, host)| host);
    Ok(Request {
        method: method.to_owned(),
        path,
        authority: host.or(named).unwrap_or_else(|| NO_HOST.to_owned()),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        body: Body {
            chunks: message.body.map(Chunk::at_once).into_iter().collect(),
            ..Body::default()
        },
        disconnect_after_ms: None,
        http2: version.starts_with("HTTP/2"),
        upgrade: None,
    })
}

/// Reads an answer: one as it is on the wire, or else a body of JSON.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn answer(bytes: &[u8]) -> Result<ModelAnswer> {
    if !bytes.starts_with(b"HTTP/") {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
        json.context("neither JSON nor an answer that begins with `HTTP/1.1 200`")?;
        return Ok(ModelAnswer {
            status: 200,
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: bytes.to_vec(),
        });
    }
    let message = Message::read(bytes)?;
    let status = message
        .first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.filter(|status| (200..600).contains(status));
    let headers = message.headers.into_iter();
    Ok(ModelAnswer {
        status: status.context("line 1: write HTTP/1.1 and a status from 200 to 599")?,
        headers: headers
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        body: message.body.unwrap_or_default(),
    })
}

struct Message {
    first: String,
    headers: Headers,
    body: Option<Vec<u8>>,
}

impl Message {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let mut line = 0_usize;
        let mut next = || -> Result<Option<String>> {
            if rest.is_empty() {
                return Ok(None);
            }
            line = line.saturating_add(1);
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (text, behind) = rest
                .split_at_checked(end.unwrap_or(rest.len()))
                .unwrap_or((rest, b""));
            rest = behind.get(1..).unwrap_or_default();
            let text = std::str::from_utf8(text.strip_suffix(b"\r").unwrap_or(text));
            Ok(Some(
                text.with_context(|| format!("line {line} is not UTF-8"))?
                    .to_owned(),
            ))
        };
        let first = next()?.context("it is empty")?;
        let mut headers = Headers::new();
        let mut number = 1_usize;
        while let Some(text) = next()? {
            number = number.saturating_add(1);
            if text.is_empty() {
                break;
            }
            headers.push(header(&text).with_context(|| format!("line {number}"))?);
        }
        Ok(Self {
            first,
            body: body(rest, &headers)?,
            headers,
        })
    }
}

/// The body: as many bytes as the headers say, or all that is there but for the line break that
/// editors write at the end of a file.
fn body(rest: &[u8], headers: &Headers) -> Result<Option<Vec<u8>>> {
    let value = |name: &str| {
        headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value)
    };
    ensure!(
        value("transfer-encoding").is_none(),
        "it has `transfer-encoding`: leave that header out, and write the body as it is without chunks"
    );
    let without_break = rest.strip_suffix(b"\n").unwrap_or(rest);
    let without_break = without_break.strip_suffix(b"\r").unwrap_or(without_break);
    let Some(length) = value("content-length") else {
        return Ok((!without_break.is_empty()).then(|| without_break.to_vec()));
    };
    let whole = [rest, without_break]
        .into_iter()
        .find(|body| *length == body.len().to_string());
    let body = whole.with_context(|| {
        let length = length.as_str();
        format!("content-length says {length}, and the body has {} bytes: leave that header out, and it is counted", without_break.len())
    })?;
    Ok(Some(body.to_vec()))
}

/// A header of one line.
pub(super) fn header(text: &str) -> Result<(String, String)> {
    ensure!(
        !text.starts_with([' ', '\t']),
        "a header that goes on over a second line is refused by Envoy"
    );
    let (name, value) = text
        .split_once(':')
        .with_context(|| format!("`{}` has no colon", shown(text)))?;
    ensure!(
        !name.is_empty() && name.bytes().all(is_token),
        "`{}` is no name of a header",
        shown(name)
    );
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// The beginning of a text: what is wrong may stand beside a secret.
fn shown(text: &str) -> String {
    const MOST: usize = 20;
    let beginning: String = text.chars().take(MOST).collect();
    match beginning.len() == text.len() {
        true => beginning,
        false => format!("{beginning}…"),
    }
}

/// Host and path of a URL.
pub(super) fn target(url: &str) -> Result<(Option<String>, String)> {
    let lower = url.to_ascii_lowercase();
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme));
    let rest = match scheme {
        Some(scheme) => url.get(scheme.len()..).unwrap_or_default(),
        None if url.contains("://") => bail!("`{}` is no http or https URL", shown(url)),
        None => url,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    ensure!(
        !authority.contains('@'),
        "the URL has user information: send it as a header"
    );
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    Ok((
        Some(authority.to_owned()).filter(|authority| !authority.is_empty()),
        path,
    ))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_on_the_wire() {
        let text =
            "POST /v1/x?a=b HTTP/1.1\r\nHost: gw.test\r\nX-A: 1\r\nx-a:2\r\n\r\n{\"a\":\n1}\n";
        assert!(is_request(text.as_bytes()));
        let request = request(text.as_bytes()).unwrap();
        assert_eq!(
            (
                request.method.as_str(),
                request.authority.as_str(),
                request.path.as_str()
            ),
            ("POST", "gw.test", "/v1/x?a=b")
        );
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), &**value))
            .collect();
        assert_eq!(headers, [("x-a", &b"1"[..]), ("x-a", b"2")]);
        assert_eq!(request.body.bytes(), b"{\"a\":\n1}");
        let bare = super::request(b"GET https://other.test HTTP/2\n").unwrap();
        assert_eq!(
            (bare.authority.as_str(), bare.path.as_str()),
            ("other.test", "/")
        );
        assert!(bare.http2 && bare.body.chunks.is_empty());
        assert!(!is_request(b"method: GET") && !is_request(b"{\"path\": \"/\"}"));
    }

    #[test]
    fn the_length_counts_where_it_is_written() {
        let with = |length: &str| format!("POST / HTTP/1.1\nContent-Length: {length}\n\nab\n");
        assert_eq!(request(with("2").as_bytes()).unwrap().body.bytes(), b"ab");
        assert_eq!(request(with("3").as_bytes()).unwrap().body.bytes(), b"ab\n");
        let error = request(with("7").as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("says 7, and the body has 2 bytes"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, said) in [
            ("", "it is empty"),
            ("GET /\n", "line 1: write METHOD PATH HTTP/1.1"),
            ("G@T / HTTP/1.1\n", "line 1: `G@T` is no method"),
            ("GET ftp://x HTTP/1.1\n", "no http or https URL"),
            (
                "GET / HTTP/1.1\nHost: a\nno colon\n\n",
                "line 3: `no colon` has no colon",
            ),
            (
                "GET / HTTP/1.1\nHost: a\n b: c\n\n",
                "line 3: a header that goes on",
            ),
            ("GET / HTTP/1.1\na b: c\n\n", "line 2: `a b` is no name"),
            (
                "GET / HTTP/1.1\nhost: a\nhost: b\n\n",
                "`host` more than once",
            ),
            (
                "GET / HTTP/1.1\ntransfer-encoding: chunked\n\n0",
                "leave that header out",
            ),
        ] {
            let error = format!("{:#}", request(text.as_bytes()).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn an_answer_is_a_message_or_a_body_of_json() {
        let answered = answer(b"HTTP/1.1 429 Too Many\nretry-after: 3\n\nno").unwrap();
        assert_eq!(
            (answered.status, answered.body.as_slice()),
            (429, &b"no"[..])
        );
        assert_eq!(
            answered.headers,
            [("retry-after".to_owned(), b"3".to_vec())]
        );
        assert_eq!(answer(b"{}").unwrap().status, 200);
        assert!(answer(b"HTTP/1.1 100 Continue\n\n").is_err());
        assert!(answer(b"text").is_err());
    }
}
