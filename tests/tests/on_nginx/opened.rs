//! What passes on one host that another one stops: two runs of one scenario, held side by side.
//!
//! A scenario may differ on nginx in many ways, but in no way that opens anything. That is looked
//! for in what was seen and not in what the file expects, so that no declared difference can hide
//! it: requests that reach an upstream, or are answered, where they were refused; words and header
//! values that one side has sent and the other one was not shown; identities nobody had.

use std::collections::BTreeSet;

use modelgate_scenario::engine::{Ended, Exchange, Observations, Received};
use modelgate_scenario::file::{Answer, Cluster, Headers, Scenario, Step, UPSTREAM};

/// The fewest bytes of a word that is looked for.
const SHORTEST: usize = 4;

/// What proxies themselves write: for each connection, and of where a request came from.
const OF_PROXIES: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
];

/// Everything that `closed` stops and `open` lets pass.
pub fn openings(scenario: &Scenario, closed: &Observations, open: &Observations) -> Vec<String> {
    let upstreams = upstreams(scenario);
    let mut found = Vec::new();
    for (number, (before, now)) in closed.exchanges.iter().zip(&open.exchanges).enumerate() {
        let mut say = |what: &str| found.push(format!("requests[{}]: {what}", before.step));
        let reached = [closed, open].map(|seen| during(seen, &upstreams, number));
        let [was, is] = &reached;
        request_opened(before, now, [was.len(), is.len()], &mut say);
        let step = scenario.steps.get(before.step).and_then(Step::traffic);
        let Some(request) = step.map(|traffic| &traffic.request) else {
            continue;
        };
        // What was refused is said above; what hung has shown nobody anything.
        if !was.is_empty() {
            let shown = |all: &[&Received]| {
                let texts = all
                    .iter()
                    .map(|one| [one.path.as_bytes(), &one.body].concat());
                texts.flat_map(|text| words(&text)).collect::<BTreeSet<_>>()
            };
            let sent = [request.path.as_bytes(), &request.body.bytes()].concat();
            leaked(
                &words(&sent),
                &shown(was),
                &shown(is),
                "the upstream",
                &mut say,
            );
            let values = |all: &[&Received]| -> Headers {
                all.iter().flat_map(|one| one.headers.clone()).collect()
            };
            values_leaked(&request.headers, &values(was), &values(is), &mut say);
        }
    }
    let answers = answers(scenario, &upstreams);
    let shown = |seen: &Observations| {
        let bodies = seen
            .exchanges
            .iter()
            .flat_map(|exchange| words(&exchange.body));
        bodies.collect::<BTreeSet<_>>()
    };
    let mut say = |what: &str| found.push(what.to_owned());
    leaked(&answers, &shown(closed), &shown(open), "a client", &mut say);
    found
}

/// What became of one request: `reached` says how often an upstream has seen it, before and now.
fn request_opened(
    before: &Exchange,
    now: &Exchange,
    reached: [usize; 2],
    say: &mut dyn FnMut(&str),
) {
    let refused = |exchange: &Exchange| exchange.status.is_some_and(|status| status >= 400);
    let stopped = refused(before) || before.end == Ended::Reset;
    let [was, is] = reached;
    if was == 0 && is > 0 && stopped {
        say("reaches the upstream, and is refused elsewhere");
    }
    if was == 0 && refused(before) && !refused(now) && now.end == Ended::Complete {
        say("is answered, and refused elsewhere");
    }
    const IDENTITY: &str = "modelgate.identity";
    if now.facts.contains_key(IDENTITY) && !before.facts.contains_key(IDENTITY) {
        say("has an identity, and none elsewhere");
    }
}

/// Words that were sent and not shown before, and are now.
fn leaked(
    sent: &BTreeSet<Vec<u8>>,
    before: &BTreeSet<Vec<u8>>,
    now: &BTreeSet<Vec<u8>>,
    whom: &str,
    say: &mut dyn FnMut(&str),
) {
    for word in sent
        .intersection(now)
        .filter(|word| !before.contains(*word))
    {
        let word = String::from_utf8_lossy(word);
        say(&format!("{whom} sees {word:?}, and does not elsewhere"));
    }
}

/// Values of headers that were sent and not shown before, and are now.
fn values_leaked(sent: &Headers, before: &Headers, now: &Headers, say: &mut dyn FnMut(&str)) {
    let own = |name: &str| OF_PROXIES.contains(&name);
    for pair in sent
        .iter()
        .filter(|(name, value)| !own(name) && !value.is_empty())
    {
        if now.contains(pair) && !before.contains(pair) {
            say(&format!(
                "the upstream sees the client's {}, and does not elsewhere",
                pair.0
            ));
        }
    }
}

/// The clusters that routes lead to.
fn upstreams(scenario: &Scenario) -> BTreeSet<&str> {
    let routes = scenario.virtual_hosts.iter().flat_map(|host| &host.routes);
    let clusters = routes.map(|route| route.cluster.as_str());
    clusters.chain([UPSTREAM]).collect()
}

/// What the upstreams have received in an exchange.
fn during<'a>(
    seen: &'a Observations,
    upstreams: &BTreeSet<&str>,
    exchange: usize,
) -> Vec<&'a Received> {
    let lists = seen
        .received
        .iter()
        .filter(|(name, _)| upstreams.contains(name.as_str()));
    let all = lists.flat_map(|(_, list)| list);
    all.filter(|received| received.during == Some(exchange))
        .collect()
}

/// The words of all that upstreams answer.
fn answers(scenario: &Scenario, upstreams: &BTreeSet<&str>) -> BTreeSet<Vec<u8>> {
    let later = scenario.steps.iter().filter_map(|step| match step {
        Step::Rescript(clusters) => Some(clusters),
        Step::Send(_) | Step::Reload(_) => None,
    });
    let clusters = later.chain([&scenario.clusters]).flatten();
    let clusters = clusters.filter(|(name, _)| upstreams.contains(name.as_str()));
    let scripts = clusters.flat_map(|(_, cluster): (_, &Cluster)| {
        cluster.paths.values().chain([&cluster.answers]).flatten()
    });
    let bodies = scripts.filter_map(|answer| match answer {
        Answer::Reply(reply) => Some(reply.body.bytes()),
        Answer::Reset(_) | Answer::Hang | Answer::Refuse => None,
    });
    bodies.flat_map(|body| words(&body)).collect()
}

/// The words of a text: whatever could be a name, a number, an address or a key.
fn words(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let of_word =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"@._+-".contains(byte) || *byte > 127;
    let all = text.split(|byte| !of_word(byte));
    all.filter(|word| word.len() >= SHORTEST)
        .map(<[u8]>::to_vec)
        .collect()
}
