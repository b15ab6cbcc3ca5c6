//! How heads, bodies and trailers pass, wait and are counted.

use super::*;

#[test]
fn a_message_passes_the_chain_in_order_and_the_answer_backwards() {
    let order = Notes::default();
    let filter = |name: &'static str| {
        let order = order.clone();
        spec(name, move |host, _, callback| {
            match callback {
                Callback::RequestHeaders { .. } => {
                    order.add(format!("{name} request"));
                    host.set_header(MapKind::RequestHeaders, b"x-last", name.as_bytes())
                        .unwrap();
                }
                Callback::ResponseHeaders { .. } => {
                    order.add(format!("{name} response"));
                    host.add_header(MapKind::ResponseHeaders, b"x-by", name.as_bytes())
                        .unwrap();
                }
                _ => {}
            }
            passing(callback)
        })
    };
    let mut gateway = Gateway::builder()
        .filter(filter("a"))
        .filter(filter("b"))
        .build()
        .unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!(
        order.take(),
        ["a request", "b request", "b response", "a response"]
    );
    assert_eq!(outcome.status(), Some(200));
    assert_eq!(
        outcome.upstream.unwrap().headers.text("x-last").as_deref(),
        Some("b")
    );
    let by: Vec<_> = outcome
        .client
        .headers
        .as_ref()
        .unwrap()
        .all("x-by")
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(by, [b"b".to_vec(), b"a".to_vec()]);
}

#[test]
fn the_end_of_a_body_is_a_frame_of_its_own_and_with_trailers_it_never_comes() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .network(network(&[]))
        .filter(watcher("w", &notes))
        .build()
        .unwrap();
    gateway.exchange(post());
    let ends = ["log", "done", "delete"];
    let answer = [
        "answer headers false",
        "answer body 5 false",
        "answer body 0 true",
    ];
    let whole = [
        "headers false",
        "body 3 false",
        "body 2 false",
        "body 0 true",
    ];
    assert_eq!(notes.take(), [&whole[..], &answer, &ends].concat());
    gateway.exchange(post().trailer("t", "1"));
    let trailers = ["headers false", "body 3 false", "body 2 false", "trailers"];
    assert_eq!(notes.take(), [&trailers[..], &answer, &ends].concat());
}

/// Waits for a callout in headers; what it does with bodies is up to the argument.
fn waiting(notes: &Notes, in_body: u32) -> FilterSpec {
    let notes = notes.clone();
    spec("waiting", move |host, context, callback| {
        match callback {
            Callback::RequestHeaders { .. } => {
                assert_eq!(dispatch(host, 0), CalloutToken(4), "the first of its VM");
                STREAM.with(|stream| stream.set(context));
                return Some(PAUSE);
            }
            Callback::RequestBody { size, end } => {
                notes.add(format!("body {size} {end}"));
                return Some(in_body);
            }
            Callback::HttpCallResponse { .. } => {
                notes.add("answered");
                host.set_effective_context(STREAM.with(std::cell::Cell::get))
                    .unwrap();
                host.continue_stream(StreamKind::Request).unwrap();
            }
            _ => {}
        }
        passing(callback)
    })
}

thread_local! {
    static STREAM: std::cell::Cell<ContextId> = const { std::cell::Cell::new(ContextId(0)) };
}

#[test]
fn a_request_halted_in_its_headers_waits_and_its_body_is_shown_afterwards() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .network(slow_idp())
        .filter(waiting(&notes, CONTINUE))
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(notes.take(), ["answered", "body 5 true"]);
    assert_eq!(outcome.upstream.unwrap().body, b"abcde");
    assert_eq!(outcome.client.head_after, Duration::from_millis(50));
}

#[test]
fn where_headers_stop_alone_a_body_that_goes_on_releases_the_request() {
    let notes = Notes::default();
    let builder = Gateway::builder()
        .profile(profile::ENVOY_STOP_ITERATION)
        .network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, CONTINUE)).build().unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(outcome.status(), Some(200));
    assert_eq!(
        outcome.client.head_after,
        Duration::from_millis(5),
        "nobody waited for the callout"
    );
    let builder = Gateway::builder()
        .profile(profile::ENVOY_STOP_ITERATION)
        .network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, PAUSE)).build().unwrap();
    notes.take();
    let outcome = gateway.exchange(post());
    assert_eq!(
        notes.take(),
        ["body 3 false", "body 5 false", "body 5 true", "answered"]
    );
    assert_eq!(outcome.client.head_after, Duration::from_millis(50));
    assert_eq!(outcome.upstream.unwrap().body, b"abcde");
}

#[test]
fn what_comes_first_after_held_data_was_resumed_elsewhere_is_lost() {
    for (loses, whole) in [(true, "abcfg"), (false, "abcdefg")] {
        let mut profile = profile::ENVOY_STOP_ITERATION;
        profile.bodies.loses_data_after_resume = loses;
        let answered = std::cell::Cell::new(false);
        let holding = spec("holding", move |host, context, callback| match callback {
            Callback::RequestHeaders { .. } => {
                dispatch(host, 0);
                STREAM.with(|stream| stream.set(context));
                Some(PAUSE)
            }
            Callback::RequestBody { .. } if answered.get() => Some(CONTINUE),
            Callback::RequestBody { .. } => Some(PAUSE),
            Callback::HttpCallResponse { .. } => {
                answered.set(true);
                let stream = STREAM.with(std::cell::Cell::get);
                host.set_effective_context(stream).unwrap();
                host.continue_stream(StreamKind::Request).unwrap();
                Some(CONTINUE)
            }
            _ => passing(callback),
        });
        let builder = Gateway::builder().profile(profile).network(slow_idp());
        let mut gateway = builder.filter(holding).build().unwrap();
        let later = Duration::from_millis(60);
        let request = Request::post("/").chunk("abc").chunk_after(later, "de");
        let outcome = gateway.exchange(request.chunk_after(later, "fg"));
        assert_eq!(outcome.upstream.unwrap().body, whole.as_bytes());
    }
}

#[test]
fn a_whole_body_can_be_held_back_and_replaced() {
    let replacing = spec("replacing", |host, _, callback| match callback {
        Callback::RequestHeaders { end: false, .. } => Some(PAUSE),
        Callback::RequestBody { end: false, .. } => Some(PAUSE),
        Callback::RequestBody { size, end: true } => {
            assert_eq!(
                host.buffer(BufferKind::RequestBody, 0, size),
                Ok(b"abcde".to_vec())
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 1, 1, b"no"),
                Err(Status::BadArgument)
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 0, size, b"one"),
                Ok(())
            );
            assert_eq!(
                host.set_buffer(BufferKind::RequestBody, 0, size, b"two"),
                Ok(()),
                "the last one wins"
            );
            assert_eq!(host.set_buffer(BufferKind::RequestBody, 3, 0, b"!"), Ok(()));
            Some(CONTINUE)
        }
        _ => passing(callback),
    });
    let builder = Gateway::builder().profile(profile::ENVOY_STOP_ITERATION);
    let mut gateway = builder.filter(replacing).build().unwrap();
    assert_eq!(gateway.exchange(post()).upstream.unwrap().body, b"two!");
}

#[test]
fn pausing_in_headers_for_the_body_hangs_where_everything_stops() {
    let notes = Notes::default();
    let inner = notes.clone();
    let hanging = spec("hanging", move |_, _, callback| match callback {
        Callback::RequestHeaders { .. } => Some(PAUSE),
        Callback::RequestBody { .. } => {
            inner.add("body");
            Some(CONTINUE)
        }
        _ => passing(callback),
    });
    let mut gateway = Gateway::builder().filter(hanging).build().unwrap();
    let outcome = gateway.exchange(post());
    assert!(!outcome.over);
    assert_eq!((outcome.status(), outcome.upstream), (None, None));
    assert!(notes.take().is_empty());
}

#[test]
fn too_much_held_back_is_refused_by_the_proxy() {
    let keeping = spec("keeping", |_, _, callback| match callback {
        Callback::RequestBody { .. } => Some(PAUSE),
        _ => passing(callback),
    });
    let tight = Profile {
        buffer_limit_bytes: 4,
        ..profile::ENVOY
    };
    let mut gateway = Gateway::builder()
        .profile(tight)
        .filter(keeping)
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(413), "Payload Too Large")
    );
    assert_eq!(
        outcome.details.as_deref(),
        Some("request_payload_too_large")
    );
}

#[test]
fn a_sender_waits_while_everything_is_stopped_and_loses_nothing() {
    let notes = Notes::default();
    let tight = Profile {
        buffer_limit_bytes: 4,
        ..profile::ENVOY
    };
    let builder = Gateway::builder().profile(tight).network(slow_idp());
    let mut gateway = builder.filter(waiting(&notes, CONTINUE)).build().unwrap();
    let outcome = gateway.exchange(post().chunk("fgh").chunk("ij"));
    assert_eq!(outcome.upstream.unwrap().body, b"abcdefghij");
}

#[test]
fn header_values_that_would_break_a_line_never_reach_the_upstream() {
    let breaking = spec("breaking", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            host.set_header(MapKind::RequestHeaders, b"x-a", b"1\r\nx-admin: yes")
                .unwrap();
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(breaking).build().unwrap();
    let outcome = gateway.exchange(Request::get("/"));
    assert_eq!((outcome.status(), outcome.upstream), (Some(503), None));
}

#[test]
fn repeated_headers_that_the_proxy_keeps_by_number_arrive_joined() {
    let mut gateway = Gateway::builder().build().unwrap();
    let request = Request::get("/")
        .header("authorization", "a")
        .header("authorization", "b")
        .header("x-key", "a")
        .header("x-key", "b");
    let headers = gateway.exchange(request).upstream.unwrap().headers;
    assert_eq!(headers.all("authorization").collect::<Vec<_>>(), [b"a,b"]);
    assert_eq!(headers.all("x-key").collect::<Vec<_>>(), [b"a", b"b"]);
}

#[test]
fn too_many_request_headers_are_refused_before_any_filter() {
    let notes = Notes::default();
    let mut gateway = Gateway::builder()
        .filter(watcher("w", &notes))
        .build()
        .unwrap();
    let request = (0..101).fold(Request::get("/"), |request, number| {
        request.header(&format!("x-{number}"), "1")
    });
    let outcome = gateway.exchange(request);
    assert_eq!(
        (outcome.status(), outcome.over, outcome.upstream),
        (Some(431), true, None)
    );
    assert!(notes.take().is_empty());
}

#[test]
fn trailers_can_be_added_behind_the_last_piece() {
    let adding = spec("adding", |host, _, callback| {
        if let Callback::RequestBody { end: true, .. } = callback {
            host.add_header(MapKind::RequestTrailers, b"x-sum", b"1")
                .unwrap();
        }
        passing(callback)
    });
    let after = Notes::default();
    let mut gateway = Gateway::builder()
        .filter(adding)
        .filter(watcher("after", &after))
        .build()
        .unwrap();
    let upstream = gateway.exchange(post()).upstream.unwrap();
    assert_eq!(
        upstream.trailers.unwrap().text("x-sum").as_deref(),
        Some("1")
    );
    assert!(upstream.complete);
    assert_eq!(
        after.take().get(..5).unwrap(),
        [
            "headers false",
            "body 3 false",
            "body 2 false",
            "body 0 false",
            "trailers"
        ]
    );
}
