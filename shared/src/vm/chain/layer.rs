//! The proxy as the filters of a fused chain see it: headers that are read once for all of them,
//! and a body that is what the filter before has let go. Everything else is the proxy's.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use crate::headers::HeaderBlock;
use crate::host::{
    Buffer, Dispatch, Host, Level, LocalReply, Map, MetricKind, PerSide, Proxy, Side, Status,
};
use crate::hosts::Rules;
use crate::problem::Reason;

/// Bytes of a body, at one place of the chain.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::vm) enum Content {
    /// What the proxy holds in this range of its buffer: no filter has changed it, and perhaps none
    /// has read it.
    Raw(Range<usize>),
    /// Bytes that a filter wrote.
    Own(Vec<u8>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Raw(0..0)
    }
}

impl Content {
    pub fn len(&self) -> usize {
        match self {
            Self::Raw(range) => range.len(),
            Self::Own(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A header that was written.
struct Edit {
    /// In lower case.
    name: String,
    /// `None` where it was removed.
    value: Option<Vec<u8>>,
    /// Beside the values that are there, not in their place.
    beside: bool,
}

impl Edit {
    /// Whether the headers of this name that were there before are no longer there.
    fn replaces(&self, name: &[u8]) -> bool {
        !self.beside
            && self.name.len() == name.len()
            && self.name.as_bytes().eq_ignore_ascii_case(name)
    }
}

/// One side of the exchange, as the filter that is running sees it.
#[derive(Default)]
struct View {
    /// The headers as they were read last, and what has been written since.
    headers: RefCell<Option<Rc<HeaderBlock>>>,
    written: RefCell<Vec<Edit>>,
    /// The content in front of the filter, where there is a body.
    at_hand: RefCell<Option<Content>>,
    /// A range of the proxy's buffer, and what is there.
    read: RefCell<(Range<usize>, Vec<u8>)>,
}

impl View {
    fn forget_headers(&self) {
        self.headers.take();
        self.written.take();
    }

    /// The headers with what was written since they were read.
    fn up_to_date(&self, known: Rc<HeaderBlock>) -> Rc<HeaderBlock> {
        let written = self.written.take();
        if written.is_empty() {
            return known;
        }
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::with_capacity(known.len().min(256));
        for (name, value) in known.iter() {
            // What is set or removed goes; what is set comes back behind the others.
            if !written.iter().any(|edit| edit.replaces(name)) {
                pairs.push((name, value));
            }
        }
        pairs.extend(
            written
                .iter()
                .filter_map(|edit| Some((edit.name.as_bytes(), edit.value.as_deref()?))),
        );
        Rc::new(HeaderBlock::from_pairs(pairs.iter().copied()))
    }
}

/// What the filters of a chain have counted and the proxy has not been told: it is told once per
/// tick, not several times per request.
#[derive(Default)]
pub(in crate::vm) struct Counted(RefCell<Vec<(u32, i64)>>);

impl Counted {
    fn add(&self, metric: u32, by: i64) {
        let mut counted = self.0.borrow_mut();
        match counted.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, sum)) => *sum = sum.saturating_add(by),
            None => counted.push((metric, by)),
        }
    }

    /// Tells the proxy.
    pub fn tell(&self, host: &dyn Host) {
        for (metric, sum) in self.0.borrow_mut().drain(..) {
            // As with a single one: a proxy that does not count has nothing to be told.
            let _ = host.increment(metric, sum);
        }
    }
}

/// What stands between the filters of a chain and the proxy, for one exchange.
pub(in crate::vm) struct Layer {
    host: Rc<dyn Proxy>,
    counted: Rc<Counted>,
    /// The time in this step of the exchange, once one of the filters has asked for it.
    now_ns: Cell<Option<u64>>,
    views: PerSide<View>,
}

impl Layer {
    pub fn new(host: Rc<dyn Proxy>, counted: Rc<Counted>) -> Self {
        Self {
            host,
            counted,
            now_ns: Cell::new(None),
            views: PerSide::default(),
        }
    }

    /// The proxy itself.
    pub fn proxy(&self) -> &dyn Proxy {
        &*self.host
    }

    /// The view of a side whose headers these are.
    const fn with_headers(&self, map: Map) -> Option<&View> {
        match map {
            Map::RequestHeaders => Some(&self.views.request),
            Map::ResponseHeaders => Some(&self.views.response),
            _ => None,
        }
    }

    /// The view of a side whose body this is.
    const fn with_body(&self, buffer: Buffer) -> Option<(Side, &View)> {
        match buffer {
            Buffer::RequestBody => Some((Side::Request, &self.views.request)),
            Buffer::ResponseBody => Some((Side::Response, &self.views.response)),
            _ => None,
        }
    }

    /// Time has passed since the last step.
    pub fn step(&self) {
        self.now_ns.set(None);
    }

    /// Puts content in front of the filter that runs next.
    pub fn show(&self, side: Side, content: Option<Content>) {
        *self.views.of(side).at_hand.borrow_mut() = content;
    }

    /// Takes what is in front of the filter that ran last: what it wrote, or else what it was
    /// shown.
    pub fn take(&self, side: Side) -> Option<Content> {
        self.views.of(side).at_hand.take()
    }

    /// The proxy's buffer has other bytes than before.
    pub fn buffer_changed(&self, side: Side) {
        self.views.of(side).read.take();
    }

    /// Another message begins: its headers are others.
    pub fn headers_changed(&self, side: Side) {
        self.views.of(side).forget_headers();
    }

    /// Two contents, one after the other.
    ///
    /// # Errors
    /// The proxy's status when it does not hand over what it holds.
    pub fn join(&self, side: Side, first: Content, second: Content) -> Result<Content, Status> {
        Ok(match (first, second) {
            (first, second) if second.is_empty() => first,
            (first, second) if first.is_empty() => second,
            (Content::Raw(a), Content::Raw(b)) if a.end == b.start => Content::Raw(a.start..b.end),
            (first, second) => {
                let mut bytes = self.bytes(side, first)?;
                bytes.extend_from_slice(&self.bytes(side, second)?);
                Content::Own(bytes)
            }
        })
    }

    /// Hands the proxy what is to go on in place of the `held` bytes that it holds.
    ///
    /// # Errors
    /// The proxy's status; then what it holds must not go on.
    pub fn release(&self, side: Side, held: usize, content: Content) -> Result<(), Status> {
        if content == Content::Raw(0..held) || (held == 0 && content.is_empty()) {
            return Ok(());
        }
        let bytes = self.bytes(side, content)?;
        self.host.set_body(Buffer::body(side), 0, held, &bytes)
    }

    fn bytes(&self, side: Side, content: Content) -> Result<Vec<u8>, Status> {
        match content {
            Content::Own(bytes) => Ok(bytes),
            Content::Raw(range) => self.raw(side, range),
        }
    }

    fn raw(&self, side: Side, range: Range<usize>) -> Result<Vec<u8>, Status> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = self.views.of(side).read.borrow_mut();
        if read.0 != range {
            let bytes = self
                .host
                .body(Buffer::body(side), range.start, range.len())?;
            if bytes.len() != range.len() {
                return Err(Status::BadArgument);
            }
            *read = (range, bytes);
        }
        Ok(read.1.clone())
    }

    /// Notes what was written, or that nobody knows what is there now.
    fn written(
        &self,
        map: Map,
        name: &str,
        value: Option<&[u8]>,
        beside: bool,
        done: Result<(), Status>,
    ) -> Result<(), Status> {
        let Some(view) = self.with_headers(map) else {
            return done;
        };
        // Pseudo-headers have names of their own in the proxy, which may also write more than one
        // of them.
        if done.is_err() || name.starts_with(':') || name.eq_ignore_ascii_case("host") {
            view.forget_headers();
        } else if view.headers.borrow().is_some() {
            let mut written = view.written.borrow_mut();
            if !beside {
                written.retain(|edit| !edit.name.eq_ignore_ascii_case(name));
            }
            written.push(Edit {
                name: name.to_ascii_lowercase(),
                value: value.map(<[u8]>::to_vec),
                beside,
            });
        }
        done
    }
}

impl Host for Layer {
    fn rules(&self) -> &'static Rules {
        self.host.rules()
    }

    fn now_ns(&self) -> u64 {
        self.now_ns.get().unwrap_or_else(|| {
            let now_ns = self.host.now_ns();
            self.now_ns.set(Some(now_ns));
            now_ns
        })
    }

    fn random(&self) -> u64 {
        self.host.random()
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.host.environment(name)
    }

    fn property(&self, path: &[&str]) -> Result<Vec<u8>, Status> {
        self.host.property(path)
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), Status> {
        self.host.set_property(name, value)
    }

    fn shared(&self, key: &str) -> Result<(Vec<u8>, u32), Status> {
        self.host.shared(key)
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
        self.host.set_shared(key, value, cas)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, Status> {
        self.host.define_metric(kind, name)
    }

    fn increment(&self, metric: u32, by: i64) -> Result<(), Status> {
        self.counted.add(metric, by);
        Ok(())
    }

    fn record(&self, metric: u32, value: u64) -> Result<(), Status> {
        self.host.record(metric, value)
    }

    fn log(&self, level: Level, line: &str) {
        self.host.log(level, line);
    }

    fn foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
        self.host.foreign(name, argument)
    }
}

impl Proxy for Layer {
    fn admit(&self) -> Result<(), &'static Reason> {
        self.host.admit()
    }

    fn note_begun(&self, filter: &str) -> Result<(), Status> {
        self.host.note_begun(filter)
    }

    fn was_begun(&self, filter: &str) -> bool {
        self.host.was_begun(filter)
    }

    fn pairs(&self, map: Map) -> Result<Vec<u8>, Status> {
        match self.with_headers(map) {
            Some(_) => Ok(self.headers(map)?.as_bytes().to_vec()),
            None => self.host.pairs(map),
        }
    }

    fn headers(&self, map: Map) -> Result<Rc<HeaderBlock>, Status> {
        let Some(view) = self.with_headers(map) else {
            return self.host.headers(map);
        };
        let mut headers = view.headers.borrow_mut();
        let block = match headers.take() {
            Some(known) => view.up_to_date(known),
            None => self.host.headers(map)?,
        };
        Ok(Rc::clone(headers.insert(block)))
    }

    fn set_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        let done = self.host.set_header(map, name, value);
        self.written(map, name, Some(value), false, done)
    }

    fn add_header(&self, map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
        let done = self.host.add_header(map, name, value);
        self.written(map, name, Some(value), true, done)
    }

    fn remove_header(&self, map: Map, name: &str) -> Result<(), Status> {
        let done = self.host.remove_header(map, name);
        self.written(map, name, None, false, done)
    }

    fn body(&self, buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
        let Some((side, view)) = self.with_body(buffer) else {
            return self.host.body(buffer, start, max);
        };
        match &*view.at_hand.borrow() {
            None => Err(Status::NotFound),
            Some(Content::Own(bytes)) => {
                let rest = bytes.get(start..).ok_or(Status::BadArgument)?;
                Ok(rest.get(..max).unwrap_or(rest).to_vec())
            }
            Some(Content::Raw(range)) => {
                let from = range.start.saturating_add(start).min(range.end);
                let to = from.saturating_add(max).min(range.end);
                self.raw(side, from..to)
            }
        }
    }

    fn set_body(
        &self,
        buffer: Buffer,
        start: usize,
        size: usize,
        data: &[u8],
    ) -> Result<(), Status> {
        let Some((_, view)) = self.with_body(buffer) else {
            return self.host.set_body(buffer, start, size, data);
        };
        match &mut *view.at_hand.borrow_mut() {
            // What a filter writes replaces what it was given as a whole.
            Some(content) if start == 0 && size >= content.len() => {
                *content = Content::Own(data.to_vec());
                Ok(())
            }
            Some(_) => Err(Status::BadArgument),
            None => Err(Status::NotFound),
        }
    }

    /// The chain looks for itself what a filter no longer holds.
    fn resume(&self, _: Side) -> Result<(), Status> {
        Ok(())
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Status> {
        self.host.reply(reply)
    }

    fn dispatch(&self, call: &Dispatch<'_>) -> Result<u32, Status> {
        self.host.dispatch(call)
    }

    fn set_tick(&self, period_ms: u32) -> Result<(), Status> {
        self.host.set_tick(period_ms)
    }

    fn focus(&self, context: u32) -> Result<(), Status> {
        self.host.focus(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeProxy;
    use proptest::prelude::*;

    const NAMES: [&str; 5] = ["accept", "x-a", "X-B", "host", ":path"];

    fn sorted(block: &HeaderBlock) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut pairs: Vec<_> = block
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        // Stable: the values of one name keep their order.
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs
    }

    proptest! {
        #[test]
        fn headers_read_after_writes_are_those_of_the_proxy(
            steps in proptest::collection::vec((0_u8..4, 0_usize..5, 0_u8..3), 0..30),
        ) {
            let proxy = FakeProxy::new(0);
            proxy.begin(1, &[(":path", "/"), ("accept", "a"), ("x-a", "1"), ("x-a", "2")]);
            proxy.enter(1);
            let layer = Layer::new(Rc::clone(&proxy) as Rc<dyn Proxy>, Rc::default());
            for (step, name, value) in steps {
                let name = NAMES.get(name).copied().unwrap_or_default();
                let map = Map::RequestHeaders;
                match step {
                    0 => layer.set_header(map, name, &[value]),
                    1 => layer.add_header(map, name, &[value]),
                    2 => layer.remove_header(map, name),
                    _ => layer.headers(map).map(|_| ()),
                }
                .unwrap();
            }
            let read = layer.headers(Map::RequestHeaders).unwrap();
            let true_ones = proxy.headers(Map::RequestHeaders).unwrap();
            prop_assert_eq!(sorted(&read), sorted(&true_ones));
        }
    }

    #[test]
    fn a_filter_reads_what_is_in_front_of_it_and_nothing_else() {
        let proxy = FakeProxy::new(0);
        let layer = Layer::new(proxy as Rc<dyn Proxy>, Rc::default());
        let body = Buffer::RequestBody;
        assert_eq!(layer.body(body, 0, 9), Err(Status::NotFound));
        assert_eq!(layer.set_body(body, 0, 0, b"x"), Err(Status::NotFound));
        layer.show(Side::Request, Some(Content::Own(b"abc".to_vec())));
        assert_eq!(layer.body(body, 1, 9), Ok(b"bc".to_vec()));
        assert_eq!(layer.body(body, 4, 9), Err(Status::BadArgument));
        assert_eq!(layer.set_body(body, 1, 2, b"x"), Err(Status::BadArgument));
        assert_eq!(layer.set_body(body, 0, 3, b"x"), Ok(()));
        assert_eq!(layer.take(Side::Request), Some(Content::Own(b"x".to_vec())));
        assert_eq!(layer.take(Side::Request), None);
    }
}
