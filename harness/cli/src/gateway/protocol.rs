//! What a gateway has to know of each kind of model server: which paths are its, how long it may
//! take, in which shape it says no.

use modelgate_kit::problem::Reason;

use super::file::Kind;

/// A kind of model server.
#[derive(Debug, PartialEq, Eq)]
pub struct Protocol {
    /// What its cluster, and the gateway, are called.
    pub name: &'static str,
    /// The shape of refusals, as filters call it.
    pub dialect: &'static str,
    /// Where it is, unless it is said; `{region}` is to be filled in.
    pub url: Option<&'static str>,
    /// Where it is for no region in particular, if that is elsewhere.
    pub global_url: Option<&'static str>,
    /// Whether its region is said.
    pub region: Need,
    /// Its paths, first match first; everything else is not there.
    pub ways: &'static [Way],
    /// Whether requests are signed for AWS.
    pub signed: bool,
    /// Whether the gateway has a credential of its own there.
    pub credential: Need,
    /// What upstream-auth calls it.
    pub provider: Option<&'static str>,
    /// Whether a deployment is chosen by the gateway.
    pub deployment: bool,
}

/// Whether something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be.
    Must,
    /// It may be.
    May,
    /// It has no meaning.
    Never,
}

/// Paths of a protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Way {
    /// Which.
    pub path: Path,
    /// How long an answer may take, in seconds; 0 = as long as it streams.
    pub timeout_s: u32,
    /// How long a stream may be silent, in seconds.
    pub idle_timeout_s: Option<u32>,
    /// Whether probes may ask without a credential.
    pub open: bool,
}

/// One path, or all that begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// This path.
    Exact(&'static str),
    /// This one and all below it.
    Prefix(&'static str),
}

impl Path {
    /// Its text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact(path) | Self::Prefix(path) => path,
        }
    }
}

const fn way(path: Path, timeout_s: u32) -> Way {
    Way {
        path,
        timeout_s,
        idle_timeout_s: None,
        open: false,
    }
}

/// What the last route answers.
pub static NOTHING: Reason = Reason {
    filter: "envoy",
    code: "not_found",
    status: 404,
    title: "There is nothing at this path.",
    help: "",
};

/// The paths that aws-sigv4 signs requests for.
pub const SAGEMAKER_PATHS: [&str; 3] = [
    "/endpoints/*/invocations",
    "/endpoints/*/invocations-response-stream",
    "/endpoints/*/openai/**",
];

impl Protocol {
    const PLAIN: Self = Self {
        name: "",
        dialect: "",
        url: None,
        global_url: None,
        region: Need::Never,
        ways: &[],
        signed: false,
        credential: Need::May,
        provider: None,
        deployment: false,
    };

    /// That of a kind.
    pub const fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Sagemaker => &SAGEMAKER,
            Kind::AzureMl => &AZURE_ML,
            Kind::Kserve => &KSERVE,
            Kind::TensorflowServing => &TENSORFLOW_SERVING,
            Kind::Torchserve => &TORCHSERVE,
            Kind::Openai => &OPENAI,
            Kind::AzureOpenai => &AZURE_OPENAI,
            Kind::Vertex => &VERTEX,
        }
    }
}

const SAGEMAKER: Protocol = Protocol {
    name: "sagemaker",
    dialect: "sagemaker",
    url: Some("https://runtime.sagemaker.{region}.amazonaws.com"),
    region: Need::Must,
    // SageMaker ends a call after 60 s.
    ways: &[way(Path::Prefix("/endpoints/"), 65)],
    signed: true,
    credential: Need::Never,
    ..Protocol::PLAIN
};

const AZURE_ML: Protocol = Protocol {
    name: "azure-ml",
    dialect: "azure_ml",
    // An endpoint ends a call after 90 s at most.
    ways: &[way(Path::Exact("/score"), 95)],
    credential: Need::Must,
    provider: Some("azure_ml"),
    deployment: true,
    ..Protocol::PLAIN
};

/// The rest of the repository API (/v2/repository/models/…) loads and unloads models: it is no way.
const KSERVE: Protocol = Protocol {
    name: "inference",
    dialect: "open_inference",
    ways: &[
        way(Path::Exact("/v2"), 2),
        way(Path::Prefix("/v2/models/"), 30),
        way(Path::Exact("/v2/repository/index"), 2),
        way(Path::Prefix("/v2/health/"), 2),
    ],
    ..Protocol::PLAIN
};

const TENSORFLOW_SERVING: Protocol = Protocol {
    name: "tensorflow-serving",
    dialect: "tf_serving",
    ways: &[way(Path::Prefix("/v1/models/"), 30)],
    ..Protocol::PLAIN
};

/// Neither the management API (8081) nor the metrics API (8082) may be a way.
const TORCHSERVE: Protocol = Protocol {
    name: "torchserve",
    provider: Some("torchserve"),
    dialect: "torchserve",
    ways: &[
        way(Path::Prefix("/predictions/"), 60),
        way(Path::Prefix("/explanations/"), 60),
        Way {
            open: true,
            ..way(Path::Exact("/ping"), 2)
        },
    ],
    ..Protocol::PLAIN
};

const OPENAI: Protocol = Protocol {
    name: "openai",
    dialect: "openai",
    url: Some("https://api.openai.com"),
    // An answer may stream for minutes: no limit for the whole, one for silence.
    ways: &[Way {
        idle_timeout_s: Some(60),
        ..way(Path::Prefix("/v1/"), 0)
    }],
    provider: Some("openai"),
    ..Protocol::PLAIN
};

const AZURE_OPENAI: Protocol = Protocol {
    name: "azure-openai",
    url: None,
    ways: &[Way {
        idle_timeout_s: Some(60),
        ..way(Path::Prefix("/openai/"), 0)
    }],
    credential: Need::Must,
    provider: Some("azure_openai"),
    ..OPENAI
};

const VERTEX: Protocol = Protocol {
    name: "vertex",
    dialect: "vertex",
    url: Some("https://{region}-aiplatform.googleapis.com"),
    global_url: Some("https://aiplatform.googleapis.com"),
    region: Need::May,
    // As with OpenAI; the second has Google's newest features.
    ways: &[
        Way {
            idle_timeout_s: Some(60),
            ..way(Path::Prefix("/v1/projects/"), 0)
        },
        Way {
            idle_timeout_s: Some(60),
            ..way(Path::Prefix("/v1beta1/projects/"), 0)
        },
    ],
    credential: Need::Must,
    provider: Some("vertex"),
    ..Protocol::PLAIN
};
