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
    assert_eq!(set("kong\0ctx\0shared\0mine"), Ok(()));
    assert_eq!(set("wasmx\0mine"), Ok(()));
    assert_eq!(set("mine"), Err(Status::NotFound));
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
