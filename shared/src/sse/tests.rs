//! Tests of the reader of server-sent events.

use super::*;
use proptest::prelude::*;

#[derive(Debug, PartialEq, Clone)]
struct Seen {
    raw: Vec<u8>,
    data: Option<Vec<u8>>,
    event: Option<Vec<u8>>,
    complete: bool,
}

fn see(block: Block<'_>) -> Seen {
    Seen {
        raw: block.raw().to_vec(),
        data: block.data().map(Cow::into_owned),
        event: block.event().map(<[u8]>::to_vec),
        complete: block.is_complete(),
    }
}

fn blocks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut framer = Framer::new(1 << 20);
    let mut seen = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(block) = framer.next_block().unwrap() {
            seen.push(see(block));
        }
    }
    while let Some(block) = framer.finish().unwrap() {
        seen.push(see(block));
    }
    seen
}

fn data(stream: &str) -> Vec<String> {
    let blocks = blocks([stream.as_bytes()]);
    blocks
        .into_iter()
        .filter_map(|block| block.data)
        .map(|data| String::from_utf8(data).unwrap())
        .collect()
}

/// The examples of the WHATWG page among them.
#[test]
fn data_lines_are_joined_and_one_space_goes() {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
    assert_eq!(
        data(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
        ),
        ["first event", "second event", " third event"]
    );
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n", ""]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
    assert_eq!(
        data("\u{feff}data: a\n\ndatax: b\n\n data: c\n\n\u{feff}data: d\n\n"),
        ["a"]
    );
}

#[test]
fn every_kind_of_line_end_closes_an_event() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = [
            "event: e",
            "data: a",
            "",
            ": comment",
            "",
            "",
            "data: b",
            "",
        ]
        .join(end);
        let seen = blocks([stream.as_bytes()]);
        let raws: Vec<_> = seen.iter().map(|block| block.raw.len()).collect();
        let n = end.len();
        assert_eq!(raws, [15 + 3 * n, 9 + 2 * n, n, 7 + n], "{end:?}");
        assert_eq!(seen[0].event.as_deref(), Some(b"e".as_slice()));
        assert_eq!(seen[0].data.as_deref(), Some(b"a".as_slice()));
        assert_eq!((seen[1].data.as_ref(), seen[1].complete), (None, true));
        assert_eq!(
            (seen[3].data.as_deref(), seen[3].complete),
            (Some(b"b".as_slice()), false)
        );
    }
}

#[test]
fn an_event_is_out_as_soon_as_its_blank_line_is_there() {
    let mut framer = Framer::new(100);
    framer.push(b"data: a\r\n\r");
    assert!(framer.next_block().unwrap().is_none());
    framer.push(b"\n");
    assert!(framer.next_block().unwrap().is_some());
    let mut framer = Framer::new(100);
    framer.push(b"data: a\r\r");
    let raw = framer
        .next_block()
        .unwrap()
        .map(|block| block.raw().to_vec());
    assert_eq!(
        raw.as_deref(),
        Some(b"data: a\r\r".as_slice()),
        "lines that end with CR alone do not wait"
    );
    framer.push(b"\ndata: b\n\n");
    let block = framer.next_block().unwrap().unwrap();
    assert_eq!(
        (block.raw(), block.data().as_deref()),
        (b"\ndata: b\n\n".as_slice(), Some(b"b".as_slice()))
    );
}

#[test]
fn a_block_is_bounded() {
    let mut framer = Framer::new(10);
    framer.push(b"data: 45\n\n");
    assert!(framer.next_block().unwrap().is_some());
    framer.push(b"data: 4567890");
    assert_eq!(
        framer.next_block(),
        Err(BlockTooLong {
            max_block_bytes: 10
        })
    );
    let mut framer = Framer::new(10);
    framer.push(b"data: 456\n\n");
    assert_eq!(
        framer.next_block(),
        Err(BlockTooLong {
            max_block_bytes: 10
        })
    );
}

#[test]
fn other_data_leaves_every_other_byte() {
    let rewritten = |stream: &[u8], data: &[u8]| {
        let mut framer = Framer::new(100);
        framer.push(stream);
        let block = framer.finish().unwrap().unwrap();
        String::from_utf8(block.with_data(data)).unwrap()
    };
    assert_eq!(
        rewritten(b"\xEF\xBB\xBFid:1\r\ndata:a\r\n: c\r\ndata:b\r\n\r\n", b"x"),
        "\u{feff}id:1\r\ndata: x\r\n: c\r\n\r\n"
    );
    assert_eq!(rewritten(b"data: a\n\n", b"x\ny"), "data: x\ndata: y\n\n");
    assert_eq!(
        rewritten(b"\xEF\xBB\xBFdata: a\n\n", b""),
        "\u{feff}data: \n\n"
    );
    assert_eq!(rewritten(b"data: a", b"x\ny"), "data: x\ndata: y");
    assert_eq!(
        rewritten(b": only a comment\n\n", b"x"),
        ": only a comment\n\n"
    );
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"data: x\xC3\xA9".to_vec()),
        Just(b"data:".to_vec()),
        Just(b": c".to_vec()),
        Just(b"event: e".to_vec()),
        Just(BOM.to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn split<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let (mut from, mut pieces) = (0, Vec::new());
    for to in at {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces.push(&bytes[from..]);
    pieces
}

proptest! {
    #[test]
    fn any_split_gives_the_same_blocks(bytes in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = blocks([bytes.as_slice()]);
        prop_assert_eq!(&blocks(split(&bytes, &cuts)), &whole);
        prop_assert_eq!(&blocks(bytes.chunks(1)), &whole);
    }

    #[test]
    fn the_blocks_are_the_stream(bytes in stream()) {
        let joined: Vec<u8> = blocks([bytes.as_slice()]).into_iter().flat_map(|block| block.raw).collect();
        prop_assert_eq!(joined, bytes);
    }

    #[test]
    fn data_written_back_is_read_again(bytes in stream(), data in "[a-z\n]{0,12}") {
        let mut framer = Framer::new(1 << 20);
        framer.push(&bytes);
        while let Some(block) = framer.next_block().unwrap() {
            let Some(old) = block.data().map(Cow::into_owned) else { continue };
            let written = block.with_data(&old);
            let same = Block { raw: &written, ..block };
            prop_assert_eq!(see(same).data, Some(old));
            let written = block.with_data(data.as_bytes());
            let other = Block { raw: &written, ..block };
            prop_assert_eq!(see(other).data, Some(data.clone().into_bytes()));
            prop_assert_eq!(other.event(), block.event());
        }
    }
}
