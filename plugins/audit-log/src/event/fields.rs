//! The one catalogue of an event's fields: in which order they stand, and what each format calls them.
//!
//! The order is by worth: a format with little room keeps the first ones. The longer names are OpenTelemetry's where
//! its conventions for HTTP, users and servers have one, `modelgate.*` elsewhere.

use super::{Event, Subject, Text};

/// What a field is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// In the compact line.
    pub short: &'static str,
    /// As an OpenTelemetry attribute.
    pub attribute: &'static str,
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
    /// Shows each field that has a value to `visit`, the most telling first. Time and trace are not among them: every
    /// format has its own place for these.
    pub fn fields<'a>(&'a self, visit: impl FnMut(Field, Value<'a>)) {
        let mut to = Visitor(visit);
        to.show(
            "worker",
            "modelgate.worker",
            Value::Text(self.worker.as_str()),
        );
        to.show(
            "sequence",
            "modelgate.sequence",
            Value::Number(self.sequence),
        );
        to.show(
            "outcome",
            "modelgate.outcome",
            Value::Text(self.outcome.as_str()),
        );
        to.number(
            "status",
            "http.response.status_code",
            self.answered.status.map(u64::from),
        );
        to.text("filter", "modelgate.filter", &self.decided.filter);
        to.text("reason", "modelgate.reason", &self.decided.reason);
        to.text("rule", "modelgate.rule", &self.decided.rule);
        to.text("request_id", "modelgate.request_id", &self.request_id);
        to.text("consumer", "modelgate.consumer", &self.who.consumer);
        to.text("method", "http.request.method", &self.what.method);
        to.text("path", "url.path", &self.what.path);
        to.text("model", "modelgate.model", &self.what.model);
        to.text(
            "model_version",
            "modelgate.model_version",
            &self.what.version,
        );
        to.text("operation", "modelgate.operation", &self.what.operation);
        to.text("dialect", "modelgate.dialect", &self.what.dialect);
        match &self.who.subject {
            Some(Subject::Plain(subject)) => {
                to.show("subject", "user.id", Value::Text(subject.as_str()))
            }
            Some(Subject::Hashed(hash)) => {
                to.show("subject_hash", "user.hash", Value::Text(hash.as_str()))
            }
            None => {}
        }
        to.list(
            "would_deny",
            "modelgate.would_deny",
            self.decided
                .would_deny
                .kept()
                .iter()
                .map(Text::as_str)
                .collect(),
        );
        to.text("issuer", "modelgate.issuer", &self.who.issuer);
        to.text("auth_method", "modelgate.auth_method", &self.who.method);
        to.text("credential", "modelgate.credential", &self.who.credential);
        to.text("host", "server.address", &self.what.host);
        to.text("route", "http.route", &self.what.route);
        to.list(
            "groups",
            "modelgate.groups",
            self.who.groups.kept().iter().map(Text::as_str).collect(),
        );
        to.left_out(
            "groups_left_out",
            "modelgate.groups_left_out",
            self.who.groups.left_out(),
        );
        let masked = self.masked.kept().iter();
        to.counts(
            "masked",
            "modelgate.masked",
            masked
                .map(|(kind, count)| (kind.as_str(), *count))
                .collect(),
        );
        to.left_out(
            "masked_left_out",
            "modelgate.masked_left_out",
            self.masked.left_out(),
        );
        to.number("total_ms", "modelgate.total_ms", self.answered.total_ms);
        to.number(
            "upstream_ms",
            "modelgate.upstream_ms",
            self.answered.upstream_ms,
        );
        to.number(
            "request_bytes",
            "http.request.body.size",
            self.answered.request_bytes,
        );
        to.number(
            "response_bytes",
            "http.response.body.size",
            self.answered.response_bytes,
        );
        to.list(
            "flags",
            "modelgate.response_flags",
            self.answered.flags.names(),
        );
        to.text(
            "details",
            "modelgate.response_code_details",
            &self.answered.details,
        );
    }
}

/// Passes on the fields that have a value.
struct Visitor<F>(F);

impl<'a, F: FnMut(Field, Value<'a>)> Visitor<F> {
    fn show(&mut self, short: &'static str, attribute: &'static str, value: Value<'a>) {
        (self.0)(Field { short, attribute }, value);
    }

    fn text<const MAX: usize>(
        &mut self,
        short: &'static str,
        attribute: &'static str,
        text: &'a Option<Text<MAX>>,
    ) {
        if let Some(text) = text {
            self.show(short, attribute, Value::Text(text.as_str()));
        }
    }

    fn number(&mut self, short: &'static str, attribute: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.show(short, attribute, Value::Number(number));
        }
    }

    fn left_out(&mut self, short: &'static str, attribute: &'static str, number: u64) {
        self.number(short, attribute, (number > 0).then_some(number));
    }

    fn list(&mut self, short: &'static str, attribute: &'static str, items: Vec<&'a str>) {
        if !items.is_empty() {
            self.show(short, attribute, Value::List(items));
        }
    }

    fn counts(
        &mut self,
        short: &'static str,
        attribute: &'static str,
        counts: Vec<(&'a str, u64)>,
    ) {
        if !counts.is_empty() {
            self.show(short, attribute, Value::Counts(counts));
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
                short.insert(field.short);
                attributes.insert(field.attribute);
                count += 1;
            });
            assert_eq!((short.len(), attributes.len()), (count, count));
        }
    }

    #[test]
    fn a_bare_event_shows_only_what_is_known() {
        let mut names = Vec::new();
        samples::bare().fields(|field, _| names.push(field.short));
        assert_eq!(names, ["worker", "sequence", "outcome"]);
    }
}
