//! What `modelgate` was compiled from serves `modelgate-full` and the tests too: no command
//! compiles it again.
//!
//! Cargo tells which units a command compiles, with which features and dependencies
//! (`--unit-graph`, which only the pinned compiler's nightly switch gives). A unit that another
//! command needs in another form is compiled again, and all that depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use modelgate_cli::build::Workspace;
use serde_json::Value as Json;

/// What tells one unit from another: its package, target, mode, features, profile and platform, and
/// those of its dependencies.
type Unit = (String, BTreeSet<String>);

fn units(arguments: &[&str]) -> BTreeSet<Unit> {
    let workspace = Workspace::locate().unwrap();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .args(["--unit-graph", "-Z", "unstable-options", "--quiet"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(workspace.root)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let graph: Json = serde_json::from_slice(&output.stdout).unwrap();
    let units = graph["units"].as_array().unwrap();
    let mut known = BTreeMap::new();
    (0..units.len())
        .map(|index| unit(units, index, &mut known))
        .collect()
}

fn unit(units: &[Json], index: usize, known: &mut BTreeMap<usize, Unit>) -> Unit {
    if let Some(unit) = known.get(&index) {
        return unit.clone();
    }
    let whole = &units[index];
    let mut own = whole.clone();
    own.as_object_mut().unwrap().remove("dependencies");
    // `dev` or `test`, which have the same settings here and share what they compile.
    own["profile"].as_object_mut().unwrap().remove("name");
    // Enough of a dependency to tell that it is another one, and short: the name of the whole is a
    // hash.
    let dependencies = whole["dependencies"].as_array().unwrap().iter();
    let dependencies = dependencies
        .map(|dependency| {
            let index = usize::try_from(dependency["index"].as_u64().unwrap()).unwrap();
            hash(&unit(units, index, known))
        })
        .collect();
    let unit = (own.to_string(), dependencies);
    known.insert(index, unit.clone());
    unit
}

fn hash(unit: &Unit) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    unit.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

/// The crates that the first command compiles in a form that the second one cannot use, with the
/// features that they have in each.
fn compiled_again(first: &BTreeSet<Unit>, second: &BTreeSet<Unit>) -> Vec<String> {
    let features = |unit: &Unit| -> (String, Json) {
        let json: Json = serde_json::from_str(&unit.0).unwrap();
        let name = format!("{} {}", json["pkg_id"], json["target"]["kind"]);
        (name, json["features"].clone())
    };
    let there: Vec<(String, Json)> = second.iter().map(features).collect();
    first
        .difference(second)
        .map(features)
        .map(|(name, with)| {
            let other = there.iter().filter(|(other, _)| *other == name);
            let other: Vec<&Json> = other.map(|(_, features)| features).collect();
            format!("{name}: {with}, but {other:?}")
        })
        .collect()
}

#[test]
fn the_command_line_is_compiled_once() {
    let small = units(&["build", "--package", "modelgate-cli", "--bin", "modelgate"]);
    let full = units(&[
        "build",
        "--package",
        "modelgate-full",
        "--bin",
        "modelgate-full",
    ]);
    let tests = units(&["test", "--workspace", "--all-features", "--no-run"]);
    assert!(
        small.len() > 100 && full.len() > small.len(),
        "no graph of units"
    );
    let is_program = |unit: &Unit| unit.0.contains(r#""kind":["bin"]"#);
    let libraries: BTreeSet<Unit> = small
        .iter()
        .filter(|unit| !is_program(unit))
        .cloned()
        .collect();
    for (what, again) in [
        ("modelgate-full", compiled_again(&libraries, &full)),
        ("the tests", compiled_again(&small, &tests)),
        (
            "the tests, of modelgate-full,",
            compiled_again(&full, &tests),
        ),
    ] {
        let again = again.join("\n");
        assert!(
            again.is_empty(),
            "for {what} these are compiled again; name their features in harness/workspace-hack/Cargo.toml:\n{again}"
        );
    }
}
