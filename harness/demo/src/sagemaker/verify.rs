//! Whether a request is signed as AWS wants it, judged by AWS's own signer.
//!
//! The request is signed again from what has arrived (method, path, query, the headers that it says
//! are signed, the body) with the official `aws-sigv4` crate, and the signatures are compared.
//! Before that, the checks that a service makes: who signs, for which day, region and service, how
//! old it is, and whether everything that must be covered is. Messages and error types are those of
//! the service.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use hyper::Request;
use official_aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use official_aws_sigv4::sign::v4::SigningParams;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// `x-amz-date`: `yyyymmddThhmmssZ`.
const AMZ_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// How far a request's time may be from the service's clock.
pub const MOST_SKEW: Duration = Duration::from_secs(5 * 60);

/// Who may call, and where.
#[derive(Clone)]
pub struct Account {
    /// Public id of the key.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
    /// The session token that must come with it, for a temporary key.
    pub session_token: Option<String>,
    /// The region that the service is in.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

/// Why a request was refused, in the service's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `x-amzn-errortype`.
    pub kind: &'static str,
    /// For the client.
    pub message: String,
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 403,
            kind,
            message: message.into(),
        }
    }

    fn signature(message: impl Into<String>) -> Self {
        Self::new("InvalidSignatureException", message)
    }

    fn incomplete(message: impl Into<String>) -> Self {
        Self::new("IncompleteSignatureException", message)
    }

    fn token() -> Self {
        Self::new(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    }
}

/// What `Authorization` says.
struct Claim<'a> {
    access_key_id: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Result<Self, Refusal> {
        let missing = |what| {
            Refusal::incomplete(format!("Authorization header requires '{what}' parameter."))
        };
        let rest = header
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or_else(|| Refusal::incomplete("Unsupported authorization type."))?;
        let parameter = |name| {
            let found = rest
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| missing(name))
        };
        let (credential, signed_headers, signature) = (
            parameter("Credential")?,
            parameter("SignedHeaders")?,
            parameter("Signature")?,
        );
        let mut parts = credential.split('/');
        match [
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ] {
            [
                Some(access_key_id),
                Some(day),
                Some(region),
                Some(service),
                Some("aws4_request"),
                None,
            ] => Ok(Self {
                access_key_id,
                day,
                region,
                service,
                signed_headers: signed_headers.split(';').collect(),
                signature,
            }),
            _ => Err(Refusal::incomplete(
                "Credential must have exactly 5 slash-delimited elements.",
            )),
        }
    }
}

/// Checks a request's signature as of `now`.
///
/// # Errors
/// The service's refusal.
pub fn verify(account: &Account, request: &Request<Bytes>, now: SystemTime) -> Result<(), Refusal> {
    let claim = Claim::parse(once(request, "authorization")?.ok_or_else(|| {
        Refusal::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    })?)?;
    if claim.access_key_id != account.access_key_id {
        return Err(Refusal::token());
    }
    if once(request, "x-amz-security-token")? != account.session_token.as_deref() {
        return Err(Refusal::token());
    }
    let stamp = once(request, "x-amz-date")?.ok_or_else(|| {
        Refusal::incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    let signed_at = moment(stamp)
        .ok_or_else(|| Refusal::incomplete("Date must be in ISO-8601 'basic format'."))?;
    in_time(stamp, signed_at, now)?;
    if !stamp.starts_with(claim.day) {
        return Err(Refusal::signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{stamp}'.",
            claim.day
        )));
    }
    if claim.region != account.region {
        return Err(Refusal::signature(format!(
            "Credential should be scoped to a valid region, not '{}'.",
            claim.region
        )));
    }
    if claim.service != account.service {
        return Err(Refusal::signature(format!(
            "Credential should be scoped to correct service: '{}'.",
            account.service
        )));
    }
    covered(&claim, request)?;
    let ours = sign_again(account, &claim, request, signed_at).ok_or_else(mismatch)?;
    if ours != claim.signature {
        return Err(mismatch());
    }
    Ok(())
}

fn mismatch() -> Refusal {
    Refusal::signature(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing \
         method. Consult the service documentation for details.",
    )
}

fn in_time(stamp: &str, signed_at: SystemTime, now: SystemTime) -> Result<(), Refusal> {
    let text = |at: SystemTime| {
        let text = OffsetDateTime::from(at).format(AMZ_DATE);
        text.unwrap_or_else(|_| "?".to_owned())
    };
    let (earliest, latest) = (
        now.checked_sub(MOST_SKEW).unwrap_or(SystemTime::UNIX_EPOCH),
        now + MOST_SKEW,
    );
    if signed_at < earliest {
        return Err(Refusal::signature(format!(
            "Signature expired: {stamp} is now earlier than {} ({} - 5 min.)",
            text(earliest),
            text(now)
        )));
    }
    if signed_at > latest {
        return Err(Refusal::signature(format!(
            "Signature not yet current: {stamp} is still later than {} ({} + 5 min.)",
            text(latest),
            text(now)
        )));
    }
    Ok(())
}

/// The host and every `x-amz-*` header must be among the signed ones, and every signed one must be
/// there.
fn covered(claim: &Claim<'_>, request: &Request<Bytes>) -> Result<(), Refusal> {
    let must = request
        .headers()
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-"));
    if let Some(name) = must
        .chain(["host"])
        .find(|name| !claim.signed_headers.contains(name))
    {
        return Err(Refusal::signature(format!(
            "'{name}' must be a 'SignedHeader' in the AWS Authorization."
        )));
    }
    if let Some(name) = claim
        .signed_headers
        .iter()
        .find(|name| !request.headers().contains_key(**name))
    {
        return Err(Refusal::signature(format!(
            "The signed header '{name}' is not in the request."
        )));
    }
    Ok(())
}

/// The signature that the official signer gives this request.
fn sign_again(
    account: &Account,
    claim: &Claim<'_>,
    request: &Request<Bytes>,
    signed_at: SystemTime,
) -> Option<String> {
    const HASH: &str = "x-amz-content-sha256";
    let mut settings = SigningSettings::default();
    if claim.signed_headers.contains(&HASH) {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = Credentials::new(
        &account.access_key_id,
        &account.secret_access_key,
        account.session_token.clone(),
        None,
        "modelgate demo",
    )
    .into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(&account.region)
        .name(&account.service)
        .time(signed_at)
        .settings(settings)
        .build()
        .ok()?
        .into();
    // What the signer adds by itself.
    let own = ["x-amz-date", "x-amz-security-token", HASH];
    let headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter(|(name, _)| {
            claim.signed_headers.contains(&name.as_str()) && !own.contains(&name.as_str())
        })
        .map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect::<Option<_>>()?;
    let host = request.headers().get("host")?.to_str().ok()?;
    let uri = format!("http://{host}{}", request.uri().path_and_query()?);
    let body = SignableBody::Bytes(request.body());
    let signable =
        SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body).ok()?;
    let (_, signature) = sign(signable, &parameters).ok()?.into_parts();
    Some(signature)
}

/// A header that may come once.
fn once<'a>(request: &'a Request<Bytes>, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| Refusal::incomplete(format!("The header '{name}' is not text."))),
        _ => Err(Refusal::incomplete(format!(
            "The header '{name}' came more than once."
        ))),
    }
}

/// The moment of a stamp such as `20150830T123600Z`.
fn moment(stamp: &str) -> Option<SystemTime> {
    let moment = PrimitiveDateTime::parse(stamp, AMZ_DATE).ok()?;
    Some(moment.assume_utc().into())
}
