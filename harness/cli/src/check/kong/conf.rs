//! `kong.conf`: lines of `key = value`, of which a few decide whether filters run and what nginx
//! gives them.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::codes;
use super::super::environment::Passed;
use super::super::finding::Finding;
use super::super::wasmx::{self, Settings, size};
use located_yaml::Place;
use modelgate_kit::hosts::nginx::ZONE;
use modelgate_scenario::catalogue::file_name;

/// What Kong has nginx keep of a request's body in memory unless it is told otherwise.
const BODY_BUFFER: u64 = 8 << 10;

/// What is written in a `kong.conf`.
#[derive(Debug, Default)]
pub(in crate::check) struct Conf {
    values: BTreeMap<String, (String, Place)>,
}

impl Conf {
    /// Reads a text, if it is one: every line that is none of comments has a key and `=`, and at
    /// least one key is Kong's.
    pub fn read(text: &str) -> Option<Self> {
        let mut values = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            // A `#` begins a comment, unless it is escaped.
            let plain = line.split_once('#').map_or(line, |(before, _)| before);
            if plain.trim().is_empty() {
                continue;
            }
            let (key, value) = plain.split_once('=')?;
            let is_word =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let key = key.trim();
            if key.is_empty() || !key.bytes().all(is_word) {
                return None;
            }
            let value = value.trim();
            let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
            let before = line.len().saturating_sub(line.trim_start().len());
            let place = Place {
                line: at.saturating_add(1),
                column: before.saturating_add(1),
            };
            values.insert(key.to_owned(), (value.to_owned(), place));
        }
        let known = |key: &String| {
            let kinds = [
                "nginx_",
                "proxy_",
                "admin_",
                "declarative_config",
                "database",
                "plugins",
            ];
            key.starts_with("wasm") || kinds.iter().any(|kind| key.starts_with(kind))
        };
        values.keys().any(known).then_some(Self { values })
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|(value, _)| value.as_str())
    }

    /// What a directive of nginx's is set to in blocks that proxy requests.
    fn directive(&self, name: &str) -> Option<&str> {
        self.get(&format!("nginx_proxy_{name}"))
            .or_else(|| self.get(&format!("nginx_http_{name}")))
    }

    /// What these settings give to filters.
    pub fn settings(&self) -> Settings {
        let mut passed = BTreeMap::new();
        // Injected as it is: `A; env B; env C=1`.
        let variables = self.get("nginx_main_env").unwrap_or_default();
        for variable in variables.split(';') {
            let variable = variable.trim();
            let variable = variable.strip_prefix("env ").unwrap_or(variable).trim();
            match variable.split_once('=') {
                Some((name, value)) => passed.insert(name.to_owned(), Some(value.to_owned())),
                None => passed.insert(variable.to_owned(), None),
            };
        }
        let own = self.get(&format!("nginx_wasm_shm_kv_{ZONE}"));
        Settings {
            passed: Passed::new(Some(passed)),
            shared: Some(own.or_else(|| self.get("nginx_wasm_shm_kv")).and_then(size)),
            ..unread()
        }
    }

    /// What nginx keeps of a request's body in memory, in bytes.
    pub fn body_buffer(&self) -> u64 {
        let written = self.directive("client_body_buffer_size");
        written.and_then(size).unwrap_or(BODY_BUFFER)
    }

    /// What keeps filters from running.
    pub fn check(&self, used: &[&str]) -> Vec<Finding> {
        let start = Place { line: 1, column: 1 };
        let place = |key: &str| self.values.get(key).map_or(start, |(_, place)| *place);
        let mut found = Vec::new();
        let mut add = |code, key: &str, problem: String, hint: &str| {
            found.push(Finding::new(code, place(key), key, problem, hint));
        };
        if self.get("wasm") != Some("on") {
            let problem = "Wasm is off: requests pass without any filter".to_owned();
            add(&codes::WASM_OFF, "wasm", problem, "write `wasm = on`");
        }
        if self.get("wasm_filters_path").is_none() {
            let problem = "no folder of modules is named".to_owned();
            let hint = "write `wasm_filters_path = FOLDER`";
            add(&codes::WASM_OFF, "wasm_filters_path", problem, hint);
        }
        let listed = self.get("wasm_filters").unwrap_or("user");
        let listed: Vec<&str> = listed.split(',').map(str::trim).collect();
        let lost: Vec<&str> = used
            .iter()
            .copied()
            .filter(|name| !listed.contains(&"user") && !listed.contains(name))
            .collect();
        if !lost.is_empty() {
            let problem = format!("{} is not listed", lost.join(", "));
            add(
                &codes::WASM_OFF,
                "wasm_filters",
                problem,
                "add it, or write `user`",
            );
        }
        if self.directive("proxy_request_buffering") == Some("off") {
            let key = match self.get("nginx_proxy_proxy_request_buffering") {
                Some(_) => "nginx_proxy_proxy_request_buffering",
                None => "nginx_http_proxy_request_buffering",
            };
            let problem = "nginx does not collect the bodies that filters read".to_owned();
            add(&codes::UNBUFFERED, key, problem, "leave it on");
        }
        found
    }
}

impl Conf {
    /// What is wrong with the modules of these filters, as far as they are on this machine.
    pub fn modules(&self, used: &[&str]) -> Vec<Finding> {
        let Some((folder, place)) = self.values.get("wasm_filters_path") else {
            return Vec::new();
        };
        let folder = Path::new(folder);
        if !folder.is_dir() {
            return Vec::new();
        }
        let judged = used.iter().filter_map(|name| {
            let path = folder.join(file_name(name));
            if path.is_file() {
                return wasmx::module(&path, name, *place);
            }
            let problem = format!("there is no {} in this folder", file_name(name));
            let hint = "copy it from target/modelgate/kong";
            Some(Finding::new(
                &codes::UNKNOWN_FILTER,
                *place,
                name,
                problem,
                hint,
            ))
        });
        judged.collect()
    }
}

/// What is known of the settings without the file.
pub(in crate::check) fn unread() -> Settings {
    Settings {
        passed: Passed::new(None),
        shared: None,
        shared_hint: "write `nginx_wasm_shm_kv_modelgate = 10m` in kong.conf",
        buffer_hint: "write `nginx_http_client_body_buffer_size = BYTES` in kong.conf",
        passed_hint: "write `nginx_main_env = NAME` in kong.conf; several as `A; env B`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_keys_and_values_are_read_and_nothing_else_is() {
        let conf = Conf::read(
            "# Kong.\n\nwasm = on # yes\n nginx_main_env = A; env B ;env C=1\nnginx_wasm_shm_kv=10m\nnginx_http_client_body_buffer_size = \"4m\"\n",
        )
        .unwrap();
        assert_eq!(conf.get("wasm"), Some("on"));
        assert_eq!(conf.body_buffer(), 4 << 20);
        let settings = conf.settings();
        assert_eq!(settings.shared, Some(Some(10 << 20)));
        let known: Vec<String> = settings.passed.known.unwrap().into_keys().collect();
        assert_eq!(known, ["A", "B", "C"]);
        assert_eq!(Conf::read("wasm = on").unwrap().body_buffer(), 8192);
        for text in ["", "a = 1", "wasm: on", "wasm = on\nb", "{\"wasm\" = 1}"] {
            assert!(Conf::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn modules_that_are_not_in_the_folder_are_found_where_the_folder_is_here() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("wasm_filters_path = {}", folder.path().display());
        let found = Conf::read(&text).unwrap().modules(&["jwt_auth"]);
        assert_eq!(found[0].code.name, "unknown-wasm-filter");
        std::fs::write(folder.path().join("jwt_auth.wasm"), "").unwrap();
        let found = Conf::read(&text).unwrap().modules(&["jwt_auth"]);
        assert_eq!(found[0].code.name, "module-host");
        let elsewhere = Conf::read("wasm_filters_path = /no/such/folder").unwrap();
        assert!(elsewhere.modules(&["jwt_auth"]).is_empty());
    }

    #[test]
    fn what_keeps_filters_from_running_is_said_at_its_line() {
        let said = |text: &str| -> Vec<String> {
            let found = Conf::read(text).unwrap().check(&["jwt_auth", "key_auth"]);
            found.iter().map(ToString::to_string).collect()
        };
        assert!(said("wasm = on\nwasm_filters_path = /f").is_empty());
        assert!(said("wasm = on\nwasm_filters_path = /f\nwasm_filters = bundled,user").is_empty());
        let found = said(
            "wasm = off\nwasm_filters = jwt_auth, other\nnginx_proxy_proxy_request_buffering = off",
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(
            found[0].starts_with("1:1: error[MG511 wasm-off]"),
            "{found:?}"
        );
        assert!(found[2].contains("2:1") && found[2].contains("key_auth is not listed"));
        assert!(
            found[3].starts_with("3:1: error[MG507 request-buffering]"),
            "{found:?}"
        );
    }
}
