//! The clock of the background work: one thread of the process, which wakes Envoy's main thread
//! when a worker's tick is due. It touches nothing else.

use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::store::lock;

/// Never.
pub const NEVER: u64 = u64::MAX;

/// The longest sleep: entries that are gone are let go then.
const LONGEST_MS: u64 = 60_000;

/// Milliseconds since the module was loaded.
pub fn now_ms() -> u64 {
    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(NEVER)
}

#[derive(Default)]
struct State {
    entries: Vec<Weak<Entry>>,
    runs: bool,
    /// When the thread wakes.
    wakes_ms: u64,
}

/// The thread, and what it waits for.
#[derive(Default)]
struct Ticker {
    state: Mutex<State>,
    changed: Condvar,
}

static TICKER: LazyLock<Ticker> = LazyLock::new(Ticker::default);

/// Ticks for this entry, too. Whether the thread runs.
pub fn watch(entry: &Arc<Entry>) -> bool {
    let mut state = lock(&TICKER.state);
    state.entries.push(Arc::downgrade(entry));
    if !state.runs {
        let thread = std::thread::Builder::new().name("modelgate".to_owned());
        state.runs = thread.spawn(|| TICKER.run()).is_ok();
    }
    // It looks at the new entry at once.
    state.wakes_ms = 0;
    TICKER.changed.notify_one();
    state.runs
}

/// A tick is due at this time.
pub fn due(at_ms: u64) {
    let mut state = lock(&TICKER.state);
    if at_ms < state.wakes_ms {
        state.wakes_ms = at_ms;
        TICKER.changed.notify_one();
    }
}

impl Ticker {
    fn run(&self) {
        let mut state = lock(&self.state);
        loop {
            let now = now_ms();
            state.entries.retain(|entry| entry.strong_count() > 0);
            let entries: Vec<Arc<Entry>> = state.entries.iter().filter_map(Weak::upgrade).collect();
            // Whatever is asked for meanwhile shortens the sleep.
            state.wakes_ms = NEVER;
            drop(state);
            let mut next = now.saturating_add(LONGEST_MS);
            for entry in entries {
                next = next.min(entry.call_if_due(now));
            }
            state = lock(&self.state);
            next = next.min(state.wakes_ms);
            state.wakes_ms = next;
            while state.wakes_ms > now_ms() {
                let sleep = Duration::from_millis(state.wakes_ms.saturating_sub(now_ms()));
                let slept = self.changed.wait_timeout(state, sleep);
                state = slept.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}
