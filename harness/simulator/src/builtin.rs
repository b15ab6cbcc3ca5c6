//! Built-in HTTP filters of Envoy that stand in a chain beside Wasm filters, as guests:
//! `credential_injector`, `header_mutation` and `health_check`.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::abi::{HostResult, MapKind};
use crate::callback::Callback;
use crate::calls::HostHandle;
use crate::guest::{Guest, GuestCode, Trap};
use crate::ids::ContextId;
use crate::rules::headers::Headers;
use crate::rules::mutation::Mutation;
use crate::rules::route::PathMatch;

/// The verdicts of callbacks (`Action` of the proxy-wasm ABI).
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// What a filter does.
#[derive(Clone)]
pub enum BuiltinFilter {
    /// `envoy.extensions.filters.http.credential_injector.v3.CredentialInjector` with a generic
    /// credential.
    CredentialInjector(CredentialInjector),
    /// `envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`.
    HeaderMutation(HeaderMutations),
    /// `envoy.extensions.filters.http.health_check.v3.HealthCheck`, which answers by itself.
    HealthCheck(HealthCheck),
}

/// Answers a load balancer that asks whether the proxy is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The paths that it asks.
    pub path: PathMatch,
}

/// Puts a credential into a header of requests.
#[derive(Clone)]
pub struct CredentialInjector {
    /// The header.
    pub header: String,
    /// Stands before the credential.
    pub prefix: String,
    /// The credential; empty when there is none.
    pub credential: Vec<u8>,
    /// A header that a client sends is replaced; otherwise it stays, and nothing is injected.
    pub overwrite: bool,
    /// Without a credential the request continues as it is; otherwise it is answered 401.
    pub allow_request_without_credential: bool,
}

/// Changes of headers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderMutations {
    /// Of requests.
    pub request: Vec<Mutation>,
    /// Of answers.
    pub response: Vec<Mutation>,
}

impl BuiltinFilter {
    /// As the code of the filter `name`, which runs nothing else.
    pub fn code(self, name: &str) -> Rc<dyn GuestCode> {
        Rc::new(BuiltinCode {
            identity: format!("envoy:{name}"),
            filter: self,
        })
    }
}

struct BuiltinCode {
    identity: String,
    filter: BuiltinFilter,
}

impl GuestCode for BuiltinCode {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn sees_every_response(&self) -> bool {
        true
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        Ok(Box::new(BuiltinGuest {
            host,
            filter: self.filter.clone(),
        }))
    }
}

struct BuiltinGuest {
    host: HostHandle,
    filter: BuiltinFilter,
}

impl Guest for BuiltinGuest {
    fn invoke(&mut self, _: ContextId, callback: Callback) -> Result<Option<u32>, Trap> {
        let done = match (&self.filter, callback) {
            (BuiltinFilter::CredentialInjector(injector), Callback::RequestHeaders { .. }) => {
                injector.inject(&self.host)
            }
            (BuiltinFilter::HeaderMutation(mutations), Callback::RequestHeaders { .. }) => {
                mutations.change(&self.host, MapKind::RequestHeaders)
            }
            (BuiltinFilter::HeaderMutation(mutations), Callback::ResponseHeaders { .. }) => {
                mutations.change(&self.host, MapKind::ResponseHeaders)
            }
            (BuiltinFilter::HealthCheck(check), Callback::RequestHeaders { end, .. }) => {
                check.answer(&self.host, end)
            }
            (BuiltinFilter::HealthCheck(check), Callback::RequestBody { end, .. }) => {
                check.answer(&self.host, end)
            }
            _ => return Ok(None),
        };
        done.map(Some).map_err(|status| Trap {
            message: format!("a host call failed: {status:?}"),
        })
    }
}

impl CredentialInjector {
    /// As Envoy's filter does
    /// (source/extensions/filters/http/credential_injector/credential_injector_filter.cc, and
    /// source/extensions/http/injected_credentials/generic/generic_impl.cc).
    fn inject(&self, host: &HostHandle) -> HostResult<u32> {
        let map = MapKind::RequestHeaders;
        let there = host.header_pairs(map)?.first(&self.header).is_some();
        if there && !self.overwrite {
            return Ok(CONTINUE);
        }
        if !self.credential.is_empty() {
            let value = [self.prefix.as_bytes(), &self.credential].concat();
            host.set_header(map, self.header.as_bytes(), &value)?;
            return Ok(CONTINUE);
        }
        if self.allow_request_without_credential {
            return Ok(CONTINUE);
        }
        let body = b"Failed to inject credential.";
        let details = b"failed_to_inject_credential";
        host.send_local_response(401, details, body, Headers::new(), u32::MAX)?;
        Ok(PAUSE)
    }
}

impl HeaderMutations {
    fn change(&self, host: &HostHandle, map: MapKind) -> HostResult<u32> {
        let mutations = match map {
            MapKind::ResponseHeaders => &self.response,
            _ => &self.request,
        };
        if mutations.is_empty() {
            return Ok(CONTINUE);
        }
        let mut headers = host.header_pairs(map)?;
        for mutation in mutations {
            mutation.apply(&mut headers);
        }
        host.set_header_pairs(map, headers)?;
        Ok(CONTINUE)
    }
}

impl HealthCheck {
    /// As Envoy's filter does (source/extensions/filters/http/health_check/health_check.cc) while
    /// nobody has told it to fail.
    fn answer(&self, host: &HostHandle, end: bool) -> HostResult<u32> {
        let headers = host.header_pairs(MapKind::RequestHeaders)?;
        let path = headers.text(":path").unwrap_or_default();
        if !self.path.fits(&path) {
            return Ok(CONTINUE);
        }
        if end {
            host.send_local_response(200, b"health_check_ok", b"", Headers::new(), u32::MAX)?;
        }
        Ok(PAUSE)
    }
}
