//! Doubling what a client, an upstream or an operator writes at most doubles what a filter
//! executes.
//!
//! Counted in instructions on the embedded host, so that the verdict is the same on every machine.
//! Inputs are generated: patterns that parsers and detectors are known to stumble over, alone and
//! mixed at random. `MODELGATE_GROWTH_SEEDS` says how many mixtures are tried (default 24),
//! `MODELGATE_GROWTH_SEED` with which they begin; a finding prints its seed.

mod growth {
    pub mod bodies;
    pub mod fetched;
    pub mod heads;
    pub mod measure;
    pub mod mixed;
    pub mod people;
    pub mod pieces;
    pub mod settings;
    pub mod shipped;
    pub mod trips;
    pub mod usual;
}

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use growth::measure::{Bench, Case, Growth, judge};
use growth::{bodies, fetched, heads, mixed, people, pieces, settings, shipped, trips, usual};
use modelgate_cli::build::Workspace;
use modelgate_full::bench::throughput;

/// What all tests of this file have tried so far.
static TRIED: Mutex<Summary> = Mutex::new(Summary {
    cases: 0,
    filters: BTreeSet::new(),
    worst: (0, String::new()),
});

#[derive(Default)]
struct Summary {
    cases: usize,
    filters: BTreeSet<&'static str>,
    /// How many times the work, in thousandths, and of what.
    worst: (u64, String),
}

/// Judges every case and says all that grow faster than they may. The last line that it writes sums
/// up all tests of this file.
fn all(cases: impl IntoIterator<Item = Case>) {
    let bench = Bench::new();
    let mut own = Summary::default();
    let mut found = Vec::new();
    for case in cases {
        own.cases += 1;
        own.filters.insert(case.filter);
        match judge(&bench, &case) {
            Ok(growth) => own.worst = own.worst.max((growth.thousandths(), case.name)),
            Err(fault) => found.push(fault),
        }
    }
    assert!(own.cases > 0, "no case at all");
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    tried.cases += own.cases;
    tried.filters.extend(&own.filters);
    if own.worst > tried.worst {
        tried.worst = own.worst;
    }
    // Past the capture of the test runner, which shows what is printed only where a test fails.
    let summary = format!(
        "growth: {} cases, {} filters, worst ratio {}.{:03} ({})\n",
        tried.cases,
        tried.filters.len(),
        tried.worst.0 / 1000,
        tried.worst.0 % 1000,
        tried.worst.1
    );
    std::io::stderr().write_all(summary.as_bytes()).unwrap();
    drop(tried);
    assert!(
        found.is_empty(),
        "{} of {} are not as they should be:\n{}",
        found.len(),
        own.cases,
        found.join("\n")
    );
}

/// The counts of a loop within a loop are found, beside however much work that does not grow, and
/// those of one loop are not.
#[test]
fn quadratic_work_is_found() {
    let counted = |size: u64, work: fn(u64) -> u64| Growth {
        once: 100_000 + work(size),
        twice: 100_000 + work(size * 2),
    };
    for linear in [
        (|_| 0) as fn(u64) -> u64,
        |n| n * 70,
        |n| n * u64::from(n.ilog2()) * 5,
    ] {
        assert!(counted(40_000, linear).is_linear());
    }
    for quadratic in [
        (|n| n * n) as fn(u64) -> u64,
        |n| n * n / 1_000,
        |n| n * 70 + n * n / 2_000,
    ] {
        assert!(!counted(40_000, quadratic).is_linear());
    }
    // Nor is the allowance for small things a place to hide in.
    let small = Growth {
        once: 1_000,
        twice: 3_000,
    };
    assert!(!small.is_linear());
}

#[test]
fn pii_mask_reads_names_and_addresses_in_linear_time() {
    all(people::cases());
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
fn pii_mask_reads_what_is_usual_in_linear_time() {
    all(usual::cases());
}

/// A byte of what is usual costs no more than `docs/performance.md` says, and a twentieth.
#[test]
fn a_byte_of_what_is_usual_costs_what_is_documented() {
    Bench::new();
    let wasm = Workspace::locate().unwrap().target.join("modelgate");
    let documented = include_str!("../../docs/performance.md");
    let mut found = Vec::new();
    for one in throughput::count(&wasm, &|_| {}).unwrap() {
        let row = format!("| {} | ", one.name);
        let rest = documented.split(&row).nth(1).unwrap_or_default();
        let said: f64 = rest
            .split(" |")
            .next()
            .and_then(|said| said.parse().ok())
            .unwrap_or_default();
        let counted = f64::from(u32::try_from(one.instructions).unwrap()) / 100.0;
        if counted > said * 1.05 {
            found.push(format!(
                "{}: {counted} instructions a byte, documented are {said}",
                one.name
            ));
        }
    }
    assert!(
        found.is_empty(),
        "{}\nif this is meant: cargo modelgate bench --write",
        found.join("\n")
    );
}

#[test]
fn pii_mask_reads_mixtures_in_linear_time() {
    all(bodies::mixtures());
}

#[test]
fn what_pii_mask_replaces_is_put_back_in_linear_time() {
    all(trips::cases());
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

#[test]
fn keys_that_are_fetched_are_read_in_linear_time() {
    all(fetched::cases());
}

#[test]
fn events_are_shipped_in_linear_time() {
    all(shipped::cases());
}

#[test]
fn every_filter_reads_mixtures_in_linear_time() {
    all(mixed::cases());
}

#[test]
fn documents_forms_and_tensors_are_read_in_linear_time() {
    all(pieces::whole());
}

#[test]
fn documents_of_many_texts_are_read_in_linear_time() {
    all(pieces::many_texts());
}

#[test]
fn bodies_that_come_byte_by_byte_are_read_in_linear_time() {
    all(pieces::bytes());
}

/// What is said of a configuration of a hundred thousand keys that is refused, in a VM with little
/// more memory than one that is taken needs (16 MiB).
#[test]
fn a_refused_configuration_takes_no_more_memory_than_one_that_is_taken() {
    const KEYS: usize = 100_000;
    const MEMORY: usize = 24 << 20;
    let bench = Bench::new();
    let text = |key: &dyn Fn(usize) -> String, end: &str| {
        let keys: Vec<String> = (0..KEYS).map(key).collect();
        format!("{{\"keys\":[{}{end}]}}", keys.join(","))
    };
    let key = |id: usize, at: usize| {
        let digest = format!("sha256:{:064x}", at + 1);
        format!(r#"{{"id":"k{id}","digest":"{digest}","consumer":"c"}}"#)
    };
    let good = |at| key(at, at);
    assert_eq!(
        bench.load("key-auth", &text(&good, ""), MEMORY),
        Ok(()),
        "a good one"
    );
    for (name, text, said) in [
        (
            "no digests",
            text(&|at| good(at).replace("sha256:", "md5:"), ""),
            [
                "keys[19].digest: is not a digest",
                "further problems: 99980",
            ],
        ),
        (
            "the last has a member too many",
            text(
                &|at| good(at).replace("k99999\"", "k99999\",\"grups\":[]"),
                "",
            ),
            ["keys[99999].grups: unknown field", "did you mean `groups`?"],
        ),
        (
            "one id twice",
            text(&|at| key(if at == 77_777 { 7 } else { at }, at), ""),
            ["keys[77777].id: is the id of another key too", ""],
        ),
        (
            "one digest twice",
            text(&|at| key(at, if at == 77_777 { 7 } else { at }), ""),
            ["keys[77777].digest: is the digest of another key too", ""],
        ),
        (
            "a comma at the end",
            text(&good, ","),
            [
                "the configuration is not valid JSON: trailing comma at line 1",
                "",
            ],
        ),
        (
            "a member twice in the last",
            text(
                &|at| good(at).replace("k99999\"", "k99999\",\"id\":\"x\""),
                "",
            ),
            ["member `id` is written twice at line 1", ""],
        ),
    ] {
        let refusal = bench.load("key-auth", &text, MEMORY).unwrap_err();
        for part in said {
            assert!(refusal.contains(part), "{name}: {refusal}");
        }
        assert!(refusal.len() < 8_000, "{name}: {} bytes", refusal.len());
    }
}

/// Bodies of the longest that are read cost no more for each byte than the table in
/// `docs/performance.md` says.
#[test]
fn a_byte_costs_no_more_than_is_documented() {
    let bench = Bench::new();
    let documented = include_str!("../../docs/performance.md");
    let mut found = Vec::new();
    for bound in pieces::bounds() {
        let mut worst = (0, String::new());
        for case in &bound.cases {
            match bench.count(case, case.size) {
                Ok(count) => {
                    let size = u64::try_from(case.size).unwrap();
                    worst = worst.max((count / size, case.name.clone()));
                }
                Err(fault) => found.push(fault),
            }
        }
        let (most, case) = worst;
        writeln!(
            std::io::stderr(),
            "growth: {}: {most} instructions a byte ({case})",
            bound.what
        )
        .unwrap();
        if most > bound.most {
            found.push(format!(
                "{}: {most} instructions a byte: {case}",
                bound.what
            ));
        }
        let row = format!("| {} | {} |", bound.what, bound.most);
        if !documented.contains(&row) {
            found.push(format!("docs/performance.md lacks the row {row}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
