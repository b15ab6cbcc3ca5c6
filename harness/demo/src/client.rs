//! The caller of the tour: sends a request to a loopback port, keeps what comes back and when, and
//! can say itself as a `curl` line.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take as a whole.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a line of a command, besides what stands before and behind it.
const LINE: usize = 72;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: String,
}

impl Call {
    /// A GET request.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A POST request.
    pub fn post(path: &str, body: &str) -> Self {
        Self {
            method: "POST".into(),
            body: body.into(),
            ..Self::get(path)
        }
    }

    /// One header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request for the shell, in lines that fit a terminal of 80 columns where words allow
    /// it. Values of headers that start with `$` are left for the shell to fill in.
    pub fn curl(&self, base: &str) -> String {
        let mut line = String::from("curl -sS -i");
        if self.method != "GET" && self.body.is_empty() {
            let _ = write!(line, " -X {}", self.method);
        }
        let url = quoted(&format!("{base}{}", self.path));
        let _ = match line.len().saturating_add(url.len()) < LINE {
            true => write!(line, " {url}"),
            false => write!(line, " \\\n  {url}"),
        };
        for (name, value) in &self.headers {
            let _ = match value.contains('$') {
                true => write!(line, " \\\n  -H \"{name}: {value}\""),
                false => write!(line, " \\\n  -H {}", quoted(&format!("{name}: {value}"))),
            };
        }
        if !self.body.is_empty() {
            let _ = write!(line, " \\\n  -d {}", quoted(&self.body));
        }
        line
    }
}

/// The text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// How many pieces the body came in.
    pub pieces: usize,
}

impl Answer {
    /// A header, if it came once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request on a connection of its own.
///
/// # Errors
/// If nothing answers, or the answer breaks off or does not end in time.
pub async fn send(port: u16, call: &Call) -> Result<Answer> {
    timeout(PATIENCE, converse(port, call))
        .await
        .with_context(|| format!("no whole answer within {} s", PATIENCE.as_secs()))?
}

async fn converse(port: u16, call: &Call) -> Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .with_context(|| format!("cannot connect to 127.0.0.1:{port}"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(call.method.as_str())
        .uri(&call.path);
    if !call.headers.iter().any(|(name, _)| name == "host") {
        request = request.header("host", format!("127.0.0.1:{port}"));
    }
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(call.body.clone()));
    let (head, mut body) = sender.send_request(request.body(body)?).await?.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        ..Answer::default()
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.context("the answer broke off")?.into_data() {
            bytes.extend_from_slice(&data);
            answer.pieces = answer.pieces.saturating_add(1);
        }
    }
    answer.body = bytes.into();
    connection.abort();
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_a_line_that_a_shell_reads_back() {
        let call = Call::post("/v1/x?a=1&b=2", "{\"text\":\"it's\"}")
            .with("authorization", "Bearer $ANN")
            .with("content-type", "application/json");
        let line = call.curl("http://127.0.0.1:1");
        assert_eq!(
            line,
            "curl -sS -i 'http://127.0.0.1:1/v1/x?a=1&b=2' \\\n  -H \"authorization: Bearer $ANN\" \\\n  -H 'content-type: application/json' \\\n  -d '{\"text\":\"it'\\''s\"}'"
        );
        let script =
            format!("curl() {{ for word; do printf '<%s>' \"$word\"; done; }}; ANN=t; {line}");
        let said = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(said.stdout).unwrap(),
            "<-sS><-i><http://127.0.0.1:1/v1/x?a=1&b=2><-H><authorization: Bearer t><-H><content-type: application/json><-d><{\"text\":\"it's\"}>"
        );
    }

    #[test]
    fn a_call_without_a_body_needs_no_method_unless_it_is_another() {
        assert_eq!(Call::get("/x").curl("http://h"), "curl -sS -i http://h/x");
        let delete = Call {
            method: "DELETE".into(),
            ..Call::get("/x")
        };
        assert_eq!(delete.curl("http://h"), "curl -sS -i -X DELETE http://h/x");
    }
}
