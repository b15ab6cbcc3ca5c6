//! Rows about what a filter sees and changes of a request.

use super::*;

/// What a filter sees of a GET in request headers.
fn seen<T: 'static>(request: Request, read: impl Fn(&HostHandle) -> T + 'static) -> T {
    let result = Rc::new(RefCell::new(None));
    let into = Rc::clone(&result);
    let filter = spec("sees", move |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            *into.borrow_mut() = Some(read(host));
        }
        passing(callback)
    });
    gateway(NGINX, network(&[]), filter).exchange(request);
    result.take().unwrap()
}

/// What the upstream gets of a GET after a change in request headers.
fn sent_after(request: Request, change: impl Fn(&HostHandle) + 'static) -> Headers {
    let filter = spec("changes", move |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            change(host);
        }
        passing(callback)
    });
    let outcome = gateway(NGINX, network(&[]), filter).exchange(request);
    outcome.upstream.unwrap().headers
}

fn header(host: &HostHandle, name: &str) -> Option<String> {
    let value = host.header_value(MapKind::RequestHeaders, name.as_bytes());
    value.ok().map(|value| String::from_utf8(value).unwrap())
}

fn property(host: &HostHandle, path: &str) -> Option<String> {
    let value = host.property(path.replace('.', "\0").as_bytes());
    value.ok().map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn row_30_lists_give_the_first_100_pairs() {
    let many = |count: usize| {
        let headers = (0..count).map(|number| format!("x-{number}"));
        headers.fold(Request::get("/"), |request, name| {
            request.header(&name, "1")
        })
    };
    let last = |count: usize| {
        seen(many(count).header("x-user", "root"), |host| {
            let pairs = host.header_pairs(MapKind::RequestHeaders).unwrap();
            (
                pairs.len(),
                pairs.first("x-user").is_some(),
                header(host, "x-user"),
            )
        })
    };
    // Four pseudo-headers and `host` come before them.
    assert_eq!(last(94), (100, true, Some("root".to_owned())));
    assert_eq!(last(95), (100, false, Some("root".to_owned())));
    let sent = sent_after(many(95).header("x-user", "root"), |_| ());
    assert_eq!(sent.text("x-user").as_deref(), Some("root"));
}

#[test]
fn rows_31_and_32_authority_is_the_server_and_host_is_the_client_s() {
    let both = seen(Request::get("/").authority("API.test"), |host| {
        (header(host, ":authority"), header(host, "host"))
    });
    assert_eq!(
        both,
        (
            Some("localhost:10000".to_owned()),
            Some("API.test".to_owned())
        )
    );
}

#[test]
fn row_33_path_is_decoded_and_merged_and_sent_as_it_came() {
    let raw = "/a%2Fb/../c//d?q=%2e";
    let path = seen(Request::get(raw), |host| header(host, ":path"));
    assert_eq!(path.as_deref(), Some("/a/c/d?q=%2e"));
    let sent = sent_after(Request::get(raw), |_| ());
    assert_eq!(sent.text(":path").as_deref(), Some(raw));
    let outcome = gateway(NGINX, network(&[]), watcher("w", &Notes::default()))
        .exchange(Request::get("/%zz"));
    assert_eq!(
        (outcome.status(), outcome.upstream.is_none()),
        (Some(400), true)
    );
}

#[test]
fn row_34_the_property_request_path_is_raw_and_request_host_is_the_machine() {
    let read = seen(Request::get("/a%2Fb/../c//d?q=1"), |host| {
        [
            "request.path",
            "request.url_path",
            "request.query",
            "request.host",
            "ngx.host",
            "ngx.nginx_version",
        ]
        .map(|path| property(host, path).unwrap())
    });
    assert_eq!(
        read,
        [
            "/a%2Fb/../c//d?q=1",
            "/a/c/d",
            "q=1",
            "gateway",
            "gateway.test",
            "1.25.3"
        ]
    );
}

#[test]
fn properties_of_envoy_are_not_there() {
    for path in [
        "xds.node",
        "filter_state",
        "metadata",
        "wasmx.none",
        "plugin_vm_id",
        "node.id",
    ] {
        let read = seen(Request::get("/"), move |host| property(host, path));
        assert_eq!(read, None, "{path}");
    }
}

#[test]
fn rows_35_and_36_changes_of_authority_host_and_path_do_not_reach_the_upstream() {
    for name in [&b":authority"[..], b":path", b"host", b":scheme"] {
        let sent = sent_after(Request::get("/a?b"), move |host| {
            let set = host.set_header(MapKind::RequestHeaders, name, b"/other");
            assert_eq!(set, Ok(()));
        });
        assert_eq!(sent.text(":authority").as_deref(), Some("gateway.test"));
        assert_eq!(sent.text(":path").as_deref(), Some("/a?b"));
        assert_eq!(sent.all("host").count(), 0);
    }
    let authority = seen(Request::get("/"), |host| {
        host.set_header(MapKind::RequestHeaders, b":authority", b"other")
            .unwrap();
        header(host, ":authority")
    });
    assert_eq!(authority.as_deref(), Some("localhost:10000"));
}

#[test]
fn row_37_setting_all_headers_stops_at_scheme() {
    let sent = sent_after(Request::get("/").header("x-old", "1"), |host| {
        let pairs = [
            (":method", "GET"),
            ("x-before", "1"),
            (":scheme", "http"),
            ("x-after", "1"),
        ];
        let pairs = pairs.map(|(name, value)| (name, value.as_bytes()));
        host.set_header_pairs(MapKind::RequestHeaders, pairs.into_iter().collect())
            .unwrap();
    });
    let there = ["x-old", "x-before", "x-after"].map(|name| sent.first(name).is_some());
    assert_eq!(there, [true, true, false]);
}

#[test]
fn row_38_names_are_shown_as_they_were_sent() {
    let request = || Request::get("/").header("X-Mixed", "1");
    let wire = seen(request(), |host| {
        let pairs = host.header_pairs(MapKind::RequestHeaders).unwrap();
        (pairs.to_wire(), header(host, "x-mixed"))
    });
    let has = |name: &[u8]| wire.0.windows(name.len()).any(|bytes| bytes == name);
    assert!(has(b"X-Mixed") && !has(b"x-mixed"));
    assert_eq!(wire.1.as_deref(), Some("1"));
    let envoy = during_on(profile::ENVOY, Phase::RequestHeaders, |host| {
        host.header_pairs(MapKind::RequestHeaders)
            .unwrap()
            .to_wire()
    });
    assert!(!envoy.iter().any(u8::is_ascii_uppercase) || !has(b"x-mixed"));
}

#[test]
fn row_40_line_breaks_in_a_value_are_escaped() {
    let sent = sent_after(Request::get("/"), |host| {
        host.set_header(MapKind::RequestHeaders, b"x-a", b"1\r\nx-b: 2")
            .unwrap();
    });
    assert_eq!(sent.text("x-a").as_deref(), Some("1%0D%0Ax-b: 2"));
}

#[test]
fn row_42_response_headers_can_be_added_before_the_response() {
    let filter = spec("early", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            host.set_header(MapKind::ResponseHeaders, b"x-early", b"1")
                .unwrap();
        }
        passing(callback)
    });
    let outcome = gateway(NGINX, network(&[]), filter).exchange(post());
    let headers = outcome.client.headers.unwrap();
    assert_eq!(headers.text("x-early").as_deref(), Some("1"));
}

#[test]
fn d3_changing_request_headers_in_a_response_phase_is_a_trap() {
    type Change = fn(&HostHandle);
    const MAP: MapKind = MapKind::RequestHeaders;
    let changes: [Change; 4] = [
        |host| {
            let _ = host.set_header(MAP, b"x", b"1");
        },
        |host| {
            let _ = host.add_header(MAP, b"x", b"1");
        },
        |host| {
            let _ = host.remove_header(MAP, b"x");
        },
        |host| {
            let _ = host.set_header_pairs(MAP, Headers::new());
        },
    ];
    for change in changes {
        let filter = spec("late", move |host, _, callback| {
            if let Callback::ResponseHeaders { .. } = callback {
                change(host);
            }
            passing(callback)
        });
        let mut gateway = gateway(NGINX, network(&[]), filter);
        let outcome = gateway.exchange(post());
        assert_eq!(
            (outcome.status(), outcome.client.text().as_str()),
            (Some(200), "hello")
        );
        assert_eq!(gateway.timeline().traps().count(), 1);
    }
}

#[test]
fn responses_pass_filters_in_the_order_of_requests() {
    let notes = Notes::default();
    let named = |name: &'static str| {
        let notes = notes.clone();
        spec(name, move |_, _, callback| {
            if let Callback::ResponseHeaders { .. } = callback {
                notes.add(name);
            }
            passing(callback)
        })
    };
    let builder = Gateway::builder().profile(NGINX).network(network(&[]));
    let builder = builder.filter(named("a")).filter(named("b"));
    builder.build().unwrap().exchange(post());
    assert_eq!(notes.take(), ["a", "b"]);
}

#[test]
fn a_filter_sees_the_response_to_a_request_that_it_was_not_shown() {
    let notes = Notes::default();
    let refusing = spec("refuses", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            host.send_local_response(403, b"", b"no", Headers::new(), u32::MAX)
                .unwrap();
        }
        passing(callback)
    });
    let builder = Gateway::builder().profile(NGINX).network(network(&[]));
    let builder = builder.filter(refusing).filter(watcher("w", &notes));
    let outcome = builder.build().unwrap().exchange(post());
    assert_eq!(outcome.status(), Some(403));
    assert_eq!(
        notes.take().first().map(String::as_str),
        Some("answer headers false")
    );
}

#[test]
fn headers_of_the_connection_are_shown_and_the_upstream_gets_others() {
    let request = || {
        let request = Request::new("GET", "/").header("te", "trailers");
        request.header("keep-alive", "timeout=5").header("x-a", "1")
    };
    assert_eq!(
        seen(request(), |host| header(host, "keep-alive")),
        Some("timeout=5".to_owned())
    );
    let sent = sent_after(request(), |_| ());
    assert_eq!(sent.first("te"), None);
    assert_eq!(sent.first("keep-alive"), None);
    assert_eq!(sent.text("x-a").as_deref(), Some("1"));
}

#[test]
fn an_upstream_that_fails_before_it_answers_is_502() {
    for failure in [Answer::Refuse, Answer::Reset(Duration::ZERO)] {
        for (profile, status) in [(NGINX, 502), (crate::profile::ENVOY, 503)] {
            let upstream = network(&[("upstream", failure.clone())]);
            let outcome = exchanged(profile, upstream, |_, _, callback| passing(callback));
            assert_eq!(outcome.status(), Some(status));
        }
    }
}
