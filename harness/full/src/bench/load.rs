//! The load: one request over HTTP/1.1, again and again on several connections, each answer read to
//! its end and checked.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::server::bind_process;
use modelgate_scenario::file::Request;

/// The longest head of an answer that is taken, in bytes.
const LONGEST_HEAD: usize = 65_536;

/// How long an answer may stay away. Under valgrind the first one takes more than ten seconds on a
/// busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Binds this process to a processor, if it was given one.
pub fn bind(processor: Option<usize>) {
    if let Some(processor) = processor {
        bind_process(std::process::id(), processor);
    }
}

/// A request that is repeated, and the status that it must get.
#[derive(Clone, Debug)]
pub struct Load {
    request: Vec<u8>,
    status: u16,
}

impl Load {
    /// For a request of a scenario. Its body is sent at once.
    pub fn new(request: &Request, status: u16) -> Self {
        let body: Vec<u8> = request
            .body
            .chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.iter().copied())
            .collect();
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            request.method, request.path, request.authority
        )
        .into_bytes();
        for (name, value) in &request.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if !body.is_empty() {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&body);
        Self {
            request: bytes,
            status,
        }
    }

    /// Sends it on `connections` connections for `duration`; gives the number of answers.
    ///
    /// # Errors
    /// If a connection breaks, or an answer has another status.
    pub async fn run(&self, port: u16, connections: usize, duration: Duration) -> Result<u64> {
        let until = Instant::now() + duration;
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let load = self.clone();
            tasks.spawn(async move { load.keep_busy(port, until).await });
        }
        let mut answered = 0u64;
        while let Some(done) = tasks.join_next().await {
            answered = answered.saturating_add(done??);
        }
        ensure!(answered > 0, "nothing was answered");
        Ok(answered)
    }

    /// A connection on which it is sent.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn connect(&self, port: u16) -> Result<Connection<'_>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            load: self,
            stream,
            buffer: Vec::with_capacity(LONGEST_HEAD),
        })
    }

    async fn keep_busy(&self, port: u16, until: Instant) -> Result<u64> {
        let mut connection = self.connect(port).await?;
        let mut answered = 0u64;
        while Instant::now() < until {
            connection.exchange().await?;
            answered = answered.saturating_add(1);
        }
        Ok(answered)
    }
}

/// A connection that the request is sent on, one after the other.
pub struct Connection<'a> {
    load: &'a Load,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection<'_> {
    /// Sends the request once and reads the answer.
    ///
    /// # Errors
    /// If the connection breaks, or the answer has another status.
    pub async fn exchange(&mut self) -> Result<()> {
        let Self {
            load,
            stream,
            buffer,
        } = self;
        stream.write_all(&load.request).await?;
        let head = read_head(stream, buffer).await?;
        if head.status != load.status {
            let shown = String::from_utf8_lossy(buffer).into_owned();
            bail!(
                "answered with {} instead of {}: {shown}",
                head.status,
                load.status
            );
        }
        skip_body(stream, buffer, &head).await
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head.
    len: usize,
    body: BodyLength,
}

#[derive(Debug, PartialEq, Eq)]
enum BodyLength {
    Bytes(usize),
    Chunked,
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    let read = timeout(LONGEST_WAIT, stream.read_buf(buffer)).await;
    let read = read.with_context(|| format!("no answer within {} s", LONGEST_WAIT.as_secs()))??;
    ensure!(read > 0, "the connection was closed");
    Ok(())
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Head> {
    loop {
        if let Some(head) = parse_head(buffer)? {
            return Ok(head);
        }
        ensure!(buffer.len() < LONGEST_HEAD, "the answer's head has no end");
        more(stream, buffer).await?;
    }
}

/// The head, once it is whole.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())
        .context("an answer's head that is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("an answer without a status")?;
    let mut body = BodyLength::Bytes(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = BodyLength::Bytes(value.trim().parse()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = BodyLength::Chunked;
        }
    }
    Ok(Some(Head {
        status: status.parse()?,
        len: end.saturating_add(4),
        body,
    }))
}

/// Reads the answer to its end and empties the buffer: nothing follows before the next request.
async fn skip_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &Head) -> Result<()> {
    match head.body {
        BodyLength::Bytes(bytes) => {
            while buffer.len() < head.len.saturating_add(bytes) {
                more(stream, buffer).await?;
            }
        }
        BodyLength::Chunked => {
            while !buffer.ends_with(b"\r\n0\r\n\r\n") {
                more(stream, buffer).await?;
            }
        }
    }
    buffer.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_long_the_body_is() {
        let head = |text: &str| parse_head(text.as_bytes()).unwrap();
        assert_eq!(head("HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(
            head("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"),
            Some(Head {
                status: 200,
                len: 39,
                body: BodyLength::Bytes(12)
            })
        );
        assert_eq!(
            head("HTTP/1.1 429 Too Many\r\ntransfer-encoding: chunked\r\n\r\nrest")
                .map(|head| (head.status, head.body)),
            Some((429, BodyLength::Chunked))
        );
    }
}
