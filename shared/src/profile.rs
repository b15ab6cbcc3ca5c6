//! Policy per route: which of a filter's plans runs for an exchange.
//!
//! A configuration is a base and named profiles (the base with members replaced, RFC 7396). Chosen,
//! in this order, by
//! 1. route metadata, then virtual-host metadata: `modelgate: {FILTER: {profile: NAME}}` or
//!    `modelgate: {profile: NAME}`;
//! 2. the first of the `profile_rules` without header conditions that fits (host, path template,
//!    method);
//! 3. else the base.
//!
//! A rule with header conditions looks at what a client may write, so it can only raise: it takes
//! effect when its profile's `rank` is above that of the plan chosen so far. A name that does not
//! exist, or a path that upstreams may read in another way than we do while rules look at paths,
//! ends the exchange: nothing falls back to a weaker plan.

pub mod written;

use std::rc::Rc;

use crate::config::long::{Cut, Gathered, Shape, Text, cut_out};
use crate::config::{Problems, Setup};
use crate::exchange::Exchange;
use crate::explain::{self, Note};
use crate::filter::{Launch, Registration};
use crate::host::Host;
use crate::problem::Reply;
use crate::problem::common::{HOST_UNREADABLE, PATH_AMBIGUOUS, PROFILE_UNKNOWN};
use crate::route_metadata;
use written::{Ambiguous, Rule, Subject};

/// One compiled plan.
struct Plan {
    name: String,
    rank: u32,
    launch: Rc<dyn Launch>,
}

/// All plans of one filter instance and how to choose among them.
pub struct Policy {
    filter: &'static str,
    base: Plan,
    /// In the order of their names.
    profiles: Vec<Plan>,
    rules: Vec<Rule>,
}

impl Policy {
    /// Compiles a plugin configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(
        registration: &Registration,
        text: &Text<'_>,
        host: &dyn Host,
    ) -> Result<Self, Problems> {
        // A list that is cut out is one that was written as a list.
        if let Some(list) = registration.long_list
            && !host.rules().empty_lists_may_be_objects
            && let Some(cut) = cut_out(text, Shape::Filter, &[(registration.name, list)])
        {
            let compiled = Self::compile_cut(registration, &cut, host);
            if compiled.is_ok() || cut.is_sound() {
                return compiled;
            }
        }
        let mut problems = Problems::default();
        let Some(whole) = text.whole(&mut problems) else {
            return Err(problems);
        };
        if let Some(list) = registration.long_list {
            list.is_json(&whole)?;
        }
        Self::compile_cut(registration, &Cut::whole(&whole, text.fingerprint()), host)
    }

    /// Compiles a plugin configuration whose long list, if it has one, was cut out.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn compile_cut(
        registration: &Registration,
        cut: &Cut<'_>,
        host: &dyn Host,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::on(host);
        match Self::compile_into(registration, cut, host, &mut problems) {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(problems),
        }
    }

    fn compile_into(
        registration: &Registration,
        cut: &Cut<'_>,
        host: &dyn Host,
        problems: &mut Problems,
    ) -> Option<Self> {
        let filter = registration.name;
        let whole = crate::config::read(&cut.rest, problems)?;
        for list in &cut.lists {
            problems.add_all("", list.problems.clone());
        }
        let mut written = written::split(whole, problems);
        let compile = |value, profile: &str, list, problems: &mut Problems| {
            let setup = Setup {
                host,
                filter,
                profile,
                shared_prefix: format!("modelgate.{filter}.{:016x}.{profile}", cut.print),
                list,
            };
            (registration.compile)(value, &setup, problems)
        };
        let list_of = |profile: Option<&str>| {
            let mut lists = cut.lists.iter();
            let found = lists.find(|found| found.profile.as_deref() == profile);
            found.map(|Gathered { list, .. }| Rc::clone(list))
        };
        let member = registration.long_list.map(|list| list.member);
        // A configuration may be long, and memory that a module has had once it keeps: nothing is
        // copied without need.
        let base = if written.profiles.is_empty() {
            std::mem::take(&mut written.base)
        } else {
            written.base.clone()
        };
        let base = compile(base, "", list_of(None), problems);
        let of_base = problems.found().to_vec();
        let mut profiles = Vec::new();
        for (name, profile) in written.profiles {
            // The profile's own list, or else the base's, unless the profile says otherwise.
            let list = list_of(Some(&name)).or_else(|| {
                let replaced = member.is_some_and(|name| profile.overrides.get(name).is_some());
                list_of(None).filter(|_| !replaced)
            });
            let mut merged = written.base.clone();
            written::merge(&mut merged, profile.overrides);
            let mut found = Problems::on(host);
            let launch = compile(merged, &name, list, &mut found);
            // What is wrong with the base is said once; a profile adds only what it brings itself.
            problems.add_all(&format!("profiles.{name}"), found.without(&of_base));
            if let Some(launch) = launch {
                profiles.push(Plan {
                    name,
                    rank: profile.rank,
                    launch,
                });
            }
        }
        let known: Vec<(String, u32)> = profiles.iter().map(|p| (p.name.clone(), p.rank)).collect();
        let rules = written
            .rules
            .into_iter()
            .enumerate()
            .filter_map(|(at, rule)| rule.compile(at, &known, problems))
            .collect::<Vec<Rule>>();
        if !host.rules().routes_have_metadata {
            refuse_unchosen(&known, &rules, problems);
        }
        Some(Self {
            filter: registration.name,
            base: Plan {
                name: String::new(),
                rank: 0,
                launch: base?,
            },
            profiles,
            rules,
        })
    }

    /// How many profiles there are besides the base.
    pub(crate) fn profiles(&self) -> usize {
        self.profiles.len()
    }

    /// Every plan, for their background tasks.
    pub(crate) fn launches(&self) -> impl Iterator<Item = &Rc<dyn Launch>> {
        std::iter::once(&self.base)
            .chain(&self.profiles)
            .map(|plan| &plan.launch)
    }

    /// The plan for an exchange.
    pub(crate) fn choose(&self, exchange: &Exchange) -> Result<&Rc<dyn Launch>, Reply> {
        if self.profiles.is_empty() {
            return Ok(&self.base.launch);
        }
        let mut chosen = self.by_metadata(exchange.host())?;
        if !self.rules.is_empty() {
            let headers = exchange.request().headers()?;
            let subject = Subject::of(&headers);
            if chosen.is_none() {
                chosen = self.by_rule(&subject, false, None)?;
            }
            let rank = chosen.map_or(self.base.rank, |plan| plan.rank);
            chosen = self.by_rule(&subject, true, Some(rank))?.or(chosen);
        }
        let plan = chosen.unwrap_or(&self.base);
        explain::tell(|notes| notes.push(plan.chosen()));
        Ok(&plan.launch)
    }

    fn by_metadata(&self, host: &dyn Host) -> Result<Option<&Plan>, Reply> {
        let named = route_metadata::text(host, &[self.filter, "profile"])
            .or_else(|| route_metadata::text(host, &["profile"]));
        let Some(name) = named else { return Ok(None) };
        explain::tell(|notes| {
            let text = format!("The metadata of the route or virtual host names profile `{name}`.");
            let note = Note::info("profile_choice", text).with("by", "metadata");
            notes.push(note.with("profile", name.as_str()));
        });
        match self.named(&name) {
            Some(plan) => Ok(Some(plan)),
            None => Err(Reply::new(&PROFILE_UNKNOWN)),
        }
    }

    fn named(&self, name: &str) -> Option<&Plan> {
        let place = self
            .profiles
            .binary_search_by(|plan| plan.name.as_str().cmp(name));
        self.profiles.get(place.ok()?)
    }

    /// The first rule that fits, among those with (or without) header conditions; with a `floor`,
    /// the highest above it.
    fn by_rule(
        &self,
        subject: &Subject<'_>,
        with_headers: bool,
        floor: Option<u32>,
    ) -> Result<Option<&Plan>, Reply> {
        let mut best: Option<&Plan> = None;
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.looks_at_headers() == with_headers)
        {
            let fits = rule.fits(subject).map_err(|ambiguous| {
                Reply::new(match ambiguous {
                    Ambiguous::Path => &PATH_AMBIGUOUS,
                    Ambiguous::Host => &HOST_UNREADABLE,
                })
            })?;
            if !fits {
                continue;
            }
            let plan = self
                .profiles
                .get(rule.profile)
                .ok_or_else(|| Reply::new(&PROFILE_UNKNOWN))?;
            explain::tell(|notes| notes.push(self.fitting(rule, plan, floor)));
            match floor {
                None => return Ok(Some(plan)),
                Some(floor) if plan.rank > floor && best.is_none_or(|b| plan.rank > b.rank) => {
                    best = Some(plan)
                }
                Some(_) => {}
            }
        }
        Ok(best)
    }
}

/// What is told of a choice.
impl Policy {
    fn fitting(&self, rule: &Rule, plan: &Plan, floor: Option<u32>) -> Note {
        let mut rules = self.rules.iter();
        let at = rules
            .position(|one| std::ptr::eq(one, rule))
            .unwrap_or_default();
        let name = &plan.name;
        let text = match floor {
            None => format!("profile_rules[{at}] fits: profile `{name}`."),
            Some(floor) if plan.rank > floor => {
                let rank = plan.rank;
                format!(
                    "profile_rules[{at}] looks at headers and fits: profile `{name}`, whose rank {rank} is above {floor}."
                )
            }
            Some(floor) => {
                let rank = plan.rank;
                format!(
                    "profile_rules[{at}] looks at headers and fits, but the rank {rank} of profile `{name}` is not above {floor}: it changes nothing."
                )
            }
        };
        let note = Note::info("profile_choice", text).with("by", "rule");
        note.with("rule", at).with("profile", name.as_str())
    }
}

impl Plan {
    fn chosen(&self) -> Note {
        let text = match self.name.as_str() {
            "" => "The base configuration applies; no profile was chosen.".to_owned(),
            name => format!("Profile `{name}` applies."),
        };
        Note::info("profile", text).with("profile", self.name.as_str())
    }
}

/// A profile that nothing can choose would leave its routes to the base, which may ask for less.
fn refuse_unchosen(known: &[(String, u32)], rules: &[Rule], problems: &mut Problems) {
    let mut chosen = vec![false; known.len()];
    for rule in rules {
        if let Some(chosen) = chosen.get_mut(rule.profile) {
            *chosen = true;
        }
    }
    for ((name, _), _) in known.iter().zip(chosen).filter(|(_, chosen)| !chosen) {
        problems.add(
            format!("profiles.{name}"),
            "is chosen by no rule, and the routes of this proxy have no metadata",
            "choose it in `profile_rules`, or take it out",
        );
    }
}
