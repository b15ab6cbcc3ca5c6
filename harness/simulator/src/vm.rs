//! VMs as the proxy knows them: on which thread, with which contexts, lost or running.

use std::collections::BTreeMap;

use crate::ids::{CalloutToken, ContextId, PluginId, StreamId, VmId, WorkerId};
use crate::rules::headers::Headers;

/// A thread of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// Not a thread: the instance of which the proxy checks that it starts.
    Template,
    /// Accepts configurations; sees no traffic.
    Main,
    /// Sees traffic.
    Worker(WorkerId),
    /// One of a worker before the last reload: sees what it has begun to see, and nothing else.
    Leaving(WorkerId),
}

/// A context of a VM that may have been replaced since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextRef {
    pub vm: VmId,
    pub generation: u64,
    pub context: ContextId,
}

/// The answer to a callout, while its callback runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct CalloutResponse {
    pub headers: Option<Headers>,
    pub body: Vec<u8>,
    pub trailers: Option<Headers>,
    /// Why there is none, on hosts that say it in a header.
    pub dispatch_status: Option<&'static str>,
}

/// A root context: one plugin in one VM.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub plugin: PluginId,
    /// `on_configure` is running: its configuration can be read.
    pub configuring: bool,
    pub answer: Option<CalloutResponse>,
    /// The callback that runs tells of a callout without an answer.
    pub call_failed: bool,
    pub tick_ms: u32,
    /// Which of the timers set so far is valid.
    pub timer: u64,
    /// Another one has its plugin's exchanges from now on.
    pub retired: bool,
}

/// A context of a VM.
#[derive(Debug)]
pub(crate) enum Context {
    Root(Root),
    Exchange {
        stream: StreamId,
        filter: PluginId,
        root: ContextId,
    },
}

/// A VM.
#[derive(Debug)]
pub(crate) struct Vm {
    pub thread: Thread,
    /// Which plugins it runs, the first one first.
    pub plugins: Vec<PluginId>,
    pub vm_id: String,
    pub environment: BTreeMap<String, String>,
    pub configuration: Vec<u8>,
    pub contexts: BTreeMap<ContextId, Context>,
    pub last_context: u32,
    pub last_call: u32,
    /// How often it has been replaced.
    pub generation: u64,
    pub lost: bool,
    /// It starts with a new worker, and not in place of an instance that trapped.
    pub worker_began: bool,
    /// When it was last replaced.
    pub reloaded_ns: Option<u64>,
}

impl Vm {
    /// One that runs nothing yet.
    pub const fn new(thread: Thread) -> Self {
        Self {
            thread,
            plugins: Vec::new(),
            vm_id: String::new(),
            environment: BTreeMap::new(),
            configuration: Vec::new(),
            contexts: BTreeMap::new(),
            last_context: 0,
            last_call: 0,
            generation: 0,
            lost: false,
            worker_began: false,
            reloaded_ns: None,
        }
    }

    /// Makes a context and gives its number.
    pub fn add(&mut self, context: Context) -> ContextId {
        self.last_context = self.last_context.saturating_add(1);
        let id = ContextId(self.last_context);
        self.contexts.insert(id, context);
        id
    }

    /// The root context of a plugin.
    pub fn root_of(&self, plugin: PluginId) -> Option<ContextId> {
        self.contexts
            .iter()
            .find_map(|(number, context)| match context {
                Context::Root(root) if root.plugin == plugin && !root.retired => Some(*number),
                _ => None,
            })
    }

    /// The root context of any context, itself included.
    pub fn root_id(&self, context: ContextId) -> Option<ContextId> {
        match self.contexts.get(&context)? {
            Context::Root(_) => Some(context),
            Context::Exchange { root, .. } => Some(*root),
        }
    }

    pub fn root(&self, context: ContextId) -> Option<&Root> {
        match self.contexts.get(&self.root_id(context)?)? {
            Context::Root(root) => Some(root),
            Context::Exchange { .. } => None,
        }
    }

    pub fn root_mut(&mut self, context: ContextId) -> Option<&mut Root> {
        let number = self.root_id(context)?;
        match self.contexts.get_mut(&number)? {
            Context::Root(root) => Some(root),
            Context::Exchange { .. } => None,
        }
    }

    /// Number of the next callout. The two low bits are 0, which tells it from gRPC calls and
    /// streams.
    pub fn next_call(&mut self) -> CalloutToken {
        const STEP: u32 = 4;
        self.last_call = self.last_call.wrapping_add(STEP).max(STEP);
        CalloutToken(self.last_call)
    }

    /// The same VM in a new worker.
    pub fn anew(&self) -> Self {
        Self {
            plugins: self.plugins.clone(),
            vm_id: self.vm_id.clone(),
            environment: self.environment.clone(),
            configuration: self.configuration.clone(),
            ..Self::new(self.thread)
        }
    }

    /// Forgets everything of the instance that is gone.
    pub fn replaced(&mut self) {
        self.contexts.clear();
        self.last_context = 0;
        self.generation = self.generation.saturating_add(1);
        self.lost = false;
    }
}
