//! The kinds of findings: codes are part of the interface and are never renamed or used again for
//! something else.

use Severity::{Error, Note, Warning};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It will not work, or not protect.
    Error,
    /// It works, but not well.
    Warning,
    /// It may be as it should be: somebody has to know.
    Note,
}

impl Severity {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `MG101`.
    pub id: &'static str,
    /// `filter-order`: what a comment that allows it names.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub title: &'static str,
    /// Why that matters and what to do, in Markdown.
    pub help: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $id:literal $name:literal $severity:ident, $title:literal, $help:literal;)*) => {
        $(
            #[doc = $title]
            pub(super) const $constant: Code = Code { id: $id, name: $name, severity: $severity, title: $title, help: $help };
        )*
        /// Every kind, in the order of the codes.
        pub const ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    SYNTAX = "MG001" "syntax" Error, "The file cannot be read.",
        "It is missing, not UTF-8, or neither YAML (JSON is YAML) nor protobuf's text form. Tabs cannot indent, and a key must not stand twice in a mapping: Envoy silently takes one of them.";
    UNKNOWN_FIELD = "MG002" "unknown-field" Error, "Envoy's message has no such field.",
        "Names are compared with the whole API of Envoy 1.40, in both spellings that it takes (`typed_config` and `typedConfig`). Envoy refuses the file.";
    TWO_SPELLINGS = "MG003" "two-spellings" Error, "A field stands twice, in two spellings.",
        "`failure_policy` and `failurePolicy` are one field. Envoy silently takes the last one. Remove one.";
    WRONG_VALUE = "MG004" "wrong-value" Error, "A value is not of the field's type.",
        "Unknown names of an enum, a text where a mapping is wanted, a number without quotes where a text is wanted (`stat_prefix: 5`), a duration without its `s`. Envoy refuses the file.";
    MERGE_KEY = "MG005" "merge-key" Error, "A YAML merge key (`<<`).",
        "Envoy does not merge: it takes `<<` for a field and refuses the file. A plain alias (`vm_config: *shared`) works; write out what differs.";
    UNKNOWN_TYPE = "MG006" "unknown-type" Warning, "`@type` names no message of Envoy 1.40.",
        "It may be an extension of your own build of Envoy. Nothing below it was checked. A name that is nearly that of a known message is an error.";
    UNREADABLE_ENTRY = "MG007" "unreadable-entry" Error, "An entry that looks like a filter of the suite cannot be read.",
        "Its name, `root_id` or module is ours, but what follows is not what a Wasm filter needs. It is not counted, and nothing in it was checked.";
    NOTHING_HERE = "MG008" "nothing-here" Error, "No filter of the suite is in the file.",
        "A filter is recognised by its module's file name, its `root_id` or its name.";
    KUBERNETES = "MG009" "kubernetes" Error, "A resource of a kind that is not read.",
        "Read are Envoy's bootstraps and resources, what it answers on `/config_dump`, and of Kubernetes: Istio's WasmPlugin, TrafficExtension and EnvoyFilter, Envoy Gateway's EnvoyExtensionPolicy and EnvoyPatchPolicy, Higress's WasmPlugin, ConfigMaps and Secrets that hold one of these, and Kustomizations. For others, check what they are rendered to.";
    CONFIGURATION_TYPE = "MG010" "configuration-type" Error, "The filter's configuration has the wrong form.",
        "Write `\"@type\": type.googleapis.com/google.protobuf.StringValue` and `value: |` with a JSON object below. A Struct reaches a Wasm filter as protobuf bytes; in the [native form](native.md) it is the better choice.";
    CONFIGURATION = "MG011" "configuration" Error, "The filter refuses its configuration.",
        "The message is that of the code that runs in the proxy. Envoy would refuse the file at start, and keep the old configuration at a reload.";
    NOT_READ = "MG012" "not-read" Warning, "A part of the configuration is elsewhere and was not read.",
        "Listeners, routes or filters that come from a control plane, or from a file that is not here. What they hold is not in the count. Files that `path_config_source` names are read when they are there.";
    ENVOY = "MG013" "envoy" Error, "Envoy itself refuses the file.",
        "The last words of `envoy --mode validate`, which `--envoy` runs.";
    UNKNOWN_ALLOWANCE = "MG014" "unknown-allowance" Warning, "A comment allows a finding that does not exist.",
        "Write `# modelgate: allow(NAME)` with a name or a code of this page, on the line of the finding, or on a line of comments directly above it or above its filter.";
    KUBERNETES_LIMITS = "MG015" "kubernetes-limits" Warning, "The resource cannot say what the filter needs.",
        "Istio's WasmPlugin and Envoy Gateway's EnvoyExtensionPolicy cannot set `allow_on_headers_stop_iteration`. Use an EnvoyFilter or EnvoyPatchPolicy, or the filter's mode that works without (each filter's README says which).";
    DOCUMENTS = "MG016" "several-documents" Warning, "A bootstrap is not the only document of its file.",
        "Envoy refuses a bootstrap with several documents. All of them were checked; put each into a file of its own.";
    NESTED = "MG017" "nested-filter" Warning, "A filter of the suite stands inside of another filter.",
        "In an ExtensionWithMatcher or a composite filter it runs for some requests only. Its settings were checked; its place in the chain, and whether it protects a route, were not.";
    ONE_OF = "MG018" "one-of" Error, "Fields that exclude each other stand in one message, or none of them does.",
        "A route's match has one of `prefix`, `path`, `safe_regex` …; Envoy refuses a second one, and most of these groups without any. In a bootstrap, and in a resource with its `@type`, what is missing is a finding; in a patch or a piece of a file it is not.";
    CONSTRAINT = "MG019" "constraint" Error, "A value is out of its range, or one that must be written is missing.",
        "`port_value: 70000`, `connect_timeout: 0s`, `domains: []`, a cluster without its `name`, a header's name with a space: the constraints are those of Envoy 1.40's own API (protoc-gen-validate); and of what it judges by code of its own: addresses that are none, extensions without `typed_config`, domains and filter chains that stand twice, tags without a `regex`. Of the rest (a negative timeout, a file that is not on its machine) only `--envoy` knows. Envoy refuses the file. What is missing is a finding as for `one-of`.";
    GATEWAY = "MG020" "gateway-file" Error, "A gateway file is invalid or incomplete.",
        "Names are those of [gateway.md](gateway.md) and its JSON Schema; parts that filters read are judged by them (MG011). Nothing more of the file was checked, since it is not known what it means.";
    MISSING_FILE = "MG021" "missing-file" Error, "A kustomization names a file that is not there.",
        "Paths are relative to the kustomization. What the files hold is checked file by file: `modelgate check FOLDER` reads all of them.";

    ORDER = "MG101" "filter-order" Error, "A filter stands in the wrong place.",
        "A filter must see what a later one leaves, or must not see what an earlier one lets pass. The order is audit-log, jwt-auth, key-auth, consumer-acl, rate-limit, model-route, pii-mask, upstream-auth, aws-sigv4. WasmPlugins run by phase (AUTHN, AUTHZ, STATS) and, in each, the highest `priority` first; filters of an EnvoyExtensionPolicy as they are listed.";
    FACTS_HIDDEN = "MG102" "facts-hidden" Error, "A chain in one entry hides its facts from filters in other entries.",
        "Write `\"facts_to_filter_state\": true`, or list all filters in one chain.";
    FAILS_OPEN = "MG103" "fails-open" Error, "Where a filter cannot run, requests pass unfiltered.",
        "`failure_policy: FAIL_OPEN` (or the old `fail_open: true`) takes the filter out of the chain when it crashes. Write `FAIL_RELOAD`. With `is_optional: true` an Envoy that is built without Wasm silently leaves the filter out. A dynamic module that is fetched (`remote`) is absent until it is there, unless `nack_on_cache_miss: true` refuses the configuration.";
    STAYS_CLOSED = "MG104" "stays-closed" Warning, "After a crash every request on that worker gets 503 until Envoy is restarted.",
        "That is what `FAIL_CLOSED` means, which is also the default. With `FAIL_RELOAD` Envoy starts the filter anew, after a back-off (`reload_config`; a second by default).";
    STOP_ITERATION = "MG105" "stop-iteration" Error, "The filter cannot hold a request's headers.",
        "It decides on the body before the headers go on, which Envoy allows with `allow_on_headers_stop_iteration: true` only. Without it requests with a body hang.";
    ROOT_ID = "MG106" "root-id" Error, "`root_id` names nothing in the module.",
        "In `modelgate.wasm` write `chain` or a filter's name; in a filter's own module leave it out or write the filter's name.";
    RUNTIME = "MG107" "runtime" Error, "A runtime that a stock Envoy does not have.",
        "Release builds of Envoy have `envoy.wasm.runtime.v8` only.";
    MODULE = "MG108" "module" Error, "The module's file is not there.",
        "The folder is on this machine and the file is not in it, or the file's name is nearly that of a module. Envoy says `Invalid path`.";
    TWICE = "MG109" "filter-twice" Error, "A filter stands twice in a chain.",
        "Two entries of one name cannot be told apart by `typed_per_filter_config`; the same filter twice asks, counts or signs twice.";
    ROUTER = "MG110" "router-last" Error, "The router is not the last filter of the chain.",
        "Envoy needs exactly one, and at the end: what stands behind it never runs.";
    DISABLED = "MG111" "disabled-everywhere" Error, "A filter runs on no route.",
        "It has `disabled: true` and no route enables it, or every route disables it. Remove the filter, or enable it with `typed_per_filter_config`.";
    ROUTE_KEY = "MG112" "route-key" Error, "`typed_per_filter_config` names no filter of the chain.",
        "The key is the filter's `name` in `http_filters`. Envoy silently ignores any other: what should be on stays off, what should be off stays on.";
    ROUTE_CONFIG = "MG113" "route-config" Error, "A Wasm filter has no configuration per route.",
        "Only `envoy.config.route.v3.FilterConfig` (on or off) works for Wasm filters, and beside it `DynamicModuleFilterPerRoute` in the [native form](native.md). What differs by route is a [profile](profiles.md).";
    BUFFER = "MG114" "buffer-limit" Error, "Envoy holds less of a body than the filter may need.",
        "Envoy answers 413 before the filter's own `max_body_bytes` does. Raise `per_connection_buffer_limit_bytes` of the listener (1 MiB unless it is written), or `request_body_buffer_limit` of the route or the virtual host, which goes further than the listener's and never lowers it; or lower `max_body_bytes`. A Buffer filter sets its own limit (`max_request_bytes`), also for the filters behind it. `per_request_buffer_limit_bytes` is about retries and mirrors, and has no part in this.";
    UPGRADE = "MG115" "upgrade" Warning, "Upgraded connections pass a filter that reads bodies.",
        "A WebSocket has no body that ends: its data can be neither masked nor signed, and the filter refuses the request by default. Remove `upgrade_configs`, or give such routes a chain of their own.";
    UNDERSCORES = "MG116" "underscores" Warning, "Headers with underscores reach the upstream.",
        "Servers with CGI, WSGI or PHP read `x_user` as `x-user`. Write `common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }` in the HTTP connection manager.";
    PATHS = "MG117" "path-normalization" Warning, "Paths are not normalized before filters see them.",
        "`/v1/models/a/../b` is one model to a rule and another to the server. Write `normalize_path: true`, `merge_slashes: true` and `path_with_escaped_slashes_action: REJECT_REQUEST`.";
    CLIENT_ADDRESS = "MG118" "client-address" Error, "A client chooses the address it is counted by.",
        "Without `use_remote_address: true` Envoy believes `x-forwarded-for`. Behind other proxies say how many: `xff_num_trusted_hops`.";
    ADMIN = "MG119" "admin-open" Warning, "The admin interface listens on every address.",
        "Anyone who reaches it can read the configuration and stop Envoy. Bind it to 127.0.0.1.";
    ANOTHER_NAME = "MG120" "another-name" Warning, "A filter is called as another one of the suite.",
        "What runs is the module's filter, whatever its entry is called. Routes turn filters off by the name of the entry, and metrics and logs are read by it: `jwt-auth: { disabled: true }` would turn off something else.";

    OPEN_SIGNER = "MG201" "unauthenticated-signer" Error, "Unauthenticated requests go out with the gateway's own credentials.",
        "`aws-sigv4`, `upstream-auth`, a filter of Envoy's that adds credentials (`credential_injector`, `aws_request_signing`, `aws_lambda`, `gcp_authn`, `header_mutation`), or a route that adds an `authorization` of its own has nothing in front of it that refuses unauthenticated callers. Put `jwt-auth` or `key-auth` in front, without `\"on_missing\": \"allow\"` unless a later filter refuses, or `consumer-acl` with rules that need an identity. It is checked for each route: a route that disables the authenticator and keeps the signer is open. Envoy's own `rbac`, `ext_authz`, `ext_proc`, `jwt_authn`, `oauth2`, `basic_auth` and `api_key_auth` count unless their configuration lets strangers pass, and so does a client certificate that must be shown and is verified.";
    NO_IDENTITY = "MG202" "no-identity" Error, "A rule needs to know the caller, and no filter in front identifies it.",
        "`consumer-acl` denies everything, and a limit by consumer refuses everything, when neither `jwt-auth` nor `key-auth` runs before it on the route.";
    OPEN_CHAIN = "MG203" "open-chain" Warning, "No filter refuses unauthenticated callers.",
        "Authentication is missing or optional, and nothing later asks for an identity.";
    UNKNOWN_PROFILE = "MG204" "unknown-profile" Error, "A route names a profile that a filter does not have.",
        "Every request of the route gets 500 `profile_unknown`.";
    DENY_ONLY = "MG205" "deny-only" Error, "No rule allows anything.",
        "What no rule allows is denied: with rules that only deny, or none, every request is.";
    UNREACHABLE = "MG206" "unreachable-rule" Warning, "A rule that never decides.",
        "With `first_match` an earlier rule fits every request; with `deny_overrides` a rule denies every request.";
    ODD_PATTERN = "MG207" "odd-pattern" Warning, "A pattern that matches nothing or is a mistake.",
        "An empty name fits nothing, and `[`, `?` or a space in a model's name stand for themselves: only `*` is special.";
    NOT_HANDED_ON = "MG208" "not-handed-on" Error, "A rule needs a claim that no authenticator passes on.",
        "For every caller it reads as absent: a rule that allows never fits, one that denies never does either (or, with `none_of`, always does), and a limit by it refuses everybody. List the claim in `claims_to_fact` of an issuer in `jwt-auth`, or write it as a label of keys in `key-auth`; a claim inside of another is known where the outer one is. Groups are found by `groups_claim` and `groups` of an issuer, and by `groups` of keys. It is checked for each route and profile.";
    METADATA = "MG209" "profile-metadata" Error, "Metadata has a key that no filter reads.",
        "Profiles are named in the namespace `modelgate` of a route's or a virtual host's `filter_metadata`: `modelgate: { profile: NAME }` for all filters, `modelgate: { key_auth: { profile: NAME } }` for one. Under a name that is nearly one of these (`model-gate`, `key-auth`, `modelgate.key_auth`) and in another form (`key_auth: NAME`, a list) nothing is read, and the filter runs without the profile. `dialect` is read too, for the shape of refusals; a name that no protocol has is ignored. In the [native form](native.md) metadata of virtual hosts and of single filters cannot be read, and stands in the configuration of the route or virtual host.";
    CLIENT_CHOOSES = "MG210" "client-chooses" Error, "A client chooses what model-route should.",
        "Routes that ask for `x-modelgate-backend` (`backend_header`, `shadow_header`) are chosen twice: before the filters run, by what the client has sent, and after `model-route`, which has taken that out and written its own. The first choice decides which filters run, and which profile those before `model-route` have. So a route that asks for the header and switches a filter off, or has `model-route` off, is open to anybody who sends it. Switch filters on the virtual host, or on these routes and on the one for requests without the header alike; let `model-route` run on all of them, and ask for the names that it writes.";
    COPIED_SIGNATURE = "MG211" "copied-signature" Warning, "A copy carries a signature or a credential that is another server's.",
        "With `request_mirror_policies` Envoy sends a copy of the request as it leaves the filters, with the signature of `aws-sigv4` or the credential of `upstream-auth` in it. The signature is good for the host that it was made for: another server refuses it, and whoever runs that server could send it to AWS within five minutes. The credential is good for whoever has it. Take it out of the copy (`request_headers_mutations` of the mirror policy, `remove: authorization` or the header of the provider's key), sign in the filters of each cluster, or copy requests only where nothing is signed.";
    COPIED_UNMASKED = "MG212" "copied-unmasked" Error, "A copy leaves before its body is masked.",
        "Copies (`request_mirror_policies`) are made where the router chooses the cluster: what filters of the listener's chain have done is in them, what filters of a cluster or of the router do is not. Put `pii-mask` into the listener's chain.";

    CHANGED = "MG301" "changed-after-signing" Error, "A signed request is changed.",
        "Routes run after all filters: a rewritten host or path, or a changed signed header, breaks the signature. `aws-sigv4` sets `host` and takes off `strip_path_prefix` itself; with `\"rewritten_by\": \"route\"` the route must do exactly the same. With `internal_redirect_policy` Envoy follows a redirect of the upstream's itself: the request goes through the filters again as the first pass left it, with the credential removed and our signature in its place.";
    RETRIED = "MG302" "retried-after-signing" Warning, "A signed request is retried.",
        "A retry sends the same signature, which AWS takes for five minutes; it also repeats an inference that may have been paid for.";
    CHANGED_BY_FILTER = "MG303" "changed-by-filter" Error, "One of Envoy's filters changes a request after it was signed or masked.",
        "`lua`, `ext_proc`, `ext_authz`, `transform`, `compressor`, `decompressor`, transcoders and whatever sets `authorization` break a signature behind `aws-sigv4` when they change what it signs, and put unmasked text into bodies behind `pii-mask`. Judged is what their configuration lets them change: the headers that a script writes, the bodies that a processor is shown, the rules for mutations. Put them in front.";
    MAY_CHANGE = "MG304" "may-change" Note, "Another filter can change what filters of the suite look at, or have looked at.",
        "Behind `consumer-acl` and `rate-limit` it can make another request of the one that was allowed; in front of an authenticator it can add a credential; in front of `pii-mask` it writes into answers that were masked already. Code that is not at hand (a script in a file, another Wasm module) may do anything. A note is never counted as an error, with `--strict` neither.";
    ROUTED_IN_VAIN = "MG305" "routed-in-vain" Error, "What model-route writes is refused or undone by a filter behind it, or by the service.",
        "`aws-sigv4` and `upstream-auth` refuse headers that choose a variant, a component or a deployment, since a client could have sent them: list what `model-route` writes in `client_headers`, and leave it out of `set_headers`. The path of every target's model must fit `paths` of `aws-sigv4`. A signature is for one region: that of `host`, and of ARNs among the models.";
    REPLACED = "MG306" "credential-replaced" Error, "A filter looks for the caller's credential where the gateway's own stands.",
        "`upstream-auth` and `aws-sigv4` take out what the caller has sent and put the gateway's own credential there. Envoy's `jwt_authn`, `ext_authz`, `oauth2`, `basic_auth` and `api_key_auth` behind them judge that, and an authorization server gets to see it. Put them in front.";

    NO_CLUSTER = "MG401" "no-cluster" Error, "No cluster has this name.",
        "Add it to `static_resources.clusters`.";
    CLUSTER_TWICE = "MG402" "cluster-twice" Error, "Two clusters have one name.",
        "Envoy refuses the file.";
    SENT_UNSET = "MG403" "sent-unset" Error, "A credential that is not set is sent as `-`.",
        "`%ENVIRONMENT(NAME)%` in a header becomes `-` when the variable is missing. With a `credential_injector` and a secret from the environment Envoy does not start: see envoy/openai-key-by-sds.yaml.";
    PLACEHOLDER = "MG404" "placeholder" Warning, "A placeholder has not been replaced.",
        "A name under example.com, a digest of zeros, `REGION`, `${…}` or the like. The files in envoy/ have some: replace them.";
    INLINE_SECRET = "MG405" "inline-secret" Warning, "A secret stands in the file.",
        "Name an environment variable instead (`{ \"env\": \"NAME\" }`, with `host_env_keys` in `vm_config`), or use SDS.";
    PLAINTEXT = "MG406" "plaintext" Warning, "Keys or tokens travel without TLS.",
        "The URL is `http://`, or the cluster connects to port 443 without a `transport_socket`.";
    LOG_KEY = "MG407" "access-log-key" Warning, "The access log names a fact that no filter leaves.",
        "The facts are `modelgate.audit`, `.identity`, `.decision`, `.limit`, `.model`, `.masked` and `.denied`, each as `wasm.modelgate.NAME`.";
    NO_SECRET = "MG408" "no-secret" Error, "No secret has this name.",
        "A credential names a secret that is not among `static_resources.secrets`, and has no `sds_config` that says where to fetch it. Envoy does not start.";

    UNKNOWN_FILTER = "MG501" "unknown-wasm-filter" Error, "A chain of Kong's or nginx's names a filter that is not there.",
        "Kong calls a filter as its file: `jwt_auth` for `jwt_auth.wasm`, with underscores. In nginx.conf it is the name that `module` gives it in `wasm { … }`.";
    AS_PLUGIN = "MG502" "filter-as-plugin" Error, "A filter of the suite stands among Kong's plugins.",
        "Kong runs filters that stand in `plugins` in an order of its own: a signer may run before what changes the request, and rules before who calls is known. Write them into `filter_chains` of the service or route, where the order is that of the list.";
    FILTER_CHAIN = "MG503" "filter-chain" Error, "Kong refuses the filter chain.",
        "A chain belongs to one service or one route, each of which has one chain at most, and lists at least one filter with `name`, `enabled` and `config`. The chain of the service runs before that of the route.";
    CONFIG_AS_TEXT = "MG504" "config-as-text" Error, "A filter's configuration is a text where Kong wants a mapping.",
        "With `NAME.meta.json` beside the module Kong takes what its schema describes, and refuses a text. Write the configuration as YAML below `config:`.";
    SHARED_MEMORY = "MG505" "shared-memory" Error, "Workers have too little memory in common.",
        "`rate-limit` counts, `jwt-auth` keeps fetched keys and `model-route` what it has seen fail in the zone `modelgate`, or where there is none in `*`. Without either, every look at it ends the filter's instance: requests get 500. In nginx.conf write `shm_kv modelgate 10m;` in `wasm { … }`, in kong.conf `nginx_wasm_shm_kv_modelgate = 10m`. `rate-limit` refuses every request where its buckets do not fit; a zone of its own is filled by no other filter.";
    BODY_BUFFER = "MG506" "body-buffer" Error, "nginx keeps less of a request body in memory than the filter may need.",
        "What is longer goes to a file, where a filter cannot read it: such requests are refused. Raise `client_body_buffer_size` (16 KiB unless it is written; in Kong 8 KiB, `nginx_http_client_body_buffer_size`) above the filter's `max_body_bytes`, or lower that.";
    UNBUFFERED = "MG507" "request-buffering" Error, "nginx does not collect the body that a filter reads.",
        "Leave `proxy_request_buffering` on, and in Kong `request_buffering` of the route.";
    PARAMETER_LENGTH = "MG508" "parameter-length" Error, "A configuration is longer than nginx takes a parameter.",
        "nginx.conf takes no word of 4,096 bytes or more (`too long parameter`); Kong is not concerned. kong/README.md says how to live with it.";
    NOT_PASSED = "MG509" "variable-not-passed" Error, "nginx does not pass on a variable that a filter reads.",
        "nginx empties the environment of its workers but for what `env` names. In nginx.conf write `env NAME;` at the top level, in kong.conf `nginx_main_env = NAME; env ANOTHER`. Every filter of the worker can read it.";
    CHAIN_REPLACED = "MG510" "chain-replaced" Warning, "Filters of a context replace those around it.",
        "With one `proxy_wasm` of its own, a `location` has none of those of its `server` any more, and a `server` none of those of `http`. Write all filters of the chain in the innermost context.";
    WASM_OFF = "MG511" "wasm-off" Error, "kong.conf does not let the filters run.",
        "Write `wasm = on` and `wasm_filters_path` with the folder of the modules; `wasm_filters`, if it is there, must name them or `user`. A chain that is in the database is not run while Wasm is off, and requests pass without it.";
    SETTINGS_ELSEWHERE = "MG512" "settings-elsewhere" Note, "Kong's own settings were not read.",
        "A file `kong.conf` beside the declarative one is read with it. Without it nothing is said of shared memory, body buffers and the environment; variables such as `KONG_NGINX_WASM_SHM_KV` are not seen.";
    MODULE_HOST = "MG513" "module-host" Error, "The module is one for another host.",
        "nginx calls every callback of a filter without looking whether the module has it, and a worker that calls one that is not there ends, with all its connections. Take the modules from `target/modelgate/kong`: those in `target/modelgate` have only the callbacks that Envoy must call.";
}

/// The code with this name or number.
pub(super) fn named(name: &str) -> Option<&'static Code> {
    ALL.iter()
        .find(|code| code.id.eq_ignore_ascii_case(name) || code.name == name)
        .copied()
}

/// The page of all codes.
pub fn page() -> String {
    let mut page = String::from(
        "# Findings of `modelgate check`\n\n<!-- Made by `cargo modelgate generate`. -->\n\n\
         Each finding has a code. Codes and names are never changed. To allow a finding, write a comment on its line, or on a line of\n\
         comments directly above it or above its filter:\n\n\
         ```yaml piece\n\
         # modelgate: allow(unauthenticated-signer)\n\
         - match: { prefix: /public/ }\n\
         ```\n\n\
         The exit code is 0 when there is nothing worse than warnings, 1 with an error (with `--strict`, a warning), 2 when a file could not be read.\n\n\
         | code | name | |\n|---|---|---|\n",
    );
    for code in ALL {
        page.push_str(&format!(
            "| [{id}](#{anchor}) | `{}` | {} |\n",
            code.name,
            code.title,
            id = code.id,
            anchor = anchor(code)
        ));
    }
    for code in ALL {
        page.push_str(&format!(
            "\n## {} {}\n\n**{}.** {} {}\n",
            code.id,
            code.name,
            match code.severity {
                Error => "Error",
                Warning => "Warning",
                Note => "Note",
            },
            code.title,
            code.help
        ));
    }
    page
}

/// The anchor of a code's section.
pub(super) fn anchor(code: &Code) -> String {
    format!("{}-{}", code.id.to_lowercase(), code.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_in_order() {
        for pair in ALL.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} {}", pair[0].id, pair[1].id);
        }
        for code in ALL {
            assert_eq!(named(code.name).map(|found| found.id), Some(code.id));
            assert_eq!(named(code.id).map(|found| found.name), Some(code.name));
            assert!(page().contains(&format!("\n## {} {}\n", code.id, code.name)));
        }
    }

    #[test]
    fn the_order_that_is_told_is_that_of_the_suite() {
        let order = crate::SUITE.crates().collect::<Vec<_>>().join(", ");
        let told = format!("The order is {order}.");
        assert!(page().contains(&told), "{told}");
    }
}
