//! The figures as Markdown.

use std::collections::BTreeMap;

use super::callgrind::Executed;
use super::instructions::{Budgets, Cost};
use super::latency::Latency;
use super::rounds::Rounds;
use super::sizes::Sizes;
use super::starts::Start;

/// One line of a table: a case, and what was measured beside it.
pub struct Row<'a, T = Rounds> {
    /// The case.
    pub main: &'a T,
    /// The same in the native form.
    pub native: Option<&'a T>,
    /// Envoy's own filters for the nearest job.
    pub own: Option<&'a T>,
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

/// What a whole Envoy executes for a request, beside `bare`, the request without any filter.
pub fn executed(bare: &Executed, rows: &[Row<'_, Executed>], budgets: &Budgets) -> String {
    let mut table = String::from(
        "| | instructions | × bare | budget | native form | × bare | budget | Envoy's own | instructions | × bare |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    table.push_str(&format!(
        "| {} | {} | 1.00 | | | | | | | |\n",
        bare.name, bare.instructions
    ));
    let hundredths = |count: u64| format!("{}.{:02}", count / 100, count % 100);
    for Row { main, native, own } in rows {
        let beside = |one: &Executed| match one.instructions {
            0 => " | ".to_owned(),
            instructions => format!("{instructions} | {}", hundredths(one.ratio(bare))),
        };
        let held = |one: &Executed| {
            let budget = budgets.envoy.get(&one.name).copied();
            let budget = budget.map_or(String::new(), hundredths);
            format!("{} | {budget}", beside(one))
        };
        let native = native.map_or("| | ".to_owned(), held);
        let own = own.map_or("| | ".to_owned(), |own| {
            format!("{} | {}", own.name, beside(own))
        });
        table.push_str(&format!(
            "| {} | {} | {native} | {own} |\n",
            main.name,
            held(main)
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

/// What messages of several sizes cost: for each row what was sent, and the variants in it, the
/// bare request first.
pub fn bodies(rows: &[(&str, Vec<&Rounds>)]) -> String {
    let mut table = String::from(
        "| | bare, µs | chain-one-entry, µs | × bare | native form, µs | × bare |\n|---|---|---|---|---|---|\n",
    );
    for (what, variants) in rows {
        let Some((bare, others)) = variants.split_first() else {
            continue;
        };
        table.push_str(&format!("| {what} | {:.1} |", bare.median()));
        for other in others {
            let (micros, ratio) = (other.median(), other.ratio(bare));
            table.push_str(&format!(" {micros:.1} | {ratio:.2} |"));
        }
        table.push('\n');
    }
    table
}

/// How long answers take at half load.
pub fn latencies(found: &[Latency]) -> String {
    let mut table = String::from(
        "| | requests a second, fully busy | at half of that: p50, µs | p99, µs |\n|---|---|---|---|\n",
    );
    for one in found {
        table.push_str(&format!(
            "| {} | {} | {:.0} | {:.0} |\n",
            one.name, one.capacity, one.p50_us, one.p99_us
        ));
    }
    table
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
    fn what_envoy_executes_stands_beside_the_bare_request() {
        let executed = |name: &str, instructions| Executed {
            name: name.to_owned(),
            instructions,
        };
        let (bare, main, native) = (
            executed("bare", 200),
            executed("chain", 600),
            executed("chain, native", 301),
        );
        let row = Row {
            main: &main,
            native: Some(&native),
            own: None,
        };
        let ratios = [("chain".to_owned(), 300)].into();
        let budgets = Budgets::default().and_envoy(&ratios);
        assert!(
            super::executed(&bare, &[row], &budgets)
                .ends_with("| chain | 600 | 3.00 | 3.15 | 301 | 1.51 |  | | |  |\n")
        );
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
