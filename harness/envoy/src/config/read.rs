//! An Envoy configuration as the live server runs it: one listener, a chain of Wasm filters,
//! routes, clusters, the access log.
//!
//! Reading is strict: what the server would not do as Envoy does is refused with its path, all of
//! it at once, because a gateway that overlooks a part of its configuration protects less than it
//! says. The admin interface alone is passed over: there is none.

mod native;
mod routes;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::Result;

use crate::config::own::{self, Kind, Secrets, flag, of_type};
use located_yaml::read::{At, Fields, Problem, Report};
use located_yaml::{Node, Place as InFile};
use proxy_wasm_simulator::access_log::AccessLog;
use proxy_wasm_simulator::path::PathRules;
use proxy_wasm_simulator::{
    Builder, FailurePolicy, FilterSpec, GuestCode, VirtualHost, profile, protobuf,
};

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";

/// What a configuration says.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where clusters are.
    pub clusters: BTreeMap<String, Place>,
    /// The chain.
    pub filters: Vec<Filter>,
    /// The access logs' formats, joined: a member that two have is the later one's.
    pub access_log: AccessLog,
    /// Secrets by name.
    pub secrets: Secrets,
    /// Virtual hosts with their routes.
    pub hosts: Vec<VirtualHost>,
    /// What is done to paths before anything is matched.
    pub paths: PathRules,
    /// Whether the client is whoever the connection comes from.
    pub use_remote_address: bool,
    request_id_in_response: bool,
    upgrades: Vec<String>,
    /// Bytes of a body that are held back at most.
    pub buffer_limit_bytes: Option<usize>,
}

/// Where a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its one endpoint.
    pub address: SocketAddr,
    /// The name of that (`hostname`), which `auto_host_rewrite` writes.
    pub hostname: Option<String>,
}

/// A filter of the chain.
#[derive(Clone, Debug)]
pub struct Filter {
    name: String,
    disabled: bool,
    /// What it is.
    pub kind: FilterKind,
}

/// What a filter is.
#[derive(Clone, Debug)]
pub enum FilterKind {
    /// A Wasm filter.
    Wasm(Box<WasmFilter>),
    /// One of Envoy's own.
    Own(own::Written),
}

/// A Wasm filter.
#[derive(Clone, Debug)]
pub struct WasmFilter {
    /// Its module.
    pub file: PathBuf,
    root_id: String,
    vm_id: String,
    configuration: Vec<u8>,
    vm_configuration: Vec<u8>,
    /// Variables whose values the environment has.
    inherited: Vec<String>,
    environment: BTreeMap<String, String>,
    failure_policy: FailurePolicy,
    allow_on_headers_stop_iteration: bool,
}

/// Why a configuration cannot be run.
#[derive(Clone, Debug)]
pub struct Refused(Vec<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the embedded gateway cannot run this configuration")?;
        for problem in &self.0 {
            match problem.place == InFile::default() {
                // It was changed on the way, so that lines say nothing.
                true => write!(f, "\n  {}: {}", problem.path, problem.message)?,
                false => write!(f, "\n  {problem}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl Bootstrap {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Everything in it that the server does not do.
    pub fn read(node: &Node) -> Result<Self, Refused> {
        let report = Report::default();
        let bootstrap = read(&report.root(node));
        match bootstrap {
            Some(bootstrap) if report.is_empty() => Ok(bootstrap),
            _ => Err(Refused(report.into_problems())),
        }
    }

    /// Everything but the filters, for a gateway that plays Envoy.
    #[must_use]
    pub fn configure(&self, builder: Builder) -> Builder {
        let mut rules = profile::ENVOY;
        rules.buffer_limit_bytes = self.buffer_limit_bytes.unwrap_or(rules.buffer_limit_bytes);
        let builder = builder
            .profile(rules)
            .paths(self.paths)
            .upgrades(self.upgrades.clone())
            .use_remote_address(self.use_remote_address)
            .request_id_in_response(self.request_id_in_response);
        self.hosts
            .iter()
            .cloned()
            .fold(builder, Builder::virtual_host)
    }
}

impl Filter {
    /// The filter, ready to be started: `code` has the code of modules, `variable` knows the
    /// environment.
    ///
    /// # Errors
    /// If there is no such code, or a secret is missing.
    pub fn spec(
        &self,
        secrets: &Secrets,
        code: impl FnOnce(&WasmFilter) -> Result<Rc<dyn GuestCode>>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<FilterSpec> {
        let mut spec = match &self.kind {
            FilterKind::Wasm(wasm) => wasm.spec(&self.name, code(wasm)?, variable),
            FilterKind::Own(own) => {
                let code = own.code(&self.name, secrets, variable)?;
                let mut spec = FilterSpec::new(&self.name, code);
                // As filters that are compiled in do.
                spec.allow_on_headers_stop_iteration = Some(true);
                spec
            }
        };
        spec.disabled = self.disabled;
        Ok(spec)
    }
}

impl WasmFilter {
    fn spec(
        &self,
        name: &str,
        code: Rc<dyn GuestCode>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> FilterSpec {
        let mut spec = FilterSpec::new(name, code);
        spec.root_id.clone_from(&self.root_id);
        spec.vm_id.clone_from(&self.vm_id);
        spec.configuration.clone_from(&self.configuration);
        spec.vm_configuration.clone_from(&self.vm_configuration);
        spec.environment.clone_from(&self.environment);
        for name in &self.inherited {
            if let Some(value) = variable(name) {
                spec.environment.insert(name.clone(), value);
            }
        }
        spec.failure_policy = self.failure_policy;
        spec.allow_on_headers_stop_iteration = Some(self.allow_on_headers_stop_iteration);
        spec
    }
}

fn read(at: &At<'_>) -> Option<Bootstrap> {
    let mut fields = at.fields()?;
    fields.take("admin");
    // What Envoy is called at its control plane; there is none here.
    fields.take("node");
    // Statistics have no tags here.
    fields.take("stats_config");
    let resources = fields.need("static_resources").and_then(|at| at.fields());
    fields.close();
    let mut resources = resources?;
    let clusters = resources
        .take("clusters")
        .map(|at| at.list())
        .unwrap_or_default();
    let clusters: BTreeMap<_, _> = clusters.iter().filter_map(cluster).collect();
    let secrets = resources
        .take("secrets")
        .map(|at| own::secrets(&at))
        .unwrap_or_default();
    let listener = resources
        .need("listeners")
        .and_then(|at| only(&at, "listener"));
    resources.close();
    let mut listener = listener?.fields()?;
    listener.take("name");
    let listen = listener.need("address").and_then(|at| address(&at));
    let buffer_limit_bytes = listener
        .take("per_connection_buffer_limit_bytes")
        .and_then(|at| at.within(1, usize::MAX >> 1));
    let chain = listener
        .need("filter_chains")
        .and_then(|at| only(&at, "filter chain"));
    listener.close();
    let mut chain = chain?.fields()?;
    let manager = chain
        .need("filters")
        .and_then(|at| only(&at, "network filter"));
    chain.close();
    let mut manager = typed(&manager?, MANAGER)?;
    manager.take("stat_prefix");
    // What is under way ends with the program.
    manager.take("drain_timeout");
    manager
        .take("xff_num_trusted_hops")
        .and_then(|at| at.within(0, 0));
    manager
        .take("codec_type")
        .and_then(|at| at.word(&[("AUTO", ()), ("HTTP1", ())]));
    let bootstrap = Bootstrap {
        listen: listen?,
        paths: PathRules {
            normalize: flag(&mut manager, "normalize_path"),
            merge_slashes: flag(&mut manager, "merge_slashes"),
            reject_escaped_slashes: manager
                .take("path_with_escaped_slashes_action")
                .and_then(|at| at.word(&[("KEEP_UNCHANGED", false), ("REJECT_REQUEST", true)]))
                .unwrap_or_default(),
            reject_underscores: manager
                .take("common_http_protocol_options")
                .and_then(|at| underscores(&at))
                .unwrap_or_default(),
        },
        use_remote_address: flag(&mut manager, "use_remote_address"),
        request_id_in_response: flag(&mut manager, "always_set_request_id_in_response"),
        upgrades: manager
            .take("upgrade_configs")
            .map(|at| at.list().iter().filter_map(upgrade).collect())
            .unwrap_or_default(),
        access_log: manager
            .take("access_log")
            .and_then(|at| access_log(&at))
            .unwrap_or_default(),
        filters: manager
            .need("http_filters")
            .map(|at| filters(&at, &secrets))
            .unwrap_or_default(),
        hosts: manager
            .need("route_config")
            .map(|at| routes::hosts(&at, &clusters))
            .unwrap_or_default(),
        clusters,
        secrets,
        buffer_limit_bytes,
    };
    manager.close();
    Some(bootstrap)
}

/// Whether a request with an underscore in a header's name is refused.
fn underscores(at: &At<'_>) -> Option<bool> {
    let mut fields = at.fields()?;
    let action = fields
        .take("headers_with_underscores_action")
        .and_then(|at| at.word(&[("ALLOW", false), ("REJECT_REQUEST", true)]));
    fields.close();
    action
}

/// A protocol that a connection may be upgraded to.
fn upgrade(at: &At<'_>) -> Option<String> {
    let mut fields = at.fields()?;
    let protocol = fields.need("upgrade_type").and_then(|at| at.text());
    fields.close();
    protocol
}

/// The one item of a list.
fn only<'a>(at: &At<'a>, what: &str) -> Option<At<'a>> {
    let mut items = at.list();
    match (items.pop(), items.is_empty()) {
        (Some(item), true) => Some(item),
        _ => at.refuse(format!("exactly one {what} is served here")),
    }
}

/// The members of a `typed_config` of this type, beside a `name` that says nothing.
fn typed<'a>(at: &At<'a>, kind: &str) -> Option<Fields<'a>> {
    let mut fields = at.fields()?;
    fields.take("name");
    let typed = fields.need("typed_config");
    fields.close();
    of_type(&typed?, kind)
}

fn text(fields: &mut Fields<'_>, name: &'static str) -> String {
    fields
        .take(name)
        .and_then(|at| at.text())
        .unwrap_or_default()
}

fn address(at: &At<'_>) -> Option<SocketAddr> {
    let mut fields = at.fields()?;
    let socket = fields.need("socket_address").and_then(|at| at.fields());
    fields.close();
    let mut socket = socket?;
    let host = socket.need("address");
    let port = socket
        .need("port_value")
        .and_then(|at| at.within(0, u16::MAX));
    socket.close();
    let host = host?;
    match host.text()?.parse::<IpAddr>() {
        Ok(ip) => Some((ip, port?).into()),
        Err(_) => host.refuse("names are not looked up here: an IP address is needed"),
    }
}

fn cluster(at: &At<'_>) -> Option<(String, Place)> {
    let mut fields = at.fields()?;
    let name = fields.need("name").and_then(|at| at.text());
    fields
        .take("type")
        .and_then(|at| at.word(&[("STATIC", ())]));
    // A connection on this machine is there at once or not at all.
    fields.take("connect_timeout");
    let assignment = fields.need("load_assignment").and_then(|at| at.fields());
    fields.close();
    let mut assignment = assignment?;
    assignment.take("cluster_name");
    let endpoints = assignment
        .need("endpoints")
        .and_then(|at| only(&at, "group of endpoints"));
    assignment.close();
    let mut group = endpoints?.fields()?;
    let endpoint = group
        .need("lb_endpoints")
        .and_then(|at| only(&at, "endpoint"));
    group.close();
    let mut entry = endpoint?.fields()?;
    let endpoint = entry.need("endpoint").and_then(|at| at.fields());
    entry.close();
    let mut endpoint = endpoint?;
    let address = endpoint.need("address").and_then(|at| address(&at));
    let hostname = endpoint.take("hostname").map(|at| at.text());
    endpoint.close();
    let place = Place {
        address: address?,
        hostname: hostname.unwrap_or_default().filter(|name| !name.is_empty()),
    };
    Some((name?, place))
}

fn access_log(at: &At<'_>) -> Option<AccessLog> {
    let mut members = Vec::new();
    for log in at.list() {
        const STDOUT: &str = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
        let mut fields = typed(&log, STDOUT)?;
        let format = fields.need("log_format").and_then(|at| at.fields());
        fields.close();
        let mut format = format?;
        let json = format.need("json_format");
        format.close();
        for (key, value) in json?.entries() {
            let text = value.text()?;
            if let Err(problem) = AccessLog::read([(key.text.as_str(), text.as_str())]) {
                value.refuse::<()>(problem);
            }
            members.push((key.text.clone(), text));
        }
    }
    let members = members
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    AccessLog::read(members).ok()
}

fn filters(at: &At<'_>, secrets: &Secrets) -> Vec<Filter> {
    let mut entries = at.list();
    match entries.pop() {
        Some(last) if typed(&last, ROUTER).is_some_and(|router| router.rest().is_empty()) => {}
        Some(last) => {
            last.refuse::<()>("the last filter has to be the router, without settings of its own");
        }
        None => {
            at.refuse::<()>("the router is missing");
        }
    }
    entries
        .iter()
        .filter_map(|at| filter(at, secrets))
        .collect()
}

fn filter(at: &At<'_>, secrets: &Secrets) -> Option<Filter> {
    let mut entry = at.fields()?;
    let name = entry.need("name").and_then(|at| at.text());
    let disabled = flag(&mut entry, "disabled");
    let typed = entry.need("typed_config");
    entry.close();
    let typed = typed?;
    let mut fields = typed.fields()?;
    let url = fields.need("@type").and_then(|at| at.text())?;
    let kind = match Kind::of_type(&url) {
        Some(kind) => {
            let own = kind.read(fields)?;
            if let Some(secret) = own.secret().filter(|name| !secrets.contains_key(*name)) {
                return typed.refuse(format!("no secret is called {secret:?}"));
            }
            FilterKind::Own(own)
        }
        None if native::is_one(&url) => FilterKind::Wasm(Box::new(native::filter(fields)?)),
        None => FilterKind::Wasm(Box::new(wasm_filter(of_type(&typed, WASM)?)?)),
    };
    Some(Filter {
        name: name?,
        disabled,
        kind,
    })
}

fn wasm_filter(mut wasm: Fields<'_>) -> Option<WasmFilter> {
    const POLICIES: [(&str, FailurePolicy); 4] = [
        ("UNSPECIFIED", FailurePolicy::Closed),
        ("FAIL_RELOAD", FailurePolicy::Reload),
        ("FAIL_CLOSED", FailurePolicy::Closed),
        ("FAIL_OPEN", FailurePolicy::Open),
    ];
    let config = wasm.need("config").and_then(|at| at.fields());
    wasm.close();
    let mut config = config?;
    config.take("name");
    let root_id = text(&mut config, "root_id");
    let failure_policy = config
        .take("failure_policy")
        .and_then(|at| at.word(&POLICIES))
        .unwrap_or(FailurePolicy::Closed);
    // A filter that has failed is started anew by the next request, without a back-off.
    config.take("reload_config");
    let allow_on_headers_stop_iteration = flag(&mut config, "allow_on_headers_stop_iteration");
    let configuration = config.take("configuration").map(|at| any(&at));
    let vm = config.need("vm_config").and_then(|at| at.fields());
    config.close();
    let mut vm = vm?;
    let vm_id = text(&mut vm, "vm_id");
    // The engine is chosen elsewhere.
    vm.take("runtime");
    let vm_configuration = vm.take("configuration").map(|at| any(&at));
    let file = vm.need("code").and_then(|at| code(&at));
    let (inherited, environment) = vm
        .take("environment_variables")
        .and_then(|at| environment(&at))
        .unwrap_or_default();
    vm.close();
    Some(WasmFilter {
        file: file?,
        root_id,
        vm_id,
        configuration: configuration.unwrap_or(Some(Vec::new()))?,
        vm_configuration: vm_configuration.unwrap_or(Some(Vec::new()))?,
        inherited,
        environment,
        failure_policy,
        allow_on_headers_stop_iteration,
    })
}

/// The bytes that a filter gets of a message of any type.
fn any(at: &At<'_>) -> Option<Vec<u8>> {
    let mut fields = at.fields()?;
    let kind = fields.need("@type").and_then(|at| at.text());
    let value = fields.take("value");
    fields.close();
    match kind?.rsplit('.').next() {
        Some("StringValue") => Some(value.and_then(|at| at.text()).unwrap_or_default().into()),
        Some("Struct") => Some(
            value
                .map(|at| protobuf::struct_bytes(&at.json()))
                .unwrap_or_default(),
        ),
        _ => at.refuse("a StringValue or a Struct is read here"),
    }
}

fn code(at: &At<'_>) -> Option<PathBuf> {
    let mut fields = at.fields()?;
    let local = fields.need("local").and_then(|at| at.fields());
    fields.close();
    let mut local = local?;
    let file = local.need("filename").and_then(|at| at.text());
    local.close();
    file.map(PathBuf::from)
}

fn environment(at: &At<'_>) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let mut fields = at.fields()?;
    let inherited = fields.take("host_env_keys").map(|at| at.list());
    let given = fields.take("key_values").map(|at| at.entries());
    fields.close();
    let inherited = inherited.unwrap_or_default();
    let given = given.unwrap_or_default();
    Some((
        inherited.iter().filter_map(At::text).collect(),
        given
            .into_iter()
            .filter_map(|(key, value)| Some((key.text.clone(), value.text()?)))
            .collect(),
    ))
}
