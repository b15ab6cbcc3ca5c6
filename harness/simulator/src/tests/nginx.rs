//! The profile `nginx`, row by row: what was measured on ngx_wasm_module at the commit of Kong 3.9
//! beside Envoy 1.40. Tests are named after the rows of that comparison.

mod bodies;
mod calls;
mod requests;
mod rows;
mod workers;

use super::*;
use crate::calls::testing::{Phase, during_on};
use crate::profile::NGINX;

/// What a call gives in a phase.
fn during<T: 'static>(phase: Phase, call: impl Fn(&HostHandle) -> T + 'static) -> T {
    during_on(NGINX, phase, call)
}

fn gateway(profile: Profile, network: Script, filter: FilterSpec) -> Gateway {
    Gateway::builder()
        .profile(profile)
        .network(network)
        .filter(filter)
        .build()
        .unwrap()
}

/// The outcome of a POST of `abcde` that passes a filter on this host.
fn exchanged(
    profile: Profile,
    network: Script,
    filter: impl Fn(&HostHandle, ContextId, Callback) -> Option<u32> + 'static,
) -> Outcome {
    gateway(profile, network, spec("f", filter)).exchange(post())
}

/// A filter that calls out in request headers and pauses; `answered` is its response callback.
fn calling(
    answered: impl Fn(&HostHandle) + 'static,
) -> impl Fn(&HostHandle, ContextId, Callback) -> Option<u32> {
    move |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            dispatch(host, 0);
            Some(PAUSE)
        }
        Callback::HttpCallResponse { .. } => {
            answered(host);
            Some(0)
        }
        _ => passing(callback),
    }
}

fn refused() -> Script {
    network(&[("idp", Answer::Refuse)])
}

/// Of how many exchanges the upstream has got the whole request, and what the client saw.
fn passed(outcome: &Outcome) -> (Option<u16>, bool) {
    let sent = outcome.upstream.as_ref();
    (
        outcome.status(),
        sent.is_some_and(|sent| sent.complete && sent.body == b"abcde"),
    )
}

#[test]
fn row_01_a_trap_in_the_answer_of_a_callout_lets_the_request_pass() {
    let trapping = || calling(|_| panic!("in the answer"));
    for network in [slow_idp(), refused()] {
        let outcome = exchanged(NGINX, network, trapping());
        assert_eq!(passed(&outcome), (Some(200), true));
    }
    let outcome = exchanged(profile::ENVOY, slow_idp(), trapping());
    assert_eq!(passed(&outcome), (None, false), "Envoy's client hangs");
}

#[test]
fn row_02_a_failed_callout_that_nobody_acts_on_lets_the_request_pass() {
    let outcome = exchanged(NGINX, refused(), calling(|_| ()));
    assert_eq!(passed(&outcome), (Some(200), true));
    let outcome = exchanged(profile::ENVOY, refused(), calling(|_| ()));
    assert_eq!(
        passed(&outcome),
        (None, false),
        "Envoy's request stays paused"
    );
}

#[test]
fn row_03_a_request_continues_by_itself_when_no_callout_is_open() {
    let outcome = exchanged(NGINX, slow_idp(), calling(|_| ()));
    assert_eq!(passed(&outcome), (Some(200), true));
    // A second callout in the answer of the first one keeps it waiting.
    let calls = Rc::new(RefCell::new(0));
    let counted = Rc::clone(&calls);
    let mut gateway = gateway(
        NGINX,
        slow_idp(),
        spec("twice", move |host, context, callback| {
            if let Callback::RequestHeaders { .. } = callback {
                STREAM.with(|stream| stream.set(context));
            }
            let again = calling({
                let counted = Rc::clone(&counted);
                move |host| {
                    *counted.borrow_mut() += 1;
                    if *counted.borrow() == 1 {
                        let stream = STREAM.with(std::cell::Cell::get);
                        host.set_effective_context(stream).unwrap();
                        dispatch(host, 0);
                    }
                }
            });
            again(host, context, callback)
        }),
    );
    let outcome = gateway.exchange(post());
    assert_eq!((passed(&outcome), *calls.borrow()), ((Some(200), true), 2));
    assert_eq!(outcome.client.head_after, Duration::from_millis(100));
}

thread_local! {
    static STREAM: std::cell::Cell<ContextId> = const { std::cell::Cell::new(ContextId(0)) };
}

#[test]
fn row_04_a_removed_request_header_is_hidden_from_lists_only_and_sent() {
    let seen = during(Phase::RequestHeaders, |host| {
        let map = MapKind::RequestHeaders;
        host.remove_header(map, b"x-twice").unwrap();
        let listed = host.header_pairs(map).unwrap().first("x-twice").is_some();
        (host.header_value(map, b"x-twice"), listed)
    });
    assert_eq!(seen, (Ok(b"a".to_vec()), false));
    let outcome = exchanged(NGINX, network(&[]), |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let map = MapKind::RequestHeaders;
            host.add_header(map, b"x-a", b"1").unwrap();
            host.remove_header(map, b"x-a").unwrap();
            host.set_header(map, b"x-a", b"2").unwrap();
        }
        passing(callback)
    });
    let sent = outcome.upstream.unwrap().headers;
    let values: Vec<&[u8]> = sent.all("x-a").collect();
    assert_eq!(values, [&b"1"[..], b"2"], "in their places");
}

#[test]
fn row_05_setting_a_header_that_came_twice_leaves_the_second_copy() {
    let filter = spec("sets", |host, _, callback| {
        if let Callback::RequestHeaders { .. } = callback {
            let map = MapKind::RequestHeaders;
            host.set_header(map, b"x-twice", b"new").unwrap();
        }
        passing(callback)
    });
    let twice = Request::get("/")
        .header("x-twice", "a")
        .header("x-twice", "b");
    let sent = gateway(NGINX, network(&[]), filter).exchange(twice);
    let sent = sent.upstream.unwrap().headers;
    let values: Vec<&[u8]> = sent.all("x-twice").collect();
    assert_eq!(values, [&b"new"[..], b"b"]);
}

#[test]
fn row_06_a_trap_in_a_response_callback_delivers_the_original_response() {
    for in_body in [false, true] {
        let trapping = move |_: &HostHandle, _, callback| match callback {
            Callback::ResponseHeaders { .. } if !in_body => panic!("in headers"),
            Callback::ResponseBody { .. } if in_body => panic!("in a body"),
            _ => passing(callback),
        };
        let outcome = exchanged(NGINX, network(&[]), trapping);
        assert_eq!(
            (outcome.status(), outcome.client.text().as_str()),
            (Some(200), "hello")
        );
        assert!(outcome.client.complete);
    }
}

#[test]
fn row_07_a_local_response_in_the_response_body_is_a_trap() {
    let mut gateway = gateway(
        NGINX,
        network(&[]),
        spec("late", |host, _, callback| {
            if let Callback::ResponseBody { .. } = callback {
                let _ = host.send_local_response(403, b"", b"no", Headers::new(), u32::MAX);
            }
            passing(callback)
        }),
    );
    let outcome = gateway.exchange(post());
    assert_eq!(
        (outcome.status(), outcome.client.text().as_str()),
        (Some(200), "hello")
    );
    assert_eq!(gateway.timeline().traps().count(), 1);
}

#[test]
fn row_08_a_request_body_above_16_kib_cannot_be_read() {
    let read = |size: usize| {
        let result = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&result);
        let filter = spec("reads", move |host, _, callback| {
            if let Callback::RequestBody { size, .. } = callback {
                let body = host.buffer(BufferKind::RequestBody, 0, size);
                *seen.borrow_mut() = Some(body.map(|body| body.len()));
            }
            passing(callback)
        });
        let mut gateway = gateway(NGINX, network(&[]), filter);
        let outcome = gateway.exchange(Request::post("/").chunk(vec![b'x'; size]));
        assert_eq!(
            outcome.upstream.unwrap().body.len(),
            size,
            "it passes all the same"
        );
        result.take()
    };
    assert_eq!(read(16 << 10), Some(Ok(16 << 10)));
    assert_eq!(read((16 << 10) + 1), Some(Err(Status::NotFound)));
}

#[test]
fn row_09_keys_with_the_same_crc32_are_the_same_entry() {
    let (one, other) = (b"rl:aprynuno", b"rl:oeympnrl");
    let read = during(Phase::RequestHeaders, move |host| {
        host.set_shared_data(one, b"1", 0)?;
        host.shared_data(other)
    });
    assert_eq!(read, Ok((b"1".to_vec(), 1)));
    let read = during_on(profile::ENVOY, Phase::RequestHeaders, move |host| {
        host.set_shared_data(one, b"1", 0)?;
        host.shared_data(other)
    });
    assert_eq!(read, Err(Status::NotFound));
}

#[test]
fn rows_10_and_11_number_0_creates_and_nothing_else_does() {
    let twice = |first, second| {
        during(Phase::RequestHeaders, move |host| {
            let first = host.set_shared_data(b"k", b"1", first);
            (first, host.set_shared_data(b"k", b"2", second))
        })
    };
    assert_eq!(twice(0, 0), (Ok(()), Err(Status::CasMismatch)), "row 10");
    assert_eq!(twice(0, 1), (Ok(()), Ok(())));
    assert_eq!(twice(7, 0), (Err(Status::CasMismatch), Ok(())), "row 11");
}

#[test]
fn row_12_an_empty_value_removes_and_numbers_start_anew() {
    let read = during(Phase::RequestHeaders, |host| {
        host.set_shared_data(b"k", b"1", 0).unwrap();
        host.set_shared_data(b"k", b"2", 1).unwrap();
        host.set_shared_data(b"k", b"", 2).unwrap();
        let removed = host.shared_data(b"k");
        host.set_shared_data(b"k", b"3", 0).unwrap();
        (removed, host.shared_data(b"k"))
    });
    assert_eq!(read, (Err(Status::NotFound), Ok((b"3".to_vec(), 1))));
}

#[test]
fn row_14_a_body_is_read_from_its_first_byte() {
    let read = during(Phase::RequestBody, |host| {
        host.buffer(BufferKind::RequestBody, 1, 2)
    });
    assert_eq!(read, Ok(b"ab".to_vec()));
}

#[test]
fn row_15_a_longer_body_is_cut_to_the_size_that_is_given() {
    let set = |start, size, data: &'static [u8]| {
        during(Phase::RequestBody, move |host| {
            let kind = BufferKind::RequestBody;
            host.set_buffer(kind, start, size, data)?;
            host.buffer(kind, 0, 100)
        })
    };
    assert_eq!(set(0, 3, b"longer"), Ok(b"lon".to_vec()));
    assert_eq!(set(0, 6, b"longer"), Ok(b"longer".to_vec()));
    assert_eq!(set(0, 0, b"-"), Ok(b"-abc".to_vec()));
    assert_eq!(set(2, 9, b"-"), Ok(b"ab-".to_vec()));
}

#[test]
fn row_16_the_request_body_comes_once_and_as_a_whole() {
    let notes = Notes::default();
    let mut gateway = gateway(NGINX, network(&[]), watcher("w", &notes));
    let outcome = gateway.exchange(post());
    assert_eq!(outcome.upstream.unwrap().body, b"abcde");
    let seen = notes.take();
    assert_eq!(
        seen.first_chunk(),
        Some(&["headers false".to_owned(), "body 5 true".to_owned()])
    );
}

#[test]
fn row_17_a_pause_in_headers_that_waits_for_the_body_hangs() {
    let outcome = exchanged(NGINX, network(&[]), |_, _, callback| match callback {
        Callback::RequestHeaders { .. } => Some(PAUSE),
        _ => passing(callback),
    });
    assert_eq!(passed(&outcome), (None, false));
}

#[test]
fn row_21_a_pause_in_response_headers_is_ignored() {
    let pausing = |_: &HostHandle, _, callback| match callback {
        Callback::ResponseHeaders { .. } => Some(PAUSE),
        _ => passing(callback),
    };
    assert_eq!(exchanged(NGINX, network(&[]), pausing).status(), Some(200));
    assert_eq!(
        exchanged(profile::ENVOY, network(&[]), pausing).status(),
        None
    );
}

#[test]
fn row_22_a_callout_from_a_response_callback_is_a_trap() {
    let mut gateway = gateway(
        NGINX,
        slow_idp(),
        spec("late", |host, _, callback| {
            if let Callback::ResponseHeaders { .. } = callback {
                let _ = host.http_call(b"idp", call_headers(), b"", Headers::new(), 0);
            }
            passing(callback)
        }),
    );
    assert_eq!(gateway.exchange(post()).status(), Some(200));
    assert_eq!(gateway.timeline().traps().count(), 1);
    assert!(gateway.callouts().is_empty());
}

#[test]
fn row_24_a_callout_while_the_plugin_is_configured_keeps_the_worker_from_starting() {
    let early = spec("early", |host, _, callback| {
        if let Callback::Configure { .. } = callback {
            let _ = host.http_call(b"idp", call_headers(), b"", Headers::new(), 0);
        }
        passing(callback)
    });
    let built = Gateway::builder()
        .profile(NGINX)
        .network(slow_idp())
        .filter(early)
        .build();
    let problem = built.err().unwrap().problem;
    assert!(problem.contains("proxy_on_configure trapped"), "{problem}");
}

/// What a filter sees of a callout: how many headers are announced, `:status`, and why it failed.
fn failure(network: Script, cluster: &'static [u8], timeout_ms: u32) -> Vec<String> {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("calls", move |host, _, callback| match callback {
        Callback::RequestHeaders { .. } => {
            host.http_call(cluster, call_headers(), b"", Headers::new(), timeout_ms)
                .unwrap();
            Some(PAUSE)
        }
        Callback::HttpCallResponse { headers, body, .. } => {
            let value = |name: &str| host.header_value(MapKind::CallHeaders, name.as_bytes());
            let word = value(":dispatch_status").map(|word| String::from_utf8(word).unwrap());
            let status = value(":status").is_ok();
            noted.add(format!(
                "{headers} {body} {status} {}",
                word.unwrap_or_default()
            ));
            Some(0)
        }
        _ => passing(callback),
    });
    gateway(NGINX, network, filter).exchange(post());
    notes.take()
}

#[test]
fn row_26_a_callout_to_a_name_that_is_not_known_fails_later() {
    assert_eq!(
        failure(network(&[]), b"nobody", 0),
        ["0 0 false broken connection"]
    );
}

#[test]
fn row_27_a_failed_callout_has_no_headers_but_why() {
    assert_eq!(
        failure(refused(), b"idp", 0),
        ["0 0 false broken connection"]
    );
    let hanging = network(&[("idp", Answer::Hang)]);
    assert_eq!(failure(hanging, b"idp", 10), ["0 0 false timeout"]);
    assert_eq!(
        failure(slow_idp(), b"idp", 0),
        ["1 0 true "],
        "one that succeeds has its headers"
    );
}

#[test]
fn row_29_after_a_trap_the_client_gets_500_and_the_instance_is_configured_anew() {
    let notes = Notes::default();
    let noted = notes.clone();
    let filter = spec("fragile", move |host, _, callback| {
        match callback {
            Callback::VmStart { .. } => noted.add("start"),
            Callback::Configure { .. } => noted.add("configure"),
            Callback::RequestHeaders { .. } => {
                let path = host
                    .header_value(MapKind::RequestHeaders, b":path")
                    .unwrap();
                assert_ne!(path, b"/trap");
            }
            _ => {}
        }
        passing(callback)
    });
    let mut gateway = gateway(NGINX, network(&[]), filter);
    assert_eq!(notes.take(), ["start", "configure"]);
    for _ in 0..2 {
        assert_eq!(gateway.exchange(Request::get("/trap")).status(), Some(500));
        assert_eq!(gateway.exchange(Request::get("/")).status(), Some(200));
        assert_eq!(notes.take(), ["configure"]);
    }
}

#[test]
fn row_39_a_header_that_came_twice_is_not_joined() {
    let outcome = gateway(NGINX, network(&[]), watcher("w", &Notes::default())).exchange(
        Request::get("/")
            .header("accept", "a")
            .header("accept", "b"),
    );
    let sent = outcome.upstream.unwrap().headers;
    assert_eq!(sent.all("accept").count(), 2);
}

#[test]
fn row_41_request_headers_can_be_read_in_response_callbacks() {
    let read = |profile| {
        during_on(profile, Phase::ResponseHeaders, |host| {
            host.header_value(MapKind::RequestHeaders, b"x-twice")
        })
    };
    assert_eq!(read(NGINX), Ok(b"a".to_vec()));
    assert_eq!(read(profile::ENVOY), Err(Status::BadArgument));
}

#[test]
fn row_53_headers_callbacks_never_say_that_nothing_follows() {
    let first = |profile| {
        let notes = Notes::default();
        gateway(profile, network(&[]), watcher("w", &notes)).exchange(Request::get("/"));
        notes.take().remove(0)
    };
    assert_eq!(first(NGINX), "headers false");
    assert_eq!(first(profile::ENVOY), "headers true");
}

#[test]
fn trailers_are_never_shown_and_on_done_comes_before_on_log() {
    let notes = Notes::default();
    let mut gateway = gateway(NGINX, network(&[]), watcher("w", &notes));
    let outcome = gateway.exchange(post().trailer("t", "1"));
    assert_eq!(outcome.status(), Some(200));
    let seen = notes.take();
    assert!(
        !seen.iter().any(|note| note.contains("trailers")),
        "{seen:?}"
    );
    assert_eq!(
        seen.last_chunk(),
        Some(&["done", "log", "delete"].map(str::to_owned))
    );
    let reply = Reply::status(200).body("hello").trailer("t", "1");
    let mut network = Script::default();
    network.cluster("upstream", vec![Answer::Reply(reply)]);
    let notes = Notes::default();
    let outcome = self::gateway(NGINX, network, watcher("w", &notes)).exchange(post());
    assert!(outcome.client.trailers.is_none() && outcome.client.complete);
    assert!(notes.take().iter().any(|note| note == "answer body 0 true"));
}
