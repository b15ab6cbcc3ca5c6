//! Shadow traffic on a real Envoy: the router's mirror gets what goes out, masked and renamed as
//! `pii-mask` and `model-route` have left it, and whatever becomes of the copy, the answer is the
//! main server's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use modelgate_demo::client::Call;
use modelgate_tests::envoys::envoy;
use modelgate_tests::gateway::Gateway;
use serde_json::{Value, json};

const CHAIN: &str = r#"
about: copies of requests
chain:
- model-route:
    models:
    - { name: copied, targets: [ { tag: t, backend: main, model: forest, version: "3" } ], shadow: { backend: copy } }
    - { name: alone, targets: [ { tag: t, backend: main, model: forest, version: "3" } ] }
- pii-mask: { entities: { email: { action: redact } } }
clusters: { upstream: { answer: {} }, copy: { answer: {} } }
request: { path: / }
expect: { client: { status: 200 } }
"#;

const BODY: &str =
    r#"{"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":["to ann@example.org"]}]}"#;

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Does {
    Answer(&'static str),
    Fail,
    Break,
    Hang,
}

/// A request as a server got it.
#[derive(Debug)]
struct Got {
    line: String,
    headers: Vec<String>,
    body: String,
}

/// A server on loopback that tells what it gets.
fn serve(does: Does) -> (u16, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || connection(stream, does, &tell));
        }
    });
    (port, told)
}

fn connection(stream: TcpStream, does: Does, tell: &Sender<Got>) {
    let mut reader = BufReader::new(stream);
    while let Some(got) = request(&mut reader) {
        let _ = tell.send(got);
        let (status, text) = match does {
            Does::Answer(text) => ("200 OK", text),
            Does::Fail => ("500 Internal Server Error", "copy"),
            Does::Break => return,
            Does::Hang => {
                std::thread::sleep(Duration::from_secs(30));
                return;
            }
        };
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{text}"
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<Got> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Got {
        line: lines.remove(0),
        headers: lines,
        body: String::from_utf8(body).unwrap(),
    })
}

/// Adds what the operator writes into the route.
fn mirrored(config: &mut Value) {
    let hosts = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
    let mut count = 0;
    for host in config.pointer_mut(hosts).unwrap().as_array_mut().unwrap() {
        for route in host["routes"].as_array_mut().unwrap() {
            if let Some(action) = route.get_mut("route") {
                action["request_mirror_policies"] =
                    json!([{ "cluster_header": "x-modelgate-shadow" }]);
                count += 1;
            }
        }
    }
    assert!(count > 0, "{config}");
}

fn call(model: &str) -> Call {
    Call::post(&format!("/v2/models/{model}/infer"), BODY)
        .with("content-type", "application/json")
        .with("x-modelgate-shadow", "upstream")
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_gets_what_goes_out_and_its_failure_is_not_the_clients() {
    let Some(envoy) = envoy(None) else {
        return;
    };
    for does in [
        Some(Does::Answer("copy")),
        Some(Does::Fail),
        Some(Does::Break),
        Some(Does::Hang),
        None,
    ] {
        let (main, to_main) = serve(Does::Answer(r#"{"main":1}"#));
        let (copy, to_copy) = match does {
            Some(does) => serve(does),
            // Nobody is there.
            None => {
                let gone = TcpListener::bind("127.0.0.1:0").unwrap();
                (gone.local_addr().unwrap().port(), channel().1)
            }
        };
        let clusters = [("upstream", main), ("copy", copy)];
        let gateway = Gateway::start_changed(&envoy, CHAIN, &clusters, mirrored).await;
        let began = Instant::now();
        let answer = gateway.send(&call("copied")).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"main":1}"#.into())
        );
        assert!(began.elapsed() < PATIENCE, "it has waited for the copy");
        let got = to_main.recv_timeout(PATIENCE).unwrap();
        assert_eq!(got.line, "POST /v2/models/forest/versions/3/infer HTTP/1.1");
        assert!(!got.body.contains("ann@example.org"), "{}", got.body);
        if does.is_some() {
            let copied = to_copy.recv_timeout(PATIENCE).unwrap();
            assert_eq!((&copied.line, &copied.body), (&got.line, &got.body));
            // By this name a server tells copies from requests.
            let host = copied
                .headers
                .iter()
                .find(|line| line.starts_with("host: "));
            assert!(
                host.is_some_and(|host| host.contains("-shadow")),
                "{copied:?}"
            );
        }
        // What a client sends under the header chooses nothing, and no other model is copied.
        assert_eq!(gateway.send(&call("alone")).await.status, 200);
        let got = to_main.recv_timeout(PATIENCE).unwrap();
        let chosen = |line: &String| line.starts_with("x-modelgate-shadow");
        assert!(!got.headers.iter().any(chosen), "{got:?}");
        let more = to_copy.recv_timeout(Duration::from_millis(300));
        assert!(more.is_err(), "{more:?}");
    }
}
