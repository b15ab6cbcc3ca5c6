//! Tests of messages of gRPC. The bytes of the known services were written by the classes of
//! `tritonclient.grpc.service_pb2`.

use super::*;
use crate::answer::Answer;
use crate::answer::tests::plan;
use crate::media::Media;
use crate::plan::Plan;
use crate::protobuf::services::method;
use proptest::prelude::*;

const MASK: &str = r#"{"request":{"grpc":"mask"},"response":{"grpc":"mask"}}"#;
const INFER: &[u8] = b"/inference.GRPCInferenceService/ModelInfer";
const STREAM: &[u8] = b"/inference.GRPCInferenceService/ModelStreamInfer";

/// A BYTES, an FP32 and another BYTES tensor called `ssn` in `raw_input_contents`, and a parameter.
const RAW: &str = "CgFtGgJyMSIZCgR1c2VyEhEaD2JvYkBleGFtcGxlLm9yZyoRCgRURVhUEgVCWVRFUxoCAQIqDQoBWBIERlAzMhoCAQMqDwoDc3NuEgVCWVRFUxoBAToyFAAAAE1haWwgYW5uQGV4YW1wbGUuY29tFgAAAMOpIDQxMTEgMTExMSAxMTExIDExMTE6DAAAgD8AACBAAABAQDoNCQAAADMwODYzMDIzNw==";
const RAW_MASKED: &str = "CgFtGgJyMSIRCgR1c2VyEgkaB1tFTUFJTF0qEQoEVEVYVBIFQllURVMaAgECKg0KAVgSBEZQMzIaAgEDKg8KA3NzbhIFQllURVMaAQE6HQwAAABNYWlsIFtFTUFJTF0JAAAAw6kgW0NBUkRdOgwAAIA/AAAgQAAAQEA6CQUAAABbU1NOXQ==";
/// The same in `contents`, with tokens beside it.
const CONTENTS: &str =
    "CgFtKhwKA3NzbhIFQllURVMaAQEqC0IJMzA4NjMwMjM3KhcKA2lkcxIFSU5UNjQaAQMqBhoEZag7Zg==";
const CONTENTS_MASKED: &str =
    "CgFtKhgKA3NzbhIFQllURVMaAQEqB0IFW1NTTl0qFwoDaWRzEgVJTlQ2NBoBAyoGGgRlqDtm";
/// Answers of a model that streams: `Mail ann@exa`, `mple.com, bye`, `.`, and as they should be.
const TOKENS: [&str; 3] = [
    "EjMKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyEAwAAABNYWlsIGFubkBleGE=",
    "EjQKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyEQ0AAABtcGxlLmNvbSwgYnll",
    "EigKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyBQEAAAAu",
];
const TOKENS_MASKED: [&str; 3] = [
    "EjMKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyEAwAAABNYWlsIFtFTUFJTF0=",
    "EiwKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyCQUAAAAsIGJ5ZQ==",
    "EigKA2xsbRoBNyoXCgt0ZXh0X291dHB1dBIFQllURVMaAQEyBQEAAAAu",
];

fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame::Message(message.to_vec()).write(&mut out);
    out
}

fn frames(messages: &[&str]) -> Vec<u8> {
    let messages = messages.iter();
    messages
        .flat_map(|message| frame(&STANDARD.decode(message).unwrap()))
        .collect()
}

/// A field with a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7F {
        out.push(u8::try_from(length & 0x7F).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(content);
    out
}

fn messages(form: Form, coding: &str) -> Messages {
    let headers = [(&b"grpc-encoding"[..], coding.as_bytes())];
    Messages::of(form, &HeaderBlock::from_pairs(headers))
}

fn request(
    plan: &Plan,
    mut messages: Messages,
    path: &[u8],
    pieces: &[&[u8]],
) -> Result<Vec<u8>, Unread> {
    messages.fields = method(path).map(|method| method.request);
    let (mut body, mut out, mut tally) = (Body::of(messages), Vec::new(), Tally::default());
    for piece in pieces {
        out.extend(body.push(Some(piece), &plan.masker, &plan.request, &mut tally)?);
    }
    out.extend(body.push(None, &plan.masker, &plan.request, &mut tally)?);
    Ok(out)
}

fn plain(plan: &Plan, path: &[u8], body: &[u8]) -> Result<Vec<u8>, Unread> {
    request(plan, messages(Form::Plain, "identity"), path, &[body])
}

fn answer<'a>(
    plan: &Plan,
    form: Form,
    path: &[u8],
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Option<&'static str>) {
    let mut answer = Answer::new(plan, Media::Grpc(form))
        .unwrap()
        .of_call(method(path));
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(answer.push(piece));
    }
    out.extend(answer.finish());
    (out, answer.cut().map(|reason| reason.code))
}

#[test]
fn texts_of_known_services_are_masked_and_numbers_kept() {
    let plan = plan(MASK);
    for (given, wanted) in [(RAW, RAW_MASKED), (CONTENTS, CONTENTS_MASKED)] {
        let body = frames(&[given]);
        assert_eq!(plain(&plan, INFER, &body), Ok(frames(&[wanted])));
        for size in [1, 3, 10] {
            let pieces: Vec<_> = body.chunks(size).collect();
            let out = request(&plan, messages(Form::Plain, ""), INFER, &pieces);
            assert_eq!(out, Ok(frames(&[wanted])), "{size}");
        }
        // What is not known of a service does not read tensors.
        let out = plain(&plan, b"/other.Service/Call", &body);
        assert_eq!(out, Err(Unread::OtherType), "{given}");
    }
    // Two messages, of which the first holds nothing.
    let both = frames(&["CgFt", RAW]);
    assert_eq!(
        plain(&plan, INFER, &both),
        Ok(frames(&["CgFt", RAW_MASKED]))
    );
}

#[test]
fn a_value_that_is_spread_over_messages_is_masked() {
    let plan = plan(MASK);
    let body = frames(&TOKENS);
    for size in [1, 7, 60, body.len()] {
        let out = answer(&plan, Form::Plain, STREAM, body.chunks(size));
        assert_eq!(out, (frames(&TOKENS_MASKED), None), "{size}");
    }
    // Nor does it pass where nothing is known of the service.
    let pieces: Vec<u8> = ["Mail ann@exa", "mple.com, ", "bye"]
        .iter()
        .flat_map(|text| frame(&field(3, text.as_bytes())))
        .collect();
    let wanted: Vec<u8> = ["Mail [EMAIL]", ", ", "bye"]
        .iter()
        .flat_map(|text| frame(&field(3, text.as_bytes())))
        .collect();
    let (out, cut) = answer(&plan, Form::Plain, b"/x/y", [pieces.as_slice()]);
    assert_eq!((out, cut), (wanted, None));
}

#[test]
fn texts_of_other_services_are_told_by_their_bytes() {
    let plan = plan(MASK);
    let inner = |text: &str| [field(1, text.as_bytes()), vec![0x18, 7]].concat();
    let long = "and so on, ".repeat(20);
    let message = |mail: &str, card: &str| {
        [
            field(1, mail.as_bytes()),
            vec![0x10, 5, 0x1D, 0, 0, 0x80, 0x3F],
            field(4, &inner(&format!("{long}{card}"))),
            field(5, &field(2, mail.as_bytes())),
            field(6, &[field(1, b"user"), field(2, mail.as_bytes())].concat()),
            field(7, b""),
        ]
        .concat()
    };
    let given = frame(&message("ann@example.com", "4111 1111 1111 1111"));
    let wanted = frame(&message("[EMAIL]", "[CARD]"));
    assert_eq!(plain(&plan, b"/x/y", &given), Ok(wanted.clone()));
    let (out, cut) = answer(&plan, Form::Plain, b"/x/y", given.chunks(9));
    assert_eq!((out, cut), (wanted, None));
    // Texts that read as messages by chance: a fixed field, a length that fits.
    for text in [
        "aann@a.io",
        "\n\u{f}ann@example.com",
        "Aann@x.eu,",
        "B!ann@example.com, 1234567 and so on",
    ] {
        let body = frame(&field(1, text.as_bytes()));
        let out = plain(&plan, b"/x/y", &body).unwrap();
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(!text.contains("ann@"), "{text}");
    }
}

#[test]
fn what_cannot_be_read_has_its_outcome() {
    let deny = plan(MASK);
    let allow = plan(
        r#"{"request":{"grpc":"mask","on_other_type":"allow","on_unparsable":"allow","on_oversize":"allow","max_body_bytes":60},
            "response":{"grpc":"mask","on_other_type":"allow","on_unparsable":"allow","on_oversize":"allow","max_body_bytes":60}}"#,
    );
    let bytes = [field(1, b"\xff\xfe\0"), field(2, b"ann@example.com")].concat();
    let raw = |datatype: &str, content: &[u8]| {
        let tensor = [field(1, b"x"), field(2, datatype.as_bytes())].concat();
        frame(&[field(5, &tensor), field(7, content)].concat())
    };
    let mut long = frame(b"");
    long[1..5].copy_from_slice(&61_u32.to_be_bytes());
    let cases: [(Vec<u8>, Unread, &str); 10] = [
        (frame(&bytes), Unread::OtherType, "answer_type_refused"),
        (frame(b"\x0a\x05ab"), Unread::Unparsed, "answer_unparsed"),
        (frame(b"\x0b"), Unread::Unparsed, "answer_unparsed"),
        (frame(b"\x00"), Unread::Unparsed, "answer_unparsed"),
        (vec![2, 0, 0, 0, 0], Unread::Unparsed, "answer_unparsed"),
        (vec![0x80, 0, 0, 0, 0], Unread::Unparsed, "answer_unparsed"),
        (vec![0, 0, 0, 0, 9, 1], Unread::Unparsed, "answer_unparsed"),
        (
            raw("BYTES", &[9, 0, 0, 0, 1]),
            Unread::Unparsed,
            "answer_unparsed",
        ),
        (
            raw("TEXT", &[1, 0, 0, 0, b'a']),
            Unread::Unparsed,
            "answer_unparsed",
        ),
        (
            raw("BYTES", &[1, 0, 0, 0, 0xFF]),
            Unread::OtherType,
            "answer_type_refused",
        ),
    ];
    for (body, unread, code) in &cases {
        assert_eq!(plain(&deny, INFER, body).as_ref(), Err(unread), "{body:?}");
        let reads = plain(&allow, INFER, body).unwrap();
        let (out, cut) = answer(&deny, Form::Plain, b"/x/y", [body.as_slice()]);
        if *body != raw("TEXT", &[1, 0, 0, 0, b'a'])
            && *body != raw("BYTES", &[9, 0, 0, 0, 1])
            && *body != raw("BYTES", &[1, 0, 0, 0, 0xFF])
        {
            assert_eq!((out, cut), (Vec::new(), Some(*code)), "{body:?}");
        }
        let (out, cut) = answer(&allow, Form::Plain, b"/x/y", [body.as_slice()]);
        assert_eq!((&out, cut), (&reads, None), "{body:?}");
        if *unread == Unread::Unparsed {
            assert_eq!(&reads, body);
        }
    }
    assert_eq!(plain(&allow, INFER, &long), Ok(long.clone()));
    // What can be read beside it is masked all the same.
    let masked = [field(1, b"\xff\xfe\0"), field(2, b"[EMAIL]")].concat();
    assert_eq!(plain(&allow, INFER, &frame(&bytes)).map(|_| ()), Ok(()));
    assert_eq!(plain(&allow, b"/x/y", &frame(&bytes)), Ok(frame(&masked)));
    // Without the option gRPC is another type.
    let headers = HeaderBlock::from_pairs([(&b"content-type"[..], &b"application/grpc"[..])]);
    let off = crate::reading::read(&headers, &plan("{}").request);
    assert!(matches!(off, Err(Unread::OtherType)));
}

#[test]
fn messages_with_a_coding_are_decoded_where_that_is_asked() {
    let config = MASK.replace("\"mask\"", "\"mask\",\"on_compressed\":\"decode\"");
    let decodes = plan(&config);
    let message = field(1, b"ann@example.com");
    let mut body = Vec::new();
    Frame::Encoded(miniz_oxide::deflate::compress_to_vec_zlib(&message, 6)).write(&mut body);
    let wanted = frame(&field(1, b"[EMAIL]"));
    let asked =
        |plan: &Plan, coding: &str| request(plan, messages(Form::Plain, coding), b"/x/y", &[&body]);
    assert_eq!(asked(&decodes, "deflate"), Ok(wanted));
    assert_eq!(asked(&decodes, "gzip"), Err(Unread::Unparsed));
    assert_eq!(asked(&decodes, "snappy"), Err(Unread::Compressed));
    assert_eq!(asked(&decodes, "identity"), Err(Unread::Compressed));
    assert_eq!(asked(&plan(MASK), "deflate"), Err(Unread::Compressed));
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 20_000_000], 6);
    let mut body = Vec::new();
    Frame::Encoded(bomb).write(&mut body);
    let out = request(
        &decodes,
        messages(Form::Plain, "deflate"),
        b"/x/y",
        &[&body],
    );
    assert_eq!(out, Err(Unread::TooLarge));
}

#[test]
fn grpc_web_has_trailers_in_its_body_and_may_be_base64() {
    let plan = plan(MASK);
    let mut trailers = Vec::new();
    Frame::Trailers(b"grpc-status:0\r\n".to_vec()).write(&mut trailers);
    let body = [frames(&TOKENS[..2]), trailers.clone()].concat();
    let wanted = [frames(&TOKENS_MASKED[..2]), trailers.clone()].concat();
    let (out, cut) = answer(&plan, Form::Web, STREAM, body.chunks(11));
    assert_eq!((out, cut), (wanted.clone(), None));
    // Base64 of pieces, each with its padding, and in pieces that divide its groups.
    let written: Vec<u8> = body
        .chunks(50)
        .flat_map(|piece| STANDARD.encode(piece).into_bytes())
        .collect();
    for size in [1, 3, 64, written.len()] {
        let (out, cut) = answer(&plan, Form::WebText, STREAM, written.chunks(size));
        let mut read = messages(Form::WebText, "");
        read.push(&out).unwrap();
        assert_eq!((read.rest(), cut), (wanted.clone(), None), "{size}");
    }
    let (out, cut) = answer(&plan, Form::WebText, STREAM, [&b"AAA?"[..]]);
    assert_eq!(cut, Some("answer_unparsed"));
    let mut read = messages(Form::WebText, "");
    read.push(&out).unwrap();
    let told = String::from_utf8_lossy(&read.rest()).into_owned();
    assert!(
        told.starts_with("\u{fffd}") && told.contains("grpc-status:13"),
        "{told}"
    );
    // A request in base64.
    let body = STANDARD.encode(frames(&[RAW]));
    let out = request(
        &plan,
        messages(Form::WebText, ""),
        INFER,
        &[body.as_bytes()],
    );
    assert_eq!(
        out.unwrap(),
        STANDARD.encode(frames(&[RAW_MASKED])).into_bytes()
    );
}

#[test]
fn what_blocks_cuts_an_answer() {
    let config = MASK.replacen('{', r#"{"entities":{"email":{"action":"block"}},"#, 1);
    let (out, cut) = answer(
        &plan(&config),
        Form::Plain,
        STREAM,
        [frames(&TOKENS).as_slice()],
    );
    assert_eq!((out, cut), (Vec::new(), Some("answer_blocked")));
}

/// Messages of texts, numbers and messages.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "",
        "so",
        "Mail ann@example.com",
        "ann@exa",
        "mple.com",
        " 4111 1111",
        " 1111 1111,",
        "\n",
        "{\"ssn\":308630237}",
        "é 界",
        "aann@a.io",
    ]);
    let leaf = prop_oneof![
        (1..8_u8, text).prop_map(|(number, text)| field(number, text.as_bytes())),
        (1..8_u8, any::<u8>()).prop_map(|(number, value)| vec![number << 3, value & 0x7F]),
        (1..8_u8, any::<[u8; 4]>())
            .prop_map(|(number, value)| [&[number << 3 | 5][..], &value].concat()),
    ];
    let fields = prop::collection::vec(leaf, 0..5).prop_map(|fields| fields.concat());
    fields.prop_recursive(3, 20, 4, |inner| {
        prop::collection::vec((1..8_u8, inner), 0..4).prop_map(|fields| {
            fields
                .iter()
                .flat_map(|(number, inner)| field(*number, inner))
                .collect()
        })
    })
}

proptest! {
    #[test]
    fn bodies_are_masked_alike_in_any_pieces(messages in prop::collection::vec(message(), 0..6), size in 1_usize..40, known: bool) {
        let plan = plan(MASK);
        let body: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
        let path = if known { STREAM } else { b"/x/y" };
        let whole = answer(&plan, Form::Plain, path, [body.as_slice()]);
        let pieces = answer(&plan, Form::Plain, path, body.chunks(size));
        prop_assert_eq!(&pieces.1, &whole.1);
        if whole.1.is_none() {
            prop_assert_eq!(&pieces.0, &whole.0);
            // What comes out is as many messages, which read as such, and hold no whole value.
            let mut read = Messages::plain(Form::Plain);
            read.push(&whole.0).unwrap();
            let mut count = 0;
            while let Some(Frame::Message(bytes)) = read.next(usize::MAX).unwrap() {
                prop_assert!(Message::read(&bytes, None, &plan.answer_masker).is_some());
                count += 1;
            }
            prop_assert_eq!(count, messages.len());
            // Where a field is known to be text, what stands behind an address may be its own.
            prop_assert!(known || memchr::memmem::find(&whole.0, b"ann@example.com").is_none());
        }
        let asked = plain(&plan, path, &body);
        let pieces: Vec<_> = body.chunks(size).collect();
        prop_assert_eq!(request(&plan, Messages::plain(Form::Plain), path, &pieces), asked);
    }

    #[test]
    fn any_bytes_are_masked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..20, web: bool) {
        let plan = plan(MASK);
        let form = if web { Form::WebText } else { Form::Plain };
        answer(&plan, form, INFER, bytes.chunks(size));
        answer(&plan, Form::Plain, STREAM, [frame(&bytes).as_slice()]);
        let _ = plain(&plan, INFER, &frame(&bytes));
        let _ = plain(&plan, b"/x/y", &bytes);
    }
}
