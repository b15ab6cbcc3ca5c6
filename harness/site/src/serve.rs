//! Serving a built site on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result};
use axum::Router;
use tower_http::services::ServeDir;

/// What answers requests for the files of a site.
pub fn router(site: &Path) -> Router {
    Router::new().fallback_service(ServeDir::new(site))
}

/// Serves the site on a port of the loopback interface until the process is interrupted.
///
/// # Errors
/// If the port is taken.
pub async fn run(site: &Path, port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("{address}: choose another port with --port"))?;
    println!("http://{} (end with Ctrl-C)", listener.local_addr()?);
    let interrupted = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, router(site))
        .with_graceful_shutdown(interrupted)
        .await?;
    Ok(())
}
