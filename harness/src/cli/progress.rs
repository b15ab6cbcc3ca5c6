//! Telling what goes on while it takes long.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A line on stderr that is rewritten while work goes on, if there is a terminal; else a line now and then.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    shown: Option<Instant>,
    began: Instant,
    total: usize,
    done: usize,
}

/// Nothing is shown before this.
const QUIET: Duration = Duration::from_secs(2);
/// How often a line is written where there is no terminal.
const SPARSE: Duration = Duration::from_secs(10);

impl Progress {
    /// Work in `total` pieces.
    pub fn new(total: usize) -> Self {
        Self {
            terminal: stderr().is_terminal(),
            shown: None,
            began: Instant::now(),
            total,
            done: 0,
        }
    }

    /// A piece begins.
    pub fn step(&mut self, what: &str) {
        self.done = self.done.saturating_add(1);
        let due = match (self.terminal, self.shown) {
            _ if self.began.elapsed() < QUIET => false,
            (false, Some(shown)) => shown.elapsed() >= SPARSE,
            (true, _) | (false, None) => true,
        };
        if due {
            self.shown = Some(Instant::now());
            let line = format!("[{}/{}] {what}", self.done, self.total);
            if self.terminal {
                eprint!("\r\x1b[2K{line}");
                drop(stderr().flush());
            } else {
                eprintln!("{line}");
            }
        }
    }

    /// Takes the line away, so that something else can be written.
    pub fn clear(&self) {
        if self.terminal && self.shown.is_some() {
            eprint!("\r\x1b[2K");
        }
    }
}
