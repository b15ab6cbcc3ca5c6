//! Rows about host calls and what they answer.

use super::*;

#[test]
fn row_43_numbers_and_truth_values_are_text_and_addresses_have_no_port() {
    let get = |path: &'static str| {
        let value = during(Phase::ResponseHeaders, move |host| {
            host.property(path.as_bytes())
        });
        String::from_utf8(value.unwrap()).unwrap()
    };
    assert_eq!(get("response\0code"), "200");
    assert_eq!(get("connection\0mtls"), "false");
    assert_eq!(get("source\0address"), "127.0.0.1");
    assert_eq!(get("source\0port"), "40000");
}

#[test]
fn row_46_only_properties_of_the_host_can_be_set() {
    let set = |path: &'static str| {
        during(Phase::RequestHeaders, move |host| {
            host.set_property(path.as_bytes(), b"1")
        })
    };
    assert_eq!(set("wasmx\0mine"), Ok(()));
    for unknown in ["mine", "ngx\0mine", "kong\0ctx\0shared\0mine"] {
        assert_eq!(set(unknown), Err(Status::NotFound), "{unknown}");
    }
    assert_eq!(set("ngx\0uri"), Err(Status::InternalFailure));
    let on_kong = during_on(profile::KONG, Phase::RequestHeaders, |host| {
        let theirs = host.set_property(b"wasmx\0mine", b"1");
        (theirs, host.set_property(b"kong\0ctx\0shared\0mine", b"1"))
    });
    assert_eq!(on_kong, (Err(Status::NotFound), Ok(())));
}

#[test]
fn d6_a_property_is_kept_for_later_filters_response_phases_and_the_log_and_nobody_else() {
    let notes = Notes::default();
    let noted = notes.clone();
    let first = spec("first", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            host.set_property(b"wasmx.mine", b"ann").unwrap();
        }
        passing(callback)
    });
    let second = spec("second", move |host, _, callback| {
        if let Some(note) = note(callback).filter(|note| note != "delete") {
            let value = host.property(b"wasmx\0mine").unwrap();
            noted.add(format!("{note}: {}", String::from_utf8(value).unwrap()));
        }
        if let Callback::ResponseBody { .. } = callback {
            host.set_property(b"wasmx\0mine", b"bob").unwrap();
        }
        passing(callback)
    });
    let builder = Gateway::builder().profile(NGINX).network(network(&[]));
    let mut gateway = builder.filter(first).filter(second).build().unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        notes.take(),
        [
            "headers false: ann",
            "body 5 true: ann",
            "answer headers false: ann",
            "answer body 5 true: ann",
            "done: bob",
            "log: bob"
        ]
    );
    let sent = outcome.upstream.unwrap().headers;
    let shows = |(_, value): (&[u8], &[u8])| value == b"ann" || value == b"bob";
    assert!(!sent.iter().any(shows));
    assert!(!outcome.client.headers.unwrap().iter().any(shows));
    let mut again = gateway;
    let fresh = again.exchange(post());
    assert_eq!(
        fresh.filter_state.get("mine").map(Vec::as_slice),
        Some(&b"bob"[..])
    );
}

/// The first trap of a gateway whose filter makes a call in request headers.
fn trap(call: impl Fn(&HostHandle) + 'static) -> Option<String> {
    let filter = spec("calls", move |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            call(host);
        }
        passing(callback)
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    let outcome = gateway.exchange(post());
    let timeline = gateway.timeline();
    let trap = timeline
        .traps()
        .next()
        .map(|(_, message)| message.to_owned());
    assert_eq!(trap.is_some(), outcome.status() == Some(500), "{outcome:?}");
    trap
}

#[test]
fn d2_a_foreign_function_is_a_trap_whatever_its_name() {
    for name in [&b"verify_signature"[..], b"clear_route_cache", b"none"] {
        assert!(
            trap(move |host| {
                let _ = host.call_foreign_function(name, b"");
            })
            .is_some()
        );
    }
}

#[test]
fn queues_closing_and_the_status_of_a_callout_are_traps() {
    type Call = fn(&HostHandle);
    let calls: [Call; 5] = [
        |host| {
            let _ = host.register_queue(b"q");
        },
        |host| {
            let _ = host.resolve_queue(b"", b"q");
        },
        |host| {
            let _ = host.close_stream(StreamKind::Request);
        },
        |host| {
            let _ = host.callout_status();
        },
        |host| {
            let _ = host.optional_call("done");
        },
    ];
    for call in calls {
        assert!(trap(call).is_some());
    }
}

#[test]
fn nothing_that_a_callback_does_after_a_host_trap_counts() {
    let outcome = gateway(
        NGINX,
        network(&[]),
        spec("late", |host, _, callback| {
            if let Callback::ResponseBody { size, .. } = callback {
                let _ = host.set_header(MapKind::RequestHeaders, b"x", b"1");
                let emptied = host.set_buffer(BufferKind::ResponseBody, 0, size, b"");
                assert_eq!(emptied, Err(Status::InternalFailure));
            }
            passing(callback)
        }),
    )
    .exchange(post());
    assert_eq!(outcome.client.text(), "hello");
}

#[test]
fn row_13_shared_data_without_a_zone_is_a_trap() {
    let mut gateway = gateway(
        profile::NGINX_BARE,
        network(&[]),
        spec("reads", |host, _, callback| {
            if let Callback::RequestHeaders { .. } = callback {
                let _ = host.shared_data(b"k");
            }
            passing(callback)
        }),
    );
    assert_eq!(gateway.exchange(post()).status(), Some(500));
}

#[test]
fn a_full_zone_forgets_what_was_not_used_for_the_longest_time() {
    let mut small = NGINX;
    small.shared_data.zones = profile::Zones::Named(&[profile::Zone {
        name: "*",
        bytes: 64 << 10,
    }]);
    let kept = during_on(small.clone(), Phase::RequestHeaders, |host| {
        host.set_shared_data(b"old", b"1", 0).unwrap();
        host.set_shared_data(b"used", b"1", 0).unwrap();
        for number in 0..3000_u32 {
            let key = format!("key {number}");
            host.set_shared_data(key.as_bytes(), b"12345678", 0)
                .unwrap();
            host.shared_data(b"used").unwrap();
        }
        (host.shared_data(b"old"), host.shared_data(b"used").is_ok())
    });
    assert_eq!(kept, (Err(Status::NotFound), true));
    let large = during_on(small.clone(), Phase::RequestHeaders, |host| {
        host.set_shared_data(b"k", &[0; 64 << 10], 0)
    });
    assert_eq!(large, Err(Status::InternalFailure), "and the filter traps");
}

#[test]
fn the_part_of_a_key_before_a_slash_names_its_zone_where_there_is_such_a_one() {
    let mut zoned = NGINX;
    zoned.shared_data.zones = profile::Zones::Named(&[
        profile::Zone {
            name: "*",
            bytes: 64 << 10,
        },
        profile::Zone {
            name: "own",
            bytes: 64 << 10,
        },
    ]);
    let kept = during_on(zoned, Phase::RequestHeaders, |host| {
        host.set_shared_data(b"own/old", b"1", 0).unwrap();
        host.set_shared_data(b"other/old", b"1", 0).unwrap();
        for number in 0..3000_u32 {
            let key = format!("key {number}");
            host.set_shared_data(key.as_bytes(), b"12345678", 0)
                .unwrap();
        }
        [b"own/old".as_slice(), b"other/old"].map(|key| host.shared_data(key).is_ok())
    });
    assert_eq!(kept, [true, false], "a zone that is full is full alone");
    let mut only = NGINX;
    only.shared_data.zones = profile::Zones::Named(&[profile::Zone {
        name: "own",
        bytes: 64 << 10,
    }]);
    let gets = |key: &'static [u8]| {
        let reads = spec("reads", move |host, _, callback| {
            if let Callback::RequestHeaders { .. } = callback {
                let _ = host.shared_data(key);
            }
            passing(callback)
        });
        gateway(only.clone(), network(&[]), reads)
            .exchange(post())
            .status()
    };
    assert_eq!((gets(b"own/k"), gets(b"k")), (Some(200), Some(500)));
}

#[test]
fn shared_data_is_common_to_all_vms() {
    let seen = Rc::new(RefCell::new(None));
    let result = Rc::clone(&seen);
    let writes = spec("writes", |host, _, callback| {
        if let Callback::Configure { .. } = callback {
            host.set_shared_data(b"k", b"1", 0).unwrap();
        }
        passing(callback)
    });
    let mut reads = spec("reads", move |host, _, callback| {
        if let Callback::Configure { .. } = callback {
            *result.borrow_mut() = Some(host.shared_data(b"k"));
        }
        passing(callback)
    });
    reads.vm_id = "another".to_owned();
    let builder = Gateway::builder().profile(NGINX).filter(writes);
    builder.filter(reads).build().unwrap();
    assert_eq!(seen.take(), Some(Ok((b"1".to_vec(), 1))));
}

#[test]
fn a_name_of_a_metric_above_256_bytes_is_a_trap() {
    let define = |size: usize| {
        trap(move |host| {
            let name = vec![b'm'; size];
            let _ = host.define_metric(crate::abi::MetricKind::Counter, &name);
        })
    };
    assert_eq!(define(256), None);
    assert!(define(257).is_some());
}

#[test]
fn row_47_a_second_tick_period_is_a_trap() {
    let set = |times| {
        trap(move |host| {
            for _ in 0..times {
                let _ = host.set_tick_period(1000);
            }
        })
    };
    assert_eq!(set(1), None);
    assert_eq!(
        set(2).as_deref(),
        Some("host trap: a tick period is set already")
    );
}

#[test]
fn row_48_a_metric_takes_the_call_of_its_kind_only() {
    type Call = fn(&HostHandle, crate::MetricId);
    let increment: Call = |host, id| {
        let _ = host.increment_metric(id, 1);
    };
    let record: Call = |host, id| {
        let _ = host.record_metric(id, 1);
    };
    let get: Call = |host, id| {
        let _ = host.metric(id);
    };
    for (kind, call, traps) in [
        (crate::abi::MetricKind::Counter, increment, false),
        (crate::abi::MetricKind::Counter, record, true),
        (crate::abi::MetricKind::Gauge, record, false),
        (crate::abi::MetricKind::Gauge, increment, true),
        (crate::abi::MetricKind::Histogram, record, false),
        (crate::abi::MetricKind::Histogram, get, true),
    ] {
        let trap = trap(move |host| call(host, host.define_metric(kind, b"m").unwrap()));
        assert_eq!(trap.is_some(), traps, "{kind:?}: {trap:?}");
    }
}

#[test]
fn row_50_a_log_line_is_cut() {
    let filter = spec("logs", |host, _, callback| {
        if let Callback::Tick | Callback::RequestHeaders { .. } = callback {
            host.log(crate::abi::LogLevel::Warn, &[b'x'; 6000]).unwrap();
        }
        passing(callback)
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    gateway.exchange(post());
    let lengths: Vec<usize> = gateway
        .timeline()
        .logs()
        .map(|line| line.text.len())
        .collect();
    assert_eq!(lengths, [2048]);
}

#[test]
fn row_51_a_second_local_response_is_a_trap() {
    let twice = trap(|host| {
        for status in [403, 404] {
            let _ = host.send_local_response(status, b"", b"", Headers::new(), u32::MAX);
        }
    });
    assert!(twice.is_some());
}

#[test]
fn row_52_the_clock_moves_in_milliseconds() {
    let time = |profile| {
        let result = Rc::new(std::cell::Cell::new(0));
        let seen = Rc::clone(&result);
        let filter = spec("clock", move |host, _, callback| {
            seen.set(host.now_ns());
            passing(callback)
        });
        let builder = Gateway::builder().profile(profile).now_ns(5_123_456_789);
        let _gateway = builder.filter(filter).build().unwrap();
        result.get()
    };
    assert_eq!(time(NGINX), 5_123_000_000);
    assert_eq!(time(profile::ENVOY), 5_123_456_789);
}
