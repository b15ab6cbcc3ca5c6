//! What is needed of protobuf's wire form: length-delimited fields, and the numbers that their
//! lengths are (<https://protobuf.dev/programming-guides/encoding/>).

/// The most bits that a length is taken for: 256 MB.
const LENGTH_BITS: u32 = 28;

/// Appends a number as a varint.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field; `tag` is its number times eight, and two.
pub fn push_field(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    push_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Takes the next field off `rest` and gives its content, if it is the length-delimited one with
/// this tag.
pub fn take_field<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut after = rest.strip_prefix(&[tag])?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, left) = after.split_first()?;
        after = left;
        if shift >= LENGTH_BITS {
            return None;
        }
        length |= usize::from(byte & 0x7f) << shift;
        shift = shift.saturating_add(7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (content, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_written() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 300_000] {
            let content = vec![7; length];
            let mut bytes = Vec::new();
            push_field(&mut bytes, 0x12, &content);
            bytes.push(9);
            let mut rest = bytes.as_slice();
            assert_eq!(take_field(&mut rest, 0x0a), None);
            assert_eq!(take_field(&mut rest, 0x12), Some(content.as_slice()));
            assert_eq!(rest, [9]);
        }
    }

    #[test]
    fn a_field_that_is_cut_or_too_long_is_none() {
        for bad in [
            &[][..],
            &[0x12],
            &[0x12, 0x80],
            &[0x12, 2, 1],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
        ] {
            let mut rest = bad;
            assert_eq!(take_field(&mut rest, 0x12), None, "{bad:?}");
            assert_eq!(rest, bad);
        }
    }
}
