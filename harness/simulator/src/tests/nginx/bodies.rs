//! Rows about bodies: when they are shown, and how much of them.

use super::*;

fn answering(body: Vec<u8>) -> Script {
    let mut script = Script::default();
    script.cluster(
        "upstream",
        vec![Answer::Reply(Reply::status(200).body(body))],
    );
    script
}

#[test]
fn row_16_a_request_without_a_body_has_no_body_callback() {
    for request in [
        Request::get("/"),
        Request::post("/").chunk(""),
        Request::post("/"),
    ] {
        let notes = Notes::default();
        let mut gateway = gateway(NGINX, network(&[]), watcher("w", &notes));
        let outcome = gateway.exchange(request);
        assert_eq!(outcome.status(), Some(200));
        assert!(outcome.upstream.unwrap().complete);
        let seen = notes.take();
        assert_eq!(
            seen.first_chunk(),
            Some(&["headers false", "answer headers false"].map(str::to_owned))
        );
    }
}

#[test]
fn row_18_headers_that_are_set_in_the_body_callback_reach_the_upstream() {
    let outcome = exchanged(NGINX, network(&[]), |host, _, callback| {
        if let Callback::RequestBody { .. } = callback {
            host.set_header(MapKind::RequestHeaders, b"x-signed", b"1")
                .unwrap();
        }
        passing(callback)
    });
    let sent = outcome.upstream.unwrap();
    assert_eq!(sent.headers.text("x-signed").as_deref(), Some("1"));
    assert_eq!(sent.body, b"abcde");
}

#[test]
fn a_local_response_in_the_body_callback_leaves_the_upstream_untouched() {
    let outcome = exchanged(NGINX, network(&[]), |host, _, callback| {
        if let Callback::RequestBody { .. } = callback {
            host.send_local_response(400, b"", b"no", Headers::new(), u32::MAX)
                .unwrap();
        }
        passing(callback)
    });
    assert_eq!(outcome.status(), Some(400));
    assert!(outcome.upstream.is_none());
}

#[test]
fn row_17_no_filter_can_choose_to_stop_the_headers_alone() {
    let mut filter = spec("pauses", |_, _, callback| match callback {
        Callback::RequestHeaders { .. } => Some(PAUSE),
        _ => passing(callback),
    });
    filter.allow_on_headers_stop_iteration = Some(true);
    let outcome = gateway(NGINX, network(&[]), filter).exchange(post());
    assert_eq!(passed(&outcome), (None, false));
}

/// The body callbacks of a filter that pauses until the end, and what the client gets.
fn paused(size: usize) -> (Vec<String>, Outcome) {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("holds", move |_, _, callback| match callback {
        Callback::ResponseBody { size, end } => {
            noted.add(format!("{size} {end}"));
            Some(u32::from(!end))
        }
        _ => passing(callback),
    });
    let outcome = gateway(NGINX, answering(vec![b'x'; size]), filter).exchange(post());
    (notes.take(), outcome)
}

#[test]
fn row_19_a_response_is_held_until_its_buffers_are_full_and_passes_in_pieces_then() {
    let (seen, outcome) = paused(20_000);
    assert_eq!(seen, ["8192 false", "20000 true"]);
    assert_eq!(outcome.client.text().len(), 20_000);
    let (seen, outcome) = paused(50_000);
    assert_eq!(
        seen,
        [
            "8192 false",
            "32768 false",
            "8192 false",
            "8192 false",
            "848 true"
        ]
    );
    assert_eq!(
        outcome.client.text().len(),
        50_000,
        "it passes all the same"
    );
    assert!(outcome.client.complete);
}

#[test]
fn the_body_that_was_held_can_be_replaced_as_a_whole() {
    let filter = spec("masks", |host, _, callback| match callback {
        Callback::ResponseBody { end: false, .. } => Some(PAUSE),
        Callback::ResponseBody { size, .. } => {
            let kind = BufferKind::ResponseBody;
            assert_eq!(host.buffer(kind, 0, size).unwrap().len(), 20_000);
            host.set_buffer(kind, 0, size, b"masked").unwrap();
            Some(0)
        }
        _ => passing(callback),
    });
    let outcome = gateway(NGINX, answering(vec![b'x'; 20_000]), filter).exchange(post());
    assert_eq!(outcome.client.text(), "masked");
}

#[test]
fn only_one_filter_can_hold_a_response() {
    let notes = Notes::default();
    let noted = notes.clone();
    let holds = |name: &str| {
        spec(name, |_, _, callback| match callback {
            Callback::ResponseBody { end: false, .. } => Some(PAUSE),
            _ => passing(callback),
        })
    };
    let second = spec("second", move |_, _, callback| {
        if let Callback::ResponseBody { size, end } = callback {
            noted.add(format!("{size} {end}"));
            return Some(u32::from(!end));
        }
        passing(callback)
    });
    let builder = Gateway::builder()
        .profile(NGINX)
        .network(answering(vec![b'x'; 50_000]));
    let mut gateway = builder
        .filter(holds("first"))
        .filter(second)
        .build()
        .unwrap();
    let outcome = gateway.exchange(post());
    assert_eq!(
        notes.take().first().map(String::as_str),
        Some("32768 false")
    );
    assert_eq!(outcome.client.text().len(), 50_000);
}

#[test]
fn an_empty_body_is_not_found() {
    let read = |profile| {
        let result = Rc::new(RefCell::new(None));
        let into = Rc::clone(&result);
        let filter = spec("reads", move |host, _, callback| {
            if let Callback::RequestHeaders { .. } = callback {
                *into.borrow_mut() = Some(host.buffer(BufferKind::RequestBody, 0, 9));
            }
            passing(callback)
        });
        gateway(profile, network(&[]), filter).exchange(Request::get("/"));
        result.take().unwrap()
    };
    assert_eq!(read(NGINX), Err(Status::NotFound));
    assert_eq!(read(profile::ENVOY), Ok(Vec::new()));
}

#[test]
fn row_20_the_length_that_was_announced_binds_the_body_that_filters_leave() {
    let answered = |length: Option<&'static str>, body: &'static [u8]| {
        let filter = spec("changes", move |host, _, callback| {
            match callback {
                Callback::ResponseHeaders { .. } => {
                    let map = MapKind::ResponseHeaders;
                    match length {
                        Some(length) => host.set_header(map, b"content-length", length.as_bytes()),
                        None => host.remove_header(map, b"content-length"),
                    }
                    .unwrap();
                }
                Callback::ResponseBody { size, .. } if size > 0 => {
                    let size = size.max(body.len() as u32);
                    host.set_buffer(BufferKind::ResponseBody, 0, size, body)
                        .unwrap();
                }
                _ => {}
            }
            passing(callback)
        });
        let outcome = gateway(NGINX, network(&[]), filter).exchange(post());
        (outcome.client.text(), outcome.client.reset)
    };
    assert_eq!(
        answered(None, b"longer than it"),
        ("longer than it".into(), false)
    );
    assert_eq!(
        answered(Some("5"), b"longer than it"),
        ("longe".into(), false)
    );
    assert_eq!(answered(Some("5"), b"hi"), ("hi".into(), true));
    assert_eq!(answered(Some("5"), b"hello"), ("hello".into(), false));
}

#[test]
fn row_20_and_d3_a_local_response_in_response_headers_is_a_trap() {
    let filter = spec("late", |host, _, callback| {
        if let Callback::ResponseHeaders { .. } = callback {
            let _ = host.send_local_response(502, b"", b"no", Headers::new(), u32::MAX);
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
