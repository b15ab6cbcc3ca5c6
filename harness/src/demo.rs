//! `modelgate demo`: a gateway with everything around it on this machine, a guided tour, and time to play.
//!
//! The gateway runs `envoy/sagemaker.yaml`, the file that users copy, with loopback addresses and short times. Everything else is made
//! of implementations that are not the suite's own: tokens by `jwt-simple`, signatures verified by AWS's own signer. Nothing listens
//! on anything but loopback, and nothing is left behind.

mod bootstrap;
pub mod client;
mod gateway;
pub mod issuer;
pub mod loopback;
mod random;
mod report;
pub mod sagemaker;
mod seen;
pub mod sink;
mod tour;
mod world;

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;

use anyhow::{Context, Result};

use crate::envoy_release::Envoy;
use gateway::Gateway;
use report::{Report, brief};
use tour::Tour;
use world::{ANN, World};

/// Seconds that the tokens to play with are good.
const LIFETIME_S: u64 = 3600;

/// What a demo is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Envoy that runs the filters.
    pub envoy: Envoy,
    /// Folder with the filters' `.wasm` files.
    pub wasm: PathBuf,
    /// The configuration for Envoy, in YAML.
    pub config: String,
    /// Port of the gateway; 0 = any free one.
    pub port: u16,
    /// Worker threads of the gateway.
    pub workers: u32,
    /// End after the tour.
    pub once: bool,
}

/// Starts everything, takes the tour, and goes on until `stop` is done, unless it is to end. Gives whether every request did what it
/// should; a tour that was stopped did not.
///
/// # Errors
/// If something does not start, or goes away meanwhile.
pub async fn run(settings: &Settings, stop: impl Future<Output = ()>) -> Result<bool> {
    let mut stop = pin!(stop);
    settings.envoy.require_wasm()?;
    let report = Report::new();
    let world = World::start()?;
    let bootstrap = bootstrap::adapted(
        &settings.config,
        &world.places(settings.port, &settings.wasm),
        &world.changes(),
    )
    .context("envoy/sagemaker.yaml")?;
    let environment = world.environment();
    let start = Gateway::start(
        settings.envoy.path(),
        &bootstrap,
        settings.workers,
        &environment,
    );
    let mut gateway = tokio::select! {
        gateway = start => gateway?,
        () = &mut stop => return Ok(false),
    };
    println!("{}", welcome(settings, &world, &gateway, report));
    let (taken, failed) = tokio::select! {
        counts = Tour::new(&world, &mut gateway, report)?.take() => counts?,
        () = &mut stop => return Ok(false),
    };
    let right = failed == 0;
    let verdict = match right {
        true => format!("All {taken} steps went as they should."),
        false => format!(
            "{failed} of {taken} steps went otherwise than they should: see the marks above."
        ),
    };
    println!("\n{} {}", report.mark(right), report.strong(&verdict));
    if !settings.once {
        println!("{}", invitation(&world, &gateway, report)?);
        tokio::select! {
            ended = watch(&world, report) => ended?,
            ended = gateway.ended() => ended?,
            () = &mut stop => {}
        }
    }
    Ok(right)
}

fn welcome(settings: &Settings, world: &World, gateway: &Gateway, report: Report) -> String {
    let [login, logs, model] = [
        world.issuer.server().port(),
        world.sink.server().port(),
        world.backend.port(),
    ];
    format!(
        "\n{}\n\n  client ─▶ gateway :{} (Envoy {}, {} workers) ─▶ SageMaker-like backend :{model}\n              ├─ keys from the issuer :{login}\n              └─ audit events to the log store :{logs}\n\n  {}",
        report.strong("modelgate: seven filters on a stock Envoy"),
        gateway.port(),
        settings.envoy.version(),
        settings.workers,
        report.faint("The gateway runs envoy/sagemaker.yaml, with these addresses and shorter times. Every request carries a traceparent, by which\n  its audit event is found.")
    )
}

/// What to try while it stays up.
fn invitation(world: &World, gateway: &Gateway, report: Report) -> Result<String> {
    let base = format!("http://127.0.0.1:{}", gateway.port());
    let token = world.issuer.mint(ANN, LIFETIME_S)?;
    let bearer = |call: client::Call| call.with("authorization", "Bearer $ANN").curl(&base);
    let calls = [
        bearer(tour::score()),
        bearer(tour::ask("Send it to jim@acme-industries.com")),
        bearer(tour::chat("Whom do I ask?")),
        tour::score().with("x-api-key", "$API_KEY").curl(&base),
    ];
    let fresh = format!(
        "curl -sS http://127.0.0.1:{}/token -d grant_type=client_credentials -d client_id={ANN} -d client_secret={}",
        world.issuer.server().port(),
        world.issuer.secret(ANN).unwrap_or_default()
    );
    Ok(format!(
        "\n{}\n\nexport ANN={token}\nexport API_KEY={}\n\n{}\n\n{}\n{fresh}\n\n{}\n",
        report.strong("It stays up. Try it:"),
        world.api_key,
        calls.join("\n\n"),
        report.faint("# a fresh token, from the issuer:"),
        report.faint(
            "Audit events appear below as the log store gets them. Ctrl-C stops everything."
        )
    ))
}

/// Shows audit events as they come, for ever.
async fn watch(world: &World, report: Report) -> Result<()> {
    let mut changes = world.sink.changes();
    let mut shown = world.sink.records().len();
    loop {
        changes.changed().await.context("the log store has ended")?;
        let records = world.sink.records();
        for record in records.iter().skip(shown) {
            let said = [
                "modelgate.consumer",
                "http.response.status_code",
                "modelgate.model",
                "modelgate.total_ms",
            ]
            .map(|name| brief(&record.text(name), 40));
            let [consumer, status, model, ms] = said;
            println!(
                "{} {status} {} consumer={consumer} model={model} {ms} ms",
                report.faint("event"),
                brief(&record.body, 100)
            );
        }
        shown = records.len();
    }
}
