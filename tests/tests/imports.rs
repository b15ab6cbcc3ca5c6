//! What an import promises, on real Envoys: the gateway of `tests/imports/envoy.yaml` with Envoy's
//! own filters, and what `modelgate import envoy` makes of it, get the same requests and give the
//! same verdicts. Where they differ, the report says so.

mod imports {
    pub mod cases;
    pub mod kong;
    pub mod roles;
}

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imports::cases::{Case, Cases, machines, people, signed};
use imports::kong::{ANN_SECRET, verdicts};
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::import::{self, Imported, Options, Source};
use modelgate_demo::client::{Answer, Call, send};
use modelgate_envoy::config::adapt;
use modelgate_envoy::process::{LOG, Launch, Process, Verbosity};
use modelgate_envoy::release::Envoy;
use modelgate_tests::envoys::envoy;
use modelgate_tests::services::free_port;

const PATIENCE: Duration = Duration::from_secs(300);
/// The partners' keys as they are published.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"partner-1","alg":"ES256","use":"sig",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// Requests that reached the upstream: their heads.
type Reached = Arc<Mutex<Vec<String>>>;

/// Answers everything with 200 and a body, and keeps what came.
fn server(body: &'static str) -> (u16, Reached) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reached = Reached::default();
    let keep = Arc::clone(&reached);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let keep = Arc::clone(&keep);
            std::thread::spawn(move || answer(stream, body, &keep));
        }
    });
    (port, reached)
}

fn answer(mut stream: TcpStream, body: &str, reached: &Reached) {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, sent)) = text.split_once("\r\n\r\n") {
            let length = |line: &str| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().ok()).flatten()
            };
            let length = head.lines().find_map(length).unwrap_or_default();
            let chunked = head
                .to_ascii_lowercase()
                .contains("transfer-encoding: chunked");
            if sent.len() >= length && (!chunked || sent.ends_with("0\r\n\r\n")) {
                reached.lock().unwrap().push(head.to_ascii_lowercase());
                break;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => received.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// Waits until an Envoy serves.
async fn until_ready(admin: u16, envoy: &Process) {
    let began = Instant::now();
    while send(admin, &Call::get("/ready"))
        .await
        .map_or(0, |answer| answer.status)
        != 200
    {
        let log = std::fs::read_to_string(envoy.folder().join(LOG)).unwrap_or_default();
        let ended = envoy.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < PATIENCE, "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A running Envoy with the three listeners.
struct Gateway {
    envoy: Process,
    ports: [u16; 3],
    reached: Reached,
}

impl Gateway {
    async fn start(envoy: &Envoy, config: &str) -> Self {
        let (models, reached) = server("{}");
        let (keys, _) = server(KEYS);
        let ports = [free_port(), free_port(), free_port()];
        let admin = free_port();
        let mut text = config.to_owned();
        let [people, machines, aws] = ports;
        for (port, other) in [
            (9901, admin),
            (8081, people),
            (8082, machines),
            (8083, aws),
            (8000, models),
            (8001, keys),
        ] {
            let written = format!("port_value: {port} ");
            assert!(text.contains(&written), "{port}\n{text}");
            text = text.replace(&written, &format!("port_value: {other} "));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("envoy.yaml");
        std::fs::write(&path, text).unwrap();
        let launch = Launch {
            workers: 1,
            verbosity: Verbosity::Warnings,
            flush_ms: 1000,
            drain_s: None,
            environment: &[
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                (
                    "AWS_SECRET_ACCESS_KEY",
                    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                ),
            ],
        };
        let envoy = Process::start_in(folder, envoy, &path, &launch).unwrap();
        let gateway = Self {
            envoy,
            ports,
            reached,
        };
        until_ready(admin, &gateway.envoy).await;
        gateway
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.envoy.folder().join(LOG)).unwrap_or_default()
    }

    async fn ask(&self, case: &Case) -> Verdict {
        self.reached.lock().unwrap().clear();
        let answer: Answer = send(self.ports[case.listener], &case.call)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:#}\n{}", case.name, self.log()));
        let heads = self.reached.lock().unwrap().clone();
        assert!(heads.len() <= 1, "{}", case.name);
        Verdict {
            status: answer.status,
            upstream: heads.first().map(|head| Seen::of(head)),
        }
    }
}

/// What an upstream is told.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    path: String,
    identity: Vec<String>,
    authorization: String,
}

impl Seen {
    fn of(head: &str) -> Self {
        let line = head.lines().next().unwrap_or_default();
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let (_, value) = lines.find(|(known, _)| *known == name)?;
            Some(value.to_owned())
        };
        let told = ["x-user", "x-team", "x-client", "x-gateway", "x-api-key"];
        let told = told
            .iter()
            .filter_map(|name| Some(format!("{name}: {}", header(name)?)));
        let authorization = header("authorization").unwrap_or_default();
        Self {
            path,
            identity: told.collect(),
            authorization: authorization
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

#[derive(Debug)]
struct Verdict {
    status: u16,
    upstream: Option<Seen>,
}

impl Verdict {
    fn is_like(&self, other: &Self) -> bool {
        self.status / 100 == other.status / 100 && self.upstream == other.upstream
    }
}

fn fixture() -> (String, Imported, Workspace) {
    let workspace = Workspace::locate().unwrap();
    let path = workspace.root.join("tests/imports/envoy.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let imported = import::import(Source::Envoy, "envoy.yaml", &text, &Options::default());
    (text, imported.unwrap(), workspace)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_chain_of_envoys_gives_the_same_verdicts() {
    let Some(envoy) = envoy(None) else { return };
    let (text, imported, workspace) = fixture();
    assert!(!imported.is_wrong, "{}", imported.report.text());
    let filters = [
        "audit-log",
        "jwt-auth",
        "key-auth",
        "consumer-acl",
        "rate-limit",
        "aws-sigv4",
    ];
    build::build(&workspace, &filters, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let ours = imported
        .config
        .replace("/etc/envoy/modelgate", modules.to_str().unwrap());
    let (native, imported_gateway) = (
        Gateway::start(&envoy, &text).await,
        Gateway::start(&envoy, &ours).await,
    );
    let mut cases = Cases::default();
    people(&mut cases);
    machines(&mut cases);
    signed(&mut cases);
    assert!(cases.0.len() >= 100, "{}", cases.0.len());
    let report = imported.report.text();
    let mut wrong = Vec::new();
    let mut reached = 0;
    for case in &cases.0 {
        let (theirs, ours) = (native.ask(case).await, imported_gateway.ask(case).await);
        reached += usize::from(theirs.upstream.is_some());
        match (theirs.is_like(&ours), case.differs) {
            (true, None) => {}
            (false, Some(said)) => assert!(report.contains(said), "{said}\n{report}"),
            (same, _) => {
                let same = if same { "do not differ" } else { "differ" };
                wrong.push(format!(
                    "{}: {same}\n  native {theirs:?}\n  ours   {ours:?}",
                    case.name
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{}",
        wrong.join("\n"),
        imported_gateway.log()
    );
    // The gateways neither let everything pass, nor nothing.
    assert!((50..cases.0.len() - 40).contains(&reached), "{reached}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_gateway_of_kongs_gives_the_verdicts_that_kong_states() {
    let Some(envoy) = envoy(None) else { return };
    let workspace = Workspace::locate().unwrap();
    let text = std::fs::read_to_string(workspace.root.join("tests/imports/kong.yaml")).unwrap();
    let imported = import::import(Source::Kong, "kong.yaml", &text, &Options::default()).unwrap();
    assert!(!imported.is_wrong, "{}", imported.report.text());
    let filters = [
        "audit-log",
        "jwt-auth",
        "key-auth",
        "consumer-acl",
        "rate-limit",
        "upstream-auth",
    ];
    build::build(&workspace, &filters, Profile::Release).unwrap();
    let modules = workspace.target.join("modelgate");
    let config = imported
        .config
        .replace("/etc/envoy/modelgate", modules.to_str().unwrap());
    let mut config = located_yaml::Node::parse(&config).unwrap().to_json();
    let (server, reached) = server("{}");
    let (port, admin) = (free_port(), free_port());
    for cluster in adapt::list(&mut config, "/static_resources/clusters").unwrap() {
        adapt::point_cluster(cluster, adapt::loopback(server)).unwrap();
    }
    let listener = "/static_resources/listeners/0/address";
    adapt::set(&mut config, listener, adapt::address(adapt::loopback(port))).unwrap();
    adapt::set(
        &mut config,
        "/admin/address",
        adapt::address(adapt::loopback(admin)),
    )
    .unwrap();
    let launch = Launch {
        workers: 1,
        verbosity: Verbosity::Warnings,
        flush_ms: 1000,
        drain_s: None,
        environment: &[
            ("JWT_SECRET_ANN", ANN_SECRET),
            ("HEADER_X_UPSTREAM_TOKEN", "s3cr3t-upstream-token"),
            ("OPENAI_API_KEY", "sk-provider-key-0123456789"),
            // `htpasswd -nbs clerk password`
            (
                "BASIC_AUTH_USERS",
                "clerk:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            ),
        ],
    };
    let running = Process::start(&envoy, &config, &launch).unwrap();
    let log = || std::fs::read_to_string(running.folder().join(LOG)).unwrap_or_default();
    until_ready(admin, &running).await;
    let mut wrong = Vec::new();
    for (index, case) in verdicts().into_iter().enumerate() {
        reached.lock().unwrap().clear();
        let call = case.call.with("host", case.host);
        let answer = send(port, &call).await.unwrap();
        let heads = reached.lock().unwrap().clone();
        let head = heads.first().map(String::as_str);
        let path = head.map(|head| Seen::of(head).path);
        let consumer = head.and_then(|head| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(name, _)| *name == "x-consumer-username")
                .map(|(_, value)| value.to_owned())
        });
        let is_right = answer.status / 100 == case.status
            && path.as_deref() == case.path
            && consumer.as_deref() == case.consumer;
        if !is_right {
            wrong.push(format!(
                "{index} {} {}: {} {path:?} {consumer:?}",
                case.host, call.path, answer.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), log());
}
