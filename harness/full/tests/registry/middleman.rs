//! A server between the program and a real registry, which answers some requests itself: a
//! registry that lies, breaks off, or can more than the one that is installed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// No connection lasts longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request, as far as it is looked at.
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// The lines of the head after the first.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What becomes of a request.
pub enum Turn {
    /// The registry answers it.
    Forward,
    /// The registry answers it, with these lines more in the answer's head.
    ForwardWith(String),
    /// Status, headers (each with its line end) and body.
    Answer(u16, String, Vec<u8>),
    /// The connection ends without an answer.
    BreakOff,
    /// An answer without an end, of which the number of bytes that were taken is told.
    Endless(Box<dyn FnOnce(usize) + Send>),
}

/// A server; its threads end with the test.
pub struct Middleman {
    /// Host and port.
    pub address: String,
}

impl Middleman {
    /// One before `registry`, or before nothing, that does with each request what `turn` says.
    pub fn before(registry: &str, turn: impl Fn(&Request) -> Turn + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (registry, turn) = (registry.to_owned(), Arc::new(turn));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (registry, turn) = (registry.clone(), Arc::clone(&turn));
                let client = client.unwrap();
                // A client that goes away is no concern of this thread's.
                std::thread::spawn(move || drop(serve(client, &registry, turn.as_ref())));
            }
        });
        Self { address }
    }
}

fn serve(
    mut client: TcpStream,
    registry: &str,
    turn: &dyn Fn(&Request) -> Turn,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let request = read(&mut client)?;
    match turn(&request) {
        Turn::Forward => client.write_all(&forwarded(&request, registry)?)?,
        Turn::ForwardWith(lines) => {
            let answer = forwarded(&request, registry)?;
            let end = answer.windows(2).position(|pair| pair == b"\r\n");
            let (first, rest) = answer.split_at(end.unwrap_or_default() + 2);
            client.write_all(&[first, lines.as_bytes(), rest].concat())?;
        }
        Turn::Answer(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            client.write_all(&[head.as_bytes(), &body].concat())?;
        }
        Turn::BreakOff => client.shutdown(Shutdown::Both)?,
        Turn::Endless(told) => {
            let mut taken = 0;
            let head = b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n";
            client.write_all(head)?;
            while taken < 256 << 20 && client.write_all(&[b' '; 1 << 16]).is_ok() {
                taken += 1 << 16;
            }
            told(taken);
        }
    }
    Ok(())
}

fn read(client: &mut TcpStream) -> std::io::Result<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
    let mut request = Request {
        method: first.next().unwrap(),
        path: first.next().unwrap(),
        headers: lines.map(str::to_owned).collect(),
        body: Vec::new(),
    };
    let length = request.header("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    client.read_exact(&mut request.body)?;
    Ok(request)
}

/// What the registry answers. The host stays the client's, so that addresses in answers lead here.
fn forwarded(request: &Request, registry: &str) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(registry)?;
    server.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for line in &request.headers {
        if !line.to_lowercase().starts_with("connection:") {
            head.push_str(&format!("{line}\r\n"));
        }
    }
    head.push_str("connection: close\r\n\r\n");
    server.write_all(&[head.as_bytes(), &request.body].concat())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}
