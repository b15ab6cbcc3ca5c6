//! The filters' entries in the Envoy configurations that users copy (`envoy/*.yaml`).
//!
//! An entry begins with `- name: CRATE` and ends with `value: |`, below which the filter's own
//! configuration is written by hand. What is between follows from the filter's needs; only the
//! names of environment variables (`environment_variables: …`, one line) are kept as they stand.
//! The entry of a whole chain is called after the module that holds all filters, and needs what one
//! of those that it lists does. Entries in the native form are written by hand as a whole.

use std::str::Lines;

use anyhow::{Result, bail};
use modelgate_kit::vm::CHAIN;

use crate::SUITE;

/// `text` with every entry of a filter of the suite as it should be.
///
/// # Errors
/// If an entry has no `value: |` before the next one.
pub fn entries(text: &str) -> Result<String> {
    let mut made = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        push(&mut made, 0, line);
        let Some(name) = line.trim_start().strip_prefix("- name: ") else {
            continue;
        };
        let member = SUITE.filters().iter().find(|member| member.krate == name);
        if member.is_none() && name != SUITE.bundle() {
            continue;
        }
        if is_native(lines.clone()) {
            continue;
        }
        let mut environment = None;
        loop {
            match lines.next() {
                Some(line) if line.trim() == "value: |" => break,
                Some(line) if line.trim_start().starts_with("environment_variables:") => {
                    environment = Some(line.trim());
                }
                Some(line) if !line.trim_start().starts_with("- name: ") => {}
                _ => bail!("the entry of {name} has no `value: |`"),
            }
        }
        let indent = line.len().saturating_sub(line.trim_start().len());
        let module = member.map_or(SUITE.bundle(), |member| member.filter.name);
        let holds_headers = match member {
            Some(member) => member.filter.needs.buffers_request,
            None => SUITE.chain_needs_stop_iteration(&below(lines.clone(), indent)),
        };
        let mut write = |depth: usize, text: &str| {
            push(&mut made, indent.saturating_add(depth), text);
        };
        write(2, "typed_config:");
        write(
            4,
            "\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        );
        write(4, "config:");
        write(6, &format!("name: {module}"));
        if member.is_none() {
            write(6, &format!("root_id: {CHAIN}"));
        }
        write(6, "failure_policy: FAIL_RELOAD");
        write(6, "reload_config: { backoff: { base_interval: 0.2s } }");
        if holds_headers {
            write(6, "allow_on_headers_stop_iteration: true");
        }
        write(6, "vm_config:");
        write(8, &format!("vm_id: {module}"));
        write(8, "runtime: envoy.wasm.runtime.v8");
        write(
            8,
            &format!("code: {{ local: {{ filename: /etc/envoy/modelgate/{module}.wasm }} }}"),
        );
        if let Some(environment) = environment {
            write(8, environment);
        }
        write(6, "configuration:");
        write(
            8,
            "\"@type\": type.googleapis.com/google.protobuf.StringValue",
        );
        write(8, "value: |");
    }
    Ok(made)
}

/// Whether the entry whose lines these are is in the native form, in which nothing follows from a
/// filter's needs.
fn is_native(lines: Lines<'_>) -> bool {
    let mut entry = lines.take_while(|line| !line.trim_start().starts_with("- name: "));
    entry.any(|line| line.trim_start().starts_with("dynamic_module_config:"))
}

/// `text` with the block of this key at its top level replaced; unchanged without one.
pub fn top_level(text: &str, key: &str, block: &str) -> String {
    let begin = format!("{key}:\n");
    let Some((before, rest)) = text.split_once(&format!("\n{begin}")) else {
        return text.to_owned();
    };
    let within = |line: &&str| line.starts_with(' ');
    let old: usize = rest
        .split_inclusive('\n')
        .take_while(within)
        .map(str::len)
        .sum();
    let after = rest.get(old..).unwrap_or_default();
    format!("{before}\n{block}{after}")
}

/// The lines that stand further in than an entry.
fn below(lines: Lines<'_>, indent: usize) -> String {
    let within = |line: &&str| {
        let text = line.trim_start();
        text.is_empty() || line.len().saturating_sub(text.len()) > indent
    };
    lines.take_while(within).collect::<Vec<_>>().join("\n")
}

fn push(text: &mut String, indent: usize, line: &str) {
    text.extend(std::iter::repeat_n(' ', indent));
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_needs_is_written_and_the_rest_kept() {
        let bent = "\
a: 1
  - name: aws-sigv4
    typed_config:
      config:
        failure_policy: FAIL_OPEN
        vm_config:
          environment_variables: { host_env_keys: [ A ] }
        configuration:
          value: |
            { \"region\": \"x\" }
  - name: envoy.filters.http.router
";
        let made = entries(bent).unwrap();
        assert!(
            made.starts_with("a: 1\n  - name: aws-sigv4\n    typed_config:\n      \"@type\": ")
        );
        assert!(made.ends_with("          value: |\n            { \"region\": \"x\" }\n  - name: envoy.filters.http.router\n"));
        assert!(made.contains(
            "        failure_policy: FAIL_RELOAD\n        reload_config: { backoff: { base_interval: 0.2s } }\n        allow_on_headers_stop_iteration: true\n"
        ));
        assert!(made.contains(
            "aws_sigv4.wasm } }\n          environment_variables: { host_env_keys: [ A ] }\n"
        ));
        assert!(!made.contains("FAIL_OPEN"));
        assert_eq!(entries(&made).unwrap(), made);
        let endless = bent.replace("value: |", "value: {}");
        assert!(entries(&endless).is_err());
        let native = "  - name: modelgate\n    typed_config:\n      dynamic_module_config: {}\n  - name: x\n";
        assert_eq!(entries(native).unwrap(), native);
    }

    #[test]
    fn a_block_of_the_top_level_is_replaced_and_nothing_else() {
        let text = "a: 1\nx:\n  old: 1\n  older: 2\n# Next.\nb: 2\n";
        let made = top_level(text, "x", "x:\n  new: 1\n");
        assert_eq!(made, "a: 1\nx:\n  new: 1\n# Next.\nb: 2\n");
        assert_eq!(top_level(&made, "x", "x:\n  new: 1\n"), made);
        assert_eq!(top_level(text, "y", "y:\n"), text);
    }

    #[test]
    fn a_chain_in_one_entry_needs_what_its_filters_need() {
        let entry = |filters: &str| {
            format!(
                "- name: modelgate\n  value: |\n    {{ \"filters\": [\n\n    {filters} ] }}\n# Next.\n- name: other\n"
            )
        };
        let holds = "allow_on_headers_stop_iteration: true";
        let made = entries(&entry("{ \"filter\": \"aws_sigv4\" }")).unwrap();
        assert!(
            made.contains(&format!("      name: modelgate\n      root_id: chain\n      failure_policy: FAIL_RELOAD\n      reload_config: {{ backoff: {{ base_interval: 0.2s }} }}\n      {holds}\n")),
            "{made}"
        );
        assert!(made.contains("/modelgate.wasm } }\n"), "{made}");
        assert!(made.ends_with("\"aws_sigv4\" } ] }\n# Next.\n- name: other\n"));
        assert_eq!(entries(&made).unwrap(), made);
        let made = entries(&entry("{ \"filter\": \"key_auth\" }")).unwrap();
        assert!(!made.contains(holds), "{made}");
    }
}
