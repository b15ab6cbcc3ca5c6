//! Rows about what ends a whole worker, and about exchanges that wait for each other.

use super::*;
use crate::Event;

/// How often workers have crashed, with how many exchanges.
fn crashes(gateway: &Gateway) -> Vec<usize> {
    let timeline = gateway.timeline();
    let crashes = timeline
        .records()
        .iter()
        .filter_map(|record| match record.event {
            Event::WorkerCrash { exchanges, .. } => Some(exchanges),
            _ => None,
        });
    crashes.collect()
}

/// The crashes of one POST through a filter, after which another one is served again.
fn crashed_by(
    behaviour: impl Fn(&HostHandle, ContextId, Callback) -> Option<u32> + 'static,
) -> Vec<usize> {
    let mut gateway = gateway(NGINX, slow_idp(), spec("f", behaviour));
    let outcome = gateway.exchange(post());
    let crashes = crashes(&gateway);
    assert_eq!(outcome.client.reset, !crashes.is_empty(), "{outcome:?}");
    crashes
}

#[test]
fn d1_a_callback_that_the_module_lacks_ends_the_worker() {
    for missing in NGINX.needed_callbacks {
        let notes = Notes::default();
        let noted = notes.clone();
        let filter = spec("lacks", move |_, _, callback| match callback {
            callback if callback.export() == *missing => None,
            Callback::VmStart { .. } => {
                noted.add("start");
                Some(1)
            }
            _ => passing(callback),
        });
        let mut gateway = gateway(NGINX, network(&[]), filter);
        gateway.exchange(post());
        assert_eq!(crashes(&gateway).len(), 1, "{missing}");
        assert_eq!(notes.take(), ["start", "start"], "a new worker begins");
    }
    for optional in ["proxy_on_tick", "proxy_on_request_trailers"] {
        assert!(!NGINX.needed_callbacks.contains(&optional));
    }
}

#[test]
fn a_crash_breaks_off_every_exchange_of_its_worker_and_no_other() {
    let filter = spec("fragile", |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            let path = host.header_value(MapKind::RequestHeaders, b":path");
            if path.unwrap() == b"/crash" {
                dispatch(host, 0);
            }
            Some(0)
        }
        _ => passing(callback),
    });
    let mut script = Script::default();
    script.cluster("upstream", vec![Answer::Hang]);
    script.cluster("idp", vec![Answer::Hang]);
    let builder = Gateway::builder().profile(NGINX).network(script).workers(2);
    let mut gateway = builder.filter(filter).build().unwrap();
    let on = |path, worker| Request::get(path).on_worker(WorkerId(worker));
    let same = gateway.submit(on("/", 0));
    let other = gateway.submit(on("/", 1));
    let crashing = gateway.submit(on("/crash", 0));
    assert_eq!(crashes(&gateway), [2]);
    for (id, reset) in [(same, true), (other, false), (crashing, true)] {
        let outcome = gateway.outcome(id);
        assert_eq!((outcome.client.reset, outcome.over), (reset, reset));
    }
    let after = gateway.submit(on("/", 0));
    assert!(gateway.outcome(after).upstream.is_some(), "it serves again");
}

/// nginx's HUP: what an old worker has in memory is lost, and what is shared stays.
#[test]
fn another_configuration_begins_new_workers_and_the_old_ones_finish_what_they_have_begun() {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("f", move |host, context, callback| match callback {
        Callback::Configure { .. } => {
            host.set_tick_period(1000).unwrap();
            noted.add("configured");
            Some(1)
        }
        Callback::Tick => {
            noted.add("tick");
            None
        }
        Callback::RequestBody { .. } => {
            noted.add("body");
            let _ = host.set_shared_data(b"k", b"1", 0);
            Some(CONTINUE)
        }
        Callback::Done | Callback::Delete if context == ContextId(1) => {
            noted.add("told that it ends");
            Some(1)
        }
        _ => passing(callback),
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    let late = Duration::from_millis(2500);
    let begun = gateway.submit(Request::post("/").chunk_after(late, "late"));
    gateway.advance(Duration::from_millis(1500));
    assert_eq!(notes.take(), ["configured", "tick"]);
    gateway.reconfigure("f", b"{}".to_vec()).unwrap();
    assert_eq!(notes.take(), ["configured"], "by a new worker");
    gateway.advance(Duration::from_millis(1200));
    assert_eq!(notes.take(), ["body", "tick"], "one tick, of the new one");
    assert_eq!(gateway.outcome(begun).status(), Some(200));
}

#[test]
fn row_23_a_callout_without_a_pause_ends_the_worker() {
    let calls = |answers: u32| {
        crashed_by(move |host, _, callback| match callback {
            Callback::RequestHeaders { .. } => {
                dispatch(host, 0);
                Some(answers)
            }
            _ => passing(callback),
        })
    };
    assert_eq!(calls(CONTINUE), [1]);
    assert!(calls(PAUSE).is_empty());
    let refused = crashed_by(|host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            dispatch(host, 0);
            host.send_local_response(403, b"", b"", Headers::new(), u32::MAX)
                .unwrap();
        }
        passing(callback)
    });
    assert!(refused.is_empty());
}

#[test]
fn d8_a_callout_from_the_log_phase_ends_the_worker() {
    let mut gateway = gateway(
        NGINX,
        slow_idp(),
        spec("late", |host, _, callback| {
            if let Callback::Log = callback {
                let _ = host.http_call(b"idp", call_headers(), b"", Headers::new(), 0);
            }
            passing(callback)
        }),
    );
    gateway.exchange(post());
    assert_eq!(crashes(&gateway), [0]);
}

#[test]
fn row_28_a_trap_while_another_request_waits_for_a_callout_ends_the_worker() {
    let filter = spec("fragile", |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            let path = host.header_value(MapKind::RequestHeaders, b":path");
            assert_ne!(path.unwrap(), b"/trap");
            dispatch(host, 0);
            Some(PAUSE)
        }
        _ => passing(callback),
    });
    let mut gateway = gateway(NGINX, slow_idp(), filter);
    assert_eq!(gateway.exchange(Request::get("/trap")).status(), Some(500));
    assert!(crashes(&gateway).is_empty(), "nobody waits");
    let waiting = gateway.submit(Request::get("/"));
    gateway.submit(Request::get("/trap"));
    assert_eq!(crashes(&gateway), [2]);
    assert!(gateway.outcome(waiting).client.reset);
}

#[test]
fn row_29_other_exchanges_of_an_instance_that_traps_go_on_in_contexts_that_know_nothing_of_them() {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("fragile", move |host, context, callback| {
        match callback {
            Callback::RequestHeaders { .. } => {
                let path = host.header_value(MapKind::RequestHeaders, b":path");
                assert_ne!(path.unwrap(), b"/trap");
                noted.add(format!("headers in {context}"));
            }
            Callback::ContextCreate { parent } if parent != ContextId(0) => {
                noted.add(format!("{context} begins"));
            }
            Callback::RequestBody { .. } => noted.add(format!("body in {context}")),
            Callback::ResponseHeaders { .. } => noted.add(format!("answer in {context}")),
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    let late = Duration::from_millis(500);
    let begun = gateway.submit(Request::post("/").chunk_after(late, "late"));
    assert_eq!(notes.take(), ["2 begins", "headers in 2"]);
    assert_eq!(gateway.exchange(Request::get("/trap")).status(), Some(500));
    notes.take();
    gateway.advance(Duration::from_secs(1));
    let seen = notes.take();
    let [begins, body, answer] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert!(
        begins.ends_with("begins") && body.starts_with("body in"),
        "{seen:?}"
    );
    assert!(answer.starts_with("answer in"), "{seen:?}");
    assert_eq!(gateway.outcome(begun).status(), Some(200));
}

#[test]
fn row_44_own_properties_while_the_plugin_is_configured_keep_the_worker_from_starting() {
    let reads = |path: &'static str| {
        let filter = spec("early", move |host, _, callback| {
            if let Callback::Configure { .. } = callback {
                let _ = host.property(path.as_bytes());
            }
            passing(callback)
        });
        let built = Gateway::builder().profile(NGINX).filter(filter).build();
        built.err().map(|refused| refused.problem)
    };
    for path in ["plugin_name", "request\0headers\0a", "upstream\0address"] {
        let problem = reads(path).unwrap();
        assert!(problem.contains("worker crash"), "{problem}");
    }
    for path in ["xds\0node", "ngx\0nginx_version", "request\0path"] {
        assert_eq!(reads(path), None, "{path}");
    }
}

#[test]
fn row_45_headers_replies_and_resuming_in_a_tick_end_the_worker() {
    type Call = fn(&HostHandle);
    let calls: [Call; 4] = [
        |host| {
            let _ = host.header_value(MapKind::RequestHeaders, b"a");
        },
        |host| {
            let _ = host.set_header(MapKind::ResponseHeaders, b"a", b"1");
        },
        |host| {
            let _ = host.continue_stream(StreamKind::Request);
        },
        |host| {
            let _ = host.send_local_response(403, b"", b"", Headers::new(), u32::MAX);
        },
    ];
    for call in calls {
        let filter = spec("ticks", move |host, _, callback| {
            match callback {
                Callback::Configure { .. } => host.set_tick_period(1000).unwrap(),
                Callback::Tick => call(host),
                _ => {}
            }
            passing(callback)
        });
        let mut gateway = gateway(NGINX, network(&[]), filter);
        gateway.advance(Duration::from_millis(1500));
        assert_eq!(crashes(&gateway), [0]);
        gateway.advance(Duration::from_millis(1000));
        assert_eq!(crashes(&gateway), [0, 0], "the new worker ticks too");
    }
}

#[test]
fn row_25_a_callout_from_a_tick_is_answered_in_the_root_context() {
    let answered = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&answered);
    let filter = spec("ticks", move |host, context, callback| {
        match callback {
            Callback::Configure { .. } => host.set_tick_period(1000).unwrap(),
            Callback::Tick => {
                host.http_call(b"idp", call_headers(), b"", Headers::new(), 5000)
                    .unwrap();
            }
            Callback::HttpCallResponse { .. } => noted.borrow_mut().push(context),
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = gateway(NGINX, slow_idp(), filter);
    gateway.advance(Duration::from_secs(5));
    assert!(crashes(&gateway).is_empty());
    let answered = answered.borrow();
    assert!(answered.len() > 1, "{answered:?}");
    assert!(answered.iter().all(|context| *context == answered[0]));
}

#[test]
fn d7_the_context_cannot_be_chosen_and_calls_act_on_the_current_exchange() {
    let waiting = Rc::new(std::cell::Cell::new(ContextId(0)));
    let first = Rc::clone(&waiting);
    let filter = spec("wakes", move |host, context, callback| match callback {
        Callback::RequestHeaders { .. } => {
            let path = host.header_value(MapKind::RequestHeaders, b":path");
            if path.unwrap() == b"/waits" {
                first.set(context);
                return Some(PAUSE);
            }
            assert_eq!(host.set_effective_context(first.get()), Ok(()));
            host.set_header(MapKind::RequestHeaders, b"x-for", b"the other")
                .unwrap();
            host.continue_stream(StreamKind::Request).unwrap();
            Some(0)
        }
        _ => passing(callback),
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    let waits = gateway.submit(Request::get("/waits"));
    let outcome = gateway.exchange(Request::get("/"));
    let sent = outcome.upstream.unwrap().headers;
    assert_eq!(sent.text("x-for").as_deref(), Some("the other"));
    assert!(gateway.outcome(waits).upstream.is_none(), "it hangs");
}

#[test]
fn d7_the_answer_to_a_callout_acts_on_the_exchange_that_asked() {
    let outcome = exchanged(
        NGINX,
        slow_idp(),
        calling(|host| {
            host.set_header(MapKind::RequestHeaders, b"x-checked", b"1")
                .unwrap();
        }),
    );
    let sent = outcome.upstream.unwrap().headers;
    assert_eq!(sent.text("x-checked").as_deref(), Some("1"));
}

#[test]
fn callouts_of_an_exchange_that_is_over_are_never_answered() {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("calls", move |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            dispatch(host, 0);
            Some(PAUSE)
        }
        Callback::HttpCallResponse { .. } => {
            noted.add("answer");
            Some(0)
        }
        _ => passing(callback),
    });
    let mut gateway = gateway(NGINX, slow_idp(), filter);
    let request = Request::get("/").disconnect_after(Duration::from_millis(10));
    gateway.exchange(request);
    gateway.advance(Duration::from_millis(100));
    assert!(notes.take().is_empty());
}

#[test]
fn row_49_modules_that_ask_for_the_log_level_are_refused() {
    let refused = |profile| {
        during_on(profile, Phase::RequestHeaders, |host| {
            host.refuses_import("proxy_get_log_level")
        })
    };
    assert_eq!((refused(NGINX), refused(profile::ENVOY)), (true, false));
}

#[test]
fn d18_what_refuses_its_configuration_keeps_nginx_from_starting_and_leaves_kong_without_filters() {
    let refusing = || {
        spec("refusing", |_, _, callback| match callback {
            Callback::Configure { .. } => Some(0),
            _ => passing(callback),
        })
    };
    let denying = || {
        spec("denying", |host, _, callback| match callback {
            Callback::RequestHeaders { .. } => {
                host.send_local_response(403, b"", b"", Headers::new(), u32::MAX)
                    .unwrap();
                Some(1)
            }
            _ => passing(callback),
        })
    };
    let build = |profile: Profile| {
        let builder = Gateway::builder().profile(profile);
        builder.filter(denying()).filter(refusing()).build()
    };
    let refused = build(NGINX).err().expect("no worker starts");
    assert_eq!(refused.filter, "refusing");
    let mut kong = build(crate::profile::KONG).unwrap();
    assert_eq!(kong.exchange(post()).status(), Some(200), "nothing denies");
}
