//! The modules for nginx and Kong: those for Envoy, with every callback that ngx_wasm_module calls.
//!
//! That host calls seven callbacks without looking whether a module has them
//! (`ngx_proxy_wasm.c`), and a worker ends at one that is not there. To Envoy each costs about half
//! a microsecond per request, so the modules for Envoy have only those that they need. What is
//! added does nothing: it lets the message go on, and says that the exchange is done.

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// Parameters and results of a callback, all of them `i32`.
type Shape = (u8, u8);

/// The callbacks that must be there, with their shapes and what they give.
const CALLBACKS: [(&str, Shape, u8); 7] = [
    ("proxy_on_request_headers", (3, 1), CONTINUE),
    ("proxy_on_request_body", (3, 1), CONTINUE),
    ("proxy_on_response_headers", (3, 1), CONTINUE),
    ("proxy_on_response_body", (3, 1), CONTINUE),
    ("proxy_on_done", (1, 1), DONE),
    ("proxy_on_log", (1, 0), 0),
    ("proxy_on_delete", (1, 0), 0),
];

/// The message goes on.
const CONTINUE: u8 = 0;
/// Nothing is left to do.
const DONE: u8 = 1;

/// Sections of a module (WebAssembly Core Specification, section 5.5.2).
const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// What is known of a module.
#[derive(Default)]
struct Known {
    types: u32,
    functions: u32,
    exports: Vec<String>,
}

/// The names of the callbacks that must be there.
pub fn called() -> impl Iterator<Item = &'static str> {
    CALLBACKS.iter().map(|(name, ..)| *name)
}

/// The module with every callback that the host calls.
///
/// # Errors
/// If it is not a module.
pub fn complete(wasm: &[u8]) -> Result<Vec<u8>> {
    let known = know(wasm)?;
    let missing: Vec<_> = CALLBACKS
        .iter()
        .filter(|(name, ..)| !known.exports.iter().any(|export| export == name))
        .collect();
    let (mut types, mut functions) = (Vec::new(), Vec::new());
    let (mut exports, mut code) = (Vec::new(), Vec::new());
    for ((name, shape, gives), at) in missing.iter().zip(0_u32..) {
        types.push(typed(*shape));
        functions.push(leb(known.types.saturating_add(at)));
        let function = leb(known.functions.saturating_add(at));
        exports.push([&text(name)[..], &[0], &function].concat());
        code.push(body(*shape, *gives));
    }
    rewritten(wasm, |id, content| {
        with(
            content,
            match id {
                TYPES => &types,
                FUNCTIONS => &functions,
                EXPORTS => &exports,
                CODE => &code,
                _ => &[],
            },
        )
    })
}

/// The module without the exports of these names; what they name stays.
///
/// # Errors
/// If it is not a module.
pub(super) fn without_exports(wasm: &[u8], gone: &[&str]) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::ExportSection(exports) = payload.context("no module")? else {
            continue;
        };
        for export in exports {
            let export = export.context("an export")?;
            if !gone.contains(&export.name) {
                let kind = match export.kind {
                    ExternalKind::Func => 0,
                    ExternalKind::Table => 1,
                    ExternalKind::Memory => 2,
                    ExternalKind::Global => 3,
                    other => bail!("an export of the kind {other:?}"),
                };
                kept.push([&text(export.name)[..], &[kind], &leb(export.index)].concat());
            }
        }
    }
    rewritten(wasm, |id, content| {
        if id != EXPORTS {
            return Ok(content.to_vec());
        }
        let count = u32::try_from(kept.len())?;
        Ok([&leb(count)[..], &kept.concat()].concat())
    })
}

/// The module with the content of each section as `edit` gives it.
fn rewritten(wasm: &[u8], edit: impl Fn(u8, &[u8]) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let mut whole = wasm.get(..8).context("no module")?.to_vec();
    let mut rest = wasm.get(8..).unwrap_or_default();
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = read(after)?;
        let size = usize::try_from(size)?;
        ensure!(size <= after.len(), "a section that ends after the module");
        let (content, after) = after.split_at(size);
        rest = after;
        let content = edit(*id, content)?;
        whole.push(*id);
        whole.extend(leb(u32::try_from(content.len())?));
        whole.extend(content);
    }
    Ok(whole)
}

fn know(wasm: &[u8]) -> Result<Known> {
    let mut known = Known::default();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.context("no module")? {
            Payload::TypeSection(types) => known.types = types.count(),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import.context("an import")?.ty, TypeRef::Func(_)) {
                        known.functions = known.functions.saturating_add(1);
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                known.functions = known.functions.saturating_add(functions.count());
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    known
                        .exports
                        .push(export.context("an export")?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(known)
}

/// A vector of a section, with more elements.
fn with(content: &[u8], added: &[Vec<u8>]) -> Result<Vec<u8>> {
    if added.is_empty() {
        return Ok(content.to_vec());
    }
    let (count, elements) = read(content)?;
    let count = count.saturating_add(u32::try_from(added.len())?);
    Ok([&leb(count)[..], elements, &added.concat()].concat())
}

/// A function's type.
fn typed((parameters, results): Shape) -> Vec<u8> {
    const FUNCTION: u8 = 0x60;
    const I32: u8 = 0x7f;
    let many = |count: u8| {
        let mut types = vec![count];
        types.extend((0..count).map(|_| I32));
        types
    };
    [vec![FUNCTION], many(parameters), many(results)].concat()
}

/// A function that gives a constant, or nothing.
fn body((_, results): Shape, gives: u8) -> Vec<u8> {
    const I32_CONST: u8 = 0x41;
    const END: u8 = 0x0b;
    let no_locals = 0;
    match results {
        0 => vec![2, no_locals, END],
        _ => vec![4, no_locals, I32_CONST, gives, END],
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = leb(u32::try_from(text.len()).unwrap_or(u32::MAX));
    [&length[..], text.as_bytes()].concat()
}

/// A number in LEB128.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A number in LEB128, and what comes after it.
fn read(bytes: &[u8]) -> Result<(u32, &[u8])> {
    let (mut number, mut shift) = (0_u32, 0_u32);
    for (at, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f)
            .checked_shl(shift)
            .unwrap_or_default();
        if byte & 0x80 == 0 {
            return Ok((
                number,
                bytes.get(at.saturating_add(1)..).unwrap_or_default(),
            ));
        }
        shift = shift.saturating_add(7);
    }
    bail!("a number that does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one import, and two functions of which one is exported.
    fn module() -> Vec<u8> {
        let section = |id: u8, content: &[u8]| {
            let size = leb(u32::try_from(content.len()).unwrap());
            [&[id][..], &size, content].concat()
        };
        let import = [&text("env")[..], &text("proxy_log"), &[0, 0]].concat();
        let export = [&text("proxy_on_request_headers")[..], &[0, 2]].concat();
        let log = body((1, 0), 0);
        let headers = body((3, 1), 1);
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(TYPES, &[&[2][..], &typed((1, 0)), &typed((3, 1))].concat()),
            section(2, &[&[1][..], &import].concat()),
            section(FUNCTIONS, &[2, 0, 1]),
            section(EXPORTS, &[&[1][..], &export].concat()),
            section(CODE, &[&[2][..], &log, &headers].concat()),
            section(0, &[&text("version")[..], b"1"].concat()),
        ]
        .concat()
    }

    #[test]
    fn what_is_no_longer_exported_is_still_there() {
        let whole = complete(&module()).unwrap();
        let gone = ["proxy_on_log", "proxy_on_done"];
        let fewer = know(&without_exports(&whole, &gone).unwrap()).unwrap();
        let mut known = know(&whole).unwrap();
        known.exports.retain(|name| !gone.contains(&name.as_str()));
        assert_eq!(fewer.exports, known.exports);
        assert_eq!(fewer.functions, known.functions);
        assert_eq!(without_exports(&whole, &[]).unwrap(), whole);
    }

    #[test]
    fn every_callback_is_there_once_and_what_was_there_is_as_it_was() {
        let whole = complete(&module()).unwrap();
        let before = know(&module()).unwrap();
        let after = know(&whole).unwrap();
        let mut names = after.exports.clone();
        names.sort();
        let mut wanted = CALLBACKS.map(|(name, ..)| name.to_owned());
        wanted.sort();
        assert_eq!(names, wanted);
        assert_eq!(after.functions, before.functions + 6);
        assert_eq!(after.exports[0], "proxy_on_request_headers");
        let bodies: Vec<Vec<u8>> = Parser::new(0)
            .parse_all(&whole)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CodeSectionEntry(body) => Some(whole[body.range()].to_vec()),
                _ => None,
            })
            .collect();
        let of = |shape, gives| body(shape, gives)[1..].to_vec();
        let added = [(3, CONTINUE), (3, CONTINUE), (3, CONTINUE), (1, DONE)];
        let mut expected = vec![of((1, 0), 0), of((3, 1), 1)];
        expected.extend(added.map(|(parameters, gives)| of((parameters, 1), gives)));
        expected.extend([of((1, 0), 0), of((1, 0), 0)]);
        assert_eq!(bodies, expected);
        assert_eq!(
            complete(&whole).unwrap(),
            whole,
            "nothing is missing any more"
        );
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bytes in [
            &b""[..],
            b"\0asm",
            b"<html>",
            b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\xff",
        ] {
            assert!(complete(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn numbers_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, 65_535, u32::MAX] {
            assert_eq!(read(&leb(number)).unwrap(), (number, &[][..]));
        }
    }
}
