//! The one catalogue of an event's fields: in which order they stand, and what each format calls
//! them.
//!
//! The order is by worth: a format with little room keeps the first ones. The longer names are
//! OpenTelemetry's where its conventions for HTTP, users and servers have one, `modelgate.*`
//! elsewhere.

use super::{Event, Subject, Text};

/// What a field is called. The names are this crate's own and have nothing to escape, so that what
/// stands around them is written by the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As a member of the compact line: comma, name and colon.
    pub member: &'static str,
    /// As an OpenTelemetry attribute.
    pub attribute: &'static str,
    /// The beginning of a `KeyValue` of this attribute, up to its value.
    pub key_value: &'static str,
}

macro_rules! field {
    ($short:literal, $attribute:literal) => {
        Field {
            member: concat!(",\"", $short, "\":"),
            attribute: $attribute,
            key_value: concat!("{\"key\":\"", $attribute, "\",\"value\":"),
        }
    };
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Printable text.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// Several texts, in their order.
    List(Vec<&'a str>),
    /// A number for each of several kinds.
    Counts(Vec<(&'a str, u64)>),
}

impl Event {
    /// Shows each field that has a value to `visit`, the most telling first. Time and trace are not
    /// among them: every format has its own place for these.
    pub fn fields<'a>(&'a self, visit: impl FnMut(Field, Value<'a>)) {
        let mut to = Visitor(visit);
        to.show(
            field!("worker", "modelgate.worker"),
            Value::Text(self.worker.as_str()),
        );
        to.show(
            field!("sequence", "modelgate.sequence"),
            Value::Number(self.sequence),
        );
        to.show(
            field!("outcome", "modelgate.outcome"),
            Value::Text(self.outcome.as_str()),
        );
        to.number(
            field!("status", "http.response.status_code"),
            self.answered.status.map(u64::from),
        );
        to.text(field!("filter", "modelgate.filter"), &self.decided.filter);
        to.text(field!("reason", "modelgate.reason"), &self.decided.reason);
        to.text(field!("rule", "modelgate.rule"), &self.decided.rule);
        to.text(
            field!("request_id", "modelgate.request_id"),
            &self.request_id,
        );
        to.text(field!("consumer", "modelgate.consumer"), &self.who.consumer);
        to.text(field!("method", "http.request.method"), &self.what.method);
        to.text(field!("path", "url.path"), &self.what.path);
        to.text(field!("model", "modelgate.model"), &self.what.model);
        to.text(
            field!("model_version", "modelgate.model_version"),
            &self.what.version,
        );
        to.text(field!("target", "modelgate.target"), &self.what.sent.target);
        to.text(
            field!("backend", "modelgate.backend"),
            &self.what.sent.backend,
        );
        to.text(
            field!("served_model", "modelgate.served_model"),
            &self.what.sent.model,
        );
        to.text(
            field!("served_version", "modelgate.served_version"),
            &self.what.sent.version,
        );
        to.text(
            field!("operation", "modelgate.operation"),
            &self.what.operation,
        );
        to.text(field!("dialect", "modelgate.dialect"), &self.what.dialect);
        match &self.who.subject {
            Some(Subject::Plain(subject)) => {
                to.show(field!("subject", "user.id"), Value::Text(subject.as_str()))
            }
            Some(Subject::Hashed(hash)) => to.show(
                field!("subject_hash", "user.hash"),
                Value::Text(hash.as_str()),
            ),
            None => {}
        }
        to.list(
            field!("would_deny", "modelgate.would_deny"),
            self.decided
                .would_deny
                .kept()
                .iter()
                .map(Text::as_str)
                .collect(),
        );
        to.text(field!("issuer", "modelgate.issuer"), &self.who.issuer);
        to.list(
            field!("audience", "modelgate.audience"),
            self.who.audience.kept().iter().map(Text::as_str).collect(),
        );
        to.text(field!("kid", "modelgate.kid"), &self.who.kid);
        to.text(
            field!("auth_method", "modelgate.auth_method"),
            &self.who.method,
        );
        to.text(
            field!("credential", "modelgate.credential"),
            &self.who.credential,
        );
        to.text(field!("host", "server.address"), &self.what.host);
        to.text(field!("route", "http.route"), &self.what.route);
        to.list(
            field!("groups", "modelgate.groups"),
            self.who.groups.kept().iter().map(Text::as_str).collect(),
        );
        to.left_out(
            field!("groups_left_out", "modelgate.groups_left_out"),
            self.who.groups.left_out(),
        );
        let masked = self.masked.kept().iter();
        to.counts(
            field!("masked", "modelgate.masked"),
            masked
                .map(|(kind, count)| (kind.as_str(), *count))
                .collect(),
        );
        to.left_out(
            field!("masked_left_out", "modelgate.masked_left_out"),
            self.masked.left_out(),
        );
        to.number(
            field!("total_ms", "modelgate.total_ms"),
            self.answered.total_ms,
        );
        to.number(
            field!("upstream_ms", "modelgate.upstream_ms"),
            self.answered.upstream_ms,
        );
        to.number(
            field!("request_bytes", "http.request.body.size"),
            self.answered.request_bytes,
        );
        to.number(
            field!("response_bytes", "http.response.body.size"),
            self.answered.response_bytes,
        );
        to.list(
            field!("flags", "modelgate.response_flags"),
            self.answered.flags.names(),
        );
        to.text(
            field!("details", "modelgate.response_code_details"),
            &self.answered.details,
        );
    }
}

/// Passes on the fields that have a value.
struct Visitor<F>(F);

impl<'a, F: FnMut(Field, Value<'a>)> Visitor<F> {
    fn show(&mut self, field: Field, value: Value<'a>) {
        (self.0)(field, value);
    }

    fn text<const MAX: usize>(&mut self, field: Field, text: &'a Option<Text<MAX>>) {
        if let Some(text) = text {
            self.show(field, Value::Text(text.as_str()));
        }
    }

    fn number(&mut self, field: Field, number: Option<u64>) {
        if let Some(number) = number {
            self.show(field, Value::Number(number));
        }
    }

    fn left_out(&mut self, field: Field, number: u64) {
        self.number(field, (number > 0).then_some(number));
    }

    fn list(&mut self, field: Field, items: Vec<&'a str>) {
        if !items.is_empty() {
            self.show(field, Value::List(items));
        }
    }

    fn counts(&mut self, field: Field, counts: Vec<(&'a str, u64)>) {
        if !counts.is_empty() {
            self.show(field, Value::Counts(counts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_fields_share_a_name() {
        for event in [samples::full(), samples::bare(), samples::largest()] {
            let (mut short, mut attributes, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
            event.fields(|field, _| {
                short.insert(field.member);
                attributes.insert(field.attribute);
                count += 1;
            });
            assert_eq!((short.len(), attributes.len()), (count, count));
        }
    }

    #[test]
    fn a_bare_event_shows_only_what_is_known() {
        let mut names = Vec::new();
        samples::bare().fields(|field, _| names.push(field.member));
        assert_eq!(names, [",\"worker\":", ",\"sequence\":", ",\"outcome\":"]);
    }
}
