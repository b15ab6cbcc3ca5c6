//! A curl command line as the request that curl would send.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use modelgate_scenario::file::{Body, Chunk, Request};

use super::raw::{header, target};
use super::shell;

/// Options without a value that change nothing about the request.
const FLAGS: &[&str] = &[
    "--compressed",
    "--fail",
    "--fail-with-body",
    "--globoff",
    "--http1.1",
    "--include",
    "--insecure",
    "--location",
    "--no-buffer",
    "--no-progress-meter",
    "--show-error",
    "--silent",
    "--verbose",
    "-L",
    "-N",
    "-S",
    "-f",
    "-g",
    "-i",
    "-k",
    "-s",
    "-v",
];

/// Options with a value that change nothing about the request.
const PASSED_OVER: &[&str] = &[
    "--cacert",
    "--connect-timeout",
    "--max-time",
    "--output",
    "--resolve",
    "--retry",
    "--write-out",
    "-m",
    "-o",
    "-w",
];

/// Options with a value, short and long.
const VALUES: &[(&str, &str)] = &[
    ("-A", "--user-agent"),
    ("-H", "--header"),
    ("-X", "--request"),
    ("-b", "--cookie"),
    ("-d", "--data"),
    ("-e", "--referer"),
    ("-u", "--user"),
];

/// Options with a value that have no short name.
const LONG_VALUES: &[&str] = &[
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--json",
    "--oauth2-bearer",
    "--url",
];

#[derive(Default)]
struct Command {
    url: Option<String>,
    method: Option<String>,
    headers: Vec<(String, Option<String>)>,
    data: Vec<Vec<u8>>,
    json: bool,
    get: bool,
    head: bool,
    http2: bool,
}

/// Reads a command line. Files that it names (`-d @body.json`) are read from `folder`.
///
/// # Errors
/// What is not understood of it: an option that is not known is never passed over.
pub fn read(
    text: &str,
    folder: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Request> {
    let mut words = shell::words(text, variable)?.into_iter();
    ensure!(
        words.next().as_deref() == Some("curl"),
        "it does not begin with `curl`"
    );
    let mut command = Command::default();
    let mut only_operands = false;
    while let Some(word) = words.next() {
        if only_operands || !word.starts_with('-') || word == "-" {
            command.operand(word)?;
            continue;
        }
        if word == "--" {
            only_operands = true;
            continue;
        }
        for (option, attached) in options(&word) {
            command.option(&option, attached, &mut words, folder)?;
        }
    }
    command.request()
}

/// The options in one word: `--data=x`, `-sS`, `-XPOST`.
fn options(word: &str) -> Vec<(String, Option<String>)> {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => vec![(name.to_owned(), Some(value.to_owned()))],
            None => vec![(word.to_owned(), None)],
        };
    }
    let mut found = Vec::new();
    let mut letters = word.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        let name = format!("-{letter}");
        let takes_value =
            VALUES.iter().any(|(short, _)| *short == name) || PASSED_OVER.contains(&name.as_str());
        if takes_value {
            let rest = letters.as_str();
            found.push((name, (!rest.is_empty()).then(|| rest.to_owned())));
            break;
        }
        found.push((name, None));
    }
    found
}

impl Command {
    fn operand(&mut self, url: String) -> Result<()> {
        ensure!(self.url.is_none(), "it names more than one URL");
        self.url = Some(url);
        Ok(())
    }

    fn option(
        &mut self,
        name: &str,
        attached: Option<String>,
        words: &mut impl Iterator<Item = String>,
        folder: &Path,
    ) -> Result<()> {
        let long = VALUES.iter().find(|(short, _)| *short == name);
        let name = long.map_or(name, |(_, long)| long);
        if attached.is_none() {
            match name {
                "--get" | "-G" => self.get = true,
                "--head" | "-I" => self.head = true,
                "--http2" | "--http2-prior-knowledge" => self.http2 = true,
                _ if FLAGS.contains(&name) => {}
                _ => return self.option_with_value(name, words.next(), folder),
            }
            return Ok(());
        }
        self.option_with_value(name, attached, folder)
    }

    fn option_with_value(
        &mut self,
        name: &str,
        value: Option<String>,
        folder: &Path,
    ) -> Result<()> {
        let is_known = VALUES.iter().any(|(_, long)| *long == name)
            || LONG_VALUES.contains(&name)
            || PASSED_OVER.contains(&name);
        ensure!(
            is_known,
            "the option {name} is not understood: leave it out, or write the request as HTTP"
        );
        let value = value.with_context(|| format!("{name} lacks its value"))?;
        match name {
            "--url" => self.operand(value)?,
            "--request" => self.method = Some(value),
            "--header" => self.header(&value)?,
            "--user-agent" => self.set("user-agent", value),
            "--referer" => self.set("referer", value),
            "--user" => self.set("authorization", format!("Basic {}", STANDARD.encode(value))),
            "--oauth2-bearer" => self.set("authorization", format!("Bearer {value}")),
            "--cookie" => {
                ensure!(
                    value.contains('='),
                    "-b with a file of cookies is not read: write NAME=VALUE"
                );
                self.set("cookie", value);
            }
            "--json" => {
                self.json = true;
                self.data(&value, folder, false)?;
            }
            "--data" | "--data-ascii" => self.data(&value, folder, true)?,
            "--data-binary" => self.data(&value, folder, false)?,
            "--data-raw" => self.data.push(value.into_bytes()),
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) {
        self.headers.push((name.to_owned(), Some(value)));
    }

    /// `Name: value`; `Name:` takes a header of curl's own out, `Name;` sends an empty one.
    fn header(&mut self, text: &str) -> Result<()> {
        ensure!(
            !text.starts_with('@'),
            "-H with a file is not read: write the headers"
        );
        if let Some(name) = text.strip_suffix(';').filter(|name| !name.contains(':')) {
            let (name, _) = header(&format!("{name}:"))?;
            self.headers.push((name, Some(String::new())));
            return Ok(());
        }
        let (name, value) = header(text)?;
        self.headers
            .push((name, Some(value).filter(|value| !value.is_empty())));
        Ok(())
    }

    fn data(&mut self, value: &str, folder: &Path, strips_lines: bool) -> Result<()> {
        let Some(file) = value.strip_prefix('@') else {
            self.data.push(value.as_bytes().to_vec());
            return Ok(());
        };
        ensure!(
            file != "-",
            "a body from standard input is not read: name a file"
        );
        let path = folder.join(file);
        let mut bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        // `-d` sends a file without its line breaks.
        bytes.retain(|byte| !strips_lines || !matches!(byte, b'\r' | b'\n'));
        self.data.push(bytes);
        Ok(())
    }

    fn request(self) -> Result<Request> {
        let url = self.url.context("it names no URL")?;
        let (authority, mut path) = target(&url)?;
        let authority = authority.context("the URL names no host")?;
        let has_data = !self.data.is_empty();
        let separator: &[u8] = if self.json { b"" } else { b"&" };
        let mut body = self.data.join(separator);
        if self.get && has_data {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(std::str::from_utf8(&body).context("data that is not UTF-8, in a URL")?);
            body.clear();
        }
        let method = match (self.method, self.head, has_data && !self.get) {
            (Some(method), _, _) => method,
            (None, true, _) => "HEAD".to_owned(),
            (None, false, true) => "POST".to_owned(),
            (None, false, false) => "GET".to_owned(),
        };
        // What curl sends of itself, unless the command line says otherwise.
        let mut own = vec![("user-agent", "curl"), ("accept", "*/*")];
        match (self.json, has_data && !self.get) {
            (true, _) => {
                own = vec![
                    ("user-agent", "curl"),
                    ("accept", "application/json"),
                    ("content-type", "application/json"),
                ];
            }
            (false, true) => own.push(("content-type", "application/x-www-form-urlencoded")),
            (false, false) => {}
        }
        let written = &self.headers;
        own.retain(|(name, _)| !written.iter().any(|(header, _)| header == name));
        let own = own
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = written
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let (hosts, headers): (Vec<_>, Vec<_>) =
            own.chain(given).partition(|(name, _)| name == "host");
        let body_is_there = has_data && !self.get;
        Ok(Request {
            method,
            path,
            authority: hosts
                .into_iter()
                .next_back()
                .map_or(authority, |(_, host)| host),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
            body: Body {
                chunks: body_is_there
                    .then(|| Chunk::at_once(body))
                    .into_iter()
                    .collect(),
                ..Body::default()
            },
            disconnect_after_ms: None,
            http2: self.http2,
            upgrade: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curl(text: &str) -> Result<Request> {
        read(text, Path::new(env!("CARGO_MANIFEST_DIR")), &|_| None)
    }

    fn value(request: &Request, name: &str) -> Option<String> {
        let mut headers = request.headers.iter();
        let found = headers.find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn a_command_is_the_request_that_curl_sends() {
        let text = "curl -sS https://gw.test/v1/chat/completions?a=b \\\n -H 'Authorization: Bearer x.y.z' -H 'Content-Type: application/json' -d '{\"model\":\"m\"}'";
        let request = curl(text).unwrap();
        assert_eq!(
            (
                request.method.as_str(),
                request.authority.as_str(),
                request.path.as_str()
            ),
            ("POST", "gw.test", "/v1/chat/completions?a=b")
        );
        assert_eq!(
            value(&request, "authorization").as_deref(),
            Some("Bearer x.y.z")
        );
        assert_eq!(
            value(&request, "content-type").as_deref(),
            Some("application/json")
        );
        assert_eq!(value(&request, "accept").as_deref(), Some("*/*"));
        assert_eq!(request.body.bytes(), br#"{"model":"m"}"#);
    }

    #[test]
    fn options_do_what_they_do_for_curl() {
        for (text, method, path, body) in [
            ("curl gw.test", "GET", "/", ""),
            ("curl -I http://gw.test/x#y", "HEAD", "/x", ""),
            ("curl -XDELETE gw.test/x", "DELETE", "/x", ""),
            ("curl gw.test -d a=1 --data-raw @b", "POST", "/", "a=1&@b"),
            ("curl -G gw.test/x?q=1 -d a=1", "GET", "/x?q=1&a=1", ""),
            ("curl --json '{}' -- gw.test", "POST", "/", "{}"),
            (
                "curl --url gw.test --request=PUT --data-binary ''",
                "PUT",
                "/",
                "",
            ),
        ] {
            let request = curl(text).unwrap();
            let body_seen = String::from_utf8(request.body.bytes()).unwrap();
            assert_eq!(
                (
                    request.method.as_str(),
                    request.path.as_str(),
                    body_seen.as_str()
                ),
                (method, path, body),
                "{text}"
            );
        }
        let request =
            curl("curl -u a:b -b c=d -A me -H 'Host: other.test' -H Accept: -H 'x;' gw.test");
        let request = request.unwrap();
        assert_eq!(request.authority, "other.test");
        assert_eq!(
            value(&request, "authorization").as_deref(),
            Some("Basic YTpi")
        );
        assert_eq!(value(&request, "cookie").as_deref(), Some("c=d"));
        assert_eq!(value(&request, "user-agent").as_deref(), Some("me"));
        assert_eq!(value(&request, "accept"), None);
        assert_eq!(value(&request, "x").as_deref(), Some(""));
        assert!(curl("curl gw.test -d @Cargo.toml").is_ok());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, said) in [
            ("wget gw.test", "does not begin with `curl`"),
            ("curl", "names no URL"),
            ("curl a b", "more than one URL"),
            ("curl -F a=b gw.test", "the option -F is not understood"),
            ("curl gw.test -H", "--header lacks its value"),
            ("curl gw.test -H nothing", "has no colon"),
            ("curl gw.test -d @no-such-file", "no-such-file"),
            ("curl ftp://gw.test", "is no http or https URL"),
            ("curl gw.test -b cookies.txt", "file of cookies"),
        ] {
            let error = format!("{:#}", curl(text).unwrap_err());
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
