//! What will be sent: which host, path, query and headers a signed request has.
//!
//! A gateway that signs lends its credentials to whoever comes through. So a request may reach only
//! the paths that are configured, in a spelling that has one reading; the client's own credentials
//! (`authorization`, `x-amz-*`, presigned query parameters) are taken out; and `x-amzn-*` headers,
//! which choose variants, inner models and guardrails, come from the configuration or are ones that
//! it lists. The query goes out in the canonical form that is signed, so that no two readings of a
//! `+` or of a repeated name can differ.
//!
//! Pure: it reads a header block and says what must change. It cannot tell whether an earlier
//! filter or the client set a header.

use std::borrow::Cow;

use crate::reasons::{HEADER_REFUSED, HEADER_REPEATED, HOST_AMBIGUOUS, HOST_MISSING, PATH_REFUSED};
use modelgate_kit::config::DenyOrAllow;
use modelgate_kit::headers::{HeaderBlock, begins_as};
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::{HOST_UNREADABLE, PATH_AMBIGUOUS};
use modelgate_kit::route::{Path, Template};
use modelgate_kit::sorting;

use crate::canonical::Request;
use crate::config::{OtherClientHeaders, QueryPolicy, RewrittenBy};
use crate::uri::{self, PathEncoding, PathRules};

/// The configured rules, compiled.
pub struct Rules {
    pub(crate) host: Option<String>,
    pub(crate) strip_path_prefix: Option<String>,
    pub(crate) rewritten_by: RewrittenBy,
    pub(crate) paths: Vec<Template>,
    pub(crate) ambiguous_paths: DenyOrAllow,
    pub(crate) query: QueryPolicy,
    pub(crate) client_headers: Vec<String>,
    pub(crate) other_client_headers: OtherClientHeaders,
    /// Headers that are set to these values.
    pub(crate) set_headers: Vec<(String, String)>,
    /// How the path is signed. One that is encoded once is also sent so: the service signs the key
    /// that it reads, and `@`, `%40` and `%4a` may be one to it and two to what stands between.
    pub(crate) path_rules: PathRules,
}

/// A request as it will be sent, and what must change for that.
pub struct Outgoing<'a> {
    method: &'a [u8],
    path: Cow<'a, [u8]>,
    query: Vec<u8>,
    headers: Vec<(&'a [u8], &'a [u8])>,
    /// Names of headers that must go.
    pub removed: Vec<&'a str>,
    /// The new `:authority`, where it changes.
    pub authority: Option<&'a str>,
    /// The part of the path that is sent and not signed.
    prefix: &'a [u8],
    /// The `:path` as it came.
    came: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// Signs one more header.
    pub fn add(&mut self, name: &'a str, value: &'a str) {
        self.headers.push((name.as_bytes(), value.as_bytes()));
    }

    /// The `:path` with this query.
    #[must_use]
    pub fn target_with(&self, query: &[u8]) -> Vec<u8> {
        let mut target = [self.prefix, &self.path].concat();
        if !query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        target
    }

    /// The new `:path`, where it changes.
    #[must_use]
    pub fn changed_target(&self) -> Option<Vec<u8>> {
        let target = self.target_with(&self.query);
        (target != self.came).then_some(target)
    }

    /// What is signed.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            method: self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
        }
    }
}

impl Rules {
    /// Applies the rules to a request's headers.
    ///
    /// # Errors
    /// The reply for a request that may not be sent.
    pub fn prepare<'a>(&'a self, block: &'a HeaderBlock) -> Result<Outgoing<'a>, Reply> {
        let mut method: &[u8] = b"";
        let (mut target, mut authority): (Option<&[u8]>, Option<&[u8]>) = (None, None);
        let mut headers: Vec<(&[u8], &[u8])> = Vec::with_capacity(block.len().min(128));
        let mut removed: Vec<&str> = Vec::new();
        for (name, value) in block.iter() {
            match name {
                b":method" => method = value,
                b":path" => {
                    if target.replace(value).is_some() {
                        return Err(Reply::new(&PATH_AMBIGUOUS));
                    }
                }
                _ if name == b":authority" || name.eq_ignore_ascii_case(b"host") => {
                    // Both may be there, saying the same; otherwise nobody knows which one the next
                    // hop takes.
                    if authority.replace(value).is_some_and(|other| other != value) {
                        return Err(Reply::new(&HOST_AMBIGUOUS));
                    }
                }
                [b':', ..] => {}
                _ => match self.fate(name, &headers)? {
                    Fate::Sent => headers.push((name, value)),
                    Fate::Replaced => {}
                    Fate::Removed => {
                        let name =
                            std::str::from_utf8(name).map_err(|_| Reply::new(&HEADER_REFUSED))?;
                        removed.push(name);
                    }
                },
            }
        }
        sorting::sort(&mut removed);
        removed.dedup();
        let authority = authority.unwrap_or_default();
        let host = self.host.as_deref().map_or(authority, str::as_bytes);
        if host.is_empty() {
            return Err(Reply::new(&HOST_MISSING));
        }
        // What would be signed, or chosen by, is a host and a port, or the service and we could
        // read two.
        if !authority.is_empty() && modelgate_kit::authority::host(authority).is_none() {
            return Err(Reply::new(&HOST_UNREADABLE));
        }
        headers.push((b"host", host));
        headers.extend(
            self.set_headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        );

        let target = target.unwrap_or_default();
        let by_filter = self.rewritten_by == RewrittenBy::Filter;
        let (prefix, path) = self.path(target)?;
        let path = match self.path_rules.encoding {
            PathEncoding::Twice => Cow::Borrowed(path),
            PathEncoding::Once => {
                let mut canonical = Vec::with_capacity(path.len());
                uri::write_path(&mut canonical, path, self.path_rules);
                Cow::Owned(canonical)
            }
        };
        let query = self.canonical_query(target);
        Ok(Outgoing {
            method,
            path,
            query,
            headers,
            removed,
            authority: self
                .host
                .as_deref()
                .filter(|host| by_filter && host.as_bytes() != authority),
            prefix: if by_filter { b"" } else { prefix },
            came: target,
        })
    }

    /// The part of the path that is taken off, and the one that is signed.
    fn path<'a>(&self, target: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Reply> {
        let came = target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let signed = match &self.strip_path_prefix {
            None => came,
            Some(prefix) => came
                .strip_prefix(prefix.as_bytes())
                .filter(|rest| rest.first() == Some(&b'/'))
                .ok_or_else(|| Reply::new(&PATH_REFUSED))?,
        };
        match Path::parse(signed) {
            Ok(path)
                if self.paths.is_empty()
                    || self.paths.iter().any(|template| template.matches(&path)) => {}
            Ok(_) => return Err(Reply::new(&PATH_REFUSED)),
            // A path with two readings fits no template.
            Err(_) if self.ambiguous_paths == DenyOrAllow::Allow && self.paths.is_empty() => {}
            Err(_) => return Err(Reply::new(&PATH_AMBIGUOUS)),
        }
        let prefix = came.len().saturating_sub(signed.len());
        Ok((came.get(..prefix).unwrap_or_default(), signed))
    }

    fn canonical_query(&self, target: &[u8]) -> Vec<u8> {
        let mut canonical = Vec::new();
        if self.query == QueryPolicy::Canonical
            && let Some(query) = target.splitn(2, |&byte| byte == b'?').nth(1)
        {
            uri::write_query_without(&mut canonical, query, |name| has_prefix(name, b"x-amz-"));
        }
        canonical
    }

    fn fate(&self, name: &[u8], sent: &[(&[u8], &[u8])]) -> Result<Fate, Reply> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("authorization") || self.set_headers.iter().any(|(own, _)| is(own)) {
            return Ok(Fate::Replaced);
        }
        // Whatever a server behind could take for `x-amz-*` goes as well.
        if begins_as(name, b"x-amz-") {
            return Ok(Fate::Removed);
        }
        if !begins_as(name, b"x-amzn-") || is("x-amzn-trace-id") {
            return Ok(Fate::Sent);
        }
        if !self.client_headers.iter().any(|listed| is(listed)) {
            return match self.other_client_headers {
                OtherClientHeaders::Deny => Err(Reply::new(&HEADER_REFUSED)),
                OtherClientHeaders::Strip => Ok(Fate::Removed),
            };
        }
        if sent
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return Err(Reply::new(&HEADER_REPEATED));
        }
        Ok(Fate::Sent)
    }
}

/// What becomes of a header that came with the request.
enum Fate {
    Sent,
    /// The filter sets it.
    Replaced,
    Removed,
}

fn has_prefix(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
