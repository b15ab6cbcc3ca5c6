//! One thread's VM of an entry, and how it is entered.
//!
//! Exchanges belong to the thread that serves them; background work comes from Envoy's main thread
//! as well, so the VM is behind a lock. Nothing of Envoy's that can call a hook is called while it
//! is held.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::after::{After, PANICKED, UNAVAILABLE};
use super::entry::Entry;
use super::envoy::{Answer, Stream, Waker};
use super::handed::Handed;
use super::proxy::{Envoy, ROOT};
use super::store::lock;
use super::ticker::{self, NEVER};
use crate::host::{Host as _, Level, Proxy as _, Side};
use crate::vm::verdict::Action;
use crate::vm::{Part, Vm};

/// A number of the running thread, never 0.
pub fn this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    // Without a destructor, which would have to outlive the module.
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

/// What waits for a VM outside of its exchanges.
#[derive(Debug, PartialEq, Eq)]
pub enum Mail {
    /// Its tick.
    Tick,
    /// The answer to a callout of its background, which has this number.
    Answer(u32, Option<Answer>),
    /// The answer to a callout of an exchange that came while the call was made: context, and
    /// Envoy's number.
    Early(u32, u64, Option<Answer>),
}

/// Whether a tick is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// It is.
    Due,
    /// At this time, if it is not `NEVER`.
    At(u64),
}

/// What other threads can reach of a worker without its lock.
pub struct Desk {
    mail: Mutex<Vec<Mail>>,
    has_mail: AtomicBool,
    /// Period of the tick; 0 for none.
    period_ms: AtomicU32,
    /// When the next tick is due.
    due_ms: AtomicU64,
    /// The VM is not entered any more.
    broken: AtomicBool,
}

impl Desk {
    const fn new() -> Self {
        Self {
            mail: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            period_ms: AtomicU32::new(0),
            due_ms: AtomicU64::new(NEVER),
            broken: AtomicBool::new(false),
        }
    }

    /// Puts something for the VM.
    pub fn put(&self, mail: Mail) {
        lock(&self.mail).push(mail);
        self.has_mail.store(true, Ordering::Release);
    }

    fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    fn take(&self) -> Vec<Mail> {
        let mut mail = lock(&self.mail);
        self.has_mail.store(false, Ordering::Release);
        std::mem::take(&mut *mail)
    }

    /// Asks for a tick every so many milliseconds.
    pub fn set_tick(&self, period_ms: u32) {
        let due = match period_ms {
            0 => NEVER,
            period => ticker::now_ms().saturating_add(period.into()),
        };
        self.period_ms.store(period_ms, Ordering::Relaxed);
        self.due_ms.store(due, Ordering::Release);
        if due != NEVER {
            ticker::due(due);
        }
    }

    /// When the tick is due; one that is has been seen with that, and is put at once.
    pub fn claim(&self, now_ms: u64) -> Tick {
        let due = self.due_ms.load(Ordering::Acquire);
        if due > now_ms || self.broken.load(Ordering::Acquire) {
            return Tick::At(due);
        }
        // The next one is counted from when this one has come.
        self.due_ms.store(NEVER, Ordering::Release);
        self.put(Mail::Tick);
        Tick::Due
    }

    /// The tick has come: when the next one is due.
    fn ticked(&self) {
        let period = self.period_ms.load(Ordering::Relaxed);
        if period > 0 && self.due_ms.load(Ordering::Acquire) == NEVER {
            let due = ticker::now_ms().saturating_add(period.into());
            self.due_ms.store(due, Ordering::Release);
            ticker::due(due);
        }
    }
}

/// What the lock guards.
struct Inner {
    envoy: Rc<Envoy>,
    vm: Vm,
    last_context: u32,
    /// Of an exchange that Envoy holds: through it, its thread can be woken.
    waker: Option<(u32, Waker)>,
}

/// What is to be done outside of the lock.
#[derive(Clone, Copy)]
struct Next {
    /// The VM wants something done for exchanges.
    has_after: bool,
    /// Something waits for the VM, and no exchange is held.
    has_mail: bool,
}

/// One thread's VM of an entry.
pub struct Worker {
    entry: Arc<Entry>,
    desk: Arc<Desk>,
    thread: usize,
    /// The thread that is inside the VM; 0 for none.
    inside: AtomicUsize,
    inner: Mutex<Option<Handed<Inner>>>,
}

/// Where the VM is entered from.
#[derive(Clone, Copy)]
enum Origin {
    /// A hook of an exchange, on its own thread.
    Exchange(u32, Stream),
    /// The thread of the exchanges, outside of all of them.
    Own,
    /// Another thread.
    Elsewhere,
}

impl Worker {
    /// A VM of this entry for a thread; nothing where the filters refuse the configuration.
    pub fn new(entry: &Arc<Entry>, thread: usize) -> Option<Arc<Self>> {
        let desk = Arc::new(Desk::new());
        let made = catch_unwind(AssertUnwindSafe(|| {
            let envoy = Rc::new(Envoy::new(Arc::clone(entry), Arc::clone(&desk)));
            let seen: Rc<dyn crate::host::Proxy> = Rc::clone(&envoy) as Rc<dyn crate::host::Proxy>;
            let mut vm = Vm::with_chains(seen, entry.filters());
            vm.create(ROOT, 0);
            vm.configure(ROOT, entry.text().len()).then_some(Inner {
                envoy,
                vm,
                last_context: ROOT,
                waker: None,
            })
        }));
        let inner = made.ok().flatten()?;
        Some(Arc::new(Self {
            entry: Arc::clone(entry),
            desk,
            thread,
            inside: AtomicUsize::new(0),
            inner: Mutex::new(Some(Handed(inner))),
        }))
    }

    /// The thread that it is for.
    pub const fn thread(&self) -> usize {
        self.thread
    }

    /// What other threads reach of it.
    pub const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Whether a panic has ended its VM.
    pub fn is_broken(&self) -> bool {
        self.desk.broken.load(Ordering::Acquire)
    }

    /// An exchange begins; gives its context.
    pub fn begin(&self, stream: Stream) -> Option<u32> {
        let context = self.with(|inner| {
            inner.last_context = inner
                .last_context
                .wrapping_add(1)
                .max(ROOT.saturating_add(1));
            inner.envoy.begin(inner.last_context, stream);
            inner.last_context
        })?;
        let begun = self.enter(Origin::Exchange(context, stream), |vm, _| {
            vm.create(context, ROOT);
        });
        if begun.is_none() {
            self.with(|inner| inner.envoy.forget(context));
        }
        begun.map(|()| context)
    }

    /// A part of a message arrives.
    pub fn message(&self, context: u32, stream: Stream, side: Side, part: Part) -> Action {
        if !self.hears(side, part) && !self.is_broken() {
            return Action::Continue;
        }
        let action = self.enter(Origin::Exchange(context, stream), |vm, envoy| {
            let action = vm.message(context, side, part);
            envoy.told(context, side, action == Action::Pause);
            action
        });
        action.unwrap_or_else(|| {
            self.refuse(context, stream);
            Action::Pause
        })
    }

    /// Whether the filter is told: as a wasm module is by the callbacks that it exports.
    fn hears(&self, side: Side, part: Part) -> bool {
        let hears = self.entry.hears();
        match (side, part) {
            (Side::Request, Part::Headers(_)) => true,
            (Side::Request, Part::Body(..)) => hears.request_body,
            (Side::Request, Part::Trailers) => hears.hears_request_trailers(),
            (Side::Response, Part::Headers(_)) => hears.response_headers,
            (Side::Response, Part::Body(..)) => hears.response_body,
            (Side::Response, Part::Trailers) => hears.hears_response_trailers(),
        }
    }

    /// A callout of an exchange has been answered, or has failed.
    pub fn answer(&self, context: u32, stream: Stream, id: u64, answer: Option<Answer>) {
        if self.is_inside() {
            // Before Envoy has told the number of the call.
            return self.desk.put(Mail::Early(context, id, answer));
        }
        self.enter(Origin::Exchange(context, stream), |vm, envoy| {
            if let Some(number) = envoy.called(context, id) {
                take_answer(vm, envoy, context, number, answer);
            }
        });
    }

    /// The exchange is over.
    pub fn end(&self, context: u32, stream: Stream) {
        self.enter(Origin::Exchange(context, stream), |vm, envoy| {
            match self.entry.hears().end {
                true => vm.end(context),
                // What Envoy knows of it can be asked for now, and not when it is deleted.
                false => vm.gone(context),
            }
            if !self.entry.config().counts() {
                // Nothing else of this entry's can count before the next exchange.
                vm.tell(ROOT);
            }
            envoy.told(context, Side::Request, false);
            envoy.told(context, Side::Response, false);
        });
    }

    /// Envoy's object of the exchange is about to go.
    pub fn delete(&self, context: u32) {
        self.with(|inner| inner.envoy.forget(context));
        self.enter(Origin::Own, |vm, _| vm.delete(context));
    }

    /// On the thread of the exchanges: does what waits for the VM.
    pub fn read_mail(&self) {
        let next = self.with(|inner| {
            self.read(inner, Origin::Own);
            self.next(inner)
        });
        self.follow(next);
    }

    /// From any thread: has what waits for the VM done, at once where no exchange can be touched by
    /// it, or else on the thread of the exchanges.
    pub fn deliver(&self) {
        if !self.desk.has_mail() {
            return;
        }
        self.with(|inner| match (inner.envoy.held(), &inner.waker) {
            (None, _) => self.read(inner, Origin::Elsewhere),
            (Some(_), Some((_, waker))) => waker.wake(),
            // The hook that holds it is still running, and looks for mail at its end.
            (Some(_), None) => {}
        });
    }

    /// The entry is gone: the VM hands on what must outlive it, and ends.
    pub fn close(&self) {
        self.with(|inner| self.run(inner, Origin::Elsewhere, |vm, _| vm.delete(ROOT)));
        let inner = lock(&self.inner).take();
        let dropped = AssertUnwindSafe(inner);
        if self.is_broken() {
            // What a panic has left may panic again.
            std::mem::forget(dropped);
        } else {
            let _ = catch_unwind(|| drop(dropped));
        }
    }

    /// Answers an exchange that cannot be served, unless it has been answered.
    fn refuse(&self, context: u32, stream: Stream) {
        let known = self.with(|inner| {
            inner.envoy.refuse(context, After::refusal(&PANICKED));
            self.next(inner)
        });
        match known {
            Some(next) => self.follow(Some(next)),
            None => After::refusal(&UNAVAILABLE).perform(stream),
        }
    }

    /// Runs work in the VM, and then does what it wants done, which may call hooks. Nothing where
    /// the VM is broken.
    fn enter<T>(&self, origin: Origin, work: impl FnOnce(&mut Vm, &Envoy) -> T) -> Option<T> {
        let done = self.with(|inner| {
            let done = self.run(inner, origin, work);
            (done, self.next(inner))
        });
        let (done, next) = done.unzip();
        self.follow(next);
        done.flatten()
    }

    /// Runs work in the VM; a panic ends the VM, and every exchange that Envoy holds is answered.
    fn run<T>(
        &self,
        inner: &mut Inner,
        origin: Origin,
        work: impl FnOnce(&mut Vm, &Envoy) -> T,
    ) -> Option<T> {
        if self.is_broken() {
            return None;
        }
        let at = match origin {
            Origin::Exchange(context, stream) => Some((context, stream)),
            Origin::Own | Origin::Elsewhere => None,
        };
        let Inner { envoy, vm, .. } = inner;
        envoy.enter(at, matches!(origin, Origin::Elsewhere));
        let done = catch_unwind(AssertUnwindSafe(|| work(vm, envoy)));
        envoy.leave();
        if done.is_err() {
            self.desk.broken.store(true, Ordering::Release);
            let line = "modelgate: a filter has panicked; its worker starts anew";
            envoy.log(Level::Error, line);
            if let Some((context, _)) = at {
                envoy.refuse(context, After::refusal(&PANICKED));
            }
            envoy.refuse_held(|| After::refusal(&PANICKED));
        }
        done.ok()
    }

    fn read(&self, inner: &mut Inner, origin: Origin) {
        for mail in self.desk.take() {
            self.run(inner, origin, |vm, envoy| match mail {
                Mail::Tick => {
                    self.desk.ticked();
                    vm.tick(ROOT);
                }
                Mail::Answer(number, answer) => take_answer(vm, envoy, ROOT, number, answer),
                Mail::Early(context, id, answer) => {
                    if envoy.focus(context).is_ok()
                        && let Some(number) = envoy.called(context, id)
                    {
                        take_answer(vm, envoy, context, number, answer);
                    }
                }
            });
        }
    }

    /// What is to be done when the lock is let go. Keeps the thread of the exchanges within reach
    /// of other threads as long as Envoy holds one of them.
    fn next(&self, inner: &mut Inner) -> Next {
        let Inner { envoy, waker, .. } = inner;
        let held = envoy.held();
        if waker.as_ref().is_some_and(|(of, _)| !envoy.holds(*of)) {
            *waker = None;
        }
        if let (Some((context, stream)), None) = (held, &waker) {
            *waker = Some((context, stream.waker()));
        }
        let has_mail = self.desk.has_mail();
        if let (Some((_, waker)), true) = (&waker, has_mail) {
            // Not at once: no exchange is touched inside the hook of another.
            waker.wake();
        }
        Next {
            has_after: envoy.has_after(),
            has_mail: has_mail && held.is_none(),
        }
    }

    fn follow(&self, next: Option<Next>) {
        let mut next = next;
        while let Some(Next {
            has_after,
            has_mail,
        }) = next
            && (has_after || has_mail)
        {
            if has_mail {
                self.with(|inner| self.read(inner, Origin::Own));
            }
            while let Some(Some((stream, after))) = self.with(|inner| inner.envoy.next_after()) {
                after.perform(stream);
            }
            next = self.with(|inner| self.next(inner));
        }
    }

    /// Whether this thread is inside the VM: then it cannot be entered.
    fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Relaxed) == this_thread()
    }

    /// With what the lock guards; nothing inside of the VM, or when it is gone.
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> Option<T> {
        if self.is_inside() {
            return None;
        }
        let mut inner = lock(&self.inner);
        let Handed(inner) = inner.as_mut()?;
        self.inside.store(this_thread(), Ordering::Relaxed);
        let done = work(inner);
        self.inside.store(0, Ordering::Relaxed);
        Some(done)
    }
}

fn take_answer(vm: &mut Vm, envoy: &Envoy, context: u32, number: u32, answer: Option<Answer>) {
    let (count, size) = match &answer {
        Some(answer) => (answer.count, answer.body.len()),
        None => (0, 0),
    };
    envoy.show_answer(answer);
    vm.answer(context, number, count, size);
    envoy.show_answer(None);
}
