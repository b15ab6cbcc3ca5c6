//! The figures as Markdown.

use std::collections::BTreeMap;

use super::instructions::{Budgets, Cost};
use super::rounds::Rounds;
use super::sizes::Sizes;
use super::starts::Start;

/// One line of the table: a case, and what was measured beside it.
pub struct Row<'a> {
    /// The case.
    pub main: &'a Rounds,
    /// The same in the native form.
    pub native: Option<&'a Rounds>,
    /// Envoy's own filters for the nearest job.
    pub own: Option<&'a Rounds>,
}

/// A table of costs beside `base`, the request without any filter.
pub fn beside_others(base: &Rounds, rows: &[Row<'_>]) -> String {
    let mut table = String::from(
        "| | CPU µs per request | added µs | × bare | native form: added µs | × bare | Envoy's own | added µs | × bare |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    table.push_str(&format!(
        "| {} | {:.1} | | 1.00 | | | | | |\n",
        base.name,
        base.median()
    ));
    for Row { main, native, own } in rows {
        let costs =
            |rounds: &Rounds| format!("{:.1} | {:.2}", rounds.added(base), rounds.ratio(base));
        let native = native.map_or(" |".to_owned(), costs);
        let own = own.map_or("| |".to_owned(), |own| {
            format!("{} | {}", own.name, costs(own))
        });
        table.push_str(&format!(
            "| {} | {:.1} | {} | {native} | {own} |\n",
            main.name,
            main.median(),
            costs(main)
        ));
    }
    table
}

/// What each variant adds, and how that relates to what `reference` adds.
pub fn beside_reference(base: &Rounds, reference: &Rounds, variants: &[&Rounds]) -> String {
    let mut table = format!(
        "| | CPU µs per request | added µs | × {} |\n|---|---|---|---|\n",
        reference.name
    );
    table.push_str(&format!("| {} | {:.1} | | |\n", base.name, base.median()));
    for variant in variants {
        let added = variant.added(base);
        table.push_str(&format!(
            "| {} | {:.1} | {added:.1} | {:.2} |\n",
            variant.name,
            variant.median(),
            added / reference.added(base)
        ));
    }
    table
}

/// What each case executes for a request.
pub fn work(costs: &BTreeMap<String, Cost>, budgets: &Budgets) -> String {
    let mut table = String::from(
        "| | instructions | budget | of these in the background | entries | host calls |\n|---|---|---|---|---|---|\n",
    );
    let hundredths = |count: u64| format!("{}.{:02}", count / 100, count % 100);
    for (name, cost) in costs {
        let budget = budgets.instructions.get(name).copied().unwrap_or_default();
        table.push_str(&format!(
            "| {name} | {} | {budget} | {} | {} | {} |\n",
            cost.instructions,
            cost.background,
            hundredths(cost.entries),
            hundredths(cost.host_calls)
        ));
    }
    table
}

/// What configurations of several lengths cost.
pub fn sizes(cases: &Sizes) -> String {
    let mut table = String::from(
        "| | entries | text, bytes an entry | memory of a VM, bytes an entry | start, instructions an entry | request, instructions |\n|---|---|---|---|---|---|\n",
    );
    for (name, sizes) in cases {
        for size in sizes {
            let memory = if size.entries == 1 {
                String::new()
            } else {
                size.memory.to_string()
            };
            table.push_str(&format!(
                "| {name} | {} | {} | {memory} | {} | {} |\n",
                size.entries, size.text, size.start, size.request
            ));
        }
    }
    table
}

/// What starts of Envoy cost, beside the first of the same number of workers.
pub fn starts(starts: &[Start]) -> String {
    let mut table = String::from(
        "| | workers | CPU seconds | memory, MB | added by a worker, MB |\n|---|---|---|---|---|\n",
    );
    for start in starts {
        let fewer = starts
            .iter()
            .find(|other| other.name == start.name && other.workers < start.workers);
        let each = fewer.map_or(String::new(), |fewer| {
            let more = f64::from(start.workers.saturating_sub(fewer.workers));
            format!("{:.1}", (megabytes(start) - megabytes(fewer)) / more)
        });
        table.push_str(&format!(
            "| {} | {} | {}.{:02} | {:.0} | {each} |\n",
            start.name,
            start.workers,
            start.cpu_ms / 1_000,
            start.cpu_ms % 1_000 / 10,
            megabytes(start)
        ));
    }
    table
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn megabytes(start: &Start) -> f64 {
    start.resident_bytes as f64 / 1e6
}

/// `page` with `table` between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; nothing where the
/// marks are missing.
pub fn replace_between(page: &str, name: &str, table: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {name}:begin -->\n"),
        format!("<!-- {name}:end -->"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::super::rounds::Sample;
    use super::*;

    fn rounds(name: &str, micros: u64) -> Rounds {
        Rounds {
            name: name.to_owned(),
            samples: vec![Sample {
                cpu_ns: micros * 1_000,
                requests: 1,
            }],
        }
    }

    #[test]
    fn a_row_shows_cost_addition_and_ratio() {
        let (base, main, own, native) = (
            rounds("bare", 50),
            rounds("jwt-auth", 60),
            rounds("jwt_authn", 55),
            rounds("jwt-auth, native", 53),
        );
        let table = beside_others(
            &base,
            &[
                Row {
                    main: &main,
                    native: Some(&native),
                    own: Some(&own),
                },
                Row {
                    main: &own,
                    native: None,
                    own: None,
                },
            ],
        );
        assert!(
            table.contains(
                "| jwt-auth | 60.0 | 10.0 | 1.20 | 3.0 | 1.06 | jwt_authn | 5.0 | 1.10 |\n"
            )
        );
        assert!(table.contains("| jwt_authn | 55.0 | 5.0 | 1.10 |  | | | | |\n"));
    }

    #[test]
    fn a_start_shows_what_each_worker_adds() {
        let start = |workers, megabytes: u64| Start {
            name: "chain".to_owned(),
            workers,
            cpu_ms: 1_234,
            resident_bytes: megabytes * 1_000_000,
        };
        let table = starts(&[start(1, 100), start(4, 145)]);
        assert!(
            table.ends_with("| chain | 1 | 1.23 | 100 |  |\n| chain | 4 | 1.23 | 145 | 15.0 |\n")
        );
    }

    #[test]
    fn a_table_is_put_between_its_marks() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        assert_eq!(
            replace_between(page, "x", "new\n").as_deref(),
            Some("a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n")
        );
        assert_eq!(replace_between(page, "y", "new"), None);
    }

    #[test]
    fn additions_are_related_to_the_reference() {
        let (base, kit, bare) = (rounds("none", 30), rounds("kit", 42), rounds("bare", 40));
        assert!(
            beside_reference(&base, &bare, &[&bare, &kit])
                .contains("| kit | 42.0 | 12.0 | 1.20 |\n")
        );
    }
}
