//! `modelgate demo`: a gateway with everything around it on this machine, a guided tour, and time
//! to play.
//!
//! The gateway runs a file that users copy (`envoy/sagemaker.yaml`, or `sagemaker-native.yaml`),
//! with loopback addresses and short times: on an Envoy, or on the embedded host. Everything else
//! is made of implementations that are not the suite's own: tokens by `jwt-simple`, signatures
//! verified by AWS's own signer. Nothing listens on anything but loopback, and nothing is left
//! behind.

mod bootstrap;
pub mod client;
mod gateway;
pub mod issuer;
pub mod loopback;
mod random;
pub mod report;
pub mod sagemaker;
mod seen;
pub mod sink;
mod tour;
mod world;

use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;

use anyhow::{Context, Result};

pub use gateway::Engine;
use gateway::Gateway;
pub use report::Report;
use report::brief;
use tour::Tour;
use world::{ANN, World};

/// What a demo is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What runs the filters.
    pub engine: Engine,
    /// The configuration for Envoy, in YAML.
    pub config: String,
    /// Where it stands, from the root of the repository.
    pub file: &'static str,
    /// Port of the gateway; 0 = any free one.
    pub port: u16,
    /// Worker threads of the gateway.
    pub workers: u32,
    /// End after the tour.
    pub once: bool,
}

/// Starts everything, takes the tour, and goes on until `stop` is done, unless it is to end. Gives
/// whether every request did what it should; a tour that was stopped did not. What there is to tell
/// goes to `report`.
///
/// # Errors
/// If something does not start, or goes away meanwhile.
pub async fn run(
    settings: &Settings,
    report: &Report,
    stop: impl Future<Output = ()>,
) -> Result<bool> {
    let mut stop = pin!(stop);
    let world = World::start()?;
    let bootstrap = bootstrap::adapted(
        &settings.config,
        &world.places(settings.port, settings.engine.files()),
        &world.changes(),
    )
    .context(settings.file)?;
    let environment = world.environment();
    let start = Gateway::start(&settings.engine, &bootstrap, settings.workers, &environment);
    let mut gateway = tokio::select! {
        gateway = start => gateway?,
        () = &mut stop => return Ok(false),
    };
    report.line(&welcome(settings, &world, &gateway, report));
    let mut tour = Tour::new(&world, &mut gateway, report)?;
    let (taken, failed) = tokio::select! {
        counts = tour.take() => counts?,
        () = &mut stop => return Ok(false),
    };
    let variables = tour.variables_for_a_shell();
    let right = failed == 0;
    let verdict = match right {
        true => format!("All {taken} steps went as they should."),
        false => format!(
            "{failed} of {taken} steps went otherwise than they should: see the marks above."
        ),
    };
    let mark = report.mark(right);
    report.line(&format!("\n{mark} {}", report.strong(&verdict)));
    if !settings.once {
        let mut file = tempfile::Builder::new()
            .prefix("modelgate-")
            .suffix(".env")
            .tempfile()?;
        file.write_all(variables.as_bytes())?;
        report.line(&invitation(&world, &gateway, file.path(), report));
        tokio::select! {
            ended = watch(&world, report) => ended?,
            ended = gateway.ended() => ended?,
            () = &mut stop => {}
        }
    }
    Ok(right)
}

fn welcome(settings: &Settings, world: &World, gateway: &Gateway, report: &Report) -> String {
    let [login, logs, model] = [
        world.issuer.server().port(),
        world.sink.server().port(),
        world.backend.port(),
    ];
    format!(
        "\n{}\n\n  client ─▶ gateway :{} ({} workers) ─▶ SageMaker-like backend :{model}\n              ├─ keys from the issuer :{login}\n              └─ audit events to the log store :{logs}\n\n  {}",
        report.strong(&format!("modelgate: seven filters on {}", settings.engine.name())),
        gateway.port(),
        settings.workers,
        report.faint(&format!(
            "The gateway runs {}, with these addresses and\n  shorter times. Every request carries a traceparent, by which its audit\n  event is found.",
            settings.file
        ))
    )
}

/// What to try while it stays up. The variables of all the lines shown so far are in the file
/// `variables`.
fn invitation(world: &World, gateway: &Gateway, variables: &Path, report: &Report) -> String {
    let base = format!("http://127.0.0.1:{}", gateway.port());
    let bearer = |call: client::Call| call.with("authorization", "Bearer $ANN").curl(&base);
    let calls = [
        bearer(tour::score()),
        bearer(tour::ask("Send it to jim@acme-industries.com")),
        bearer(tour::chat("Whom do I ask?")),
        tour::score().with("x-api-key", "$API_KEY").curl(&base),
    ];
    let fresh = format!(
        "curl -sS http://127.0.0.1:{}/token \\\n  -d grant_type=client_credentials \\\n  -d client_id={ANN} -d client_secret={}",
        world.issuer.server().port(),
        world.issuer.secret(ANN).unwrap_or_default()
    );
    let places: String = gateway
        .places()
        .into_iter()
        .map(|(what, place)| format!("\n  {what:<14}{place}"))
        .collect();
    format!(
        "\n{}\n{places}\n\n{}\n. {}\n\n{}\n\n{}\n{fresh}\n\n{}\n",
        report.strong("It stays up. Try it:"),
        report.faint("# the tokens and keys of every line above and below, for your shell:"),
        variables.display(),
        calls.join("\n\n"),
        report.faint("# a fresh token, from the issuer:"),
        report.faint(
            "Audit events appear below as the log store gets them. Ctrl-C stops everything."
        )
    )
}

/// Shows audit events as they come, for ever.
async fn watch(world: &World, report: &Report) -> Result<()> {
    let mut changes = world.sink.changes();
    let (_, mut shown) = world.sink.since(0);
    loop {
        changes.changed().await.context("the log store has ended")?;
        let (records, came) = world.sink.since(shown);
        for record in &records {
            let said = [
                "modelgate.consumer",
                "http.response.status_code",
                "modelgate.model",
                "modelgate.total_ms",
            ]
            .map(|name| brief(&record.text(name), 40));
            let [consumer, status, model, ms] = said;
            let text = format!(
                "{status} {} consumer={consumer} model={model} {ms} ms",
                brief(&record.body, 100)
            );
            report.line(&report.wrapped(&report.faint("event "), &text));
        }
        shown = came;
    }
}
