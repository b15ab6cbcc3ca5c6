//! What filters execute for a request, how often they call the proxy, and how large their modules
//! are, held to `tests/budgets.json`.
//!
//! `cargo modelgate bench --instructions --write` writes the budgets anew; a change of them is part
//! of the change that needs it.

use std::collections::BTreeMap;

use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_full::bench::instructions::{BUDGETS, Budgets, HELD, count, module_bytes};
use modelgate_full::bench::{names, read, sizes};

#[test]
fn filters_keep_to_their_budgets() {
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    let wasm = workspace.target.join("modelgate");
    let folder = workspace.root.join("tests/bench");
    let costs: BTreeMap<_, _> = names(&folder)
        .unwrap()
        .into_iter()
        .map(|name| {
            let (cost, by_filter) = count(&read(&folder, &name).unwrap(), &wasm).unwrap();
            assert!(
                by_filter.values().all(|filter| filter.instructions > 0),
                "{name}: a filter did nothing: {by_filter:?}"
            );
            (name, cost)
        })
        .collect();
    let budgets = Budgets::read(&workspace.root.join(BUDGETS)).unwrap();
    let sizes = sizes::measure(&wasm, HELD, &|_| {}).unwrap();
    let broken = budgets.broken_by(&costs, &module_bytes(&wasm).unwrap(), &sizes);
    assert!(
        broken.is_empty(),
        "{broken:#?}\nif this is meant: cargo modelgate bench --instructions --write"
    );
    for name in budgets.instructions.keys() {
        assert!(costs.contains_key(name), "a budget without a case: {name}");
    }
}
