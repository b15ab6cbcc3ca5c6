//! Envoy's admin interface, on loopback (Envoy, "Administration interface").

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::log::{complaints, tail};
use crate::process::Running;

/// Where the filters' metrics are.
pub const METRICS: &str = "/stats?format=json&filter=%5Ewasmcustom%5C.";

/// Those that only grow, as long as an Envoy runs.
pub const COUNTERS: &str = "/stats?format=json&type=Counters&filter=%5Ewasmcustom%5C.";

/// How long Envoy may take to start: it compiles the filters.
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Status and body of `GET path` from a loopback port.
///
/// # Errors
/// If nobody answers.
pub async fn get(port: u16, path: &str) -> Result<(u16, Bytes)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder()
        .uri(path)
        .header("host", "127.0.0.1")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}

/// A listener that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What came of starting an Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It serves.
    Serving {
        /// Port of the admin interface.
        admin: u16,
        /// Its listeners.
        listeners: Vec<Listener>,
    },
    /// It has ended, with these complaints.
    Refused(String),
}

/// Waits until an Envoy serves requests at an address, or has refused to start.
///
/// # Errors
/// If it does neither in a minute, or its log cannot be read.
pub async fn ready(running: &mut impl Running) -> Result<Ready> {
    started(running, |listeners| !listeners.is_empty()).await
}

/// Waits until an Envoy answers on its admin interface that it serves, with listeners or without,
/// or has refused to start.
///
/// # Errors
/// As [`ready`].
pub async fn live(running: &mut impl Running) -> Result<Ready> {
    started(running, |_| true).await
}

async fn started(
    running: &mut impl Running,
    enough: impl Fn(&[Listener]) -> bool,
) -> Result<Ready> {
    let deadline = Instant::now() + START;
    loop {
        if running.ended()? {
            return Ok(Ready::Refused(complaints(&running.log()?)));
        }
        if let Some(admin) = running.admin_port()
            && let Some(listeners) = serving(admin).await
            && enough(&listeners)
        {
            return Ok(Ready::Serving { admin, listeners });
        }
        ensure!(
            Instant::now() < deadline,
            "Envoy is not ready after {} s:\n{}",
            START.as_secs(),
            tail(&running.log()?)
        );
        sleep(POLL).await;
    }
}

/// The listeners with an address of an Envoy that serves, of which there may be none (it may
/// listen on a Unix socket); nothing as long as it does not serve.
pub async fn serving(admin: u16) -> Option<Vec<Listener>> {
    let (200, _) = get(admin, "/ready").await.ok()? else {
        return None;
    };
    let (200, listeners) = get(admin, "/listeners?format=json").await.ok()? else {
        return None;
    };
    Some(read_listeners(&listeners))
}

fn read_listeners(json: &[u8]) -> Vec<Listener> {
    let json: Json = serde_json::from_slice(json).unwrap_or_default();
    let statuses = json.get("listener_statuses").and_then(Json::as_array);
    let listener = |status: &Json| {
        let address = status.pointer("/local_address/socket_address")?;
        let ip: IpAddr = address.get("address")?.as_str()?.parse().ok()?;
        let port = u16::try_from(address.get("port_value")?.as_u64()?).ok()?;
        Some(Listener {
            name: status.get("name")?.as_str()?.to_owned(),
            address: SocketAddr::new(ip, port),
        })
    };
    statuses
        .into_iter()
        .flatten()
        .filter_map(listener)
        .collect()
}

/// The filters' metrics, by the names that they were defined with, in what [`METRICS`] gives.
pub fn metrics(json: &[u8]) -> BTreeMap<String, u64> {
    let all = statistics(json).into_iter();
    let named =
        all.filter_map(|(name, value)| Some((name.strip_prefix("wasmcustom.")?.to_owned(), value)));
    named.collect()
}

/// Names and values in what `/stats?format=json` gives, histograms aside.
pub fn statistics(json: &[u8]) -> BTreeMap<String, u64> {
    let json: Json = serde_json::from_slice(json).unwrap_or_default();
    let stats = json.get("stats").and_then(Json::as_array);
    let named = stats.into_iter().flatten().filter_map(|stat| {
        let name = stat.get("name")?.as_str()?;
        Some((name.to_owned(), stat.get("value")?.as_u64()?))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_lose_envoys_prefix() {
        let json = br#"{"stats":[{"name":"wasmcustom.a.b","value":3},{"histograms":{}}]}"#;
        assert_eq!(metrics(json), [("a.b".to_owned(), 3)].into());
    }

    #[test]
    fn listeners_are_read_with_their_addresses() {
        let json = br#"{"listener_statuses":[{"name":"gateway","local_address":{"socket_address":
            {"address":"0.0.0.0","port_value":8080}}},{"name":"pipe","local_address":{"pipe":{}}}]}"#;
        let listeners = read_listeners(json);
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].name, "gateway");
        assert_eq!(listeners[0].address, ([0, 0, 0, 0], 8080).into());
    }
}
