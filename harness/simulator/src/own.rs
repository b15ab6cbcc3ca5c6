//! HTTP filters of Envoy's own that stand in a chain beside Wasm filters, as guests:
//! `credential_injector` and `header_mutation`.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::abi::{Answered, MapKind};
use crate::calls::HostHandle;
use crate::guest::{Callback, Guest, GuestCode, Trap};
use crate::rules::headers::Headers;
use crate::rules::mutation::Mutation;

/// The verdicts of callbacks (`Action` of the proxy-wasm ABI).
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

/// What a filter does.
#[derive(Clone)]
pub enum OwnFilter {
    /// `envoy.extensions.filters.http.credential_injector.v3.CredentialInjector` with a generic
    /// credential.
    CredentialInjector(Injector),
    /// `envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`.
    HeaderMutation(Mutations),
}

/// Puts a credential into a header of requests.
#[derive(Clone)]
pub struct Injector {
    /// The header.
    pub header: String,
    /// Stands before the credential.
    pub prefix: String,
    /// The credential; empty when there is none.
    pub credential: Vec<u8>,
    /// A header that a client sends is replaced; otherwise it stays, and nothing is injected.
    pub overwrite: bool,
    /// Without a credential the request goes on as it is; otherwise it is answered 401.
    pub allow_request_without_credential: bool,
}

/// Changes of headers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    /// Of requests.
    pub request: Vec<Mutation>,
    /// Of answers.
    pub response: Vec<Mutation>,
}

impl OwnFilter {
    /// As the code of the filter `name`, which runs nothing else.
    pub fn code(self, name: &str) -> Rc<dyn GuestCode> {
        Rc::new(Code {
            identity: format!("envoy:{name}"),
            filter: self,
        })
    }
}

struct Code {
    identity: String,
    filter: OwnFilter,
}

impl GuestCode for Code {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn sees_every_answer(&self) -> bool {
        true
    }

    fn start(
        &self,
        host: HostHandle,
        _: &BTreeMap<String, String>,
    ) -> Result<Box<dyn Guest>, String> {
        Ok(Box::new(Running {
            host,
            filter: self.filter.clone(),
        }))
    }
}

struct Running {
    host: HostHandle,
    filter: OwnFilter,
}

impl Guest for Running {
    fn enter(&mut self, _: u32, callback: Callback) -> Result<Option<u32>, Trap> {
        let done = match (&self.filter, callback) {
            (OwnFilter::CredentialInjector(injector), Callback::RequestHeaders { .. }) => {
                injector.inject(&self.host)
            }
            (OwnFilter::HeaderMutation(mutations), Callback::RequestHeaders { .. }) => {
                mutations.change(&self.host, MapKind::RequestHeaders)
            }
            (OwnFilter::HeaderMutation(mutations), Callback::ResponseHeaders { .. }) => {
                mutations.change(&self.host, MapKind::ResponseHeaders)
            }
            _ => return Ok(None),
        };
        done.map(Some).map_err(|status| Trap {
            message: format!("a host call failed: {status:?}"),
        })
    }
}

impl Injector {
    /// As Envoy's filter does
    /// (source/extensions/filters/http/credential_injector/credential_injector_filter.cc, and
    /// source/extensions/http/injected_credentials/generic/generic_impl.cc).
    fn inject(&self, host: &HostHandle) -> Answered<u32> {
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
        host.reply(401, details, body, Headers::new(), u32::MAX)?;
        Ok(PAUSE)
    }
}

impl Mutations {
    fn change(&self, host: &HostHandle, map: MapKind) -> Answered<u32> {
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
