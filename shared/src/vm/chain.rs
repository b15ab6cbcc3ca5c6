//! Several filters behind one entry of the proxy: what is written ([`written`]), what each exchange
//! is (`exchange`), and what the filters see in place of the proxy (`layer`).
//!
//! A module that holds one filter is built without this (feature `chain`).

mod exchange;
mod layer;
pub mod written;

use std::rc::Rc;

use super::hub::Hub;
use super::root_entry::Link;
use crate::config::Problems;
use crate::config::long::Text;
use crate::facts::Remembered;
use crate::filter::Registration;
use crate::host::{Host, Proxy};

pub(super) use exchange::Chain;
use exchange::Hears;
use layer::{Counted, Layer};

/// A chain tells the proxy at least this often what its filters have counted, in milliseconds.
pub(super) const TELL_MS: u32 = 1_000;

/// What the filters of a chain have in common.
#[derive(Default)]
pub(super) struct Common {
    counted: Rc<Counted>,
    /// Names of the facts that nobody outside the chain leaves.
    own: Rc<[&'static str]>,
    /// Facts are written to the filter state.
    shown: bool,
}

impl Common {
    /// Compiles a configuration: the filters that it lists, and how their facts are handed on.
    pub fn compile(
        &mut self,
        text: &Text<'_>,
        filters: &[Registration],
        host: &dyn Host,
        problems: &mut Problems,
    ) -> Vec<Link> {
        let compiled = written::compile(text, filters, host, problems);
        let links = compiled.filters.into_iter();
        let links: Vec<Link> = links
            .map(|listed| Link::with(listed.registration, listed.policy))
            .collect();
        let left = links.iter().flat_map(|link| link.registration().leaves);
        self.own = left.copied().collect();
        self.shown = compiled.facts_to_filter_state;
        links
    }

    /// Begins an exchange of the context `context` in the root context `root`.
    pub fn begin(
        &self,
        links: &[Link],
        proxy: &Rc<dyn Proxy>,
        hub: &Rc<Hub>,
        context: u32,
        root: u32,
    ) -> Chain {
        let layer = Rc::new(Layer::new(Rc::clone(proxy), Rc::clone(&self.counted)));
        let seen: Rc<dyn Proxy> = Rc::clone(&layer) as Rc<dyn Proxy>;
        let facts = Rc::new(Remembered::new(Rc::clone(&self.own), self.shown));
        let drivers = links.iter().enumerate().map(|(at, link)| {
            let facts = Some(Rc::clone(&facts));
            let driver = link.driver(at, &seen, hub, context, root, facts);
            (driver, Hears::of(&link.registration().needs))
        });
        Chain::new(layer, drivers)
    }

    /// Tells the proxy what the exchanges have counted.
    pub fn tell(&self, host: &dyn Host) {
        self.counted.tell(host);
    }
}
