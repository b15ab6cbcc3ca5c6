//! A configuration of nginx with ngx_wasm_module: the filters in each `location`, and what they
//! need of nginx. Only directives that have to do with filters are judged.
//!
//! Filters that stand in a `location` replace those of the `server` around it, as those of a
//! `server` replace those of `http`. `nginx -t` does not start filters, so it passes
//! configurations that they refuse; after a reload with one there is no worker left.

pub(super) mod syntax;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::allow::Allowances;
use super::codes;
use super::entry::{self, Runs};
use super::environment::Passed;
use super::files::{Files, Sink};
use super::finding::Finding;
use super::wasmx::{self, Filter, Settings, Way, Written, size};
use super::{Outcome, finish};
use located_yaml::{Node, Place, Value};
use modelgate_kit::config::strict::nearest;
use modelgate_kit::hosts::nginx::ZONE;
use modelgate_kit::vm::CHAIN;
use syntax::{Directive, Malformed, Word};

/// What nginx keeps of a request's body in memory unless it is told otherwise, on 64-bit machines.
const BODY_BUFFER: u64 = 16 << 10;

/// nginx reads its configuration in pieces of this size, and no word may be longer than one.
const LONGEST_WORD: usize = 4096;

/// More files than this are not included.
const MOST_FILES: usize = 64;

/// What nginx says of a text.
pub(super) enum Read {
    /// It is nginx's.
    Nginx(Vec<Directive>),
    /// It looks like nginx's, and nginx does not read it.
    Malformed(Malformed),
    /// It is something else.
    Other,
}

/// Reads a text, if it is nginx's: directives that end with `;` or in a block.
pub(super) fn read(text: &str) -> Read {
    // A mapping of YAML may end in `{}`; its keys end with a colon.
    let named = |directive: &Directive| {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        directive.name.text.bytes().all(is_word)
    };
    match syntax::parse(text) {
        Ok(directives) if directives.is_empty() || !directives.iter().all(named) => Read::Other,
        Ok(directives) => Read::Nginx(directives),
        Err(error) => {
            let telling = |line: &str| {
                let mut words = line.split_whitespace();
                let first = words.next().unwrap_or_default();
                let block = matches!(first, "http" | "events" | "server" | "location" | "wasm");
                let opens = block && line.trim_end().ends_with(['{', '}', ';']);
                opens || first == "proxy_wasm" && !line.contains(':')
            };
            // To YAML it is one long text, or nothing at all.
            let is_yaml = Node::documents(text)
                .is_ok_and(|roots| roots.iter().any(|root| root.text().is_none()));
            match text.lines().any(telling) && !is_yaml {
                true => Read::Malformed(error),
                false => Read::Other,
            }
        }
    }
}

/// Checks a configuration; `folder` is where the files that it includes are looked for.
pub(super) fn check(text: &str, directives: Vec<Directive>, folder: Option<&Path>) -> Outcome {
    let mut found = Vec::new();
    let mut included = 0;
    let directives = include(directives, folder, &mut included, &mut found);
    let nodes: Vec<Node> = directives.iter().map(Directive::node).collect();
    let files = Files::alone(text);
    let mut sink = Sink::new(&files);
    let mut outcome = Outcome::default();
    let modules = modules(&directives, &mut outcome, &mut found);
    let settings = settings(&directives);
    let whole = directives.iter().any(|directive| directive.is("http"));
    let mut walk = Walk {
        modules: modules.as_ref(),
        whole,
        contexts: Vec::new(),
        found: Vec::new(),
    };
    let mut http = directives.iter().filter(|directive| directive.is("http"));
    match http.next() {
        Some(http) => walk.within(http.node(), http.inside(), &Around::default(), false),
        // A piece of a file.
        None => {
            let node = Node {
                place: Place { line: 1, column: 1 },
                value: Value::List(Vec::new()),
            };
            walk.within(node, &directives, &Around::default(), false);
        }
    }
    found.append(&mut walk.found);
    let ways: Vec<Way<'_>> = walk.contexts.iter().map(Context::way).collect();
    wasmx::check(&ways, &settings, text, &files, &mut sink, &mut outcome);
    found.append(&mut sink.list);
    let allowances = Allowances::of(text, &nodes, &mut found);
    finish(&allowances, outcome, found)
}

/// Replaces `include` by what it names, as far as that is one file or the files of a folder.
fn include(
    directives: Vec<Directive>,
    folder: Option<&Path>,
    count: &mut usize,
    found: &mut Vec<Finding>,
) -> Vec<Directive> {
    let mut whole = Vec::new();
    for mut directive in directives {
        directive.block = directive
            .block
            .map(|block| include(block, folder, count, found));
        let Some(path) = directive.argument(0).filter(|_| directive.is("include")) else {
            whole.push(directive);
            continue;
        };
        // What is not about filters is often included.
        if path.ends_with("mime.types") || path.ends_with("_params") {
            continue;
        }
        let place = directive.name.place;
        let mut missing = |problem: String| {
            let hint = "check what it holds too, in one file with this";
            found.push(Finding::new(
                &codes::NOT_READ,
                place,
                "include",
                problem,
                hint,
            ));
        };
        let candidate = folder.map(|folder| folder.join(path));
        let text = candidate
            .filter(|path| path.is_file() && *count < MOST_FILES)
            .and_then(|path| std::fs::read_to_string(path).ok());
        let Some(text) = text else {
            missing(format!("the file {path} is not here, and was not read"));
            continue;
        };
        *count = count.saturating_add(1);
        match syntax::parse(&text) {
            Ok(mut inner) => {
                at(&mut inner, place);
                whole.extend(include(inner, folder, count, found));
            }
            Err(error) => missing(format!(
                "the file {path} cannot be read: {} at {}",
                error.problem, error.place
            )),
        }
    }
    whole
}

/// Lets everything stand where it is included.
fn at(directives: &mut [Directive], place: Place) {
    for directive in directives {
        let words = std::iter::once(&mut directive.name).chain(&mut directive.arguments);
        for word in words {
            word.place = place;
            word.characters.iter_mut().for_each(|at| *at = place);
        }
        if let Some(block) = &mut directive.block {
            at(block, place);
        }
    }
}

/// The modules of `wasm { … }` by the names that they are given: what of the suite they hold.
fn modules(
    directives: &[Directive],
    outcome: &mut Outcome,
    found: &mut Vec<Finding>,
) -> Option<BTreeMap<String, Option<Runs>>> {
    let mut blocks = directives
        .iter()
        .filter(|directive| directive.is("wasm"))
        .peekable();
    blocks.peek()?;
    let mut modules = BTreeMap::new();
    for module in blocks
        .flat_map(Directive::inside)
        .filter(|inner| inner.is("module"))
    {
        let (Some(name), Some(path)) = (module.argument(0), module.argument(1)) else {
            continue;
        };
        let file = path.rsplit('/').next().unwrap_or(path);
        let runs = runs(file).or_else(|| runs(name));
        if runs.is_some() && !Path::new(path).is_file() {
            outcome.modules.insert(path.to_owned());
        }
        if runs.is_some() {
            found.extend(wasmx::module(Path::new(path), name, module.name.place));
        }
        modules.insert(name.to_owned(), runs);
    }
    Some(modules)
}

/// What a module's name means. There is no `root_id`: the module of all filters runs a chain.
fn runs(name: &str) -> Option<Runs> {
    entry::runs(name, Some(CHAIN))
}

fn settings(directives: &[Directive]) -> Settings {
    let named = |name: &'static str| directives.iter().filter(move |found| found.is(name));
    let mut passed = BTreeMap::new();
    for variable in named("env").filter_map(|directive| directive.argument(0)) {
        match variable.split_once('=') {
            Some((name, value)) => passed.insert(name.to_owned(), Some(value.to_owned())),
            None => passed.insert(variable.to_owned(), None),
        };
    }
    let zone = |name: &str| {
        let mut zones = named("wasm").flat_map(Directive::inside);
        let zone = zones.find(|inner| inner.is("shm_kv") && inner.argument(0) == Some(name));
        zone.and_then(|zone| size(zone.argument(1)?))
    };
    let zone = zone(ZONE).or_else(|| zone("*"));
    // A piece of a file says nothing of what stands outside of it.
    let whole = named("http").next().is_some();
    Settings {
        passed: Passed::new(whole.then_some(passed)),
        shared: whole.then_some(zone),
        shared_hint: "write `shm_kv modelgate 10m;` in `wasm { … }`",
        buffer_hint: "write `client_body_buffer_size BYTES;` in the location",
        passed_hint: "write `env NAME;` at the top level of nginx.conf",
    }
}

/// What is set in a context, and what it has of the contexts around it.
#[derive(Clone, Default)]
struct Around {
    filters: Vec<Rc<Filter>>,
    buffer: Option<u64>,
    unbuffered: Option<Place>,
    guarded: bool,
}

/// A context that requests end in, with the filters that they pass.
struct Context {
    node: Node,
    around: Around,
    buffer: Option<u64>,
}

impl Context {
    fn way(&self) -> Way<'_> {
        Way {
            node: &self.node,
            filters: self.around.filters.iter().map(Rc::as_ref).collect(),
            guarded: self.around.guarded,
            body_buffer: self.buffer,
            unbuffered: self.around.unbuffered,
        }
    }
}

/// A walk through the contexts of a file.
struct Walk<'a> {
    modules: Option<&'a BTreeMap<String, Option<Runs>>>,
    /// Whether nothing stands around what is read.
    whole: bool,
    contexts: Vec<Context>,
    found: Vec<Finding>,
}

impl Walk<'_> {
    /// What stands in a context; `ends` where requests end in it.
    fn within(&mut self, node: Node, inside: &[Directive], outer: &Around, ends: bool) {
        let mut around = outer.clone();
        let own: Vec<Rc<Filter>> = inside
            .iter()
            .filter(|directive| directive.is("proxy_wasm"))
            .filter_map(|directive| self.filter(directive).map(Rc::new))
            .collect();
        if !own.is_empty() {
            self.replaced(&node, &own, &outer.filters);
            around.filters = own;
        }
        for directive in inside {
            let argument = directive.argument(0).unwrap_or_default();
            match directive.name.text.as_str() {
                "client_body_buffer_size" => around.buffer = size(argument).or(around.buffer),
                "proxy_request_buffering" => {
                    let off = argument == "off";
                    around.unbuffered = off.then_some(directive.name.place);
                }
                "auth_basic" | "auth_request" => around.guarded = argument != "off",
                "ssl_verify_client" => around.guarded |= argument == "on",
                _ => {}
            }
        }
        let inner = |directive: &&Directive| {
            let kinds = ["server", "location", "if", "limit_except"];
            kinds.contains(&directive.name.text.as_str())
        };
        let mut has_inner = false;
        for directive in inside.iter().filter(inner) {
            let is_location = directive.is("location");
            has_inner |= is_location || directive.is("server");
            self.within(directive.node(), directive.inside(), &around, is_location);
        }
        if (ends || !has_inner) && !around.filters.is_empty() {
            let unless = self.whole.then_some(BODY_BUFFER);
            self.contexts.push(Context {
                node,
                buffer: around.buffer.or(unless),
                around,
            });
        }
    }

    /// A filter as `proxy_wasm` names it.
    fn filter(&mut self, directive: &Directive) -> Option<Filter> {
        let module = directive.arguments.first()?;
        let known = match self.modules {
            Some(modules) => modules.get(&module.text).copied(),
            None => Some(runs(&module.text)),
        };
        let Some(runs) = known else {
            self.unknown(module);
            return None;
        };
        let config = directive.arguments.get(1);
        if let Some(config) = config.filter(|config| config.written_bytes >= LONGEST_WORD) {
            let problem = format!(
                "the configuration has {} bytes, and nginx takes no parameter of {LONGEST_WORD} or more",
                config.written_bytes
            );
            let hint = "let keys be fetched in place of writing them here, leave out white space, or let `location`s have what they need only (kong/README.md)";
            let (place, name) = (config.place, &module.text);
            let finding = Finding::new(&codes::PARAMETER_LENGTH, place, name, problem, hint);
            self.found.push(finding);
        }
        Some(Filter {
            name: module.text.clone(),
            node: directive.node(),
            runs,
            config: match config {
                Some(word) => Written::Word(word.text.clone(), word.characters.clone()),
                None => Written::Absent,
            },
        })
    }

    fn unknown(&mut self, module: &Word) {
        let modules = self.modules.into_iter().flatten();
        let names: Vec<&str> = modules.map(|(name, _)| name.as_str()).collect();
        let hint = match nearest(&module.text, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `module {} PATH;` in `wasm {{ … }}`", module.text),
        };
        let problem = "no module is called this: nginx does not start";
        let finding = Finding::new(
            &codes::UNKNOWN_FILTER,
            module.place,
            &module.text,
            problem,
            hint,
        );
        self.found.push(finding);
    }

    /// Filters of the suite that stand in the context around and are missing here.
    fn replaced(&mut self, node: &Node, own: &[Rc<Filter>], outer: &[Rc<Filter>]) {
        let here = |name: &str| own.iter().any(|filter| filter.name == name);
        let lost: Vec<&str> = outer
            .iter()
            .filter(|filter| filter.runs.is_some() && !here(&filter.name))
            .map(|filter| filter.name.as_str())
            .collect();
        if lost.is_empty() {
            return;
        }
        let problem = format!(
            "the filters here replace those of the context around: {} does not run",
            lost.join(", ")
        );
        let hint = "write all filters of the chain here";
        let place = own.first().map_or(node.place, |filter| filter.node.place);
        let name = own.first().map_or("", |filter| filter.name.as_str());
        let finding = Finding::new(&codes::CHAIN_REPLACED, place, name, problem, hint);
        self.found.push(finding);
    }
}

#[cfg(test)]
mod tests;
