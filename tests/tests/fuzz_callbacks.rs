//! Every filter's module under random callbacks, on the wasmtime host: no trap, and nothing passes that must not.
//!
//! The worlds are the filters' own scenarios, and those in `fuzz_callbacks/`, which promise something: that nothing passes without proof,
//! or that whatever passes is masked or signed. On a healthy proxy each of those does what it says, which is checked first; then
//! [`modelgate_harness::fuzz`] plays them all, 10,000 callbacks for each filter.
//!
//! `MODELGATE_FUZZ_SEED` repeats a run (the seed is printed), `MODELGATE_FUZZ_CALLBACKS` makes it longer. Scenarios whose tokens are minted
//! afresh are left out: a run with them could not be repeated.

#[cfg(feature = "wasmtime")]
mod modules {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, OnceLock};

    use modelgate_harness::artifacts::{self, FILTERS, Profile, Workspace};
    use modelgate_harness::engine::simulated::Simulated;
    use modelgate_harness::engine::{Verdict, WasmFolder, judge};
    use modelgate_harness::fuzz::{Options, Promise, Report, World, fuzz};
    use modelgate_harness::proxy::Outcome;
    use modelgate_harness::scenario::ScenarioFile;
    use modelgate_harness::suite;

    const CALLBACKS: u64 = 10_000;
    /// Any instant would do; tokens are valid, and a run repeats.
    const NOW_S: u64 = 1_800_000_000;

    /// The worlds of this folder, by filter, with what they promise.
    const PROMISES: [(&str, &str, Promise); 7] = [
        ("jwt-auth", "jwt-tokens.yaml", Promise::Nothing),
        (
            "jwt-auth",
            "jwt-unproven-inline.yaml",
            Promise::NothingPasses,
        ),
        (
            "jwt-auth",
            "jwt-unproven-discovered.yaml",
            Promise::NothingPasses,
        ),
        ("key-auth", "key-unproven.yaml", Promise::NothingPasses),
        ("consumer-acl", "acl-unproven.yaml", Promise::NothingPasses),
        (
            "pii-mask",
            "pii-kept.yaml",
            Promise::Outcome(shows_the_address),
        ),
        (
            "aws-sigv4",
            "sigv4-signed.yaml",
            Promise::Outcome(goes_unsigned),
        ),
    ];

    fn shows_the_address(outcome: &Outcome) -> Option<String> {
        const ADDRESS: &[u8] = b"canary@example.org";
        let shows = |body: &[u8]| body.windows(ADDRESS.len()).any(|window| window == ADDRESS);
        if outcome
            .upstream
            .as_ref()
            .is_some_and(|sent| shows(&sent.body))
        {
            return Some("the upstream sees the address".to_owned());
        }
        shows(&outcome.client.body()).then(|| "the client sees the address".to_owned())
    }

    fn goes_unsigned(outcome: &Outcome) -> Option<String> {
        let sent = outcome.upstream.as_ref()?;
        let mut values = sent.headers.all("authorization");
        let signed = match (values.next(), values.next()) {
            (Some(value), None) => value.starts_with(b"AWS4-HMAC-SHA256 "),
            _ => false,
        };
        (!signed).then(|| "the upstream receives a request without a signature of ours".to_owned())
    }

    fn seed() -> u64 {
        static SEED: OnceLock<u64> = OnceLock::new();
        *SEED.get_or_init(|| match std::env::var("MODELGATE_FUZZ_SEED") {
            Ok(seed) => seed.parse().expect("MODELGATE_FUZZ_SEED is a number"),
            Err(_) => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |since| since.as_nanos() as u64),
        })
    }

    fn callbacks() -> u64 {
        std::env::var("MODELGATE_FUZZ_CALLBACKS").map_or(CALLBACKS, |number| {
            number
                .parse()
                .expect("MODELGATE_FUZZ_CALLBACKS is a number")
        })
    }

    /// The workspace, with all modules built once.
    fn workspace() -> &'static Workspace {
        static BUILT: Mutex<()> = Mutex::new(());
        static WORKSPACE: OnceLock<Workspace> = OnceLock::new();
        let _guard = BUILT.lock();
        WORKSPACE.get_or_init(|| {
            let workspace = Workspace::locate().expect("the workspace");
            artifacts::build(&workspace, &FILTERS, Profile::Release).expect("the modules");
            workspace
        })
    }

    fn own(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz_callbacks")
            .join(name)
    }

    fn world(path: &Path, promise: Promise) -> World {
        let file = ScenarioFile::read(path).unwrap_or_else(|error| panic!("{error}"));
        World {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            scenario: file
                .resolve(NOW_S)
                .unwrap_or_else(|error| panic!("{error}")),
            promise,
        }
    }

    /// What a filter is fuzzed with: its scenarios as far as they can be repeated, and the worlds of this folder.
    fn worlds(filter: &str) -> Vec<World> {
        let folder = workspace()
            .root
            .join("plugins")
            .join(filter)
            .join("scenarios");
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .expect("scenarios")
            .map(|entry| entry.expect("a file").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "yaml")
            })
            .collect();
        files.sort();
        let repeatable = files.iter().filter(|path| {
            let file = ScenarioFile::read(path).unwrap_or_else(|error| panic!("{error}"));
            !file.needs_tokens() && file.uses(filter)
        });
        let promised = PROMISES.iter().filter(|(of, ..)| *of == filter);
        repeatable
            .map(|path| world(path, Promise::Nothing))
            .chain(promised.map(|(_, name, promise)| world(&own(name), *promise)))
            .collect()
    }

    fn fuzzed(filter: &str, callbacks: u64) -> Report {
        let path = workspace().artifact_path(&filter.replace('-', "_"));
        let wasm =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let seed = seed();
        println!("MODELGATE_FUZZ_SEED={seed}");
        match fuzz(&wasm, filter, &worlds(filter), Options { seed, callbacks }) {
            Ok(Ok(report)) => report,
            Ok(Err(finding)) => panic!("{filter}: {finding}"),
            Err(error) => panic!("{filter}: {error:#}"),
        }
    }

    /// The run of one filter.
    fn holds(filter: &str) {
        let report = fuzzed(filter, callbacks());
        println!("{filter}: {report}\n{:#?}", report.by_export);
        assert!(report.callbacks >= callbacks());
        // A run that never came deep, or met only one kind of weather, has shown nothing.
        assert!(
            report.passed > 0 && report.passed < report.requests,
            "{report}"
        );
        assert!(
            report.strays > 0 && report.refused_calls > 0 && report.spoiled_calls > 0,
            "{report}"
        );
        let member = suite::member(filter).expect("a member");
        let groups = modelgate_kit::filter::callbacks(&member.filter.needs);
        let mut expected: BTreeSet<&str> =
            BTreeSet::from(["proxy_on_request_headers", "proxy_on_delete"]);
        for (group, _) in groups.into_iter().filter(|(_, exported)| *exported) {
            expected.extend(match group {
                "request_body" => &["proxy_on_request_body", "proxy_on_request_trailers"][..],
                "response_headers" => &["proxy_on_response_headers"],
                "response_body" => &["proxy_on_response_body", "proxy_on_response_trailers"],
                "answers" => &["proxy_on_http_call_response"],
                "tick" => &["proxy_on_tick"],
                "end" => &["proxy_on_log"],
                other => panic!("{other} is a group of callbacks that this test does not know"),
            });
        }
        for export in expected {
            assert!(
                report.by_export.contains_key(export),
                "{export} was never called"
            );
        }
    }

    macro_rules! filters {
        ($($test:ident $filter:literal,)+) => {
            $(#[test]
            fn $test() {
                holds($filter);
            })+

            #[test]
            fn every_filter_is_fuzzed() {
                let here: BTreeSet<&str> = [$($filter),+].into();
                let members = suite::members();
                assert_eq!(here, members.iter().map(|member| member.krate).collect::<BTreeSet<_>>());
            }
        };
    }

    filters! {
        audit_log_holds "audit-log",
        jwt_auth_holds "jwt-auth",
        key_auth_holds "key-auth",
        consumer_acl_holds "consumer-acl",
        rate_limit_holds "rate-limit",
        pii_mask_holds "pii-mask",
        aws_sigv4_holds "aws-sigv4",
    }

    #[test]
    fn on_a_healthy_proxy_the_worlds_do_what_they_say() {
        let folder = Arc::new(WasmFolder(workspace().target.join("modelgate")));
        let engine = Simulated::wasmtime(folder);
        for (_, name, _) in PROMISES {
            let file = ScenarioFile::read(&own(name)).unwrap_or_else(|error| panic!("{error}"));
            match judge(&engine, &file) {
                Ok(Verdict::Passed) => {}
                Ok(other) => panic!("{name}: {other:?}"),
                Err(error) => panic!("{name}: {error:#}"),
            }
        }
    }

    #[test]
    fn a_run_can_be_repeated() {
        let run = || {
            let report = fuzzed("jwt-auth", 1_000);
            (
                report.by_export,
                report.requests,
                report.refused_calls,
                report.spoiled_calls,
            )
        };
        assert_eq!(run(), run());
    }
}

/// Without the host there is nothing to run; a build for CI has it.
#[cfg(not(feature = "wasmtime"))]
#[test]
fn modules_are_fuzzed_with_the_feature_wasmtime() {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "CI=true, but this was built without the feature `wasmtime`"
    );
    println!("SKIPPED: fuzzed callbacks: built without the feature `wasmtime`");
}
