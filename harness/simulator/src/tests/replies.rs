//! Answers of the proxy and of filters, and what filters may reach when.

use super::*;

fn denying(name: &str, status: u32) -> FilterSpec {
    spec(name, move |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let headers = [("x-reason", &b"no"[..])].into_iter().collect();
            host.send_local_response(status, b"denied by test", b"denied", headers, u32::MAX)
                .unwrap();
        }
        passing(callback)
    })
}

#[test]
fn a_reply_passes_back_through_the_filters_that_saw_the_request_and_only_those() {
    let (before, after) = (Notes::default(), Notes::default());
    let builder = Gateway::builder().filter(watcher("before", &before));
    let mut gateway = builder
        .filter(denying("denying", 403))
        .filter(watcher("after", &after))
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(403), "denied")
    );
    assert_eq!(outcome.client.header("x-reason").as_deref(), Some("no"));
    assert_eq!(outcome.details.as_deref(), Some("denied_by_test"));
    assert_eq!(outcome.upstream, None);
    let seen = [
        "headers false",
        "answer headers false",
        "answer body 6 true",
        "log",
        "done",
        "delete",
    ];
    assert_eq!(before.take(), seen);
    assert_eq!(
        after.take(),
        ["log", "done", "delete"],
        "it is only told of the end"
    );
}

#[test]
fn a_reply_during_the_response_replaces_it_unseen_and_after_its_head_breaks_it_off() {
    let replying = |in_headers: bool| {
        spec("replying", move |host, _, callback| {
            let now = match callback {
                Callback::ResponseHeaders { .. } => in_headers,
                Callback::ResponseBody { .. } => !in_headers,
                _ => false,
            };
            if now {
                host.send_local_response(502, b"", b"broken", Headers::new(), u32::MAX)
                    .unwrap();
            }
            passing(callback)
        })
    };
    let notes = Notes::default();
    let builder = || {
        Gateway::builder()
            .network(network(&[]))
            .filter(watcher("w", &notes))
    };
    let outcome = builder()
        .filter(replying(true))
        .build()
        .unwrap()
        .exchange(Request::get("/"));
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(502), "broken")
    );
    assert_eq!(notes.take(), ["headers true", "log", "done", "delete"]);
    let outcome = builder()
        .filter(replying(false))
        .build()
        .unwrap()
        .exchange(Request::get("/"));
    assert_eq!(
        (
            outcome.status(),
            outcome.client.complete,
            outcome.client.reset
        ),
        (Some(200), false, true)
    );
}

#[test]
fn callouts_fail_as_answers_of_the_proxy() {
    let seen = Notes::default();
    let asking = |timeout_ms: u32| {
        let seen = seen.clone();
        spec("asking", move |host, _, callback| {
            match callback {
                Callback::RequestHeaders { .. } => {
                    let unknown = host.http_call(b"nobody", call_headers(), b"", Headers::new(), 5);
                    assert_eq!(unknown, Err(Status::BadArgument));
                    assert_eq!(
                        host.http_call(b"idp", Headers::new(), b"", Headers::new(), 5),
                        Err(Status::BadArgument)
                    );
                    dispatch(host, timeout_ms);
                }
                Callback::HttpCallResponse { headers, body, .. } => {
                    let status = host.header_value(MapKind::CallHeaders, b":status");
                    let text = host
                        .buffer(BufferKind::CallBody, 0, body)
                        .unwrap_or_default();
                    let status = status.map(|status| String::from_utf8(status).unwrap());
                    seen.add(format!(
                        "{headers} {status:?} {}",
                        String::from_utf8(text).unwrap()
                    ));
                }
                _ => {}
            }
            passing(callback)
        })
    };
    let run = |timeout_ms, answer| {
        let mut gateway = Gateway::builder()
            .network(network(&[("idp", answer)]))
            .filter(asking(timeout_ms))
            .build()
            .unwrap();
        gateway.exchange(Request::get("/"));
        gateway.advance(Duration::from_secs(2));
        seen.take()
    };
    assert_eq!(
        run(250, Answer::Hang),
        ["3 Ok(\"504\") upstream request timeout"]
    );
    assert!(run(0, Answer::Hang).is_empty(), "no time-out, no answer");
    assert!(run(250, Answer::Refuse)[0].starts_with("3 Ok(\"503\") upstream connect error"));
    assert!(
        run(250, Answer::Reset(Duration::ZERO))[0]
            .starts_with("3 Ok(\"503\") upstream connect error")
    );
    let torn = Reply {
        ending: Ending::Reset,
        ..Reply::status(200).body("x")
    };
    assert_eq!(run(250, Answer::Reply(torn)), ["0 Err(BadArgument) "]);
    assert_eq!(
        run(250, Answer::Reply(Reply::status(401).body("no"))),
        ["2 Ok(\"401\") no"]
    );
}

#[test]
fn request_headers_are_out_of_reach_once_they_have_gone_and_back_when_all_is_over() {
    let reading = spec("reading", |host, _, callback| {
        let value = host.header_value(MapKind::RequestHeaders, b":path");
        match callback {
            Callback::RequestHeaders { .. } => {
                assert_eq!(value, Ok(b"/v1/x".to_vec()));
                assert_eq!(
                    host.set_header(MapKind::ResponseHeaders, b"a", b"b"),
                    Err(Status::BadArgument)
                );
                assert_eq!(
                    host.header_value(MapKind::RequestHeaders, b"none"),
                    Err(Status::NotFound)
                );
                assert_eq!(host.property(b"request\0path"), Ok(b"/v1/x".to_vec()));
            }
            Callback::RequestBody { .. } | Callback::ResponseHeaders { .. } => {
                assert_eq!(value, Err(Status::BadArgument));
                assert_eq!(
                    host.set_header(MapKind::RequestHeaders, b"a", b"b"),
                    Err(Status::BadArgument)
                );
                assert_eq!(
                    host.header_pairs(MapKind::RequestHeaders),
                    Ok(Headers::new())
                );
                assert_eq!(host.property(b"request\0path"), Err(Status::NotFound));
            }
            Callback::Log => {
                assert_eq!(value, Ok(b"/v1/x".to_vec()));
                assert_eq!(
                    host.property(b"response\0code"),
                    Ok(200i64.to_le_bytes().to_vec())
                );
                assert_eq!(
                    host.header_value(MapKind::RequestHeaders, b"none"),
                    Err(Status::NotFound)
                );
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder().filter(reading).build().unwrap();
    gateway.exchange(post());
    assert_eq!(gateway.timeline().traps().collect::<Vec<_>>(), []);
}

/// proxy-wasm-cpp-host, exports.cc: `send_local_response` calls `wasm()->stopNextIteration(true)`,
/// whatever context it is for; context.cc: `convertVmCallResultToFilter…Status` looks at it for the
/// callback that is running, and `~DeferAfterCallActions` resets it.
#[test]
fn a_reply_for_another_exchange_stops_the_one_whose_callback_is_running() {
    // Holds the first request. The callback of the second that `when` names answers the first, and
    // lets the second go on.
    let answering = |when: fn(Callback) -> bool| {
        let first = RefCell::new(None);
        spec("answering", move |host, context, callback| {
            if let Callback::RequestHeaders { .. } = callback
                && first.borrow().is_none()
            {
                *first.borrow_mut() = Some(context);
                return Some(PAUSE);
            }
            let waiting = *first.borrow();
            if let Some(waiting) = waiting
                && waiting != ContextId(0)
                && waiting != context
                && when(callback)
            {
                host.set_effective_context(waiting).unwrap();
                host.send_local_response(401, b"", b"", Headers::new(), u32::MAX)
                    .unwrap();
                // HostResult once.
                *first.borrow_mut() = Some(ContextId(0));
            }
            passing(callback)
        })
    };
    type When = fn(Callback) -> bool;
    // What becomes of the second exchange: its status, the body that its upstream got, and whether
    // it comes to an end.
    type Case = (&'static str, When, Option<u16>, Option<&'static str>, bool);
    let cases: [Case; 7] = [
        (
            "request headers",
            |c| matches!(c, Callback::RequestHeaders { .. }),
            None,
            None,
            false,
        ),
        // What was shown is dropped; the next piece goes on.
        (
            "request body",
            |c| matches!(c, Callback::RequestBody { .. }),
            Some(200),
            Some("de"),
            true,
        ),
        (
            "request trailers",
            |c| matches!(c, Callback::RequestTrailers { .. }),
            None,
            Some("abcde"),
            false,
        ),
        (
            "response headers",
            |c| matches!(c, Callback::ResponseHeaders { .. }),
            None,
            Some("abcde"),
            false,
        ),
        // As with the request: the end comes as a piece of its own.
        (
            "response body",
            |c| matches!(c, Callback::ResponseBody { .. }),
            Some(200),
            Some("abcde"),
            true,
        ),
        // Nothing is made of what these return.
        (
            "log",
            |c| matches!(c, Callback::Log),
            Some(200),
            Some("abcde"),
            true,
        ),
        (
            "delete",
            |c| matches!(c, Callback::Delete),
            Some(200),
            Some("abcde"),
            true,
        ),
    ];
    for (name, when, status, body, over) in cases {
        let mut gateway = Gateway::builder()
            .network(network(&[]))
            .filter(answering(when))
            .build()
            .unwrap();
        let first = gateway.submit(Request::get("/"));
        let second = gateway.submit(post().trailer("x-sum", "1"));
        gateway.advance(Duration::from_secs(1));
        assert_eq!(gateway.outcome(first).status(), Some(401), "{name}");
        let outcome = gateway.outcome(second);
        if name == "response body" {
            assert_eq!(outcome.client.text(), "", "what was shown is dropped");
        }
        let sent = outcome.upstream.as_ref();
        let sent = sent.map(|sent| String::from_utf8_lossy(&sent.body).into_owned());
        assert_eq!(
            (outcome.status(), sent.as_deref(), outcome.over),
            (status, body, over),
            "{name}: it returned Continue"
        );
        // The flag does not outlive the callback.
        let third = gateway.submit(Request::get("/"));
        gateway.advance(Duration::from_secs(1));
        assert_eq!(gateway.outcome(third).status(), Some(200), "{name}");
    }
}

#[test]
fn a_reply_in_a_tick_stops_nobody() {
    let first = RefCell::new(None);
    let answering = spec("answering", move |host, context, callback| {
        match callback {
            Callback::Configure { .. } => host.set_tick_period(100).unwrap(),
            Callback::RequestHeaders { .. } if first.borrow().is_none() => {
                *first.borrow_mut() = Some(context);
                return Some(PAUSE);
            }
            Callback::Tick => {
                let waiting = *first.borrow();
                // The main thread ticks too, and knows nothing of it.
                if let Some(waiting) = waiting
                    && host.set_effective_context(waiting).is_ok()
                {
                    host.send_local_response(401, b"", b"", Headers::new(), u32::MAX)
                        .unwrap();
                    *first.borrow_mut() = Some(ContextId(0));
                }
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = Gateway::builder()
        .network(network(&[]))
        .filter(answering)
        .build()
        .unwrap();
    let first = gateway.submit(Request::get("/"));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(gateway.outcome(first).status(), Some(401));
    assert_eq!(gateway.exchange(Request::get("/")).status(), Some(200));
}

#[test]
fn a_route_that_answers_by_itself_is_reached_behind_the_chain() {
    let notes = Notes::default();
    let seen = notes.clone();
    let filter = spec("w", move |host, _, callback| {
        if let Callback::ResponseHeaders { .. } = callback {
            let headers = host.header_pairs(MapKind::ResponseHeaders).unwrap();
            seen.add(headers.text("content-type").unwrap_or_default());
        }
        passing(callback)
    });
    let route = Route {
        direct_response: Some(DirectResponse {
            status: 404,
            body: b"nothing".to_vec(),
        }),
        ..Route::to("")
    };
    let mut gateway = Gateway::builder()
        .network(network(&[]))
        .virtual_host(VirtualHost {
            domains: vec!["*".into()],
            routes: vec![route],
            ..VirtualHost::default()
        })
        .filter(filter)
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(outcome.status(), Some(404));
    assert_eq!(outcome.details.as_deref(), Some("direct_response"));
    assert_eq!(outcome.client.body(), b"nothing");
    assert_eq!(outcome.upstream, None);
    assert_eq!(notes.take(), ["text/plain"]);
}

/// `response.backend_latency`: from the first byte sent to the last one received, and nothing where
/// there was no answer.
#[test]
fn the_time_that_an_upstream_takes_is_known_at_the_end() {
    let latency = |answer: Answer| {
        let notes = Notes::default();
        let seen = notes.clone();
        let filter = spec("w", move |host, _, callback| {
            if let Callback::Log = callback {
                let bytes = host.property(b"response\0backend_latency").ok();
                let number = bytes.map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()));
                seen.add(format!("{number:?}"));
            }
            passing(callback)
        });
        let mut script = Script::default();
        script.cluster("upstream", vec![answer]);
        let mut gateway = Gateway::builder()
            .network(script)
            .filter(filter)
            .build()
            .unwrap();
        gateway.exchange(Request::get("/"));
        notes.take().remove(0)
    };
    let slow = Reply::status(200)
        .after(Duration::from_millis(50))
        .body("a");
    assert_eq!(latency(Answer::Reply(slow)), "Some(50000000)");
    assert_eq!(latency(Answer::Refuse), "None");
}
