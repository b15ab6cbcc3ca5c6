//! Tensors in binary form behind a JSON head: the extension of the Open Inference Protocol that
//! Triton has, and that its client uses unless told otherwise
//! (`docs/protocol/extension_binary_data.md` of triton-inference-server/server).
//!
//! `inference-header-content-length` says how long the head is. Each tensor in it that has
//! `parameters.binary_data_size` stands behind the head, in their order. In one of datatype BYTES
//! each element is four bytes of length, little-endian, and that many bytes: elements are masked as
//! text, with their new lengths. Tensors of numbers keep their bytes; what has another datatype, or
//! none, cannot be read.

use crate::document::{LIMITS, Scope, json};
use crate::mask::{Masker, Tally};
use core::ops::Range;
use modelgate_kit::json::{DuplicateMembers, Edits, Limits, Path, Segment, Token, Walker};

/// The header that says how long the head is.
pub const HEAD_LENGTH: &str = "inference-header-content-length";

/// Why such a body cannot be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It is not laid out as its head says.
    Layout,
    /// An element of a BYTES tensor is not text.
    NoText,
}

/// A body with what was found replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    /// The head and the tensors.
    pub body: Vec<u8>,
    /// How long the head is now.
    pub head: usize,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tensor {
    name: String,
    kind: Kind,
    /// Its size, and where that is written.
    size: Option<(usize, Range<usize>)>,
}

/// What a tensor holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Texts, or what else has a length of its own.
    Bytes,
    /// Numbers.
    Numbers,
}

impl Kind {
    /// What a tensor of this datatype holds.
    pub fn of(datatype: &str) -> Self {
        let is = |known: &&str| datatype.eq_ignore_ascii_case(known);
        if is(&"BYTES") {
            Self::Bytes
        } else if NUMBERS.iter().any(is) {
            Self::Numbers
        } else {
            Self::Unknown
        }
    }
}

/// The protocol's datatypes of numbers, and what TensorRT has besides.
const NUMBERS: [&str; 14] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP8",
    "FP16", "FP32", "FP64", "BF16",
];

/// Masks a body whose head has this length; none if nothing changes. `no_text` says that elements
/// which are not text may pass.
///
/// # Errors
/// [`Unread`].
pub fn tensors(
    body: &[u8],
    head: usize,
    no_text: bool,
    scope: &Scope,
    masker: &Masker,
    tally: &mut Tally,
) -> Result<Option<Masked>, Unread> {
    let (head, mut rest) = body.split_at_checked(head).ok_or(Unread::Layout)?;
    let mut data = Vec::with_capacity(rest.len());
    let mut sizes = Edits::new();
    let mut lengths = Vec::new();
    let mut changed = false;
    for tensor in read(head)? {
        let Some((size, span)) = tensor.size else {
            continue;
        };
        let (own, behind) = rest.split_at_checked(size).ok_or(Unread::Layout)?;
        rest = behind;
        let before = data.len();
        match tensor.kind {
            Kind::Bytes => {
                changed |= elements(own, &tensor.name, no_text, masker, tally, &mut data)?;
            }
            Kind::Numbers => data.extend_from_slice(own),
            Kind::Unknown => return Err(Unread::Layout),
        }
        let length = data.len().saturating_sub(before);
        if length != size {
            sizes.replace_raw(span, length.to_string());
        }
        lengths.push(length);
    }
    if !rest.is_empty() {
        return Err(Unread::Layout);
    }
    let sized = sizes.apply(head);
    let masked = json(&sized, scope, masker, tally).map_err(|_| Unread::Layout)?;
    if masked.is_none() && !changed {
        return Ok(None);
    }
    let mut whole = masked.unwrap_or(sized);
    let said: Vec<usize> = read(&whole)?
        .into_iter()
        .filter_map(|tensor| tensor.size)
        .map(|(size, _)| size)
        .collect();
    if said != lengths {
        return Err(Unread::Layout);
    }
    let head = whole.len();
    whole.append(&mut data);
    Ok(Some(Masked { body: whole, head }))
}

/// Masks the elements of a BYTES tensor; whether anything was found.
fn elements(
    mut tensor: &[u8],
    name: &str,
    no_text: bool,
    masker: &Masker,
    tally: &mut Tally,
    out: &mut Vec<u8>,
) -> Result<bool, Unread> {
    let mut changed = false;
    while let Some((length, rest)) = tensor.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Unread::Layout)?;
        let (element, rest) = rest.split_at_checked(length).ok_or(Unread::Layout)?;
        tensor = rest;
        let masked = match core::str::from_utf8(element) {
            Ok(text) => masker.mask(text, name, tally),
            Err(_) if no_text => None,
            Err(_) => return Err(Unread::NoText),
        };
        changed |= masked.is_some();
        let element = masked.as_deref().map_or(element, str::as_bytes);
        let length = u32::try_from(element.len()).map_err(|_| Unread::Layout)?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(element);
    }
    if tensor.is_empty() {
        Ok(changed)
    } else {
        Err(Unread::Layout)
    }
}

/// The tensors of a head, in their order.
fn read(head: &[u8]) -> Result<Vec<Tensor>, Unread> {
    let limits = Limits {
        // Two readers must see the same sizes.
        duplicate_members: DuplicateMembers::Refuse,
        ..LIMITS
    };
    let mut tensors: Vec<Tensor> = Vec::new();
    let mut at: Option<(bool, usize)> = None;
    let mut sized_in: Option<bool> = None;
    let mut walker = Walker::new(head, limits).map_err(|_| Unread::Layout)?;
    while let Some(token) = walker.next_token().map_err(|_| Unread::Layout)? {
        let path = walker.path();
        let Some((place, depth)) = place(&path) else {
            continue;
        };
        if at != Some(place) {
            at = Some(place);
            tensors.push(Tensor::default());
        }
        let Some(tensor) = tensors.last_mut() else {
            continue;
        };
        let is = |names: &[&str]| {
            path.depth().checked_sub(depth) == Some(names.len())
                && path
                    .segments()
                    .skip(depth)
                    .zip(names)
                    .all(|(step, name)| step.is_member(name))
        };
        match token {
            Token::String(text) if is(&["name"]) => tensor.name = text.decode().into_owned(),
            Token::String(text) if is(&["datatype"]) => {
                tensor.kind = Kind::of(&text.decode());
            }
            Token::Number(size) if is(&["parameters", "binary_data_size"]) => {
                let bytes = size.raw().parse().map_err(|_| Unread::Layout)?;
                // A request's are its inputs, an answer's its outputs: with both, their order would
                // be anybody's guess.
                if sized_in.is_some_and(|list| list != place.0) {
                    return Err(Unread::Layout);
                }
                sized_in = Some(place.0);
                tensor.size = Some((bytes, size.span()));
            }
            _ if is(&["parameters", "binary_data_size"]) && !matches!(token, Token::Key(_)) => {
                return Err(Unread::Layout);
            }
            _ => {}
        }
    }
    Ok(tensors)
}

/// The tensor that a path leads into: whether it is an output, its number; and how many steps lead
/// to it.
fn place(path: &Path<'_, '_>) -> Option<((bool, usize), usize)> {
    let mut steps = path.segments();
    let list = steps.next()?;
    let output = list.is_member("outputs");
    if !output && !list.is_member("inputs") {
        return None;
    }
    match steps.next()? {
        Segment::Index(number) => Some(((output, number), 2)),
        Segment::Member(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Certainty, Entity};
    use crate::mask::Action;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn masker() -> Masker {
        let actions = Entity::ALL
            .into_iter()
            .map(|entity| (entity, Action::Redact))
            .collect();
        Masker::new(
            actions,
            Certainty::Context,
            None,
            crate::allowed::Allowed::default(),
        )
    }

    fn mask(head: &str, data: &[u8], no_text: bool) -> Result<Option<(String, Vec<u8>)>, Unread> {
        let body = [head.as_bytes(), data].concat();
        let scope = Scope {
            names: true,
            numbers: true,
            ..Scope::default()
        };
        let masked = tensors(
            &body,
            head.len(),
            no_text,
            &scope,
            &masker(),
            &mut Tally::default(),
        )?;
        Ok(masked.map(|Masked { body, head }| {
            let (head, data) = body.split_at(head);
            (String::from_utf8(head.to_vec()).unwrap(), data.to_vec())
        }))
    }

    fn element(text: &[u8]) -> Vec<u8> {
        [&u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat()
    }

    /// Written by tritonclient 2.x: `generate_request_body` with a BYTES and an FP32 tensor.
    const HEAD: &str = r#"{"inputs":[{"name":"TEXT","shape":[1,2],"datatype":"BYTES","parameters":{"binary_data_size":50}},{"name":"X","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}],"outputs":[{"name":"OUT","parameters":{"binary_data":true}}]}"#;
    const DATA: &str =
        "FAAAAE1haWwgYW5uQGV4YW1wbGUuY29tFgAAAMOpIDQxMTEgMTExMSAxMTExIDExMTEAAIA/AAAgQAAAQEA=";

    #[test]
    fn text_in_tensors_is_masked_and_the_sizes_are_set_right() {
        let data = STANDARD.decode(DATA).unwrap();
        let (head, masked) = mask(HEAD, &data, false).unwrap().unwrap();
        let texts = [element(b"Mail [EMAIL]"), element("é [CARD]".as_bytes())].concat();
        assert_eq!(head, HEAD.replace(":50}", &format!(":{}}}", texts.len())));
        assert_eq!(masked, [&texts, data.get(50..).unwrap()].concat());
    }

    #[test]
    fn what_holds_nothing_stays() {
        let data = [element(b"hello"), element(b"")].concat();
        let head = format!(
            r#"{{"outputs":[{{"name":"a","datatype":"BYTES","parameters":{{"binary_data_size":{}}}}}]}}"#,
            data.len()
        );
        assert_eq!(mask(&head, &data, false), Ok(None));
        assert_eq!(
            mask(
                r#"{"inputs":[{"name":"a","datatype":"FP32","data":[1.5]}]}"#,
                b"",
                false
            ),
            Ok(None)
        );
    }

    #[test]
    fn a_tensors_name_is_context_and_the_head_is_masked() {
        let data = element(b"308630237");
        let head = r#"{"id":"ann@example.com","inputs":[{"name":"ssn","datatype":"BYTES","parameters":{"binary_data_size":13}}]}"#;
        let expected = r#"{"id":"[EMAIL]","inputs":[{"name":"ssn","datatype":"BYTES","parameters":{"binary_data_size":9}}]}"#;
        assert_eq!(
            mask(head, &data, false),
            Ok(Some((expected.to_owned(), element(b"[SSN]"))))
        );
    }

    #[test]
    fn what_is_not_laid_out_as_it_says_is_refused() {
        let one = |size: &str| {
            format!(
                r#"{{"inputs":[{{"datatype":"BYTES","parameters":{{"binary_data_size":{size}}}}}]}}"#
            )
        };
        let data = element(b"ann@example.com");
        for (head, data) in [
            (one("18"), data.clone()),
            (one("20"), data.clone()),
            (one("19"), [data.as_slice(), b"x"].concat()),
            (one("-19"), data.clone()),
            (one("1.9e1"), data.clone()),
            (one("\"19\""), data.clone()),
            (one("null"), data.clone()),
            (one("4"), vec![9, 0, 0, 0]),
            (one("5"), vec![0, 0, 0, 0, 1]),
            (one("19").replace("BYTES", "STRING"), data.clone()),
            (one("19").replace("\"datatype\":\"BYTES\",", ""), data.clone()),
            (one("19,\"binary_data_size\":19"), data.clone()),
            ("{".to_owned(), data.clone()),
            (String::new(), data.clone()),
            ("{}".to_owned(), data.clone()),
            (
                r#"{"inputs":[{"parameters":{"binary_data_size":1}}],"outputs":[{"parameters":{"binary_data_size":1}}]}"#.to_owned(),
                b"ab".to_vec(),
            ),
        ] {
            assert_eq!(mask(&head, &data, true), Err(Unread::Layout), "{head}");
        }
        let head = one("5");
        assert_eq!(mask(&head, &element(b"\xff"), false), Err(Unread::NoText));
        assert_eq!(mask(&head, &element(b"\xff"), true), Ok(None));
        assert!(
            tensors(
                b"{}",
                3,
                true,
                &Scope::default(),
                &masker(),
                &mut Tally::default()
            )
            .is_err()
        );
    }
}
