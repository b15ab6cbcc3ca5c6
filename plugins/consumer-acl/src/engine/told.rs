//! What is told of a decision to whoever asks why: each rule in its order, and what came of it.

use modelgate_kit::explain::Note;
use modelgate_kit::rule::{Asked, Caller, Failed};

use super::{Combining, Decided, Effect, Engine, Rule};

impl Rule {
    /// The first condition that fails, by the same functions that say whether the rule fits.
    fn failed(&self, caller: Caller<'_>, asked: &Asked<'_>) -> Option<Failed> {
        let doubt = self.effect.doubt();
        let who = self.who.failed(caller, doubt);
        who.or_else(|| self.what.failed(asked, doubt))
    }
}

impl Engine {
    /// Notes on who asks for what, on each rule, and on the decision.
    pub fn told(&self, decided: Decided, caller: Caller<'_>, asked: &Asked<'_>) -> Vec<Note> {
        let mut notes = vec![caller.note(), asked.note()];
        let rules = self.rules().iter().enumerate();
        notes.extend(rules.map(|(at, rule)| self.rule(at, rule, decided, caller, asked)));
        let (name, effect) = (self.name_of(decided), decided.effect.as_str());
        let text = match decided.rule {
            Some(_) => format!("Rule `{name}` decides: {effect}."),
            None => "No rule fits: denied by default.".to_owned(),
        };
        let note = Note::info("decision", text).marked(decided.effect == Effect::Allow);
        notes.push(note.with("effect", effect).with("rule", name));
        notes
    }

    fn name_of(&self, decided: Decided) -> &str {
        let rule = decided.rule.and_then(|at| self.rules().get(at));
        rule.map_or("", |rule| rule.id.as_str())
    }

    fn rule(
        &self,
        at: usize,
        rule: &Rule,
        decided: Decided,
        caller: Caller<'_>,
        asked: &Asked<'_>,
    ) -> Note {
        let (id, effect) = (&rule.id, rule.effect.as_str());
        let kind = match rule.shadow {
            true => "Shadow rule",
            false => "Rule",
        };
        let head = format!("{kind} `{id}` ({effect})");
        let is_last = decided.effect == Effect::Deny || self.combining == Combining::FirstMatch;
        let is_behind = decided.rule.is_some_and(|last| is_last && at > last);
        let note = if is_behind && !rule.shadow {
            let other = self.name_of(decided);
            let text = format!("{head} is not tried: `{other}` has decided.");
            Note::info("rule", text).with("result", "not_tried")
        } else if let Some(failed) = rule.failed(caller, asked) {
            let text = format!("{head} does not fit: {}", failed.text());
            // A denying rule that does not fit is no reason for a refusal.
            let note = match rule.effect {
                Effect::Allow if !rule.shadow => Note::fail("rule", text),
                Effect::Allow | Effect::Deny => Note::info("rule", text),
            };
            failed.on(note.with("result", "no_fit"))
        } else if rule.shadow {
            Note::info(
                "rule",
                format!("{head} fits: it would {effect}, and decides nothing."),
            )
            .with("result", "fits")
        } else if decided.rule == Some(at) {
            let note = Note::info("rule", format!("{head} fits and decides."));
            note.marked(rule.effect == Effect::Allow)
                .with("result", "decides")
        } else {
            let other = self.name_of(decided);
            Note::pass("rule", format!("{head} fits; `{other}` decides.")).with("result", "fits")
        };
        note.with("rule", id.as_str())
            .with("effect", effect)
            .with("shadow", rule.shadow)
    }
}
