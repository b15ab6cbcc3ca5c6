//! What is checked of a single entry: its own settings as Envoy reads them, and the configuration
//! of its filters.

use std::borrow::Cow;
use std::path::Path;

use modelgate_kit::config::long::Text;
use modelgate_kit::config::strict::nearest;
use modelgate_kit::config::{Problem, Problems};
use modelgate_kit::dynamic::settings::Settings;
use modelgate_kit::filter::Registration;
use modelgate_kit::host::Host as _;
use modelgate_kit::profile::Policy;
use modelgate_kit::vm::CHAIN;
use modelgate_kit::vm::chain::written as chain;

use super::codes;
use super::entry::{Entry, Form, Runs, flag, module, named, node, text};
use super::environment::Environment;
use super::files::Sink;
use super::finding::Finding;
use super::references::{Clusters, named_clusters};
use super::scalars::kind;
use super::values;
use crate::SUITE;
use crate::build::native::LIBRARY;
use crate::gateway::Filter;
use crate::needs::holds_headers;
use located_yaml::{Node, Place, Value};
use modelgate_scenario::catalogue::file_name;
use serde_json::{Value as Json, json};

impl Entry<'_> {
    /// Checks everything of the entry that can be told without its chain.
    pub fn check(&self, clusters: &Clusters, sink: &mut Sink<'_>) {
        if self.form == Form::Wasm {
            self.check_failure_policy(sink);
            self.check_runtime(sink);
            self.check_stop_iteration(sink);
        }
        self.check_root_id(sink);
        self.check_name(sink);
        self.check_fetched(sink);
        self.check_module(sink);
        if self.check_form(sink) {
            self.check_configuration(clusters, sink);
        }
    }

    fn check_failure_policy(&self, sink: &mut Sink<'_>) {
        const HINT: &str =
            "write `failure_policy: FAIL_RELOAD`: after a crash Envoy starts the filter anew";
        let policy = self.config.member("failure_policy");
        let written = policy
            .and_then(Node::text)
            .filter(|policy| *policy != "UNSPECIFIED");
        // The old flag counts where there is no policy; Envoy refuses both together.
        let open = self.config.member("fail_open");
        let finding = if flag(self.config, &["fail_open"]) {
            Finding::new(
                &codes::FAILS_OPEN,
                open.unwrap_or(self.config).place,
                &self.name,
                "`fail_open` lets requests pass unfiltered after a crash",
                HINT,
            )
        } else {
            match written {
                Some("FAIL_RELOAD") => return,
                Some("FAIL_OPEN") => Finding::new(
                    &codes::FAILS_OPEN,
                    policy.unwrap_or(self.config).place,
                    &self.name,
                    "FAIL_OPEN lets requests pass unfiltered after a crash, until the proxy is restarted",
                    HINT,
                ),
                // A value that is none was reported.
                Some(other) if other != "FAIL_CLOSED" => return,
                _ => Finding::new(
                    &codes::STAYS_CLOSED,
                    policy.unwrap_or(self.config).place,
                    &self.name,
                    "after a crash every request on that worker gets 503 until the proxy is restarted",
                    HINT,
                ),
            }
        };
        sink.add(self.file, finding);
    }

    fn check_root_id(&self, sink: &mut Sink<'_>) {
        let option = match self.form {
            Form::Wasm => "root_id",
            Form::Native => "filter_name",
        };
        let written = self.config.member(option);
        let problem = match (self.runs, written.and_then(Node::text)) {
            (Runs::Nothing, None) => {
                format!("`{option}` is missing, and the module holds several filters")
            }
            (Runs::One(member), Some(root_id))
                if root_id.is_empty() || root_id == member.filter.name =>
            {
                return;
            }
            (Runs::Nothing | Runs::One(_), Some(_)) => {
                format!("the module has no filter of this `{option}`")
            }
            _ => return,
        };
        let hint = match self.runs {
            Runs::One(member)
                if self.form == Form::Wasm && module(self.config) != Some("modelgate.wasm") =>
            {
                format!("write `{}`, or leave it out", member.filter.name)
            }
            _ => {
                let names: Vec<&str> = names().collect();
                format!("`{CHAIN}`, or one of {}", names.join(", "))
            }
        };
        let place = written.unwrap_or(self.config).place;
        let finding = Finding::new(&codes::ROOT_ID, place, &self.name, problem, hint);
        sink.add(self.file, finding);
    }

    /// Whether entry or plugin bear the name of a filter that they do not run.
    fn check_name(&self, sink: &mut Sink<'_>) {
        let (runs, what) = match self.runs {
            Runs::One(member) => (Some(member.filter.name), member.krate),
            Runs::Chain => (None, "a chain"),
            Runs::Nothing => return,
        };
        for holder in [self.node, self.config] {
            let Some(written) = holder.member("name") else {
                continue;
            };
            let called = written.text().and_then(named);
            if let Some(called) = called
                && runs != Some(called.filter.name)
            {
                let problem = format!("it is called {}, and runs {what}", called.krate);
                let hint = "give it the name of what it runs, or the module of what it is called";
                let finding = Finding::new(
                    &codes::ANOTHER_NAME,
                    written.place,
                    &self.name,
                    problem,
                    hint,
                );
                sink.add(self.file, finding);
                return;
            }
        }
    }

    fn check_runtime(&self, sink: &mut Sink<'_>) {
        const V8: &str = "envoy.wasm.runtime.v8";
        let Some(written) = node(self.config, &["vm_config", "runtime"]) else {
            return;
        };
        let problem = match written.text() {
            Some(V8) | None => return,
            Some("envoy.wasm.runtime.null") => {
                "the null runtime runs code that is linked into Envoy, not modules"
            }
            Some(_) => "a stock Envoy has no such runtime",
        };
        let hint = format!("write `runtime: {V8}`");
        let finding = Finding::new(&codes::RUNTIME, written.place, &self.name, problem, hint);
        sink.add(self.file, finding);
    }

    fn check_module(&self, sink: &mut Sink<'_>) {
        let Some(written) = self.code() else {
            return;
        };
        let path = Path::new(written.text().unwrap_or_default());
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let known: Vec<String> = match self.form {
            Form::Wasm => SUITE.modules().into_iter().map(file_name).collect(),
            Form::Native => vec![LIBRARY.to_owned()],
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut add = |problem: String, hint: String| {
            let finding = Finding::new(&codes::MODULE, written.place, &self.name, problem, hint);
            sink.add(self.file, finding);
        };
        // Relative paths start where Envoy does, which is not known here.
        let folder = path.parent().filter(|folder| folder.is_absolute());
        if !known.contains(&name.as_str())
            && !path.is_file()
            && let Some(near) = nearest(&name, &known)
        {
            add(
                format!("no module of the suite is called {name}"),
                format!("did you mean `{near}`?"),
            );
        } else if folder.is_some_and(Path::is_dir) && !path.is_file() {
            add(
                format!("there is no {name} in this folder"),
                match self.form {
                    Form::Wasm => "`cargo modelgate build` makes the modules, in target/modelgate",
                    Form::Native => {
                        "`cargo modelgate build --native` makes it, in target/modelgate"
                    }
                }
                .to_owned(),
            );
        }
    }

    /// A module that is fetched while requests pass: Envoy's filter is absent until it is there,
    /// unless `nack_on_cache_miss` refuses the configuration (dynamic_modules.proto).
    fn check_fetched(&self, sink: &mut Sink<'_>) {
        let Some(module) = self.config.member("dynamic_module_config") else {
            return;
        };
        if let Some(remote) = node(module, &["module", "remote"])
            && !flag(module, &["nack_on_cache_miss"])
        {
            let finding = Finding::new(
                &codes::FAILS_OPEN,
                remote.place,
                &self.name,
                "until the module has been fetched, requests pass unfiltered",
                "use `local`, or set `nack_on_cache_miss: true` in `dynamic_module_config`",
            );
            sink.add(self.file, finding);
        }
    }

    fn check_stop_iteration(&self, sink: &mut Sink<'_>) {
        if flag(self.config, &["allow_on_headers_stop_iteration"]) {
            return;
        }
        let allowed = self.config.member("allow_on_headers_stop_iteration");
        let parts = self.parts();
        let holds = parts
            .iter()
            .find(|part| holds_headers(&part.member, self.config_of(part)));
        if let Some(part) = holds {
            let place = allowed.map_or(self.config.place, |node| node.place);
            let problem = format!(
                "{} holds the request's headers until the body is there, which Envoy does not let it do: requests with a body hang",
                part.subject()
            );
            let hint = "write `allow_on_headers_stop_iteration: true`";
            let finding = Finding::new(&codes::STOP_ITERATION, place, &self.name, problem, hint);
            sink.add(self.file, finding);
        }
    }

    /// Whether the configuration is a text (or absent).
    fn check_form(&self, sink: &mut Sink<'_>) -> bool {
        const TEXT: &str = "use `\"@type\": type.googleapis.com/google.protobuf.StringValue` with `value: |` and JSON text below";
        const STRUCT: &str = "use `\"@type\": type.googleapis.com/google.protobuf.Struct` with the members below `value`";
        let hint = match self.form {
            Form::Wasm => TEXT,
            Form::Native => STRUCT,
        };
        let Some(configuration) = self.configuration() else {
            return true;
        };
        let written =
            text(configuration, &["@type"]).map(|text| text.rsplit('.').next().unwrap_or(text));
        let value = configuration.member("value");
        let (place, problem) = match (written, value) {
            (Some("StringValue"), Some(value)) if value.text().is_none() => (
                value.place,
                format!(
                    "the value of a StringValue must be a text; this is {}",
                    kind(value)
                ),
            ),
            (Some("StringValue"), _) => return true,
            (Some("Struct"), value) if self.form == Form::Native => match value {
                Some(value) if !matches!(value.value, Value::Map(_)) => (
                    value.place,
                    format!(
                        "the value of a Struct must be a mapping; this is {}",
                        kind(value)
                    ),
                ),
                _ => return true,
            },
            (Some("Struct"), _) => (
                configuration.place,
                "a Struct reaches the filter as protobuf bytes, not as JSON".to_owned(),
            ),
            _ => (
                configuration.place,
                match self.form {
                    Form::Wasm => "the configuration has another type than StringValue",
                    Form::Native => "the configuration is neither a Struct nor a StringValue",
                }
                .to_owned(),
            ),
        };
        let finding = Finding::new(&codes::CONFIGURATION_TYPE, place, &self.name, problem, hint);
        sink.add(self.file, finding);
        false
    }

    /// The configuration itself.
    pub fn check_configuration(&self, clusters: &Clusters, sink: &mut Sink<'_>) {
        for problem in self.problems(self.map.text().as_bytes()) {
            let (said, place) = match problem.path.as_str() {
                "" => self.map.syntax(&problem.problem),
                _ => None,
            }
            .unwrap_or_else(|| (problem.problem.clone(), self.place(&problem.path)));
            let finding =
                Finding::new(&codes::CONFIGURATION, place, &self.name, said, problem.hint)
                    .at(problem.path);
            sink.add(self.file, finding);
        }
        for (path, cluster) in named_clusters(self.map.json()) {
            if !clusters.has(&cluster) {
                let problem = format!("no cluster is called {cluster:?}");
                let hint = clusters.hint(&cluster);
                let place = self.place(&path);
                let finding =
                    Finding::new(&codes::NO_CLUSTER, place, &self.name, problem, hint).at(path);
                sink.add(self.file, finding);
            }
        }
        values::check(self, sink);
    }

    /// What the code that runs in the proxy says of the configuration.
    fn problems(&self, text: &[u8]) -> Vec<Problem> {
        let host = match self.passed {
            Some(passed) => Environment::on_nginx(passed),
            None => Environment::of(self.variables()),
        };
        let text = match self.form {
            Form::Wasm => Cow::Borrowed(text),
            Form::Native => match Settings::read(text, |name| host.environment(name)) {
                Ok(settings) => Cow::Owned(settings.text),
                Err(problems) => return problems,
            },
        };
        let text = Text::here(&text);
        match self.runs {
            Runs::One(member) => Policy::compile(&member.filter, &text, &host)
                .err()
                .map(Problems::into_vec)
                .unwrap_or_default(),
            Runs::Chain => {
                let known: Vec<Registration> = SUITE.filters_in(SUITE.bundle());
                let mut problems = Problems::default();
                chain::compile(&text, &known, &host, &mut problems);
                problems.into_vec()
            }
            Runs::Nothing => Vec::new(),
        }
    }
}

/// What a filter refuses of a configuration that stands in no file yet, where the variables that it
/// names are there.
pub(crate) fn refused(krate: &str, config: &Json) -> Vec<Problem> {
    let Some(member) = SUITE.member(krate) else {
        return Vec::new();
    };
    let node = Node::from_json(config, Place::default());
    let variables = Filter::new(member, node).environment;
    let variables = json!({ "host_env_keys": variables });
    let host = Environment::of(Some(&Node::from_json(&variables, Place::default())));
    let text = config.to_string();
    Policy::compile(&member.filter, &Text::here(text.as_bytes()), &host)
        .err()
        .map(Problems::into_vec)
        .unwrap_or_default()
}

/// The names of all filters, in the order of a chain.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SUITE.filters().iter().map(|member| member.filter.name)
}
