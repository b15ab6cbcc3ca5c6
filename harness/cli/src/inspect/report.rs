//! What was found in modules, as text and as JSON.

use modelgate_kit::manifest;
use modelgate_kit::vm::CHAIN;
use serde_json::{Value as Json, json};

use super::{Filter, Module};
use crate::SUITE;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// A file that was looked at.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// As it was named.
    pub path: String,
    /// The image that it lies in, where it does in one.
    pub image: Option<Image>,
    /// What it is, or why it could not be told.
    pub module: Result<Module, String>,
}

/// What is known of an image.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// For people: names and values.
    pub lines: Vec<(&'static str, String)>,
    /// The same for programs.
    pub json: Json,
}

/// Columns of a line, and of what stands before the values.
const WIDTH: usize = 100;
const MARGIN: usize = 16;

/// All files.
pub fn render(files: &[Inspected], format: Format) -> String {
    match format {
        Format::Text => {
            let texts: Vec<String> = files.iter().map(text).collect();
            texts.join("\n")
        }
        Format::Json => {
            let files: Vec<Json> = files.iter().map(json_of).collect();
            format!("{:#}\n", json!({ "files": files }))
        }
    }
}

/// A text of somebody else's, without anything that a terminal would obey.
fn shown(text: &str) -> String {
    let harmless = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(harmless).collect()
}

fn text(file: &Inspected) -> String {
    let module = match &file.module {
        Ok(module) => module,
        Err(error) => return format!("{}: {}\n", file.path, shown(error)),
    };
    let mut lines = format!("{}: {}\n", file.path, shown(&headline(module)));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let first = format!("  {name:<width$}", width = MARGIN - 2);
            let rest = " ".repeat(MARGIN);
            let options = textwrap::Options::new(WIDTH)
                .initial_indent(&first)
                .subsequent_indent(&rest)
                .break_words(false);
            lines.push_str(&textwrap::fill(&shown(value), options));
            lines.push('\n');
        }
    };
    for (name, value) in file.image.iter().flat_map(|image| &image.lines) {
        line(name, value);
    }
    line("sha256", &module.sha256);
    line("size", &format!("{} bytes", module.bytes));
    for (name, value) in &module.described {
        line(name, value);
    }
    for filter in &module.filters {
        line("filter", &filter_line(filter));
    }
    if module.is_bundle() {
        line(
            "root_id",
            &format!("{CHAIN} for a whole chain in one entry, or a filter's name"),
        );
    }
    for need in needs(module) {
        line("needs", &need);
    }
    line("uses", &module.uses().join(", "));
    let exports: Vec<&str> = module.exports.iter().map(String::as_str).collect();
    line("exports", &exports.join(" "));
    for (from, names) in &module.imports {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        line("imports", &format!("{from}: {}", names.join(" ")));
    }
    let sections = module
        .sections
        .iter()
        .map(|(name, bytes)| format!("{name} ({bytes})"));
    line("sections", &sections.collect::<Vec<_>>().join(", "));
    lines
}

fn headline(module: &Module) -> String {
    let abi = format!("proxy-wasm {}", module.abi.join(", "));
    match (&module.kit, module.is_ours()) {
        (Some(kit), true) => format!("modelgate {kit}, {abi}"),
        _ => {
            let version = module.version().unwrap_or("without a version");
            format!("not a filter of modelgate ({version}), {abi}")
        }
    }
}

fn filter_line(filter: &Filter) -> String {
    let settings = match SUITE.member(&filter.name) {
        None => "not one of this modelgate's".to_owned(),
        Some(member) if member.filter.version != filter.version => format!(
            "this modelgate knows {}: settings may differ",
            member.filter.version
        ),
        Some(member) => format!("settings: modelgate schema {}", member.krate),
    };
    format!("{} {} ({settings})", filter.name, filter.version)
}

/// What an Envoy configuration must give it.
fn needs(module: &Module) -> Vec<String> {
    let of = |names: &[&str]| match module.is_bundle() {
        true => format!(" ({})", names.join(", ")),
        false => String::new(),
    };
    let mut needs = Vec::new();
    let buffering = module.that_need("buffers_request");
    if !buffering.is_empty() {
        needs.push(format!(
            "allow_on_headers_stop_iteration: true, where request bodies are read or signed{}",
            of(&buffering)
        ));
    }
    let calling = module.that_need("callouts");
    if !calling.is_empty() || !module.is_ours() && module.uses().contains(&"HTTP calls") {
        needs.push(format!(
            "a cluster for each server that its settings name{}",
            of(&calling)
        ));
    }
    for filter in &module.filters {
        if !filter.environment.is_empty() {
            needs.push(format!(
                "environment, where the settings say nothing else: {}{}",
                filter.environment.join(", "),
                of(&[&filter.name])
            ));
        }
    }
    needs
}

fn json_of(file: &Inspected) -> Json {
    let module = match &file.module {
        Ok(module) => module,
        Err(error) => return json!({ "path": file.path, "error": error }),
    };
    let image = file.image.as_ref().map(|image| &image.json);
    let filters = module.filters.iter().map(|filter| {
        let schema = SUITE.member(&filter.name).map(|_| schema_of(&filter.name));
        json!({
            "name": filter.name, "version": filter.version, "order": filter.order, "needs": filter.needs,
            "environment": filter.environment, "schema": schema,
        })
    });
    let sections = module
        .sections
        .iter()
        .map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
    json!({
        "path": file.path,
        "image": image,
        "bytes": module.bytes,
        "sha256": module.sha256,
        "modelgate": module.is_ours().then_some(&module.kit),
        "this_modelgate": manifest::VERSION,
        "metadata": module.described,
        "abi": module.abi,
        "filters": filters.collect::<Vec<_>>(),
        "chain_schema": module.is_bundle().then(|| schema_of(CHAIN)),
        "needs": {
            "allow_on_headers_stop_iteration": !module.that_need("buffers_request").is_empty(),
            "clusters": !module.that_need("callouts").is_empty() || !module.is_ours() && module.uses().contains(&"HTTP calls"),
            "environment": module.filters.iter().flat_map(|filter| &filter.environment).collect::<Vec<_>>(),
        },
        "uses": module.uses(),
        "exports": module.exports,
        "imports": module.imports,
        "custom_sections": sections.collect::<Vec<_>>(),
    })
}

/// The file with a configuration's schema, below the repository's root.
fn schema_of(name: &str) -> String {
    format!("docs/schemas/{name}.schema.json")
}
