//! Tests of what is said of a module.

use serde_json::Value as Json;

use super::*;

const FILTERS: &str = r#"[{\"name\":\"pii_mask\",\"version\":\"0.1.0\",\"order\":55,\"tick_ms\":0,\"needs\":[\"buffers_request\"],\"environment\":[]},{\"name\":\"their_own\",\"version\":\"3.0.0\",\"needs\":[\"callouts\"],\"environment\":[\"TOKEN\"],\"new\":1}]"#;

/// A module with these imports and sections beside an exported function.
fn module(imports: &str, sections: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {sections} {imports}
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#
    );
    wat::parse_str(text).unwrap()
}

fn ours() -> Vec<u8> {
    module(
        r#"(import "env" "proxy_http_call" (func)) (import "wasi_snapshot_preview1" "random_get" (func))"#,
        &format!(
            r#"(@custom "modelgate.version" "0.1.0") (@custom "version" "0.1.0") (@custom "licenses" "Apache-2.0") (@custom "modelgate.filters" "{FILTERS}")"#
        ),
    )
}

fn shown(bytes: &[u8], format: Format) -> String {
    let file = Inspected {
        image: None,
        path: "a.wasm".to_owned(),
        module: Module::read(bytes),
    };
    render(&[file], format)
}

#[test]
fn a_module_of_ours_says_what_is_in_it() {
    let bytes = ours();
    let module = Module::read(&bytes).unwrap();
    assert!(module.is_ours() && module.is_bundle());
    assert_eq!(module.version(), Some("0.1.0"));
    assert_eq!(module.abi, ["0.2.1"]);
    assert_eq!(module.uses(), ["HTTP calls"]);
    assert_eq!(module.that_need("buffers_request"), ["pii_mask"]);
    let text = shown(&bytes, Format::Text);
    for part in [
        "a.wasm: modelgate 0.1.0, proxy-wasm 0.2.1\n",
        "  licenses      Apache-2.0\n",
        "pii_mask 0.1.0 (settings: modelgate schema pii-mask)",
        "their_own 3.0.0 (not one of this modelgate's)",
        "allow_on_headers_stop_iteration: true",
        "env: proxy_http_call\n",
        "wasi_snapshot_preview1: random_get\n",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[test]
fn json_has_all_of_it() {
    let bytes = ours();
    let json: Json = serde_json::from_str(&shown(&bytes, Format::Json)).unwrap();
    let file = &json["files"][0];
    assert_eq!(file["bytes"], bytes.len());
    assert_eq!(file["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(file["modelgate"], "0.1.0");
    assert_eq!(file["metadata"]["licenses"], "Apache-2.0");
    assert_eq!(
        file["filters"][0]["schema"],
        "docs/schemas/pii_mask.schema.json"
    );
    assert_eq!(file["filters"][1]["schema"], Json::Null);
    assert_eq!(file["needs"]["allow_on_headers_stop_iteration"], true);
    assert_eq!(file["needs"]["environment"], serde_json::json!(["TOKEN"]));
    assert_eq!(file["custom_sections"].as_array().unwrap().len(), 4);
}

#[test]
fn anybodys_module_is_told_by_its_functions() {
    let bytes = module(
        r#"(import "env" "proxy_grpc_call" (func)) (import "env" "proxy_get_shared_data" (func))"#,
        r#"(@custom "version" "\1b[2J2.0") (@custom "description" "\ff")"#,
    );
    let module = Module::read(&bytes).unwrap();
    assert!(!module.is_ours());
    assert_eq!(module.uses(), ["gRPC calls", "shared data"]);
    let text = shown(&bytes, Format::Text);
    assert!(
        text.starts_with("a.wasm: not a filter of modelgate (\\u{1b}[2J2.0), proxy-wasm 0.2.1\n"),
        "a terminal must not obey a file: {text}"
    );
}

#[test]
fn what_is_no_proxy_wasm_module_is_refused_with_what_it_is() {
    let refused = |bytes: &[u8]| Module::read(bytes).unwrap_err();
    let whole = ours();
    for (bytes, said) in [
        (&b""[..], "is not a WebAssembly module"),
        (b"GIF89a", "is not a WebAssembly module"),
        (b"\0asm", "is cut off in its first 8 bytes"),
        (b"\0asm\x0d\0\x01\0", "is a component"),
        (b"\0asm\x02\0\0\0", "another version"),
        (b"\0asm\x01\0\0\0", "not proxy-wasm"),
    ] {
        assert!(refused(bytes).contains(said), "{}", refused(bytes));
    }
    assert!(
        refused(&module("", r#"(@custom "modelgate.filters" "{}")"#)).contains("is not understood")
    );
    // Wherever it is cut off: a file is whole only without custom sections behind the code, which
    // nothing announces.
    let sections = Module::read(&whole).unwrap().sections.len();
    for length in 0..whole.len() {
        if let Ok(module) = Module::read(&whole[..length]) {
            assert!(module.sections.len() < sections, "{length}");
        }
    }
    let cut = (0..whole.len()).filter(|length| Module::read(&whole[..*length]).is_ok());
    assert!(cut.count() < sections + 1);
}
