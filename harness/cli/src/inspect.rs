//! What a `.wasm` file is, without running it: filters, release, ABI, and what it needs of its
//! host.
//!
//! Filters written with the kit say it in custom sections ([`modelgate_kit::manifest`]); of any
//! other module it is read from its exports and imports. The file may be anybody's: texts from it
//! are escaped where they are shown on a terminal.

mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use modelgate_kit::manifest::VERSION;
use modelgate_kit::manifest::{FILTERS_SECTION, VERSION_SECTION};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

pub use report::{Format, Image, Inspected, render};

/// Sections with a text that describes the module, as wasm-tools writes and reads them (crate
/// wasm-metadata, after the OCI image annotations).
pub const DESCRIPTIVE: [&str; 7] = [
    "version",
    "licenses",
    "description",
    "authors",
    "source",
    "revision",
    "homepage",
];

/// How the export begins that declares an ABI.
const ABI: &str = "proxy_abi_version_";

/// The longest text that is taken from a section, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// A module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Its size.
    pub bytes: usize,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The versions of the proxy-wasm ABI that it declares, such as `0.2.1`.
    pub abi: Vec<String>,
    /// The release of the kit, where it was written with it.
    pub kit: Option<String>,
    /// The filters in it, where it says so.
    pub filters: Vec<Filter>,
    /// What its sections say of it, by their names; see [`DESCRIPTIVE`].
    pub described: BTreeMap<&'static str, String>,
    /// The functions that it exports.
    pub exports: BTreeSet<String>,
    /// The functions that it imports, by the module that they are imported from.
    pub imports: BTreeMap<String, BTreeSet<String>>,
    /// Its custom sections in their order, with their sizes.
    pub sections: Vec<(String, usize)>,
}

/// A filter, as its module says (see [`modelgate_kit::manifest`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Filter {
    /// Name, and `root_id` in a module with several.
    pub name: String,
    /// Release.
    pub version: String,
    /// Place in the chain.
    #[serde(default)]
    pub order: u32,
    /// Names of the kit's `Needs`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Variables of the VM's environment that it reads where its configuration names none.
    #[serde(default)]
    pub environment: Vec<String>,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// Why it is none that a proxy-wasm host could load.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut module = Self {
            bytes: bytes.len(),
            sha256: Sha256::digest(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            ..Self::default()
        };
        match (bytes.get(..4), bytes.get(4..8)) {
            (Some(b"\0asm"), Some(b"\x01\0\0\0")) => {}
            // Version 13, layer 1 (Component Model, Binary.md).
            (Some(b"\0asm"), Some(b"\x0d\0\x01\0")) => {
                return Err("is a component, and proxy-wasm hosts load core modules: build it for wasm32-wasip1, without `wasm-tools component new`".to_owned());
            }
            (Some(b"\0asm"), Some(_)) => {
                return Err("has another version of the WebAssembly format than 1".to_owned());
            }
            (Some(b"\0asm"), None) => return Err("is cut off in its first 8 bytes".to_owned()),
            _ => {
                return Err("is not a WebAssembly module: it does not begin with \\0asm".to_owned());
            }
        }
        let (mut declared, mut defined) = (0, 0);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(broken)?;
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import.map_err(broken)?;
                        if matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                            let from = module.imports.entry(import.module.to_owned());
                            from.or_default().insert(import.name.to_owned());
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.map_err(broken)?;
                        if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                            module.exports.insert(export.name.to_owned());
                        }
                    }
                }
                Payload::FunctionSection(functions) => declared = functions.count(),
                Payload::CodeSectionStart { count, .. } => defined = count,
                Payload::CustomSection(section) => {
                    module.section(section.name(), section.data())?;
                }
                _ => {}
            }
        }
        // What a file lacks that was cut off between two sections.
        if declared != defined {
            return Err(format!(
                "is cut off: it declares {declared} functions and has the code of {defined}"
            ));
        }
        let versions = module
            .exports
            .iter()
            .filter_map(|name| name.strip_prefix(ABI));
        module.abi = versions.map(|version| version.replace('_', ".")).collect();
        if module.abi.is_empty() {
            return Err(format!(
                "is WebAssembly, but not proxy-wasm: it exports no {ABI}…"
            ));
        }
        Ok(module)
    }

    fn section(&mut self, name: &str, data: &[u8]) -> Result<(), String> {
        self.sections.push((name.to_owned(), data.len()));
        let text = || {
            let text = std::str::from_utf8(data).ok();
            let text = text.filter(|text| text.len() <= LONGEST_TEXT);
            text.ok_or_else(|| format!("has a section `{name}` that is not a text"))
        };
        if name == FILTERS_SECTION {
            self.filters = serde_json::from_str(text()?).map_err(|error| {
                format!(
                    "has a section `{name}` that is not understood (of a newer modelgate?): {error}"
                )
            })?;
        } else if name == VERSION_SECTION {
            self.kit = Some(text()?.to_owned());
        } else if let Some(name) = DESCRIPTIVE.into_iter().find(|known| *known == name) {
            // Others may use such a name for something else.
            if let Ok(text) = text() {
                self.described.insert(name, text.to_owned());
            }
        }
        Ok(())
    }

    /// Whether it was written with the kit.
    pub fn is_ours(&self) -> bool {
        self.kit.is_some() && !self.filters.is_empty()
    }

    /// Its release, where it says so.
    pub fn version(&self) -> Option<&str> {
        self.described.get("version").map(String::as_str)
    }

    fn imports_function(&self, name: &str) -> bool {
        self.imports.values().any(|names| names.contains(name))
    }

    /// What of a host's it uses beyond headers, bodies, properties and log, as its imports say.
    pub fn uses(&self) -> Vec<&'static str> {
        const USES: [(&str, &[&str]); 8] = [
            ("HTTP calls", &["proxy_http_call"]),
            ("gRPC calls", &["proxy_grpc_call", "proxy_grpc_stream"]),
            (
                "shared data",
                &["proxy_get_shared_data", "proxy_set_shared_data"],
            ),
            (
                "shared queues",
                &["proxy_register_shared_queue", "proxy_resolve_shared_queue"],
            ),
            ("metrics", &["proxy_define_metric"]),
            ("foreign functions", &["proxy_call_foreign_function"]),
            ("ticks", &["proxy_set_tick_period_milliseconds"]),
            ("filter state", &["proxy_set_property"]),
        ];
        let used = USES.into_iter().filter(|(_, functions)| {
            functions
                .iter()
                .any(|function| self.imports_function(function))
        });
        used.map(|(what, _)| what).collect()
    }

    /// The filters that need something, of the names of the kit's `Needs`.
    pub fn that_need(&self, need: &str) -> Vec<&str> {
        let filters = self.filters.iter();
        let needing = filters.filter(|filter| filter.needs.iter().any(|known| known == need));
        needing.map(|filter| filter.name.as_str()).collect()
    }

    /// Whether it has the place that it is given by `root_id`: several filters are in it.
    pub fn is_bundle(&self) -> bool {
        self.filters.len() > 1
    }
}

fn broken(error: wasmparser::BinaryReaderError) -> String {
    let at = error.offset();
    let what = error.message();
    format!("is cut off or damaged at byte {at}: {what}")
}
