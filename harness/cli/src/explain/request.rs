//! The request that is asked about, in whichever form it is at hand.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use located_yaml::Node;
use modelgate_scenario::file::Request;

use super::{curl as command_line, raw};

/// Reads a request: as it is on the wire, a curl command, or YAML or JSON as `request` of a
/// scenario is written. `folder` is where files are looked for that a curl command names.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn read(
    bytes: &[u8],
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Request> {
    if raw::is_request(bytes) {
        return raw::request(bytes);
    }
    let text = std::str::from_utf8(bytes).context("it is not UTF-8")?;
    if text.split_whitespace().next() == Some("curl") {
        return command_line::read(text, folder, variable);
    }
    let forms = "a request as HTTP (`POST /path HTTP/1.1`), a curl command, or YAML or JSON with `method`, `path`, `authority`, `headers` and `body` or `json`";
    let node = Node::parse(text).map_err(|error| anyhow!("{error}\nexpected {forms}"))?;
    anyhow::ensure!(!node.is_null(), "it is empty: expected {forms}");
    let request = Request::read(&node).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}\nexpected {forms}", lines.join("\n"))
    })?;
    Ok(request)
}

/// Reads a curl command.
///
/// # Errors
/// What is not understood of it.
pub fn curl(
    text: &str,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Request> {
    command_line::read(text, folder, variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Request> {
        read(text.as_bytes(), Path::new("."), &|_| None)
    }

    #[test]
    fn each_form_is_told_by_how_it_begins() {
        for text in [
            "PUT /a HTTP/1.1\nhost: gw\nx: 1\n\nb\n",
            "\ncurl -X PUT gw/a -H 'x: 1' \\\n --data-binary b",
            "{ \"method\": \"PUT\", \"path\": \"/a\", \"authority\": \"gw\", \"headers\": { \"x\": \"1\" }, \"body\": \"b\" }",
            "method: PUT\npath: /a\nauthority: gw\nheaders: { x: '1' }\nbody: b\n",
        ] {
            let request = request(text).unwrap();
            assert_eq!(
                (
                    request.method.as_str(),
                    request.path.as_str(),
                    request.authority.as_str()
                ),
                ("PUT", "/a", "gw"),
                "{text}"
            );
            assert_eq!(request.body.bytes(), b"b", "{text}");
            assert!(
                request
                    .headers
                    .iter()
                    .any(|(name, value)| name == "x" && &**value == b"1")
            );
        }
    }

    #[test]
    fn what_is_none_of_them_is_told_with_its_place() {
        for (text, said) in [
            ("method: [", "1:"),
            ("method: GET\npfad: /\n", "2:1: pfad"),
            ("method: GET\nat_ms: 3\n", "leave times out"),
            ("", "it is empty"),
            ("hello", "1:1"),
        ] {
            let error = format!("{:#}", request(text).unwrap_err());
            assert!(
                error.contains(said) && error.contains("expected"),
                "{text}: {error}"
            );
        }
    }
}
