//! Connections that have left HTTP: bytes in both directions, until one side ends it.

use std::rc::Rc;

use anyhow::Result;
use bytes::BytesMut;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::{DisconnectGuard, FlowControl, Server, ToClient};
use crate::{Inbound, StreamId};

/// How much is read at once.
const CHUNK: usize = 16 << 10;

/// Whether a client asks to leave HTTP/1.1.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all("connection").iter();
    let named = named.any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.to_ascii_lowercase().contains("upgrade"))
    });
    named && headers.contains_key("upgrade")
}

/// The client's end: what it says goes into the gateway, what the gateway lets through goes to it.
pub(super) async fn with_client(
    upgrade: OnUpgrade,
    server: Rc<Server>,
    id: StreamId,
    mut from_gateway: mpsc::UnboundedReceiver<ToClient>,
    flow: Rc<FlowControl>,
    guard: DisconnectGuard,
) {
    // Where it fails, dropping the guard tells the gateway that the client has left.
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let (mut hears, mut speaks) = tokio::io::split(TokioIo::new(upgraded));
    let listen = async {
        let mut heard = BytesMut::with_capacity(CHUNK);
        while let Ok(1..) = hears.read_buf(&mut heard).await {
            let bytes = heard.split().to_vec();
            server.with_gateway(|gateway| gateway.send(id, bytes, false));
        }
    };
    let speak = async {
        while let Some(piece) = from_gateway.recv().await {
            let ToClient::Body(bytes) = piece else {
                break;
            };
            flow.take(bytes.len());
            if speaks.write_all(&bytes).await.is_err() || speaks.flush().await.is_err() {
                break;
            }
        }
        let _ = speaks.shutdown().await;
    };
    tokio::select! {
        () = listen => {}
        () = speak => {}
    }
    drop(guard);
}

/// The upstream's end, after it has granted the upgrade.
pub(super) async fn with_upstream(
    response: Response<Incoming>,
    mut says: mpsc::UnboundedReceiver<Vec<u8>>,
    flow: Option<&FlowControl>,
    deliver: &impl Fn(Inbound),
) -> Result<()> {
    let upgraded = hyper::upgrade::on(response).await?;
    let (mut hears, mut speaks) = tokio::io::split(TokioIo::new(upgraded));
    let listen = async {
        let mut heard = BytesMut::with_capacity(CHUNK);
        loop {
            if let Some(flow) = flow {
                flow.writable().await;
            }
            if hears.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
            deliver(Inbound::Body {
                bytes: heard.split().to_vec(),
                end: false,
            });
        }
    };
    let speak = async {
        while let Some(bytes) = says.recv().await {
            speaks.write_all(&bytes).await?;
            speaks.flush().await?;
        }
        // Nobody speaks any more: the exchange is over, and this ends with it.
        std::future::pending().await
    };
    let ended: std::io::Result<()> = tokio::select! {
        ended = listen => ended,
        ended = speak => ended,
    };
    ended?;
    deliver(Inbound::Body {
        bytes: Vec::new(),
        end: true,
    });
    Ok(())
}
