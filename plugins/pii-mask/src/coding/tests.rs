//! Tests of content codings.

use super::*;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use proptest::prelude::*;

const MOST: usize = 1_000_000;

fn gzip(text: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 255];
    out.extend_from_slice(extra);
    out.extend(compress_to_vec(text, 6));
    out.extend(crc32fast::hash(text).to_le_bytes());
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out
}

fn decoder(names: &str) -> Option<Decoder> {
    let headers = [(&b"content-encoding"[..], names.as_bytes())];
    Codings::of(&HeaderBlock::from_pairs(headers)).decoder()
}

fn decode(names: &str, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    decoder(names).unwrap().whole(bytes, MOST)
}

#[test]
fn headers_name_codings_in_the_order_they_were_applied() {
    let of = |lines: &[&str]| {
        let pairs = lines
            .iter()
            .map(|line| (&b"content-encoding"[..], line.as_bytes()));
        Codings::of(&HeaderBlock::from_pairs(pairs.collect::<Vec<_>>()))
    };
    use Coding::{Deflate, Gzip};
    for (lines, known) in [
        (&[][..], vec![]),
        (&["identity"], vec![]),
        (&["", " Identity ,"], vec![]),
        (&["GZIP"], vec![Gzip]),
        (&["deflate, x-gzip"], vec![Deflate, Gzip]),
        (&["deflate", "identity", "gzip"], vec![Deflate, Gzip]),
    ] {
        assert_eq!(of(lines), Codings::Known(known), "{lines:?}");
    }
    for lines in [
        &["exi"][..],
        &["compress"],
        &["gzip, gzip, gzip, gzip"],
        &["aws-chunked"],
        &["\u{e9}"],
    ] {
        assert_eq!(of(lines), Codings::Unknown, "{lines:?}");
        assert!(of(lines).is_encoded() && of(lines).decoder().is_none());
    }
    assert!(!of(&["identity"]).is_encoded() && of(&["identity"]).decoder().is_none());
}

#[test]
fn each_coding_is_decoded_and_several_in_turn() {
    let text = b"ann@example.com ".repeat(1000);
    assert_eq!(decode("gzip", &gzip(&text, 0, b"")).unwrap(), text);
    assert_eq!(
        decode("deflate", &compress_to_vec_zlib(&text, 6)).unwrap(),
        text
    );
    assert_eq!(decode("deflate", &compress_to_vec(&text, 6)).unwrap(), text);
    let both = gzip(&compress_to_vec_zlib(&text, 6), 0, b"");
    assert_eq!(decode("deflate, gzip", &both).unwrap(), text);
    // Extra field, name, comment, checksum of the head; a second member.
    let head = gzip(&text, 4 | 8 | 16 | 2, b"\x02\0ABname\0comment\0xy");
    assert_eq!(decode("gzip", &head).unwrap(), text);
    let two = [
        gzip(b"one ", 0, b""),
        gzip(b"", 0, b""),
        gzip(b"two", 0, b""),
    ]
    .concat();
    assert_eq!(decode("gzip", &two).unwrap(), b"one two");
}

#[test]
fn what_lies_is_malformed() {
    let whole = gzip(b"some text to be read", 0, b"");
    let mut checksum = whole.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    let mut zlib = compress_to_vec_zlib(b"some text to be read", 6);
    *zlib.last_mut().unwrap() ^= 1;
    let behind = [&whole[..], b"x"].concat();
    let raw = [compress_to_vec(b"text", 6), b"more".to_vec()].concat();
    for (names, bytes) in [
        ("gzip", &b"{\"plain\":1}"[..]),
        ("gzip", &whole[..whole.len() - 1]),
        ("gzip", &whole[..5]),
        ("gzip", &checksum),
        ("gzip", &behind),
        ("gzip", b""),
        ("gzip", &gzip(b"x", 0x20, b"")),
        ("gzip", &gzip(b"x", 8, &[b'n'; 2000])),
        ("deflate", &zlib),
        ("deflate", &zlib[..zlib.len() - 5]),
        ("deflate", &raw),
        ("deflate", b"x"),
        ("deflate", b"{\"plain\":1}"),
        ("deflate, gzip", &whole),
    ] {
        assert_eq!(
            decode(names, bytes),
            Err(Broken::Malformed),
            "{names} {bytes:?}"
        );
    }
}

#[test]
fn a_bomb_is_let_go_at_its_bound() {
    let zeros = vec![0; 50_000_000];
    let bomb = gzip(&zeros, 0, b"");
    assert!(bomb.len() < 60_000);
    assert_eq!(decode("gzip", &bomb), Err(Broken::TooLarge));
    let nested = gzip(&bomb, 0, b"");
    assert_eq!(decode("gzip, gzip", &nested), Err(Broken::TooLarge));
    // Members without data cost no more than others.
    let empty = gzip(b"", 0, b"").repeat(40_000);
    assert_eq!(decode("gzip", &empty).unwrap(), b"");
}

proptest! {
    #[test]
    fn pieces_decode_as_the_whole(
        text in prop::collection::vec(any::<u8>(), 0..3000),
        size in 1_usize..50,
        names in prop::sample::select(vec!["gzip", "deflate", "raw"]),
    ) {
        let (name, bytes) = match names {
            "gzip" => ("gzip", gzip(&text, 0, b"")),
            "deflate" => ("deflate", compress_to_vec_zlib(&text, 6)),
            _ => ("deflate", compress_to_vec(&text, 6)),
        };
        let mut decoder = decoder(name).unwrap();
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            out.extend(decoder.push(piece, MOST).unwrap());
        }
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert_eq!(out, text);
    }

    #[test]
    fn anything_is_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), gzip: bool) {
        let name = if gzip { "gzip" } else { "deflate" };
        let _ = decode(name, &bytes);
        let _ = decode(name, &[&b"\x1f\x8b\x08\0"[..], &bytes].concat());
    }
}

/// Written by Python's `zstandard`: with a checksum and a size; with neither, in two blocks.
const ZSTD: &str = "KLUv/WQoBFUBABQCTWFpbCBhbm5AZXhhbXBsZS5jb20sIGFuZCBzbyBvbi4gAQAhiPzqCcpJlWU=";
const ZSTD_FLUSHED: &str =
    "KLUv/QBoVAEAFAJNYWlsIGFubkBleGFtcGxlLmNvbSwgYW5kIHNvIG9uLiABACGI/OoJIQAAdGFpbA==";
/// The same with a window of 16 MiB.
const ZSTD_WIDE: &str = "KLUv/QBwVQEAFAJNYWlsIGFubkBleGFtcGxlLmNvbSwgYW5kIHNvIG9uLiABACGI/OoJ";

fn read(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    engine.decode(base64).unwrap()
}

/// What decodes to the same in pieces of every size.
fn decode_alike(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
    let whole = decode(name, bytes);
    for size in [1, 2, 3, 7, 50] {
        let mut decoder = decoder(name).unwrap();
        let mut out = Vec::new();
        let pieces = bytes.chunks(size).try_for_each(|piece| {
            out.extend(decoder.push(piece, MOST)?);
            Ok(())
        });
        let pieces = pieces.and_then(|()| decoder.finish()).map(|()| out);
        assert_eq!(pieces, whole, "{size}");
    }
    whole
}

#[test]
fn zstd_is_decoded_and_what_lies_refused() {
    let text = b"Mail ann@example.com, and so on. ".repeat(40);
    let (one, flushed) = (read(ZSTD), read(ZSTD_FLUSHED));
    assert_eq!(decode_alike("zstd", &one).unwrap(), text);
    let both = [text.as_slice(), b"tail"].concat();
    assert_eq!(decode_alike("zstd", &flushed).unwrap(), both);
    // Frames behind one another.
    let twice = decode_alike("zstd", &[one.clone(), one.clone()].concat());
    assert_eq!(twice.unwrap(), text.repeat(2));
    assert_eq!(decode("zstd, gzip", &gzip(&one, 0, b"")).unwrap(), text);
    assert_eq!(decode("zstd", &read(ZSTD_WIDE)), Err(Broken::TooLarge));
    // Each byte of the end is missed, each bit counts.
    for length in 0..one.len() {
        let short = decode("zstd", &one[..length]);
        assert_eq!(short, Err(Broken::Malformed), "{length}");
    }
    for at in 0..one.len() {
        for bit in 0..8 {
            let mut lie = one.clone();
            lie[at] ^= 1 << bit;
            // Of a flag of the head some other reading may remain, but for the text.
            let decoded = decode("zstd", &lie);
            let same = decoded.as_ref() == Ok(&text);
            assert!(decoded.is_err() || same || at == 4, "{at} {bit}");
        }
    }
    let skipped = [&[0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, b'x'][..], &one].concat();
    let dictionary = [&[0x28, 0xB5, 0x2F, 0xFD, 0x21, 1, 0][..], b"\x01\0\0"].concat();
    for lie in [
        [&one[..], b"x"].concat(),
        skipped,
        dictionary,
        b"{\"plain\":1}".to_vec(),
        gzip(b"text", 0, b""),
    ] {
        assert_eq!(decode_alike("zstd", &lie), Err(Broken::Malformed));
    }
}

/// Blocks that repeat one byte: four bytes become 128 KiB.
#[test]
fn a_bomb_of_zstd_is_let_go_at_its_bound() {
    let mut bomb = vec![0x28, 0xB5, 0x2F, 0xFD, 0, 0x58];
    for _ in 0..200_000 {
        bomb.extend([0x02, 0, 0x10, 0]);
    }
    assert_eq!(decode("zstd", &bomb), Err(Broken::TooLarge));
}

#[cfg(feature = "brotli")]
#[test]
fn brotli_is_decoded_and_what_lies_refused() {
    /// Written by Python's `brotli`: the text, and two pieces with a flush between.
    const ONE: &str = "GycF+I3UTvfHqCrqsLemuaDKkRZowDOYPHmagvRiYMIQzESde2gDO7xgOB4ZAA==";
    const FLUSHED: &str = "izEA+CXwArFAoBsxBoBfIi8QCwA6";
    const WIDE: &str = "H2MA+CcAArFAoAM=";
    const BOMB: &str = "y///P/gnAOKxQCD3/o///3/wTwDEYRGA7v1f/rPE4J8AiMMCAF2SGA==";
    let text = b"Mail ann@example.com, and so on. ".repeat(40);
    let one = read(ONE);
    assert_eq!(decode_alike("br", &one).unwrap(), text);
    let flushed = ["x".repeat(100), "y".repeat(100)].concat();
    assert_eq!(
        decode_alike("br", &read(FLUSHED)).unwrap(),
        flushed.as_bytes()
    );
    assert_eq!(decode("br, gzip", &gzip(&one, 0, b"")).unwrap(), text);
    assert_eq!(decode_alike("br", &read(WIDE)), Err(Broken::TooLarge));
    assert_eq!(decode("br", &read(BOMB)), Err(Broken::TooLarge));
    for length in 0..one.len() {
        let short = decode("br", &one[..length]);
        assert_eq!(short, Err(Broken::Malformed), "{length}");
    }
    assert_eq!(
        decode_alike("br", &[&one[..], b"x"].concat()),
        Err(Broken::Malformed)
    );
}

proptest! {
    #[test]
    fn any_bytes_are_no_harm_to_the_newer_codings(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let _ = decode("zstd", &[&[0x28, 0xB5, 0x2F, 0xFD][..], &bytes].concat());
        let mut changed = read(ZSTD_FLUSHED);
        let at = at.index(changed.len());
        for (place, byte) in changed[at..].iter_mut().zip(&bytes) {
            *place = *byte;
        }
        let _ = decode("zstd", &changed);
        #[cfg(feature = "brotli")]
        let _ = decode("br", &bytes);
    }
}
