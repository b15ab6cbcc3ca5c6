//! Audit batches sent to a real OpenTelemetry collector (rotel): it takes them, and reads in them
//! what we meant.

use audit_log::answer::Response;
use audit_log::event::{
    Answered, Decided, Event, Few, Outcome, Text, TraceParent, What, Who, path_of,
};
use audit_log::otlp::{DEFAULT_PATH, Format, Otlp};
use audit_log::queue::Answer;
use modelgate_tests::services::{Server, free_port, python_package};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const COLLECTOR: &str = "rotel==0.0.1a15";

struct Collector {
    server: Server,
    /// Where it writes what it received.
    log: PathBuf,
}

impl Collector {
    fn start(package: &Path, folder: &Path) -> Self {
        let port = free_port();
        let log = folder.join("received");
        let agent = package.join("rotel/rotel-agent");
        let mut command = Command::new("sh");
        // The wheel does not mark its binary as executable under every installer.
        command
            .args(["-c", "chmod +x \"$0\" && exec \"$0\" \"$@\""])
            .arg(agent)
            .arg("start")
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{port}")])
            .args([
                "--otlp-grpc-endpoint",
                &format!("127.0.0.1:{}", free_port()),
            ])
            .args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"])
            .args(["--exporter", "blackhole", "--disable-batching"])
            .arg("--pid-file")
            .arg(folder.join("pid"))
            .stdout(std::fs::File::create(&log).unwrap());
        let server = Server::start(&mut command, port).unwrap();
        Self { server, log }
    }

    /// Posts `body` and gives status and body of the answer.
    fn post(&self, content_type: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let head = format!(
            "POST {DEFAULT_PATH} HTTP/1.1\r\nhost: collector\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.as_bytes().to_vec())
    }

    /// What it received, once `last` is part of it.
    fn received(&self, last: &str) -> String {
        let started = Instant::now();
        loop {
            let received = std::fs::read_to_string(&self.log).unwrap_or_default();
            if received.contains(last) || started.elapsed() > Duration::from_secs(10) {
                return received;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What the filter makes of an answer.
fn meaning(status: u16, body: &[u8]) -> Answer {
    let response = Response {
        status: Some(status),
        body,
        ..Response::default()
    };
    response.answer(&[], 0)
}

fn event(sequence: u64) -> Event {
    Event {
        time_unix_ns: 1_763_712_000_123_456_789,
        worker: Text::of("worker-1"),
        sequence,
        outcome: Outcome::Denied,
        who: Who {
            consumer: Text::some("team-\"a\""),
            ..Who::default()
        },
        what: What {
            method: Text::some("POST"),
            path: path_of(b"/v2/models/iris/infer?api_key=s3cret"),
            ..What::default()
        },
        decided: Decided {
            reason: Text::some("group_refused"),
            ..Decided::default()
        },
        answered: Answered {
            status: Some(403),
            ..Answered::default()
        },
        masked: [(Text::of("email"), 2)].into_iter().collect::<Few<_, 32>>(),
        trace: TraceParent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        request_id: None,
    }
}

/// What a collector reads in the batch, in this form.
fn read(package: &Path, format: Format) -> Vec<String> {
    let folder = std::env::temp_dir().join(format!(
        "modelgate-collector-{}-{format:?}",
        std::process::id()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let collector = Collector::start(package, &folder);
    let otlp = Otlp::new(format, [("service.name", "modelgate-test")]);
    let records: Vec<Vec<u8>> = (1..=3)
        .map(|sequence| otlp.record(&event(sequence)))
        .collect();
    let batch = otlp.batch(records.iter().map(Vec::as_slice), 5);
    let (status, body) = collector.post(otlp.content_type(), &batch);
    assert_eq!(meaning(status, &body), Answer::Delivered { rejected: 0 });
    let received = collector.received("LogRecord #2");

    // The test can fail: what is no batch is refused, and would be dropped, not retried.
    let half = batch.get(..batch.len() / 2).unwrap();
    let (status, body) = collector.post(otlp.content_type(), half);
    assert_eq!(meaning(status, &body), Answer::Refused);
    drop(collector);
    std::fs::remove_dir_all(&folder).unwrap();
    received.lines().map(str::to_owned).collect()
}

#[test]
fn a_real_collector_takes_a_batch_and_reads_what_was_meant() {
    let Some(package) = python_package(COLLECTOR) else {
        return;
    };
    let received = read(&package, Format::OtlpJson);
    for line in [
        "-> service.name: Str(modelgate-test)",
        "-> modelgate.dropped_total: Int(5)",
        "Timestamp: 1763712000123456789",
        "SeverityText: WARN",
        "SEVERITY_NUMBER_WARN(13)",
        "EventName: modelgate.request",
        "Body: Str(denied POST /v2/models/iris/infer group_refused)",
        "-> http.response.status_code: Int(403)",
        "-> url.path: Str(/v2/models/iris/infer)",
        "-> modelgate.consumer: Str(team-\"a\")",
        "-> modelgate.masked.email: Int(2)",
        "-> modelgate.sequence: Int(3)",
        "Trace ID       : 0af7651916cd43dd8448eb211c80319c",
        "Span ID        : b7ad6b7169203331",
    ] {
        let stands = received.iter().any(|received| received.contains(line));
        assert!(stands, "no {line:?} in:\n{}", received.join("\n"));
    }
    assert!(!received.iter().any(|line| line.contains("s3cret")));
    // Both forms say the same.
    let from = |lines: Vec<String>| -> Vec<String> {
        let lines = lines.into_iter();
        lines
            .skip_while(|line| !line.contains("ResourceLog #0"))
            .collect()
    };
    let (json, protobuf) = (from(received), from(read(&package, Format::OtlpProtobuf)));
    assert!(json.len() > 50, "{json:?}");
    assert_eq!(json, protobuf);
}
