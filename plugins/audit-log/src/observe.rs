//! Reads what the proxy knows of an exchange, and the facts that the filters left, into one event.
//!
//! What the client asked for is taken from its headers as they first came: later filters rewrite
//! them. Everything else is read when the exchange is over. A property that the host does not have
//! is a field that the event does not have.

use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::facts::{
    Decision, Denied, Identity, Limited, Masked, ModelCall, RefusedToken, Routed,
};
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::route::{Path, Route};

use crate::event::{
    Answered, Decided, Ending, Event, Few, Flags, Sent, Text, TraceParent, What, Who, path_of,
};
use crate::plan::Plan;

/// Reads the event of an exchange that is over. `head` are the request's headers as the client sent
/// them, `began_ns` is when.
pub fn event(plan: &Plan, exchange: &Exchange, head: &HeaderBlock, began_ns: u64) -> Event {
    let details = exchange
        .property(&["response", "code_details"])
        .unwrap_or_default();
    let from_upstream = match details.as_slice() {
        [] => exchange
            .property(&["upstream", "address"])
            .is_some_and(|address| !address.is_empty()),
        details => details == b"via_upstream",
    };
    // A reply by a filter has details of its own: what came whole from the upstream was not denied,
    // and costs no look-up.
    let denied = match details.as_slice() {
        b"via_upstream" => None,
        _ => exchange.fact::<Denied>(),
    };
    let status = exchange
        .property_u64(&["response", "code"])
        .and_then(|code| u16::try_from(code).ok());
    let status = status.filter(|status| *status > 0);
    let flags = Flags(exchange.property_u64(&["response", "flags"]).unwrap_or(0));
    let ending = Ending {
        denied: denied.is_some(),
        status,
        flags,
        from_upstream,
    };
    let nanoseconds = exchange.now_ns().saturating_sub(began_ns);
    let numbers = plan.numbers(exchange.host());
    let found = exchange.fact::<Masked>();
    Event {
        time_unix_ns: began_ns,
        worker: numbers.worker.clone(),
        sequence: numbers.next(),
        outcome: ending.outcome(),
        who: who(
            plan,
            exchange.fact::<Identity>().as_deref(),
            denied.as_deref().and_then(|denied| denied.token.as_ref()),
        ),
        what: what(exchange, head),
        decided: decided(exchange, denied.as_deref(), found.as_deref()),
        answered: Answered {
            status,
            details: Text::some(details),
            flags,
            total_ms: Some(nanoseconds / 1_000_000),
            upstream_ms: exchange
                .property_u64(&["response", "backend_latency"])
                .map(|ns| ns / 1_000_000),
            request_bytes: announced(head).or_else(|| exchange.property_u64(&["request", "size"])),
            response_bytes: exchange.property_u64(&["response", "size"]),
        },
        masked: found.as_deref().map(masked).unwrap_or_default(),
        trace: head.first("traceparent").and_then(TraceParent::parse),
        request_id: head.first("x-request-id").and_then(Text::some),
    }
}

/// The length of the body, where the client announced it; asking the host costs more.
fn announced(head: &HeaderBlock) -> Option<u64> {
    head.text("content-length")?.parse().ok()
}

/// Whoever was authenticated; else, of a token that was refused although its signature is good,
/// what it says.
fn who(plan: &Plan, identity: Option<&Identity>, refused: Option<&RefusedToken>) -> Who {
    let token = refused.map(|token| Who {
        issuer: Text::some(&token.issuer),
        subject: plan.subjects.known_as(&token.issuer, &token.subject),
        audience: token.audience.iter().map(Text::of).collect(),
        kid: Text::some(&token.kid),
        ..Who::default()
    });
    let token = token.unwrap_or_default();
    let Some(identity) = identity else {
        return token;
    };
    Who {
        consumer: Text::some(&identity.consumer),
        issuer: Text::some(&identity.issuer),
        subject: plan.subjects.subject(&identity.issuer, &identity.subject),
        groups: identity.groups.iter().map(Text::of).collect(),
        credential: Text::some(&identity.credential),
        method: Text::some(&identity.method),
        ..token
    }
}

fn what(exchange: &Exchange, head: &HeaderBlock) -> What {
    let target = head.first(":path").unwrap_or_default();
    let method = head.first(":method").unwrap_or_default();
    let call = exchange
        .fact::<ModelCall>()
        .or_else(|| model_call(head, method, target).map(Rc::new))
        .unwrap_or_default();
    What {
        method: Text::some(method),
        path: path_of(target),
        route: exchange
            .property(&["xds", "route_name"])
            .and_then(Text::some),
        host: head
            .first(":authority")
            .or_else(|| head.first("host"))
            .and_then(Text::some),
        dialect: Text::some(&call.dialect),
        operation: Text::some(&call.operation),
        model: Text::some(&call.model).or_else(|| Text::some(&call.route.as_ref()?.name)),
        version: Text::some(&call.version),
        sent: call.route.as_deref().map(sent).unwrap_or_default(),
    }
}

fn sent(routed: &Routed) -> Sent {
    Sent {
        target: Text::some(&routed.target),
        backend: Text::some(&routed.backend),
        model: Text::some(&routed.model),
        version: Text::some(&routed.version),
    }
}

/// What method, path and headers say of the model, where no filter has left it as a fact.
fn model_call(head: &HeaderBlock, method: &[u8], target: &[u8]) -> Option<ModelCall> {
    let path = target.split(|byte| *byte == b'?').next()?;
    let path = Path::parse(path).ok()?;
    let route = Route::parse(method, &path)?
        .with_headers(head.iter())
        .ok()?;
    let owned = |name: Option<&str>| name.unwrap_or_default().to_owned();
    Some(ModelCall {
        dialect: route.dialect.as_str().to_owned(),
        operation: route.operation.as_str().to_owned(),
        model: owned(route.inner_model.as_deref().or(route.model.name())),
        version: owned(route.selector.as_ref().map(|selector| selector.name())),
        ..ModelCall::default()
    })
}

fn decided(exchange: &Exchange, denied: Option<&Denied>, masked: Option<&Masked>) -> Decided {
    let decision = exchange.fact::<Decision>();
    let limited = exchange.fact::<Limited>();
    let refused_in_shadow = |decision: &Decision| decision.shadow && decision.effect == "deny";
    let would_deny: Few<Text<64>, 8> = decision
        .iter()
        .filter(|decision| refused_in_shadow(decision))
        .map(|decision| format!("{}:{}", decision.filter, decision.rule))
        .chain(
            limited
                .iter()
                .filter(|limited| limited.shadow)
                .map(|limited| format!("rate_limit:{}", limited.policy)),
        )
        .chain(
            masked
                .iter()
                .flat_map(|masked| &masked.would_deny)
                .map(|reason| format!("pii_mask:{reason}")),
        )
        .map(Text::of)
        .collect();
    match denied {
        Some(denied) => {
            let rule = match denied.filter.as_str() {
                "rate_limit" => limited.as_ref().map(|limited| &limited.policy),
                filter => decision
                    .as_ref()
                    .filter(|decision| decision.filter == filter)
                    .map(|decision| &decision.rule),
            };
            Decided {
                filter: Text::some(&denied.filter),
                rule: rule.and_then(Text::some),
                reason: Text::some(&denied.reason),
                would_deny,
            }
        }
        None => {
            let decision = decision.as_ref().filter(|decision| !decision.shadow);
            Decided {
                filter: decision.and_then(|decision| Text::some(&decision.filter)),
                rule: decision.and_then(|decision| Text::some(&decision.rule)),
                reason: None,
                would_deny,
            }
        }
    }
}

fn masked(masked: &Masked) -> Few<(Text<32>, u64), 32> {
    let sides = [
        ("request", &masked.request),
        ("response", &masked.response),
        ("request.reported", &masked.request_reported),
        ("response.reported", &masked.response_reported),
    ];
    sides
        .into_iter()
        .flat_map(|(side, counts)| counts.iter().map(move |count| (side, count)))
        .map(|(side, (kind, count))| (Text::of(format!("{side}.{kind}")), *count))
        .collect()
}
