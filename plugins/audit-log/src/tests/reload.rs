//! The configuration is replaced while events wait: none is lost uncounted, and the numbers go on.

use super::*;
use std::collections::BTreeSet;

/// A sink where batches are due at once.
fn sink(members: &str) -> String {
    format!(
        r#"{{"sink":{{"cluster":"logs","batch":{{"max_events":2,"max_age_ms":0}},"retry":{{"first_ms":100,"longest_ms":100}}{members}}}}}"#
    )
}

/// Worker and number of each event in the calls from the given one on.
fn numbered(gate: &TestGateway, from: usize) -> Vec<(String, u64)> {
    let attribute = |record: &Value, name: &str| {
        let attributes = record["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|a| a["key"] == name).unwrap();
        found["value"].clone()
    };
    let calls = gate.proxy().calls();
    let records = calls[from..].iter().flat_map(records);
    records
        .map(|record| {
            let worker = attribute(&record, "modelgate.worker")["stringValue"].clone();
            let number = attribute(&record, "modelgate.sequence")["intValue"].clone();
            (
                worker.as_str().unwrap().to_owned(),
                number.as_str().unwrap().parse().unwrap(),
            )
        })
        .collect()
}

/// Answers every call that follows until nothing more is sent.
fn drain(gate: &mut TestGateway, mut answered: usize) {
    for _ in 0..40 {
        pass_ms(gate, 500);
        while answered < gate.proxy().calls().len() {
            answered += 1;
            gate.answer(u32::try_from(answered).unwrap(), &[(":status", "200")], b"");
        }
    }
}

fn lost(gate: &TestGateway) -> i64 {
    [
        "full", "oversize", "expired", "refused", "rejected", "reload",
    ]
    .iter()
    .map(|cause| metric(gate, &format!("cause_{cause}.dropped")))
    .sum()
}

#[test]
fn what_is_queued_and_in_flight_goes_to_the_next_configuration_and_numbers_go_on() {
    let mut gate = gate(proxy(&[]), &sink(""));
    (0..5).for_each(|_| one_request(&mut gate));
    pass_ms(&mut gate, 500);
    assert_eq!(gate.proxy().calls().len(), 1, "two are in flight");
    let old = gate.reconfigure(&sink(r#","timeout_ms":900"#)).unwrap();
    one_request(&mut gate);
    gate.delete(old);
    drain(&mut gate, 1);
    let numbered = numbered(&gate, 1);
    let workers: BTreeSet<&String> = numbered.iter().map(|(worker, _)| worker).collect();
    assert_eq!(workers.len(), 1);
    let mut numbers: Vec<u64> = numbered.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        (
            metric(&gate, "enqueued"),
            metric(&gate, "delivered"),
            lost(&gate)
        ),
        (6, 6, 0)
    );
}

#[test]
fn an_exchange_that_outlives_its_configuration_is_recorded_in_the_same_row() {
    let mut gate = gate(proxy(&[]), &sink(""));
    let (early, _) = gate.request(REQUEST);
    let old = gate.reconfigure(&sink("")).unwrap();
    one_request(&mut gate);
    gate.end(early);
    gate.delete(old);
    drain(&mut gate, 0);
    let mut numbers = numbered(&gate, 0);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(metric(&gate, "delivered"), 2);
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut gate = gate(proxy(&[]), &sink(""));
    (0..3).for_each(|_| one_request(&mut gate));
    gate.reconfigure(r#"{"sink":{"cluster":""}}"#).unwrap_err();
    assert_eq!(gate.proxy().shared_keys(), Vec::<String>::new());
    one_request(&mut gate);
    drain(&mut gate, 0);
    assert_eq!((metric(&gate, "delivered"), lost(&gate)), (4, 0));
}

#[test]
fn fifty_reloads_with_a_dead_sink_lose_nothing_and_take_no_memory() {
    let first = proxy(&[]);
    let mut workers: Vec<TestGateway> = (0..3).map(|_| gate(first.beside(), &sink(""))).collect();
    for _ in 0..50 {
        for gate in &mut workers {
            one_request(gate);
            gate.tick();
            let old = gate.reconfigure(&sink("")).unwrap();
            one_request(gate);
            gate.delete(old);
        }
        first.pass_ns(500_000_000);
        workers.iter_mut().for_each(TestGateway::tick);
    }
    assert!(first.shared_keys().len() <= 4, "{:?}", first.shared_keys());
    for gate in &mut workers {
        let sent = gate.proxy().calls().len();
        drain(gate, sent.saturating_sub(1));
    }
    for gate in &mut workers {
        let sent = gate.proxy().calls().len();
        drain(gate, sent);
    }
    let gate = &workers[0];
    assert_eq!(
        (
            metric(gate, "enqueued"),
            metric(gate, "delivered") + lost(gate)
        ),
        (300, 300)
    );
    assert_eq!(lost(gate), 0);
}

#[test]
fn a_vm_that_is_replaced_leaves_its_events_to_the_next_one() {
    let first = proxy(&[]);
    let mut old = gate(first.beside(), &sink(""));
    (0..3).for_each(|_| one_request(&mut old));
    let mut new = gate(first.beside(), &sink(""));
    old.close();
    one_request(&mut new);
    drain(&mut new, 0);
    assert_eq!(numbered(&new, 0).len(), 4);
    assert_eq!((metric(&new, "delivered"), lost(&new)), (4, 0));
}

#[test]
fn another_receiver_takes_what_was_meant_for_the_old_one_a_little_later() {
    let mut gate = gate(proxy(&[("plugin_name", "audit")]), &sink(""));
    gate.proxy().begin(1, &[]);
    one_request(&mut gate);
    let old = gate.reconfigure(&sink(r#","path":"/v2/logs""#)).unwrap();
    gate.delete(old);
    pass_ms(&mut gate, 500);
    assert_eq!(
        gate.proxy().calls().len(),
        0,
        "its own receiver may come yet"
    );
    pass_ms(&mut gate, 3_000);
    assert_eq!(gate.proxy().calls().len(), 1);
    assert_eq!(gate.proxy().calls()[0].header(":path"), Some("/v2/logs"));
    drain(&mut gate, 0);
    assert_eq!((metric(&gate, "delivered"), lost(&gate)), (1, 0));
}

#[test]
fn events_of_another_entry_are_not_sent_to_this_ones_receiver() {
    let first = proxy(&[]);
    let named = |name: &str| {
        let proxy = first.beside();
        proxy.preset("plugin_name", name);
        proxy.begin(1, &[]);
        proxy
    };
    let mut theirs = gate(named("theirs"), &sink(r#","path":"/theirs""#));
    one_request(&mut theirs);
    let mut ours = gate(named("ours"), &sink(r#","path":"/ours""#));
    theirs.close();
    drain(&mut ours, 0);
    assert_eq!(ours.proxy().calls().len(), 0);
    let mut again = gate(named("theirs"), &sink(r#","path":"/theirs""#));
    drain(&mut again, 0);
    assert_eq!(
        (again.proxy().calls().len(), metric(&again, "delivered")),
        (1, 1)
    );
}

#[test]
fn without_a_sink_any_more_what_was_queued_is_counted_as_lost() {
    let mut gate = gate(proxy(&[]), &sink(""));
    (0..3).for_each(|_| one_request(&mut gate));
    let old = gate.reconfigure("{}").unwrap();
    gate.delete(old);
    (0..12).for_each(|_| pass_ms(&mut gate, 500));
    assert_eq!(
        (
            metric(&gate, "enqueued"),
            metric(&gate, "cause_reload.dropped")
        ),
        (3, 3)
    );
}

#[test]
fn where_shared_data_fails_the_loss_is_counted_told_and_a_gap_in_the_numbers() {
    let mut gate = gate(proxy(&[]), &sink(""));
    (0..3).for_each(|_| one_request(&mut gate));
    let old = gate.reconfigure(&sink("")).unwrap();
    gate.proxy()
        .break_shared_data(Some(modelgate_kit::host::Status::InternalFailure));
    gate.delete(old);
    one_request(&mut gate);
    drain(&mut gate, 0);
    assert_eq!(
        (
            metric(&gate, "cause_reload.dropped"),
            metric(&gate, "delivered")
        ),
        (3, 1)
    );
    assert_eq!(numbered(&gate, 0)[0].1, 4);
    let batch = gate.proxy().calls()[0].json();
    let scope = &batch["resourceLogs"][0]["scopeLogs"][0]["scope"];
    assert_eq!(scope["attributes"][0]["value"]["intValue"], "3");
    assert!(
        gate.proxy()
            .logs()
            .concat()
            .contains("3 queued events are lost")
    );
}

#[test]
fn where_every_request_must_be_recorded_nothing_that_was_queued_is_dropped() {
    let deny = r#","queue":{"max_events":2,"on_full":"deny"}"#;
    let mut gate = gate(proxy(&[]), &sink(deny));
    (0..2).for_each(|_| one_request(&mut gate));
    let old = gate.reconfigure(&sink(deny)).unwrap();
    (0..2).for_each(|_| one_request(&mut gate));
    gate.delete(old);
    drain(&mut gate, 0);
    assert_eq!((metric(&gate, "delivered"), lost(&gate)), (4, 0));
}
