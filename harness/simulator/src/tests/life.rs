//! Traps, clients that leave, workers, timers, configurations and routes.

use super::*;

fn fragile(policy: FailurePolicy) -> FilterSpec {
    let fragile = spec("fragile", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            assert!(
                host.header_value(MapKind::RequestHeaders, b"x-panic")
                    .is_err()
            );
            host.set_header(MapKind::RequestHeaders, b"x-filtered", b"yes")
                .unwrap();
        }
        passing(callback)
    });
    fragile.failure_policy(policy)
}

#[test]
fn after_a_trap_each_policy_does_what_it_says() {
    let run = |policy| {
        let mut gateway = Gateway::builder().filter(fragile(policy)).build().unwrap();
        let mut seen = Vec::new();
        for (wait, panic) in [(0, true), (0, false), (0, true), (0, false), (2, false)] {
            gateway.advance(Duration::from_secs(wait));
            let request = if panic {
                Request::get("/").header("x-panic", "1")
            } else {
                Request::get("/")
            };
            let outcome = gateway.exchange(request);
            let filtered = outcome
                .upstream
                .is_some_and(|upstream| upstream.headers.first("x-filtered").is_some());
            seen.push((outcome.client.status().unwrap(), filtered));
        }
        seen
    };
    const UNAVAILABLE: (u16, bool) = (503, false);
    const FILTERED: (u16, bool) = (200, true);
    const UNFILTERED: (u16, bool) = (200, false);
    assert_eq!(
        run(FailurePolicy::Reload),
        [UNAVAILABLE, FILTERED, UNAVAILABLE, UNAVAILABLE, FILTERED],
        "the back-off holds"
    );
    assert_eq!(run(FailurePolicy::Closed), [UNAVAILABLE; 5]);
    assert_eq!(
        run(FailurePolicy::Open),
        [UNAVAILABLE, UNFILTERED, UNFILTERED, UNFILTERED, UNFILTERED]
    );
    assert_eq!(run(FailurePolicy::OpenAtOnce), [UNFILTERED; 5]);
}

#[test]
fn a_trap_in_a_callouts_answer_leaves_the_client_hanging() {
    let trapping = spec("trapping", |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            dispatch(host, 100);
            Some(PAUSE)
        }
        Callback::HttpCallResponse { .. } => panic!("as some filters do"),
        _ => passing(callback),
    });
    let mut gateway = Gateway::builder()
        .network(slow_idp())
        .filter(trapping)
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!((outcome.status(), outcome.over), (None, false));
    assert_eq!(gateway.timeline().traps().count(), 1);
}

#[test]
fn a_client_that_leaves_ends_the_exchange_and_its_upstream() {
    let notes = Notes::default();
    let builder = Gateway::builder().network(network(&[("upstream", Answer::Hang)]));
    let mut gateway = builder.filter(watcher("w", &notes)).build().unwrap();
    let outcome = gateway.exchange(Request::get("/").disconnect_after(Duration::from_millis(20)));
    assert!(outcome.over && !outcome.client.complete);
    assert_eq!(
        outcome.details.as_deref(),
        Some("downstream_remote_disconnect")
    );
    assert_eq!(notes.take(), ["headers true", "log", "done", "delete"]);
    let abandoned = gateway
        .timeline()
        .events()
        .any(|event| matches!(event, Event::RequestReset { .. }));
    assert!(abandoned);
}

#[test]
fn upstreams_that_fail_are_answered_for() {
    let run = |answer| {
        let mut gateway = Gateway::builder()
            .network(network(&[("upstream", answer)]))
            .build()
            .unwrap();
        let outcome = gateway.exchange(Request::get("/"));
        (
            outcome.status(),
            outcome.client.head_after.as_secs(),
            outcome.client.reset,
        )
    };
    assert_eq!(run(Answer::Refuse), (Some(503), 0, false));
    assert_eq!(
        run(Answer::Reset(Duration::from_secs(1))),
        (Some(503), 1, false)
    );
    assert_eq!(run(Answer::Hang), (Some(504), 15, false));
    let torn = Reply {
        ending: Ending::Reset,
        ..Reply::status(200).body("x")
    };
    assert_eq!(run(Answer::Reply(torn)), (Some(200), 0, true));
}

#[test]
fn workers_have_vms_of_their_own_and_share_data_and_metrics() {
    let counting = spec("counting", |host, _, callback| {
        match callback {
            Callback::RequestHeaders { .. } => {
                let (value, cas) = host.shared_data(b"n").unwrap_or((vec![0], 0));
                host.set_shared_data(b"n", &[value[0] + 1], cas).unwrap();
                host.set_header(
                    MapKind::RequestHeaders,
                    b"x-n",
                    (value[0] + 1).to_string().as_bytes(),
                )
                .unwrap();
            }
            Callback::Configure { .. } => {
                let metric = host
                    .define_metric(abi::MetricKind::Counter, b"configured")
                    .unwrap();
                host.increment_metric(metric, 1).unwrap();
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder()
        .workers(2)
        .filter(counting)
        .build()
        .unwrap();
    let last: Vec<_> = (0..3)
        .map(|_| {
            gateway
                .exchange(Request::get("/"))
                .upstream
                .unwrap()
                .headers
                .text("x-n")
                .unwrap()
        })
        .collect();
    assert_eq!(last, ["1", "2", "3"]);
    assert_eq!(
        gateway.metric("configured"),
        Some(4),
        "two workers, the main thread, and the template"
    );
}

#[test]
fn timers_tick_on_every_thread_but_the_template_until_they_are_stopped() {
    let ticking = spec("ticking", |host, _, callback| {
        match callback {
            Callback::Configure { .. } => host.set_tick_period(100).unwrap(),
            Callback::Tick => {
                let metric = host
                    .define_metric(abi::MetricKind::Counter, b"ticks")
                    .unwrap();
                host.increment_metric(metric, 1).unwrap();
                if host.metric(metric) == Ok(6) {
                    host.set_tick_period(0).unwrap();
                }
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(ticking).build().unwrap();
    gateway.advance(Duration::from_millis(350));
    assert_eq!(
        gateway.metric("ticks"),
        Some(6),
        "main thread and worker, three times"
    );
    gateway.advance(Duration::from_millis(300));
    assert_eq!(gateway.metric("ticks"), Some(9), "one of them has stopped");
}

#[test]
fn a_configuration_that_is_refused_stops_the_gateway_with_what_the_filter_said() {
    let refusing = spec("refusing", |host, _, callback| match callback {
        Callback::Configure { size } => {
            assert_eq!(
                host.buffer(BufferKind::PluginConfiguration, 0, size),
                Ok(b"{}".to_vec())
            );
            host.log(abi::LogLevel::Error, b"nothing is right").unwrap();
            Some(0)
        }
        _ => passing(callback),
    });
    let refused = Gateway::builder()
        .filter(refusing.configuration("{}"))
        .build()
        .err()
        .unwrap();
    assert_eq!(
        (refused.filter.as_str(), refused.log.as_slice()),
        ("refusing", &["nothing is right".to_owned()][..])
    );
}

#[test]
fn routes_carry_metadata_and_switch_filters() {
    let reading = spec("reading", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let profile = host.property(b"xds\0route_metadata\0filter_metadata\0gateway\0profile");
            host.set_header(
                MapKind::RequestHeaders,
                b"x-profile",
                &profile.unwrap_or_default(),
            )
            .unwrap();
            host.set_property(b"fact", b"left").unwrap();
        }
        passing(callback)
    });
    let metadata = serde_json::json!({"gateway": {"profile": "strict"}});
    let strict = Route {
        path: PathMatch::Prefix("/strict".into()),
        metadata: metadata.as_object().cloned().unwrap(),
        ..Route::to("upstream")
    };
    let off = Route {
        switches: [("reading".to_owned(), false)].into(),
        ..Route::to("upstream")
    };
    let host = VirtualHost {
        domains: vec!["*".into()],
        routes: vec![strict, off],
        ..VirtualHost::default()
    };
    let mut gateway = Gateway::builder()
        .virtual_host(host)
        .filter(reading)
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/strict/1"));
    assert_eq!(
        outcome
            .upstream
            .unwrap()
            .headers
            .text("x-profile")
            .as_deref(),
        Some("strict")
    );
    assert_eq!(outcome.filter_state.get("fact"), Some(&b"left".to_vec()));
    let outcome = gateway.exchange(Request::get("/other"));
    assert_eq!(outcome.upstream.unwrap().headers.first("x-profile"), None);
    let missing = Gateway::builder().virtual_host(VirtualHost {
        domains: vec!["x".into()],
        ..VirtualHost::default()
    });
    assert_eq!(
        missing
            .build()
            .unwrap()
            .exchange(Request::get("/"))
            .status(),
        Some(404)
    );
}

#[test]
fn several_exchanges_are_under_way_at_once() {
    let builder = Gateway::builder().network(network(&[(
        "upstream",
        Answer::Reply(Reply::status(200).after(Duration::from_millis(10))),
    )]));
    let mut gateway = builder.build().unwrap();
    let ids: Vec<_> = (0..5).map(|_| gateway.submit(Request::get("/"))).collect();
    assert!(ids.iter().all(|id| !gateway.is_over(*id)));
    gateway.advance(Duration::from_millis(10));
    assert!(
        ids.iter()
            .all(|id| gateway.outcome(*id).status() == Some(200))
    );
}
