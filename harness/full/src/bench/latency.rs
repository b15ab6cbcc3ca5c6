//! How long answers take while an Envoy is half busy: the load of its own capacity is measured
//! first, then half of it is sent at a steady pace.
//!
//! A request is due at its time whether or not the one before it has been answered; one that is
//! sent late for that is counted from when it was due, so that a slow answer is not hidden by the
//! requests that it keeps back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Plan;
use super::case::Variant;
use super::load::{self, Load};
use super::rounds::quantile;
use super::server::{Place, Server};
use super::upstream;
use modelgate_envoy::release::Envoy;

/// What one variant showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Its name.
    pub name: String,
    /// Requests that one worker answers a second, when it has nothing else to do.
    pub capacity: u64,
    /// Median at half of that, in microseconds.
    pub p50_us: f64,
    /// The time that 99 of 100 take at most, in microseconds.
    pub p99_us: f64,
}

/// Measures variants, one after the other, for `rounds` turns each. `progress` is told what goes
/// on.
///
/// # Errors
/// If an Envoy does not start, or answers a request otherwise than the case says.
pub fn measure(
    envoy: &Envoy,
    wasm: &Path,
    variants: &[&Variant],
    plan: Plan,
    progress: &dyn Fn(&str),
) -> Result<Vec<Latency>> {
    let places = Place::assign();
    let upstream = Server::start(envoy, &upstream::bootstrap(), places.load, "upstream", 1)?;
    load::bind(places.load);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut found = Vec::new();
    for variant in variants {
        progress(&format!("half busy: {}", variant.name));
        let config = variant.bootstrap(wasm, upstream.port)?;
        let server = Server::start(envoy, &config, places.measured, &variant.name, 1)?;
        let load = Load::new(&variant.request, variant.status);
        let (capacity, taken) = runtime
            .block_on(async {
                load.run(server.port, plan.connections, plan.turn).await?;
                let answered = load.run(server.port, plan.connections, plan.turn).await?;
                let capacity = per_second(answered, plan.turn);
                let turns = u32::try_from(plan.rounds).unwrap_or(1);
                let duration = plan.turn.saturating_mul(turns);
                let taken = paced(&load, server.port, plan.connections, capacity / 2, duration);
                anyhow::Ok((capacity, taken.await?))
            })
            .with_context(|| variant.name.clone())?;
        found.push(Latency {
            name: variant.name.clone(),
            capacity,
            p50_us: quantile(&taken, 0.5),
            p99_us: quantile(&taken, 0.99),
        });
    }
    Ok(found)
}

fn per_second(answered: u64, turn: Duration) -> u64 {
    let milliseconds = u64::try_from(turn.as_millis()).unwrap_or(u64::MAX).max(1);
    answered.saturating_mul(1_000) / milliseconds
}

/// Sends so many requests a second, spread over the connections; gives how long each took, in
/// microseconds.
async fn paced(
    load: &Load,
    port: u16,
    connections: usize,
    rate: u64,
    duration: Duration,
) -> Result<Vec<f64>> {
    let count = u32::try_from(connections).unwrap_or(1).max(1);
    let rate = u32::try_from(rate).unwrap_or(u32::MAX).max(1);
    let between = Duration::from_secs(1).saturating_mul(count) / rate;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for at in 0..count {
        let load = load.clone();
        let first = begin + (between / count).saturating_mul(at);
        tasks.spawn(async move {
            let mut connection = load.connect(port).await?;
            let (mut taken, mut due) = (Vec::new(), first);
            while due < begin + duration {
                let begun = if Instant::now() < due {
                    sleep_until(due).await;
                    Instant::now()
                } else {
                    due
                };
                connection.exchange().await?;
                taken.push(begun.elapsed().as_secs_f64() * 1e6);
                due += between;
            }
            anyhow::Ok(taken)
        });
    }
    let mut all = Vec::new();
    while let Some(taken) = tasks.join_next().await {
        all.extend(taken??);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_is_a_number_for_a_second() {
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
        assert_eq!(per_second(500, Duration::ZERO), 500_000);
    }
}
