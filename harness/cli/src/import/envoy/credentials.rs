//! Envoy's providers of AWS credentials as sources of aws-sigv4.
//!
//! Envoy asks the providers of a custom chain in an order of its own
//! (`source/extensions/common/aws/credential_provider_chains.cc`), whatever the order in the file.
//! Its default chain looks for files and variables of its machine, which are not here.

use serde_json::{Value as Json, json};

use super::super::ledger::{At, Try};
use super::beside::{Beside, SOCKET};
use super::paths::only;
use super::translation::milliseconds;
use crate::gateway::{put, regional};

const DEFAULT_CHAIN: &str = "Envoy's default chain looks for credentials in variables, files and metadata services of its machine, which are not in this file: write `custom_credential_provider_chain: true` and the providers that are used there, and import again";
const FILE: &str = "credentials_file_provider: a filter reads no files; put the key into variables of the environment (environment_credential_provider) or into Secrets Manager (`secrets_manager` of aws-sigv4), and import again";
const ANYWHERE: &str = "iam_roles_anywhere_credential_provider: aws-sigv4 has no certificate to sign with; write `web_identity`, `container` or `instance_metadata` with a role of the same rights, or let AWS's credential helper serve the role as a container's endpoint (`aws_signing_helper serve`, `container` of aws-sigv4)";
const CONFIG: &str = "config_credential_provider: it reads files of its machine, which are not here; name the provider that they lead to";

/// Reads providers.
pub struct Providers<'a> {
    /// The region that requests are signed for, and STS is asked in.
    pub region: &'a str,
    /// Whether clusters can be added to the file.
    pub takes_clusters: bool,
    /// What has to stand in the file besides.
    pub beside: Beside,
}

impl Providers<'_> {
    /// `credentials` of aws-sigv4; nothing stands for the usual variables.
    ///
    /// # Errors
    /// What cannot be taken over.
    pub fn read(&mut self, config: &At<'_>) -> Try<Option<Json>> {
        let at = config
            .get("credential_provider")
            .ok_or_else(|| config.obstacle(DEFAULT_CHAIN))?;
        let mut sources = self.sources(&at)?;
        if sources.as_slice() == [json!({ "environment": {} })] {
            return Ok(None);
        }
        if sources.len() > 1 {
            at.changed_note(
                "credential_provider",
                "a source is passed over only where it says that there is nothing (no variable, 404); where one fails, the next is not asked in its place, as it is by Envoy",
            );
            return Ok(Some(sources.into()));
        }
        Ok(sources.pop())
    }

    /// The sources of a chain, in the order in which Envoy asks them.
    fn sources(&mut self, at: &At<'_>) -> Try<Vec<Json>> {
        only(
            at,
            &[
                "inline_credential",
                "custom_credential_provider_chain",
                "environment_credential_provider",
                "credentials_file_provider",
                "assume_role_credential_provider",
                "iam_roles_anywhere_credential_provider",
                "assume_role_with_web_identity_provider",
                "container_credential_provider",
                "instance_profile_credential_provider",
                "config_credential_provider",
            ],
        )?;
        if let Some(inline) = at.get("inline_credential") {
            return Ok(vec![inline_credential(&inline)?]);
        }
        for (name, reason) in [
            ("credentials_file_provider", FILE),
            ("iam_roles_anywhere_credential_provider", ANYWHERE),
            ("config_credential_provider", CONFIG),
        ] {
            if let Some(found) = at.get(name) {
                return Err(found.obstacle(reason));
            }
        }
        if at.flag_of("custom_credential_provider_chain") != Some(true) {
            return Err(match at.get("assume_role_credential_provider") {
                Some(role) => role.obstacle(
                    "assume_role_credential_provider: without `custom_credential_provider_chain: true` Envoy passes over it, and signs with what its default chain finds; write that, and import again",
                ),
                None => at.obstacle(DEFAULT_CHAIN),
            });
        }
        let mut sources = Vec::new();
        if let Some(found) = at.get("environment_credential_provider") {
            found.swallow();
            sources.push(json!({ "environment": {} }));
        }
        if let Some(found) = at.get("assume_role_credential_provider") {
            sources.extend(self.assumed(&found)?);
        }
        if let Some(found) = at.get("assume_role_with_web_identity_provider") {
            sources.push(self.web_identity(&found)?);
        }
        if let Some(found) = at.get("container_credential_provider") {
            let cluster = self.cluster(&found, "http://169.254.170.2")?;
            found.changed(
                "container_credential_provider",
                format!("cluster {cluster} leads to the endpoint of ECS. For Pod Identity of EKS let it lead to 169.254.170.23:80, and give the token's file (plugins/aws-sigv4/README.md, \"Tokens in files\")"),
            );
            sources.push(json!({ "container": { "cluster": cluster } }));
        }
        if let Some(found) = at.get("instance_profile_credential_provider") {
            let cluster = self.cluster(&found, "http://169.254.169.254")?;
            found.changed(
                "instance_profile_credential_provider",
                format!("it is asked through the cluster {cluster}, by version 2 of the metadata service only"),
            );
            sources.push(json!({ "instance_metadata": { "cluster": cluster } }));
        }
        match sources.is_empty() {
            true => Err(at.obstacle("it names no provider")),
            false => Ok(sources),
        }
    }

    /// A role, assumed with what another chain gives.
    fn assumed(&mut self, at: &At<'_>) -> Try<Vec<Json>> {
        only(
            at,
            &[
                "role_arn",
                "role_session_name",
                "external_id",
                "session_duration",
                "credential_provider",
            ],
        )?;
        let Some(with) = at.get("credential_provider") else {
            return Err(at.obstacle(format!("assume_role_credential_provider: {DEFAULT_CHAIN}")));
        };
        if let Some(second) = with.get("assume_role_credential_provider") {
            return Err(second.obstacle(
                "assume_role_credential_provider: Envoy passes over a role that is to assume a role; write both in `assume_role` of aws-sigv4",
            ));
        }
        let mut sources = self.sources(&with)?;
        if with.get("inline_credential").is_some() {
            with.changed_note(
                "assume_role_credential_provider",
                "the role is assumed with the key that is written here; Envoy (1.40) passes over it there, and takes what its default chain finds",
            );
        }
        let mut role = self.session(at, "assume_role_credential_provider")?;
        if let Some(id) = at.text_of("external_id").filter(|id| !id.is_empty()) {
            put(&mut role, "external_id", id);
        }
        if let Some(duration) = at.get("session_duration") {
            let ms = milliseconds(&duration)?;
            if !ms.is_multiple_of(1000) {
                return Err(duration.obstacle("session_duration: write whole seconds"));
            }
            put(&mut role, "duration_s", ms / 1000);
        }
        for source in &mut sources {
            put(source, "assume_role", role.clone());
        }
        Ok(sources)
    }

    /// A role by a token.
    fn web_identity(&mut self, at: &At<'_>) -> Try<Json> {
        only(
            at,
            &[
                "role_arn",
                "role_session_name",
                "web_identity_token_data_source",
            ],
        )?;
        let Some(token) = at.get("web_identity_token_data_source") else {
            return Err(at.obstacle(
                "assume_role_with_web_identity_provider: its token's file is named by AWS_WEB_IDENTITY_TOKEN_FILE on Envoy's machine; name it in web_identity_token_data_source, and import again",
            ));
        };
        let token = self.token(&token)?;
        let mut identity = self.session(at, "assume_role_with_web_identity_provider")?;
        put(&mut identity, "token", token);
        Ok(json!({ "web_identity": identity }))
    }

    fn token(&mut self, at: &At<'_>) -> Try<Json> {
        only(
            at,
            &[
                "filename",
                "inline_string",
                "environment_variable",
                "watched_directory",
            ],
        )?;
        if let Some(variable) = at.get("environment_variable") {
            let name = variable.text().unwrap_or_default();
            variable.changed(
                "web_identity_token_data_source",
                "the token is read from the variable when the VM starts, and must live as long",
            );
            return Ok(json!({ "env": name }));
        }
        if let Some(text) = at.get("inline_string") {
            text.swallow();
            let holds = "inline_string of web_identity_token_data_source";
            let name = at.ledger().variable("AWS_WEB_IDENTITY_TOKEN", holds, &text);
            text.changed(
                "web_identity_token_data_source",
                "the token is read from a variable of the environment; it is not in the new file",
            );
            return Ok(json!({ "env": name }));
        }
        let Some(file) = at.get("filename") else {
            return Err(
                at.obstacle("web_identity_token_data_source: it names no file and no variable")
            );
        };
        let name = file.text().unwrap_or_default();
        self.can_add(at)?;
        let Some(place) = self.beside.file(&name) else {
            return Err(file.obstacle(
                "web_identity_token_data_source: the name of the file cannot stand in a URL; write an absolute one of letters, digits and `._-`",
            ));
        };
        at.changed(
            "web_identity_token_data_source",
            format!("a filter reads no files: a listener on the socket {SOCKET} hands the file to it, and to nobody but Envoy's user; its folder must be there. The token is read again each time that the role is assumed"),
        );
        Ok(place)
    }

    /// What is asked of STS for a role.
    fn session(&mut self, at: &At<'_>, subject: &str) -> Try<Json> {
        let Some(arn) = at.text_of("role_arn").filter(|arn| !arn.is_empty()) else {
            return Err(at.obstacle(format!("{subject}: it has no role_arn")));
        };
        let cluster = self.cluster(at, &regional("sts", self.region))?;
        let mut session = json!({ "role_arn": arn, "cluster": cluster });
        let name = at.text_of("role_session_name");
        let named = match name.filter(|name| !name.is_empty()) {
            Some(name) => {
                put(&mut session, "session_name", name);
                ""
            }
            None => "; its sessions are called `modelgate`, where Envoy makes a name of the time",
        };
        at.changed_note(
            subject,
            format!("STS is asked through the cluster {cluster}, which is in the new file{named}"),
        );
        Ok(session)
    }

    fn cluster(&mut self, at: &At<'_>, url: &str) -> Try<String> {
        self.can_add(at)?;
        self.beside.call(url).map_err(|said| at.obstacle(said))
    }

    fn can_add(&self, at: &At<'_>) -> Try<()> {
        match self.takes_clusters {
            true => Ok(()),
            false => Err(at.obstacle(
                "aws-sigv4 asks it through a cluster, and this file has no `static_resources` to add one to: write `credentials` and the cluster by hand",
            )),
        }
    }
}

/// The access key that is written out, from variables.
fn inline_credential(inline: &At<'_>) -> Try<Json> {
    only(
        inline,
        &["access_key_id", "secret_access_key", "session_token"],
    )?;
    let mut written = json!({});
    for (member, variable) in [
        ("access_key_id", "AWS_ACCESS_KEY_ID"),
        ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("session_token", "AWS_SESSION_TOKEN"),
    ] {
        let Some(secret) = inline.get(member) else {
            continue;
        };
        secret.swallow();
        let holds = format!("{member} of inline_credential");
        let name = inline.ledger().variable(variable, &holds, &secret);
        put(&mut written, member, json!({ "env": name }));
    }
    inline.changed(
        "inline_credential",
        "the access key is read from variables of the environment; it is not in the new file",
    );
    Ok(written)
}

#[cfg(test)]
mod tests;
