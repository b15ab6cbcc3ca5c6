//! Which release runs: one line in the log for a configuration that is taken, and the gauge
//! `build_info` of each filter.

use super::root_entry::RootEntry;
use crate::host::{Level, Proxy, Status};
use crate::metrics::Metric;

/// What the line says between the name and the version.
pub(crate) const TAKEN: &str = ": configuration taken: ";

/// Where the shared key begins under which is noted what was said last.
pub(crate) const RUNNING: &str = "modelgate.running.";

/// Says that `entry` runs under the configuration with the fingerprint `print`, unless another VM
/// of the proxy (a worker's) has said so already.
///
/// What was said last is in shared data, so that it is said again when the configuration changes,
/// and when it changes back. A host that has none, or may have none, hears it from every VM.
pub(super) fn announce(entry: &RootEntry, print: u64, host: &dyn Proxy) {
    let [root_id, plugin] = ["plugin_root_id", "plugin_name"].map(|name| {
        let value = host.property(&[name]).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    });
    let version = entry.version();
    let key = format!("{RUNNING}{root_id}.{plugin}");
    let said = format!("{version} {print:016x}");
    let is_shared = !host.rules().shared_data_is_a_zone;
    let (before, number) = match is_shared {
        true => host.shared(&key).unwrap_or_default(),
        false => (Vec::new(), 0),
    };
    if before != said.as_bytes() {
        if is_shared && host.set_shared(&key, said.as_bytes(), number) == Err(Status::CasMismatch) {
            // Another VM was quicker.
            return running(entry, host);
        }
        let before = String::from_utf8_lossy(&before);
        if let Some((before, _)) = before
            .split_once(' ')
            .filter(|(before, _)| *before != version)
        {
            // The proxy keeps the gauge of the module that was here before.
            for filter in entry.filters() {
                build_info(filter.name, before).record(host, 0);
            }
        }
        let name = entry.name();
        let profiles = entry.profiles();
        let line =
            format!("{name}{TAKEN}version {version}, root_id {root_id}, profiles {profiles}");
        host.log(Level::Info, &line);
    }
    running(entry, host);
}

/// Sets the gauges; in each VM, for no other one's are its own.
fn running(entry: &RootEntry, host: &dyn Proxy) {
    for filter in entry.filters() {
        build_info(filter.name, filter.version).record(host, 1);
    }
}

/// The gauge that is 1 while a filter of this release runs, as it is custom with Prometheus.
fn build_info(filter: &str, version: &str) -> Metric {
    Metric::gauge(filter, &[("version", version)], "build_info")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::config::{Problems, Setup};
    use crate::exchange::Exchange;
    use crate::filter::{Filter, Needs, Registration};
    use crate::manifest;
    use crate::problem::Reply;
    use crate::testing::FakeProxy;
    use crate::vm::{CHAIN, Vm};

    #[derive(Default, serde::Deserialize, schemars::JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Secret {
        secret: String,
    }

    struct Quiet;

    impl Filter for Quiet {
        const NAME: &'static str = "quiet";
        const VERSION: &'static str = "7.1.0-rc.2";
        const NEEDS: Needs = Needs::NONE;
        type Config = Secret;
        type Plan = ();

        fn compile(config: Secret, _: &Setup<'_>, problems: &mut Problems) -> Option<()> {
            if config.secret == "bad" {
                problems.add("secret", "is bad", "");
            }
            Some(())
        }

        async fn handle(_: Rc<()>, _: Exchange) -> Result<(), Reply> {
            Ok(())
        }
    }

    const FILTER: Registration = Registration::of::<Quiet>();
    /// The same filter, of the next release.
    const NEXT: Registration = Registration {
        version: "7.2.0",
        ..FILTER
    };
    const GAUGE: &str = "modelgate.quiet.version_7_1_0_rc_2.build_info";
    const NEXT_GAUGE: &str = "modelgate.quiet.version_7_2_0.build_info";
    const PLAIN: &str = r#"{"secret": "s3cret"}"#;
    const LINE: &str = "quiet: configuration taken: version 7.1.0-rc.2, root_id r, profiles ";

    /// A VM of this proxy takes a configuration, or not.
    fn take(proxy: &Rc<FakeProxy>, filter: Registration, config: &str) -> bool {
        proxy.preset("plugin_root_id", "r");
        proxy.preset("plugin_name", "entry");
        let mut vm = Vm::new(Rc::clone(proxy) as Rc<dyn Proxy>, &[filter]);
        vm.create(1, 0);
        proxy.configure(config);
        vm.configure(1, config.len())
    }

    #[test]
    fn a_configuration_is_announced_once_and_shows_nothing_of_itself() {
        let first = FakeProxy::new(0);
        let second = first.beside();
        assert!(take(&first, FILTER, PLAIN) && take(&second, FILTER, PLAIN));
        assert_eq!(first.announced(), [format!("{LINE}0")]);
        assert_eq!(second.announced(), Vec::<String>::new());
        assert_eq!(first.metric(GAUGE), 1);
    }

    #[test]
    fn a_change_and_the_change_back_are_announced() {
        let proxy = FakeProxy::new(0);
        let changed = r#"{"profiles": {"a": {}, "b": {"rank": 1}}}"#;
        for config in [PLAIN, changed, r#"{"secret": "bad"}"#, changed, PLAIN] {
            take(&proxy, FILTER, config);
        }
        let lines = [0, 2, 0].map(|profiles| format!("{LINE}{profiles}"));
        assert_eq!(proxy.announced(), lines);
    }

    #[test]
    fn another_release_takes_the_place_of_the_one_before() {
        let proxy = FakeProxy::new(0);
        for (filter, gauges) in [(FILTER, (1, 0)), (NEXT, (0, 1)), (FILTER, (1, 0))] {
            assert!(take(&proxy, filter, PLAIN));
            assert_eq!((proxy.metric(GAUGE), proxy.metric(NEXT_GAUGE)), gauges);
        }
        assert_eq!(proxy.announced().len(), 3);
    }

    #[test]
    fn without_shared_data_every_vm_says_it() {
        let proxy = FakeProxy::new(0);
        proxy.break_shared_data(Some(Status::Unimplemented));
        assert!(take(&proxy, FILTER, PLAIN) && take(&proxy, FILTER, PLAIN));
        assert_eq!(proxy.announced().len(), 2);
        assert_eq!(proxy.metric(GAUGE), 1);
    }

    #[test]
    fn a_chain_names_its_filters() {
        let proxy = FakeProxy::new(0);
        proxy.preset("plugin_root_id", CHAIN);
        let config = r#"{"filters": [{"filter": "quiet", "config": {"profiles": {"a": {}}}}, {"filter": "quiet"}]}"#;
        let mut vm = Vm::with_chains(Rc::clone(&proxy) as Rc<dyn Proxy>, &[FILTER]);
        vm.create(1, 0);
        proxy.configure(config);
        assert!(vm.configure(1, config.len()), "{:?}", proxy.logs());
        let version = manifest::VERSION;
        assert_eq!(
            proxy.announced(),
            [format!(
                "chain: configuration taken: version {version}, root_id chain, profiles quiet 1, quiet 0"
            )]
        );
        assert_eq!(proxy.metric(GAUGE), 1);
    }
}
