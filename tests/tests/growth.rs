//! Doubling what a client, an upstream or an operator writes at most doubles what a filter executes.
//!
//! Counted in instructions on the embedded host, so that the verdict is the same on every machine. Inputs are generated: patterns that
//! parsers and detectors are known to stumble over, alone and mixed at random. `MODELGATE_GROWTH_SEEDS` says how many mixtures are tried
//! (default 24), `MODELGATE_GROWTH_SEED` with which they begin; a finding prints its seed.
#![cfg(feature = "wasmtime")]

mod growth {
    pub mod bodies;
    pub mod heads;
    pub mod measure;
    pub mod settings;
}

use growth::measure::{Bench, Case, judge};
use growth::{bodies, heads, settings};

/// Judges every case and says all that grow faster than they may.
fn all(cases: impl IntoIterator<Item = Case>) {
    let bench = Bench::new();
    let mut tried = 0_usize;
    let mut found = Vec::new();
    for case in cases {
        tried += 1;
        found.extend(judge(&bench, &case).err());
    }
    assert!(tried > 0, "no case at all");
    assert!(
        found.is_empty(),
        "{} of {tried} grow too fast:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn pii_mask_reads_requests_in_linear_time() {
    all(bodies::requests());
}

#[test]
fn pii_mask_reads_answers_in_linear_time() {
    all(bodies::answers());
}

#[test]
fn pii_mask_reads_mixtures_in_linear_time() {
    all(bodies::mixtures());
}

#[test]
fn every_filter_reads_the_head_of_a_request_in_linear_time() {
    all(heads::cases());
}

#[test]
fn bodies_that_name_a_model_or_are_signed_are_read_in_linear_time() {
    all(bodies::of_other_filters());
}

#[test]
fn a_request_costs_at_most_twice_as_much_under_twice_the_configuration() {
    all(settings::requests());
}

#[test]
fn a_configuration_of_twice_the_size_takes_at_most_twice_as_long_to_load() {
    all(settings::loads());
}
