//! What the operator writes of credentials.

use modelgate_kit::claim::ClaimPath;
use modelgate_kit::config::types::{ClusterName, NonEmptyText, OneOrList, refused_unlike};
use modelgate_kit::config::{Bounded, Secret};
use modelgate_kit::http_url::HttpUrl;
use modelgate_kit::rule::WrittenWho;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A source of credentials. It begins with exactly one of: an access key, `environment`,
/// `container`, `instance_metadata`, `web_identity`.
#[derive(Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenSource {
    /// The public id of an access key.
    pub access_key_id: Option<Secret>,
    /// Its secret half.
    pub secret_access_key: Option<Secret>,
    /// The session token of a temporary key.
    pub session_token: Option<Secret>,
    /// The access key in the VM's environment variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, if it is there, `AWS_SESSION_TOKEN`. Write `{}`. Passed over
    /// where neither of the first two is set.
    pub environment: Option<WrittenEnvironment>,
    /// The endpoint of an ECS task, an EKS pod (Pod Identity agent) or whatever speaks as they do.
    pub container: Option<WrittenContainer>,
    /// The role of the EC2 instance, by its metadata service (IMDSv2).
    pub instance_metadata: Option<WrittenInstance>,
    /// A role that is assumed with the token of an identity provider
    /// (`AssumeRoleWithWebIdentity`), e.g. of a Kubernetes service account.
    pub web_identity: Option<WrittenWebIdentity>,
    /// Roles that are assumed with what the source begins with (`AssumeRole`); a list: one with the
    /// credentials of the other, at most 4.
    pub assume_role: Option<OneOrList<WrittenRole>>,
    /// The access key lies in Secrets Manager, and is read with what comes before.
    pub secrets_manager: Option<WrittenSecret>,
}

/// The VM's environment.
#[derive(Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenEnvironment {}

/// A container's endpoint.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenContainer {
    /// Cluster that leads there: `169.254.170.2:80` (ECS), `169.254.170.23:80` (EKS).
    pub cluster: ClusterName,
    /// The endpoint. Without it, the VM's environment variable
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`, or `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` below
    /// `http://169.254.170.2`; passed over where neither is set.
    pub url: Option<HttpUrl>,
    /// What is sent as `authorization`. Without it, the VM's environment variable
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`, if it is set. The token of EKS is replaced in its file:
    /// fetch it.
    pub authorization_token: Option<WrittenToken>,
}

/// The metadata of an EC2 instance.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenInstance {
    /// Cluster that leads to `169.254.169.254:80`.
    pub cluster: ClusterName,
    /// Where the service is, if not at `http://169.254.169.254`; a path is not used.
    pub url: Option<HttpUrl>,
    /// The instance's role. Without it, it is asked for.
    pub role: Option<RoleName>,
}

/// A token: given, or fetched.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(
    untagged,
    expecting = "write the token as text, {\"env\": \"NAME\"}, or {\"url\": …, \"cluster\": …} to fetch it"
)]
pub enum WrittenToken {
    /// The token itself, or a variable of the VM's environment.
    Given(Secret),
    /// Fetched anew each time that it is needed.
    Fetched(WrittenTokenPlace),
}

/// Where a token is fetched: a listener of the proxy's own that serves the file.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTokenPlace {
    /// Its URL.
    pub url: HttpUrl,
    /// Cluster that leads there.
    pub cluster: ClusterName,
}

/// A role by the token of an identity provider.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenWebIdentity {
    /// The role.
    pub role_arn: RoleArn,
    /// The token: text, an environment variable (read once, so it must live as long as the proxy),
    /// or a place to fetch it from each time.
    pub token: WrittenToken,
    /// Cluster that leads to STS.
    pub cluster: ClusterName,
    /// Where STS is, if not at `https://sts.REGION.amazonaws.com/`.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Names the session, in the account's logs.
    #[serde(default)]
    pub session_name: SessionName,
    /// How long the credentials live, in seconds. Without it, one hour.
    #[serde(default)]
    pub duration_s: Option<Bounded<900, 43_200>>,
}

/// A role that is assumed.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRole {
    /// The role.
    pub role_arn: RoleArn,
    /// Cluster that leads to STS.
    pub cluster: ClusterName,
    /// Where STS is, if not at `https://sts.REGION.amazonaws.com/`.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Region that calls to STS are signed for, if not `region`.
    #[serde(default)]
    pub region: Option<String>,
    /// Names the session, in the account's logs.
    #[serde(default)]
    pub session_name: SessionName,
    /// What the role's owner asks for (`sts:ExternalId`).
    #[serde(default)]
    pub external_id: Option<Secret>,
    /// How long the credentials live, in seconds. Without it, one hour, which is also the most
    /// where the role is assumed with the credentials of another.
    #[serde(default)]
    pub duration_s: Option<Bounded<900, 43_200>>,
    /// Tags of the session, for conditions on `aws:PrincipalTag`; at most 50. The role's trust
    /// policy must allow `sts:TagSession`.
    #[serde(default)]
    pub session_tags: Vec<WrittenTag>,
}

/// A tag of a session.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTag {
    /// Its key: 1 to 128 letters, digits, spaces and `_.:/=+-@`.
    pub key: TagKey,
    /// Its value: `{"value": TEXT}`; below `roles` also of the caller: `consumer`, `issuer`,
    /// `subject` or `{"claim": CLAIM}`. A caller without it is refused.
    pub from: WrittenTagValue,
}

/// Where a tag's value is from.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenTagValue {
    /// This text.
    Value(NonEmptyText),
    /// The name of the consumer.
    Consumer,
    /// Who vouches for the caller.
    Issuer,
    /// The caller, as the issuer names him.
    Subject,
    /// A verified claim or label: its name, or a JSON Pointer such as `/org/tenant`.
    Claim(ClaimPath),
}

/// A secret with an access key.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenSecret {
    /// Its name or ARN. It is a JSON object with `access_key_id`, `secret_access_key` and, of a
    /// temporary key, `session_token`.
    pub secret_id: NonEmptyText,
    /// Cluster that leads to Secrets Manager.
    pub cluster: ClusterName,
    /// Where it is, if not at `https://secretsmanager.REGION.amazonaws.com/`.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Region that calls are signed for, if not `region`.
    #[serde(default)]
    pub region: Option<String>,
}

/// Who signs for whom.
#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// Whom the rule is for. `{"identity": "any"}` is everybody.
    pub who: WrittenWho,
    /// The role that signs, assumed with `credentials`. Without it, `credentials` themselves do.
    #[serde(default)]
    pub assume_role: Option<WrittenRole>,
}

/// How fetched credentials are kept fresh. Those that expire are fetched anew five minutes before,
/// or a fifth of their life if that is shorter, and up to a tenth of it earlier; they serve until
/// they expire.
#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenRefresh {
    /// Credentials without an end (those in Secrets Manager) are fetched anew when they are this
    /// old, in seconds; up to a fifth earlier.
    pub every_s: Bounded<5, 86_400>,
    /// And serve for so much longer where that fails, in seconds.
    pub max_stale_s: Bounded<0, 2_592_000>,
    /// Time-out of one call, in milliseconds.
    pub timeout_ms: Bounded<50, 60_000>,
    /// Longest that a request waits for the first credentials, in milliseconds; 0 for not at all.
    /// Then it gets 503 `credentials_unavailable`.
    pub wait_ms: Bounded<0, 60_000>,
    /// Most sessions of `roles` at a time, in each worker: one for each role and set of tags that
    /// was used within 15 minutes. Requests that need one more get 503 `sessions_exhausted`.
    pub max_sessions: Bounded<1, 10_000>,
}

impl Default for WrittenRefresh {
    fn default() -> Self {
        Self {
            every_s: Bounded::new(300),
            max_stale_s: Bounded::new(86_400),
            timeout_ms: Bounded::new(2000),
            wait_ms: Bounded::new(5000),
            max_sessions: Bounded::new(1000),
        }
    }
}

/// Defines texts with a form that AWS prescribes.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $right:literal, $fits:expr, $problem:literal, $hint:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
        #[schemars(inline)]
        pub struct $name(pub String);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let fits: fn(&str) -> bool = $fits;
                match fits(&text) {
                    true => Ok(Self(text)),
                    false => Err(refused_unlike($right, $problem, $hint)),
                }
            }
        }
    )+};
}

texts! {
    /// The ARN of an IAM role.
    RoleArn: "arn:aws:iam::123456789012:role/refused", |text| text.len() <= 2048
        && text.starts_with("arn:") && text.contains(":role/")
        && text.bytes().all(|byte| byte.is_ascii_graphic()),
        "is not the ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME";

    /// The name of an IAM role.
    RoleName: "refused", is_role_name,
        "is not the name of a role", "write 1 to 64 letters, digits and +=,.@_-";

    /// The name of a session (API_AssumeRole: `RoleSessionName`).
    SessionName: "refused", |text| text.len() >= 2 && is_role_name(text),
        "is not the name of a session", "write 2 to 64 letters, digits and +=,.@_-";

    /// The key of a tag (API_Tag).
    TagKey: "refused", |text| text.chars().count() <= 128 && is_tag_text(text) && !text.starts_with("aws:"),
        "is not the key of a tag", "write 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:";
}

impl Default for SessionName {
    fn default() -> Self {
        Self("modelgate".to_owned())
    }
}

/// Whether it is the name of an IAM role or of a session: it can stand in a path.
pub fn is_role_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
}

/// Whether STS takes it in a tag (API_Tag): letters, digits, spaces and `_.:/=+-@`, at least one.
pub fn is_tag_text(text: &str) -> bool {
    let fits = |character: char| character.is_alphanumeric() || " _.:/=+-@".contains(character);
    !text.is_empty() && text.chars().all(fits)
}
