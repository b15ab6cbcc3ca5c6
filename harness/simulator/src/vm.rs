//! VMs as the proxy knows them: on which thread, with which contexts, lost or running.

use std::collections::BTreeMap;

use crate::rules::headers::Headers;
use crate::timeline::StreamId;

/// Number of a VM in the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VmSlot(pub usize);

/// A thread of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// Not a thread: the instance of which the proxy checks that it starts.
    Template,
    /// Accepts configurations; sees no traffic.
    Main,
    /// Sees traffic.
    Worker(usize),
}

/// A context of a VM that may have been replaced since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextRef {
    pub vm: VmSlot,
    pub generation: u64,
    pub context: u32,
}

/// The answer to a callout, while its callback runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallAnswer {
    pub headers: Option<Headers>,
    pub body: Vec<u8>,
    pub trailers: Option<Headers>,
}

/// A root context: one plugin in one VM.
#[derive(Debug, Default)]
pub(crate) struct Root {
    pub plugin: usize,
    /// `on_configure` is running: its configuration can be read.
    pub configuring: bool,
    pub answer: Option<CallAnswer>,
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
        slot: usize,
        root: u32,
    },
}

/// A VM.
#[derive(Debug)]
pub(crate) struct Vm {
    pub thread: Thread,
    /// Which plugins it runs, the first one first.
    pub plugins: Vec<usize>,
    pub vm_id: String,
    pub environment: BTreeMap<String, String>,
    pub configuration: Vec<u8>,
    pub contexts: BTreeMap<u32, Context>,
    pub last_context: u32,
    pub last_call: u32,
    /// How often it has been replaced.
    pub generation: u64,
    pub lost: bool,
    /// When it was last replaced.
    pub reloaded_ns: Option<u64>,
}

impl Vm {
    /// Makes a context and gives its number.
    pub fn add(&mut self, context: Context) -> u32 {
        self.last_context = self.last_context.saturating_add(1);
        self.contexts.insert(self.last_context, context);
        self.last_context
    }

    /// The root context of a plugin.
    pub fn root_of(&self, plugin: usize) -> Option<u32> {
        self.contexts
            .iter()
            .find_map(|(number, context)| match context {
                Context::Root(root) if root.plugin == plugin && !root.retired => Some(*number),
                _ => None,
            })
    }

    /// The root context of any context, itself included.
    pub fn root_number(&self, context: u32) -> Option<u32> {
        match self.contexts.get(&context)? {
            Context::Root(_) => Some(context),
            Context::Exchange { root, .. } => Some(*root),
        }
    }

    pub fn root(&self, context: u32) -> Option<&Root> {
        match self.contexts.get(&self.root_number(context)?)? {
            Context::Root(root) => Some(root),
            Context::Exchange { .. } => None,
        }
    }

    pub fn root_mut(&mut self, context: u32) -> Option<&mut Root> {
        let number = self.root_number(context)?;
        match self.contexts.get_mut(&number)? {
            Context::Root(root) => Some(root),
            Context::Exchange { .. } => None,
        }
    }

    /// Number of the next callout. The two low bits are 0, which tells it from gRPC calls and
    /// streams.
    pub fn next_call(&mut self) -> u32 {
        const STEP: u32 = 4;
        self.last_call = self.last_call.wrapping_add(STEP).max(STEP);
        self.last_call
    }

    /// Forgets everything of the instance that is gone.
    pub fn replaced(&mut self) {
        self.contexts.clear();
        self.last_context = 0;
        self.generation = self.generation.saturating_add(1);
        self.lost = false;
    }
}
