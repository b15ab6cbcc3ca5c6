//! The rules.

use std::collections::BTreeMap;

use super::{Tree, circles::circles as circles_of};

/// A rule of the house.
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it guards.
    pub sentence: &'static str,
    /// The places that break it.
    pub broken: fn(&Tree) -> Vec<String>,
}

/// Longest file, in lines.
const LINES: usize = 600;
/// Longest `lib.rs` of a filter, in lines besides those that say what it is about.
const STORY: usize = 150;
/// Longest line of a comment, in characters: rustfmt's own for code.
const WIDTH: usize = 100;

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule {
        name: "direction",
        sentence: "between crates every arrow points down, and only the programs and tests name the suite (docs/architecture.md)",
        broken: direction,
    },
    Rule {
        name: "circles",
        sentence: "files of a crate do not use each other in a circle; those of a folder may use the file that it belongs to (docs/architecture.md)",
        broken: circles,
    },
    Rule {
        name: "unused",
        sentence: "a dependency is used, or it is not there",
        broken: unused,
    },
    Rule {
        name: "sdk",
        sentence: "the proxy-wasm SDK is a guest of the harness, never part of a filter",
        broken: sdk,
    },
    Rule {
        name: "abi",
        sentence: "only the files that touch an ABI have unsafe code: shared/src/guest and the macro that exports its callbacks, and of shared/src/dynamic those that are listed",
        broken: abi,
    },
    Rule {
        name: "threads",
        sentence: "kit and filters keep nothing in thread-locals: the dynamic module hands a VM from thread to thread",
        broken: threads,
    },
    Rule {
        name: "processes",
        sentence: "processes are started in harness/envoy, in the two programs, and in tests",
        broken: processes,
    },
    Rule {
        name: "stranger",
        sentence: "the simulated proxy, its wasmtime host and the YAML reader know nothing of the suite",
        broken: stranger,
    },
    Rule {
        name: "lines",
        sentence: "a file has at most 600 lines",
        broken: lines,
    },
    Rule {
        name: "head",
        sentence: "a file begins by saying what it is (`//!`)",
        broken: head,
    },
    Rule {
        name: "width",
        sentence: "comments are at most 100 characters wide, as code is",
        broken: width,
    },
    Rule {
        name: "paths",
        sentence: "a path that a document names exists",
        broken: paths,
    },
    Rule {
        name: "links",
        sentence: "a link in a document leads somewhere",
        broken: links,
    },
    Rule {
        name: "plugin",
        sentence: "a filter has lib.rs (at most 150 lines), config.rs, plan.rs, reasons.rs, tests, scenarios and a README",
        broken: plugin,
    },
    Rule {
        name: "skips",
        sentence: "what is missing is a skip or, under CI=true, a failure: in one place (harness/cli/src/skip.rs)",
        broken: skips,
    },
];

/// What the packages of each floor may depend on, the ground first.
fn below(package: &str) -> Option<&'static [&'static str]> {
    Some(match package {
        "modelgate-kit"
        | "located-yaml"
        | "proxy-wasm-simulator"
        | "modelgate-oci"
        | "workspace-hack"
        | "bench-bare"
        | "bench-sdk" => &[],
        "modelgate-site" => &["workspace-hack"],
        "proxy-wasm-wasmtime" => &["proxy-wasm-simulator"],
        "bench-kit" => &["modelgate-kit"],
        "modelgate-native" => &["modelgate-kit", "modelgate"],
        "modelgate-envoy" => &["located-yaml", "proxy-wasm-simulator"],
        "modelgate-scenario" => &[
            "located-yaml",
            "proxy-wasm-simulator",
            "modelgate-envoy",
            "modelgate-kit",
        ],
        "modelgate-demo" => &[
            "located-yaml",
            "proxy-wasm-simulator",
            "modelgate-envoy",
            "modelgate-kit",
            "modelgate-scenario",
        ],
        "modelgate-cli" => &[
            "located-yaml",
            "proxy-wasm-simulator",
            "modelgate-envoy",
            "modelgate-kit",
            "modelgate-scenario",
            "modelgate-demo",
            "modelgate",
            "workspace-hack",
        ],
        // Tests and the larger program see everything; the module that holds all filters names
        // each.
        "modelgate-full" | "modelgate-tests" | "modelgate" => return None,
        // A filter.
        _ => &["modelgate-kit"],
    })
}

fn direction(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for package in &tree.packages {
        let Some(allowed) = below(&package.name) else {
            continue;
        };
        let dependencies = package.dependencies.iter();
        broken.extend(
            dependencies
                .filter(|on| on.own && !on.dev && !allowed.contains(&on.name.as_str()))
                .map(|on| format!("{}/Cargo.toml: {}", package.folder, on.name)),
        );
    }
    broken
}

fn unused(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    // Its whole purpose is to be a list of dependencies.
    let packages = tree
        .packages
        .iter()
        .filter(|package| package.name != "workspace-hack");
    for package in packages {
        let code: Vec<&str> = tree
            .rust(&format!("{}/", package.folder))
            .map(|(_, text)| text)
            .collect();
        let named = |ident: &str| code.iter().any(|text| has_word(text, ident));
        let deliberate = |name: &str| {
            ["workspace-hack", "axum", "hashbrown", "idna", "tower-http"].contains(&name)
        };
        broken.extend(
            package
                .dependencies
                .iter()
                .filter(|on| !deliberate(&on.name) && !named(&on.ident))
                .map(|on| format!("{}/Cargo.toml: {}", package.folder, on.name)),
        );
    }
    broken
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn sdk(tree: &Tree) -> Vec<String> {
    let users = tree
        .packages
        .iter()
        .filter(|package| package.name != "bench-sdk");
    users
        .filter(|package| {
            package
                .dependencies
                .iter()
                .any(|on| on.name == "proxy-wasm")
        })
        .map(|package| format!("{}/Cargo.toml", package.folder))
        .collect()
}

fn abi(tree: &Tree) -> Vec<String> {
    let homes = [
        "shared/src/guest",
        "shared/src/export.rs",
        "shared/src/dynamic/abi.rs",
        "shared/src/dynamic/envoy.rs",
        "shared/src/dynamic/export.rs",
        "shared/src/dynamic/handed.rs",
        "shared/src/dynamic/hooks.rs",
        "shared/src/dynamic/pool.rs",
        // What tests of these play Envoy with.
        "shared/src/dynamic/fake.rs",
        "shared/src/dynamic/tests",
        "bench/",
        "harness/guests/",
        "tests/",
    ];
    places(tree, "", &homes, |line| {
        ["extern \"C\"", "unsafe {", "unsafe fn", "unsafe impl"]
            .iter()
            .any(|part| line.contains(part))
    })
}

fn threads(tree: &Tree) -> Vec<String> {
    let homes = [
        // One module, one VM.
        "shared/src/guest",
        // The number of a thread.
        "shared/src/dynamic/worker.rs",
        // Blocks that are free, and so nobody's.
        "shared/src/dynamic/pool.rs",
        // Who listens on this thread for as long as one explanation takes: nobody in a proxy.
        "shared/src/explain.rs",
    ];
    let keeps = |line: &str| line.trim_start().starts_with("thread_local!");
    let mut broken = places(tree, "shared/src", &homes, keeps);
    broken.extend(places(tree, "plugins/", &[], keeps));
    broken
}

fn processes(tree: &Tree) -> Vec<String> {
    let homes = ["harness/envoy/", "harness/cli/", "harness/full/", "tests/"];
    let mut broken = Vec::new();
    for (path, text) in tree.rust("") {
        if homes.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        // Tests of a file are at its end.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        broken.extend(
            numbered(code)
                .filter(|(_, line)| line.contains("process::Command"))
                .map(|(number, _)| format!("{path}:{number}")),
        );
    }
    broken
}

fn stranger(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for crate_ in ["simulator", "wasmtime", "yaml"] {
        let of_ours = |line: &str| line.to_lowercase().contains("modelgate");
        broken.extend(places(tree, &format!("harness/{crate_}/src"), &[], of_ours));
    }
    broken
}

fn lines(tree: &Tree) -> Vec<String> {
    tree.rust("")
        .filter(|(_, text)| text.lines().count() > LINES)
        .map(|(path, text)| format!("{path}:{}", text.lines().count()))
        .collect()
}

fn head(tree: &Tree) -> Vec<String> {
    tree.rust("")
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| format!("{path}:1"))
        .collect()
}

/// Comments: of code rustfmt sees to the same width. Links and rows of tables cannot be broken.
fn width(tree: &Tree) -> Vec<String> {
    places(tree, "", &[], |line| {
        let said = line.trim_start();
        let comment =
            said.starts_with("//") && !said.starts_with("//! |") && !said.starts_with("/// |");
        comment && line.chars().count() > WIDTH && !line.contains("://")
    })
}

/// Folders in which paths stand that documents name.
const ROOTS: [&str; 8] = [
    "shared/", "plugins/", "envoy/", "kong/", "harness/", "tests/", "docs/", "bench/",
];

fn paths(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in documents(tree) {
        for (number, line) in numbered(text) {
            let named = line.split('`').skip(1).step_by(2);
            let named = named.filter(|path| ROOTS.iter().any(|root| path.starts_with(root)));
            // What stands for a name, a choice or a part is no path.
            let named = named.filter(|path| {
                path.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"0123456789/._-".contains(&byte))
            });
            broken.extend(
                named
                    .filter(|path| !exists(tree, path))
                    .map(|path| format!("{file}:{number}: {path}")),
            );
        }
    }
    broken
}

fn links(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in documents(tree) {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in numbered(text) {
            let targets = line.split("](").skip(1);
            let targets = targets.filter_map(|rest| rest.split(')').next());
            for target in targets {
                let path = target.split('#').next().unwrap_or_default();
                if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                    continue;
                }
                if !exists(tree, &joined(folder, path)) {
                    broken.push(format!("{file}:{number}: {target}"));
                }
            }
        }
    }
    broken
}

/// Markdown, but for what tells of the past.
fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let texts = tree.files.iter();
    texts
        .filter(|(path, _)| path.ends_with(".md") && *path != "CHANGELOG.md")
        .filter(|(path, _)| !path.contains("/template/"))
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

fn exists(tree: &Tree, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.files.contains_key(path) || tree.files.keys().any(|file| file.starts_with(&folder))
}

fn joined(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn plugin(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let stories = tree.rust("plugins/").filter_map(|(path, text)| {
        let folder = path.strip_suffix("/src/lib.rs")?;
        (folder != "plugins/modelgate").then_some((folder, text))
    });
    for (folder, text) in stories {
        // What it is about may take its time.
        let count = text.lines().filter(|line| !line.starts_with("//!")).count();
        if count > STORY {
            broken.push(format!("{folder}/src/lib.rs:{count}"));
        }
        let parts = [
            "src/config.rs",
            "src/plan.rs",
            "src/reasons.rs",
            "src/tests.rs",
            "scenarios",
            "README.md",
        ];
        broken.extend(
            parts
                .iter()
                .map(|part| format!("{folder}/{part}"))
                .filter(|path| !exists(tree, path)),
        );
    }
    broken
}

fn skips(tree: &Tree) -> Vec<String> {
    let homes = ["harness/cli/src/skip.rs", "tests/tests/tidy"];
    places(tree, "", &homes, |line| line.contains("var(\"CI\")"))
}

/// Places below a folder, but not in these, with lines of this kind.
fn places(tree: &Tree, below: &str, but: &[&str], kind: impl Fn(&str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in tree.rust(below) {
        if but.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        broken.extend(
            numbered(text)
                .filter(|(_, line)| kind(line))
                .map(|(number, _)| format!("{path}:{number}")),
        );
    }
    broken
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn circles(tree: &Tree) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for folder in ["harness/", "plugins/"] {
        for (path, text) in tree.rust(folder) {
            if let Some((name, below)) = path.split_once("/src/") {
                crates.entry(name).or_default().insert(below, text);
            }
        }
    }
    let circles = crates.iter().flat_map(|(name, files)| {
        let found = circles_of(files).into_iter();
        found.map(move |circle| format!("{name}/src/{circle}"))
    });
    circles.collect()
}
