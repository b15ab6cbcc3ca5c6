//! Reasons of `aws-sigv4`.

reasons! { "aws_sigv4";
    PAYLOAD_TOO_LARGE = 413 "payload_too_large", "The request's body is too large to be signed.", "The body is longer than `max_body_bytes`.";
}
