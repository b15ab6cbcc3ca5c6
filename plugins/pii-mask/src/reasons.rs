//! Reasons of `pii-mask`.

modelgate_kit::reasons! { "pii_mask";
    PII_BLOCKED = 400 "pii_blocked", "The request contains personal data or credentials that may not pass.", "A value of an entity whose action is `block` was found. The fact `masked` counts them by entity.";
    BODY_TOO_LARGE = 413 "body_too_large", "The request's body is too large to be checked.", "The body is longer than `request.max_body_bytes`, and `request.on_oversize` is `deny`.";
    BODY_COMPRESSED = 415 "body_compressed", "The request's body is compressed.", "The body has a content encoding and may not pass unread: `request.on_compressed` is `deny`, or it is `decode` and the coding is neither gzip nor deflate. Send it without.";
    BODY_UNPARSED = 400 "body_unparsed", "The request's body is not what its content type says.", "The body is no JSON, no form or no text in UTF-8 and cannot be checked; `request.on_unparsable` is `deny`.";
    TYPE_REFUSED = 415 "type_refused", "Requests of this content type cannot be checked.", "The body is neither JSON nor a form nor text in UTF-8, or a form with a file that is none of these, or it has no content type and is not JSON; `request.on_other_type` is `deny`. Say what it is: `content-type: …`. What is no file in a form must be readable in any case.";
    TENSOR_BINARY_REFUSED = 415 "tensor_binary_refused", "The binary tensors cannot be read.", "The body has `Inference-Header-Content-Length`, and is not laid out as its head says (`request.on_unparsable` is `deny`), or a BYTES tensor holds what is not text (`request.on_other_type` is `deny`). Send the tensors as JSON.";
    HEAD_UNPARSED = 400 "head_unparsed", "The request's query or a header of it cannot be checked.", "The query, or a header of `request.headers`, is not UTF-8; `request.on_unparsable` is `deny`.";
    UPGRADE_REFUSED = 403 "upgrade_refused", "The connection may not be upgraded here.", "The request asks for WebSocket or another upgrade, or is a CONNECT. What is sent after it cannot be masked; `on_upgrade` is `deny`, or it announces a body.";
    ANSWER_BLOCKED = 502 "answer_blocked", "The answer contains personal data or credentials that may not pass.", "A value of an entity whose action is `block` was found in the upstream's answer. An answer that has already begun is cut instead.";
    ANSWER_TOO_LARGE = 502 "answer_too_large", "The answer is too large to be checked.", "The answer is longer than `response.max_body_bytes`, or an event than `response.max_event_bytes`, and `response.on_oversize` is `deny`.";
    ANSWER_UNDECIDED = 502 "answer_undecided", "Too much of the answer would have to be held back.", "More than 4 MiB of a stream wait for the rest of a value that may go on in it, or 256 of its texts do. The stream is cut: `denied` says so.";
    ANSWER_COMPRESSED = 502 "answer_compressed", "The answer is compressed.", "The upstream compressed its answer although it was asked not to; `response.on_compressed` is `deny`, or it is `decode` and the coding is neither gzip nor deflate.";
    ANSWER_UNPARSED = 502 "answer_unparsed", "The answer is not what its content type says.", "The answer is no JSON or no text in UTF-8 and cannot be checked; `response.on_unparsable` is `deny`.";
    ANSWER_HEAD_UNPARSED = 502 "answer_head_unparsed", "A header of the answer cannot be checked.", "A header of `response.headers` is not UTF-8; `response.on_unparsable` is `deny`.";
    ANSWER_TYPE_REFUSED = 502 "answer_type_refused", "Answers of this content type cannot be checked.", "The answer is neither JSON nor text in UTF-8 nor a stream of events, or it has no content type and is not JSON; `response.on_other_type` is `deny`.";
    ANSWER_SHAPE_UNKNOWN = 502 "answer_shape_unknown", "The answer streams in a shape that is not known.", "Strings of a stream go on over its events, and none is known to be a text; `on_unknown_stream` is `deny`. The stream is cut.";
    ANSWER_PARTIAL = 502 "answer_partial", "A partial answer cannot be checked.", "The upstream sent a range (206) although it was not asked for one; `response.on_other_type` is `deny`.";
    ANSWER_TENSOR_REFUSED = 502 "answer_tensor_refused", "The binary tensors cannot be read.", "The answer has `Inference-Header-Content-Length`, and is not laid out as its head says (`response.on_unparsable` is `deny`), or a BYTES tensor holds what is not text (`response.on_other_type` is `deny`).";
}
