//! A proxy in memory, for native tests of filters: an event a line, and everything that the filter
//! did can be looked at.
//!
//! [`TestGateway`] runs one filter, or a chain in one entry, the way a worker does.
//! [`FakeProxy`] is the host under it, with Envoy's rules for shared data and filter state.
//! Workers that share data are several gateways over [`FakeProxy::beside`]. What it does not
//! do: order filters in a chain, buffer what a filter holds, or let time pass by itself.

mod proxy;

use std::rc::Rc;

use crate::facts::Fact;
use crate::filter::{Filter, Registration};
use crate::host::Side;
use crate::vm::verdict::Action;
use crate::vm::{CHAIN, Part, Vm};

pub use proxy::{FakeProxy, Record, Sent};

/// The root context's number.
const ROOT: u32 = 1;

/// One filter on one worker.
pub struct TestGateway {
    proxy: Rc<FakeProxy>,
    vm: Vm,
    root: u32,
    last: u32,
}

impl TestGateway {
    /// Configures a filter with a JSON text.
    ///
    /// # Errors
    /// The lines that it logged when it refused the configuration.
    pub fn open<F: Filter>(proxy: Rc<FakeProxy>, config: &str) -> Result<Self, Vec<String>> {
        let vm = Vm::new(Rc::clone(&proxy) as Rc<_>, &[Registration::of::<F>()]);
        Self::of(proxy, vm, config)
    }

    /// Configures a chain of these filters in one entry with a JSON text.
    ///
    /// # Errors
    /// As [`TestGateway::open`].
    pub fn chain(
        proxy: Rc<FakeProxy>,
        filters: &[Registration],
        config: &str,
    ) -> Result<Self, Vec<String>> {
        proxy.preset("plugin_root_id", CHAIN);
        proxy.begin(ROOT, &[]);
        let vm = Vm::with_chains(Rc::clone(&proxy) as Rc<_>, filters);
        Self::of(proxy, vm, config)
    }

    fn of(proxy: Rc<FakeProxy>, mut vm: Vm, config: &str) -> Result<Self, Vec<String>> {
        proxy.configure(config);
        proxy.enter(ROOT);
        vm.create(ROOT, 0);
        if vm.configure(ROOT, config.len()) {
            Ok(Self {
                proxy,
                vm,
                root: ROOT,
                last: ROOT,
            })
        } else {
            Err(proxy.logs())
        }
    }

    /// Another configuration in the same VM, as when the proxy is given one while it runs.
    /// Exchanges begin under it from now on; the number of the root context that it replaces, for
    /// [`TestGateway::delete`].
    ///
    /// # Errors
    /// The lines that the filter logged when it refused it; then everything is as before.
    pub fn reconfigure(&mut self, config: &str) -> Result<u32, Vec<String>> {
        self.last = self.last.saturating_add(1);
        let root = self.last;
        self.proxy.configure(config);
        self.proxy.begin(root, &[]);
        self.proxy.enter(root);
        self.vm.create(root, 0);
        if self.vm.configure(root, config.len()) {
            Ok(std::mem::replace(&mut self.root, root))
        } else {
            self.vm.delete(root);
            Err(self.proxy.logs())
        }
    }

    /// A context goes: a root, whose calls are not answered any more, or an exchange.
    pub fn delete(&mut self, context: u32) {
        self.proxy.enter(context);
        self.vm.delete(context);
    }

    /// The whole VM goes.
    pub fn close(mut self) {
        self.delete(self.root);
    }

    /// The proxy under the filter.
    pub fn proxy(&self) -> &FakeProxy {
        &self.proxy
    }

    /// A whole request without a body: the number of its exchange, and what the filter says.
    pub fn request(&mut self, headers: &[(&str, &str)]) -> (u32, Action) {
        self.begin(headers, true)
    }

    /// A request's headers; `last` where no body and no trailers follow.
    pub fn begin(&mut self, headers: &[(&str, &str)], last: bool) -> (u32, Action) {
        self.last = self.last.saturating_add(1);
        let context = self.last;
        self.proxy.begin(context, headers);
        self.vm.create(context, self.root);
        (
            context,
            self.pass(context, Side::Request, Part::Headers(last)),
        )
    }

    /// Another VM takes the place of this one, and goes on with an exchange of which it has seen
    /// nothing, as on nginx after a trap.
    pub fn take_over(&mut self, context: u32) {
        self.vm.delete(context);
        self.vm.create(context, self.root);
    }

    /// The response's headers.
    pub fn respond(&mut self, context: u32, headers: &[(&str, &str)], last: bool) -> Action {
        self.proxy.respond(context, headers);
        self.pass(context, Side::Response, Part::Headers(last))
    }

    /// A piece of a body. What is held is joined with what comes, as hosts do.
    pub fn body(&mut self, context: u32, side: Side, bytes: &[u8], last: bool) -> Action {
        let size = self.proxy.arrive(context, side, bytes);
        let action = self.pass(context, side, Part::Body(size, last));
        self.proxy.leave(context, side, action == Action::Continue);
        action
    }

    /// Trailers.
    pub fn trailers(&mut self, context: u32, side: Side) -> Action {
        self.pass(context, side, Part::Trailers)
    }

    /// Trailers of the response, with something in them.
    pub fn respond_trailers(&mut self, context: u32, trailers: &[(&str, &str)]) -> Action {
        self.proxy.trail(context, trailers);
        self.trailers(context, Side::Response)
    }

    /// The answer of a callout; no headers for one that failed.
    pub fn answer(&mut self, number: u32, headers: &[(&str, &str)], body: &[u8]) {
        let context = self.proxy.answer(number, headers, body);
        self.proxy.enter(context);
        self.vm.answer(context, number, headers.len(), body.len());
    }

    /// A tick of the root context.
    pub fn tick(&mut self) {
        self.proxy.enter(self.root);
        self.vm.tick(self.root);
    }

    /// The exchange is over.
    pub fn end(&mut self, context: u32) {
        self.proxy.enter(context);
        self.vm.end(context);
        self.vm.delete(context);
    }

    /// What has become of an exchange.
    pub fn record(&self, context: u32) -> Record {
        self.proxy.record(context)
    }

    /// The fact that a filter left in an exchange.
    pub fn fact<F: Fact>(&self, context: u32) -> Option<F> {
        serde_json::from_slice(
            self.record(context)
                .properties
                .get(&format!("modelgate.{}", F::NAME))?,
        )
        .ok()
    }

    fn pass(&mut self, context: u32, side: Side, part: Part) -> Action {
        self.proxy.enter(context);
        self.vm.message(context, side, part)
    }
}
