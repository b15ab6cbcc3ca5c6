//! A gateway behind real sockets.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{CLIENT_BACKLOG, FlowControl, RunningServer, Server, Settings, now_ns};
use crate::{
    Answer, Callback, Connection, FilterSpec, Gateway, Guest, GuestCode, HostHandle, Reply,
    Request, Script, Trap, abi,
};

/// Sets a header on requests, and holds those to `/held` until a callout has answered.
struct Marking;

struct Instance(HostHandle, crate::ContextId);

impl GuestCode for Marking {
    fn identity(&self) -> String {
        "marking".into()
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        Ok(Box::new(Instance(host, crate::ContextId(0))))
    }
}

impl Guest for Instance {
    fn invoke(
        &mut self,
        context: crate::ContextId,
        callback: Callback,
    ) -> Result<Option<u32>, Trap> {
        let host = &self.0;
        match callback {
            Callback::RequestHeaders { .. } => {
                host.set_header(abi::MapKind::RequestHeaders, b"x-marked", b"yes")
                    .unwrap();
                if host
                    .header_value(abi::MapKind::RequestHeaders, b":path")
                    .unwrap()
                    == b"/held"
                {
                    let headers = [
                        (":method", "GET"),
                        (":path", "/call"),
                        (":authority", "idp"),
                    ];
                    let headers = headers
                        .into_iter()
                        .map(|(name, value)| (name, value.as_bytes()))
                        .collect();
                    host.http_call(b"upstream", headers, b"", crate::Headers::new(), 5000)
                        .unwrap();
                    self.1 = context;
                    return Ok(Some(1));
                }
                Ok(Some(0))
            }
            Callback::HttpCallResponse { .. } => {
                host.set_effective_context(self.1).unwrap();
                host.continue_stream(abi::StreamKind::Request).unwrap();
                Ok(Some(0))
            }
            Callback::VmStart { .. } | Callback::Configure { .. } => Ok(Some(1)),
            _ => Ok(Some(0)),
        }
    }
}

/// A server that answers every connection with what it received, in two pieces.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).unwrap();
            let text = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let _ = socket.write_all(
                b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
            );
            for piece in [text.as_str(), "end"] {
                let _ = socket.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = socket.write_all(b"0\r\n\r\n");
        }
    });
    address
}

fn live(upstream: SocketAddr) -> RunningServer {
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clusters: [("upstream".to_owned(), upstream)].into(),
        on_log: Box::new(|_| ()),
        on_end: Box::new(|_| ()),
    };
    RunningServer::start(settings, |builder| {
        Ok(builder.filter(FilterSpec::new("marking", Rc::new(Marking))))
    })
    .unwrap()
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_passes_the_chain_to_the_upstream_and_its_answer_comes_back() {
    let live = live(echo());
    let request = "POST /v1/x?q=1 HTTP/1.1\r\nhost: g\r\nx-own: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
    let answer = ask(live.address(), request);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    for seen in [
        "post /v1/x?q=1 http/1.1",
        "host: g",
        "x-own: 1",
        "x-marked: yes",
        "\r\n\r\nbody",
        "end",
    ] {
        assert!(answer.contains(seen), "{seen} in {answer}");
    }
}

#[test]
fn a_request_is_held_until_a_real_callout_answers() {
    let live = live(echo());
    let answer = ask(
        live.address(),
        "GET /held HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n",
    );
    assert!(answer.contains("get /held http/1.1"), "{answer}");
}

/// A server that grants every upgrade, says hello, repeats what it hears, and ends the connection
/// when that is "bye".
fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).unwrap();
            heard.extend(byte);
        }
        let head = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        assert!(
            head.contains("upgrade: websocket") && head.contains("connection: upgrade"),
            "{head}"
        );
        assert!(
            !head.contains("content-length") && !head.contains("transfer-encoding"),
            "{head}"
        );
        let granted = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello ";
        socket.write_all(granted.as_bytes()).unwrap();
        let mut said = [0; 64];
        while let Ok(count @ 1..) = socket.read(&mut said) {
            socket.write_all(&said[..count]).unwrap();
            if said[..count].ends_with(b"bye") {
                break;
            }
        }
    });
    address
}

#[test]
fn an_upgrade_that_is_configured_carries_bytes_both_ways_until_one_side_ends_it() {
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clusters: [("upstream".to_owned(), parrot())].into(),
        on_log: Box::new(|_| ()),
        on_end: Box::new(|_| ()),
    };
    let live = RunningServer::start(settings, |builder| {
        let marking = FilterSpec::new("marking", Rc::new(Marking));
        Ok(builder
            .upgrades(vec!["websocket".to_owned()])
            .filter(marking))
    })
    .unwrap();
    let mut socket = TcpStream::connect(live.address()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
        .write_all(
            b"GET /ws HTTP/1.1\r\nhost: g\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .unwrap();
    let mut seen = Vec::new();
    let mut piece = [0; 256];
    let mut until = |what: &str, socket: &mut TcpStream| {
        while !String::from_utf8_lossy(&seen).contains(what) {
            let count = socket.read(&mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    };
    let head = until("hello ", &mut socket).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket"), "{head}");
    socket.write_all(b"one ").unwrap();
    until("one ", &mut socket);
    socket.write_all(b"bye").unwrap();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("bye"), "{rest}");
}

#[test]
fn an_upgrade_is_refused_as_by_a_proxy_that_is_not_configured_for_it() {
    let live = live(echo());
    let request =
        "GET /ws HTTP/1.1\r\nhost: g\r\nconnection: close, Upgrade\r\nupgrade: websocket\r\n\r\n";
    let answer = ask(live.address(), request);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn an_upstream_that_is_not_there_is_answered_for() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let live = live(nobody);
    let answer = ask(
        live.address(),
        "GET / HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("upstream connect error"),
        "{answer}"
    );
}

#[test]
fn a_filter_that_does_not_start_is_an_error_of_the_start() {
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        clusters: BTreeMap::new(),
        on_log: Box::new(|_| ()),
        on_end: Box::new(|_| ()),
    };
    let refused = RunningServer::start(settings, |_| anyhow::bail!("no such filter"));
    assert!(refused.is_err_and(|error| error.to_string().contains("no such filter")));
}

#[test]
fn a_client_may_speak_http2() {
    let live = live(echo());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(live.address())
            .await
            .unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::post(format!("http://{}/v2", live.address()))
            .body(Full::new(bytes::Bytes::from_static(b"body")))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.version(), hyper::Version::HTTP_2);
        answer.into_body().collect().await.unwrap().to_bytes()
    });
    let answer = String::from_utf8_lossy(&answer);
    for seen in ["post /v2 http/1.1", "x-marked: yes", "\r\n\r\nbody"] {
        assert!(answer.contains(seen), "{seen} in {answer}");
    }
}

#[test]
fn nothing_is_kept_of_exchanges_that_are_over() {
    let mut script = Script::default();
    script.cluster(
        "upstream",
        vec![Answer::Reply(Reply::status(200).body("answer"))],
    );
    let gateway = Gateway::builder()
        .network(script)
        .keep_history(false)
        .now_ns(now_ns())
        .filter(FilterSpec::new("marking", Rc::new(Marking)))
        .build()
        .unwrap();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&outcomes);
    let over = move |outcome: &crate::Outcome| noted.lock().unwrap().push(outcome.clone());
    let server = Server::new(gateway, Box::new(|_| ()), Box::new(over));
    for path in ["/", "/held", "/"].repeat(20) {
        let headers = Request::get(path).headers;
        let id = server.with_gateway(|gateway| gateway.begin(headers, Connection::default(), true));
        server.with_gateway(|gateway| gateway.wait_for(id, Duration::from_secs(1)));
    }
    // What was to happen had an exchange taken longer comes to nothing.
    server.with_gateway(|gateway| gateway.advance(Duration::from_secs(60)));
    assert_eq!(server.gateway.borrow().retained(), 0);
    assert!(server.clients.borrow().is_empty() && server.flows.borrow().is_empty());
    let outcomes = outcomes.lock().unwrap();
    assert_eq!(outcomes.len(), 60);
    for outcome in outcomes.iter() {
        assert_eq!(
            (outcome.status(), outcome.client.chunks.len()),
            (Some(200), 0)
        );
        assert!(outcome.over && outcome.request.text("x-marked").is_some());
    }
}

#[test]
fn an_upstream_waits_for_a_client_that_takes_nothing() {
    let flow = FlowControl::default();
    let mut context = Context::from_waker(Waker::noop());
    let mut is_room = || {
        std::pin::pin!(flow.writable())
            .poll(&mut context)
            .is_ready()
    };
    assert!(is_room());
    flow.add(CLIENT_BACKLOG + 1);
    assert!(!is_room());
    flow.take(1);
    assert!(is_room());
}
