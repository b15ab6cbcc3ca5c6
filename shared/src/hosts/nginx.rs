//! nginx with ngx_wasm_module, alone or in Kong 3.9: what stands between the machine and it.
//!
//! To filters a request looks as on Envoy: `:path` is what the client has sent and what goes to
//! the upstream (nginx shows it decoded and merged), `:authority` is the client's `Host` (nginx
//! shows its own name), and a header that a filter has taken out is none: all that can be made of
//! one is a header without a value, so the names of those are kept. Such names and facts are
//! properties of the request that neither client nor upstream see.
//!
//! What cannot be brought to look so is refused ([`Proxy::admit`]): more headers than nginx shows,
//! paths that nginx reads in another way than the upstream may. And what nginx would take and not
//! do is refused where it is asked for: to write pseudo-headers, or a header that came twice.
//!
//! It cannot make removed headers go, nor shorten what the upstream is sent in the query.

use std::cell::Cell;
use std::rc::Rc;

use super::Rules;
use crate::headers::HeaderBlock;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, Proxy, Side, Status,
};
use crate::problem::Reason;
use crate::problem::common::{HEADERS_TOO_MANY, HOST_REFUSED, PATH_AMBIGUOUS};
use crate::route::Path;

/// What nginx does otherwise.
pub static NGINX: Rules = Rules {
    tells_the_end_in_headers: false,
    holds_headers_for_bodies: false,
    holds_responses: false,
    exchanges_may_wait: false,
    replies_to_responses: false,
    routes_have_metadata: false,
    changes_targets: false,
    refused_configurations_are_safe: false,
    empty_lists_may_be_objects: true,
    shared_data_is_a_zone: true,
    replaces_configurations: false,
    loses_data_after_resume: false,
    tells_endings: false,
    metrics_are_defined_at_start: false,
};

/// Header pairs that nginx shows at most, pseudo-headers among them; what comes after them it
/// sends to the upstream unseen (`NGX_WASM_MAX_HOST_MAP_PAIRS`).
const MOST_PAIRS: usize = 100;

/// The zone of shared data that is ours alone, where the operator has made one of this name
/// (`shm_kv`). Where there is none, nginx looks for the whole key in its zone `*`
/// (ngx_wa_shm_kv.c, `ngx_wa_shm_kv_resolve_key`).
pub const ZONE: &str = "modelgate";

/// Bytes that a value takes in a zone: with its key and what nginx keeps with them
/// (`ngx_wa_shm_kv_node_t`), in blocks of powers of two up to half a page, and in pages beyond that
/// (nginx, ngx_slab.c).
pub fn zone_bytes(key_bytes: usize, value_bytes: usize) -> usize {
    const NODE: usize = 96;
    const PAGE: usize = 4096;
    let bytes = key_bytes.saturating_add(value_bytes).saturating_add(NODE);
    match bytes > PAGE / 2 {
        true => bytes.div_ceil(PAGE).saturating_mul(PAGE),
        false => bytes.next_power_of_two(),
    }
}

/// How names of facts begin.
const FACTS: &str = "modelgate.";

/// The fact that says which request headers were emptied because they were to go: their names, one
/// in a line.
const EMPTIED: &str = "emptied";

/// Names that nginx does not know, or ends its worker at when a root context asks for them.
const UNKNOWN: [&str; 3] = ["plugin_name", "plugin_root_id", "plugin_vm_id"];

/// Where properties of a request can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    /// `wasmx.*` of ngx_wasm_module.
    Module,
    /// `kong.ctx.shared.*`, in Kong.
    Kong,
}

impl Keeper {
    /// The path of a fact, joined as paths of properties are.
    fn path(self, fact: &str) -> String {
        match self {
            Self::Module => format!("wasmx\0{FACTS}{fact}"),
            Self::Kong => format!("kong\0ctx\0shared\0modelgate_{fact}"),
        }
    }
}

/// nginx, as the machine sees it.
pub(crate) struct Nginx {
    proxy: Rc<dyn Proxy>,
    /// Whether it is nginx, and whose, once a request could be asked.
    keeper: Cell<Option<Keeper>>,
}

impl Nginx {
    pub fn new(proxy: Rc<dyn Proxy>) -> Self {
        Self {
            proxy,
            keeper: Cell::new(None),
        }
    }

    /// Where facts are kept; to be asked within a request.
    fn keeper(&self) -> Result<Keeper, Status> {
        if let Some(known) = self.keeper.get() {
            return Ok(known);
        }
        let version = self.proxy.property(&["ngx", "nginx_version"])?;
        let is_version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        if version.is_empty() || !version.iter().all(is_version) {
            return Err(Status::NotFound);
        }
        let keeper = match self.proxy.property(&["kong", "version"]) {
            Ok(_) => Keeper::Kong,
            Err(_) => Keeper::Module,
        };
        self.keeper.set(Some(keeper));
        Ok(keeper)
    }

    /// The headers of the request as nginx shows them.
    fn shown(&self) -> Result<HeaderBlock, Status> {
        Ok(HeaderBlock::new(self.proxy.pairs(Map::RequestHeaders)?))
    }

    /// The request's target as the client has sent it.
    fn target(&self) -> Result<Vec<u8>, Status> {
        self.proxy.property(&["request", "path"])
    }

    /// What was kept of the request under the name of a fact.
    fn kept(&self, fact: &str) -> Result<Vec<u8>, Status> {
        self.proxy.property(&[&self.keeper()?.path(fact)])
    }

    /// The names of the request headers that filters have emptied.
    fn emptied(&self) -> Result<Vec<u8>, Status> {
        match self.kept(EMPTIED) {
            Err(Status::NotFound) => Ok(Vec::new()),
            kept => kept,
        }
    }

    /// Whether the request line names a path, and no whole URL: of that, nginx shows the path
    /// alone, and takes its host for the request's, beside the one in `host`. nginx has the line
    /// for every request: for HTTP/2 and HTTP/3 it writes one (ngx_http_v2.c,
    /// `ngx_http_v2_construct_request_line`; ngx_http_v3_request.c).
    fn names_a_path(&self) -> Result<bool, Status> {
        let line = self.proxy.property(&["ngx", "request"])?;
        let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        Ok(target.starts_with(b"/") || target == b"*")
    }

    /// How often a request header came; pseudo-headers and `host` cannot be written.
    fn writable(&self, name: &str) -> Result<usize, Status> {
        if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
            return Err(Status::Unimplemented);
        }
        match self.shown()?.all(name).count() {
            // Only the first would be changed.
            2.. => Err(Status::BadArgument),
            count => Ok(count),
        }
    }
}

/// The fact that a filter has begun.
fn begun(filter: &str) -> String {
    format!("begun_{filter}")
}

/// Whether a header of this name is among the ones that were emptied.
fn is_among(emptied: &[u8], name: &[u8]) -> bool {
    let mut names = emptied.split(|byte| *byte == b'\n');
    names.any(|one| one.eq_ignore_ascii_case(name))
}

/// The request's headers as they look on Envoy: `target` is what the client has asked for, and
/// `emptied` what filters have taken out.
fn as_elsewhere(shown: &HeaderBlock, target: &[u8], emptied: &[u8]) -> HeaderBlock {
    let is_host = |name: &[u8]| name.eq_ignore_ascii_case(b"host");
    let mut hosts = shown.all("host");
    // Of two, nobody knows which one the upstream takes: both stay to be seen.
    let host = match (hosts.next(), hosts.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    };
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::with_capacity(shown.len().min(MOST_PAIRS));
    for (name, value) in shown.iter() {
        match name {
            b":path" => pairs.push((name, target)),
            b":authority" => pairs.push((name, host.unwrap_or(value))),
            _ if is_host(name) && host.is_some() => {}
            _ if value.is_empty() && is_among(emptied, name) => {}
            _ => pairs.push((name, value)),
        }
    }
    HeaderBlock::from_pairs(pairs)
}

/// Whether what nginx has read of a path is what everybody reads: it is as it was sent, or has no
/// second reading and is that one. Queries are left aside.
fn reads_alike(sent: &[u8], shown: &[u8]) -> bool {
    let path = |target| <[u8]>::split(target, |byte| *byte == b'?').next();
    if path(sent) == path(shown) {
        return true;
    }
    let Ok(parsed) = Path::parse(sent) else {
        return false;
    };
    let segments = parsed.segments().flat_map(|segment| {
        let decoded = segment.decoded();
        std::iter::once(b'/').chain(decoded.as_bytes().to_vec())
    });
    path(shown).is_some_and(|shown| segments.eq(shown.iter().copied()))
}

impl Host for Nginx {
    fn rules(&self) -> &'static Rules {
        &NGINX
    }

    fn now_ns(&self) -> u64 {
        self.proxy.now_ns()
    }

    fn random(&self) -> u64 {
        self.proxy.random()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.proxy.environment(name)
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        let [name] = path else {
            return self.proxy.property(path);
        };
        match name.strip_prefix(FACTS) {
            Some(fact) => self.kept(fact),
            None if UNKNOWN.contains(name) => Err(Status::NotFound),
            None => self.proxy.property(path),
        }
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        match name.strip_prefix(FACTS) {
            Some(fact) => self.proxy.set_property(&self.keeper()?.path(fact), value),
            None => Err(Status::NotFound),
        }
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        self.proxy.shared(&format!("{ZONE}/{key}"))
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        self.proxy.set_shared(&format!("{ZONE}/{key}"), value, cas)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.proxy.define_metric(kind, name)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        self.proxy.increment(metric, by)
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.proxy.record(metric, value)
    }

    fn log(&self, level: Level, line: &str) {
        self.proxy.log(level, line);
    }

    /// Any name is a trap there, which throws away all that the module knows.
    fn foreign(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Status> {
        Err(Status::Unimplemented)
    }
}

impl Proxy for Nginx {
    fn admit(&self) -> Result<(), &'static Reason> {
        let refused = |_| &HOST_REFUSED;
        self.keeper().map_err(refused)?;
        let shown = self.shown().map_err(refused)?;
        if shown.len() >= MOST_PAIRS {
            return Err(&HEADERS_TOO_MANY);
        }
        let target = self.target().map_err(refused)?;
        match shown.first(":path") {
            Some(path) if reads_alike(&target, path) && self.names_a_path().map_err(refused)? => {
                Ok(())
            }
            _ => Err(&PATH_AMBIGUOUS),
        }
    }

    /// After a trap nginx goes on with every exchange of the instance in a new one, and shows it
    /// what comes next (ngx_proxy_wasm.c, `ngx_proxy_wasm_run_step`).
    fn note_begun(&self, filter: &str) -> Result<(), Status> {
        let path = self.keeper()?.path(&begun(filter));
        self.proxy.set_property(&path, b"1")
    }

    fn was_begun(&self, filter: &str) -> bool {
        match self.kept(&begun(filter)) {
            // Kong may say of what is not there that it is empty.
            Ok(kept) => !kept.is_empty(),
            Err(Status::NotFound) => false,
            // Who cannot tell has not been let through either.
            Err(_) => true,
        }
    }

    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        match map {
            Map::RequestHeaders => {
                let shown = self.shown()?;
                let emptied = match shown.iter().any(|(_, value)| value.is_empty()) {
                    true => self.emptied()?,
                    false => Vec::new(),
                };
                let seen = as_elsewhere(&shown, &self.target()?, &emptied);
                Ok(seen.as_bytes().to_vec())
            }
            _ => self.proxy.pairs(map),
        }
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        if map == Map::RequestHeaders {
            self.writable(name)?;
        }
        self.proxy.set_header(map, name, value)
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        self.proxy.add_header(map, name, value)
    }

    /// A request header is emptied: one that is removed is sent with the value that it had, and
    /// set again it stands there twice. That it was there is kept first, so that an empty one of
    /// the client's own is never taken for one that has gone. The length of the body nginx writes
    /// itself.
    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status> {
        if map != Map::RequestHeaders || name.eq_ignore_ascii_case("content-length") {
            return self.proxy.remove_header(map, name);
        }
        match self.writable(name)? {
            0 => Ok(()),
            _ => {
                let mut emptied = self.emptied()?;
                if !is_among(&emptied, name.as_bytes()) {
                    emptied.extend_from_slice(name.as_bytes());
                    emptied.push(b'\n');
                    let path = self.keeper()?.path(EMPTIED);
                    self.proxy.set_property(&path, &emptied)?;
                }
                self.proxy.set_header(map, name, b"")
            }
        }
    }

    /// From a start other than 0 it would hand over what is at the beginning.
    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        let mut bytes = self.proxy.body(buffer, 0, start.saturating_add(max))?;
        match start {
            0 => Ok(bytes),
            _ if start > bytes.len() => Err(Status::BadArgument),
            _ => Ok(bytes.split_off(start)),
        }
    }

    /// The size is taken as that of the new bytes, and more of them than so many are cut off.
    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        self.proxy
            .set_body(buffer, start, size.max(data.len()), data)
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        self.proxy.reply(reply)
    }

    fn resume(&self, side: Side) -> Result<(), Status> {
        self.proxy.resume(side)
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        self.proxy.dispatch(call)
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), Status> {
        self.proxy.set_tick(period_ms)
    }

    /// There it does nothing, and says that it has: whatever acts on an exchange acts on the
    /// current one. Only for a context that is the current one anyway.
    fn focus(&self, context: u32) -> Result<(), Status> {
        self.proxy.focus(context)
    }
}

#[cfg(test)]
mod tests;
