//! The query of a request's target and chosen headers, masked before anything goes on.
//!
//! Only what is found is written anew; a target keeps its path, so that what was decided by it
//! stands.

use std::cell::RefCell;

use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::facts::Masked;
use modelgate_kit::host::Side;
use modelgate_kit::problem::Reply;
use modelgate_kit::query::parameters_raw;

use crate::document::{self, MalformedForm};
use crate::mask::{Masker, Tally};
use crate::message::{Terms, count};
use crate::plan::{Plan, Treatment};
use crate::shadow;

/// Headers that hold a URL.
const URLS: [&str; 3] = ["location", "content-location", "referer"];

/// Masks what is to be masked of the head of one side.
pub(crate) fn mask_head(
    plan: &Plan,
    masker: &Masker,
    exchange: &Exchange,
    terms: &Terms,
    counts: &RefCell<Masked>,
) -> Result<(), Reply> {
    let way = plan.way(terms.side);
    if !way.query && way.headers.is_empty() {
        return Ok(());
    }
    let message = exchange.message(terms.side);
    let headers = message.headers()?;
    if terms.side == Side::Request {
        headers
            .all(":path")
            .for_each(|target| masker.reserve(target));
        let lines = way.headers.iter().flat_map(|name| headers.all(name));
        lines.for_each(|line| masker.reserve(line));
    }
    let mut tally = Tally::default();
    let mut changes: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut unread = false;
    if let Some(target) = headers.first(":path").filter(|_| way.query) {
        match target_of(target, way, masker, &mut tally) {
            Ok(masked) => changes.extend(masked.map(|masked| (":path", masked))),
            Err(MalformedForm) => unread = true,
        }
    }
    for name in &way.headers {
        let lines: Vec<&[u8]> = headers.all(name).collect();
        match lines_of(name, &lines, way, masker, &mut tally) {
            Ok(masked) => changes.extend(masked.map(|masked| (name.as_str(), masked))),
            Err(MalformedForm) => unread = true,
        }
    }
    count(
        exchange,
        plan,
        terms.side,
        &tally,
        &Tally::default(),
        counts,
    )?;
    let refused = if tally.is_blocked() {
        Some(terms.blocked)
    } else if unread && way.on_unparsable == DenyOrAllow::Deny {
        Some(terms.head)
    } else {
        None
    };
    match refused {
        Some(reason) if plan.shadow => {
            return Ok(shadow::would_deny(
                plan, exchange, terms.side, counts, reason,
            )?);
        }
        Some(reason) => {
            // Where the head of an answer goes on with the refusal in its body, these must not.
            let of_answer = |_: &&String| terms.side == Side::Response;
            for name in way.headers.iter().filter(of_answer) {
                if headers.first(name).is_some() {
                    message.remove_header(name)?;
                }
            }
            return Err(Reply::new(reason));
        }
        None if plan.shadow => return Ok(()),
        None => {}
    }
    for (name, value) in changes {
        message.set_header(name, value)?;
    }
    Ok(())
}

/// A request's target with its query masked; none if nothing changes.
fn target_of(
    target: &[u8],
    way: &Treatment,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    let Some((path, query)) = parameters_raw(target) else {
        return Ok(None);
    };
    let masked = document::query(query, &way.scope, masker, tally)?;
    Ok(masked.map(|query| [path, b"?", &query].concat()))
}

/// The lines of a header masked, as one (RFC 9110 section 5.3); none if nothing changes.
fn lines_of(
    name: &str,
    lines: &[&[u8]],
    way: &Treatment,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Vec<u8>>, MalformedForm> {
    explain::at(|| format!("header `{name}`"));
    let (mut out, mut changed) = (Vec::new(), false);
    for line in lines {
        let masked = if URLS.contains(&name) {
            document::url(line, &way.scope, masker, tally)?
        } else {
            let text = core::str::from_utf8(line).map_err(|_| MalformedForm)?;
            masker.mask(text, name, tally).map(String::into_bytes)
        };
        changed |= masked.is_some();
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(masked.as_deref().unwrap_or(line));
    }
    Ok(changed.then_some(out))
}
