//! Telling what goes on while it takes long. Only on a terminal: where output goes into a file or a
//! pipe, results alone stand there.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A line on stderr that is rewritten while work goes on, if there is a terminal.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    shown: bool,
    began: Instant,
    total: usize,
    done: usize,
}

/// Nothing is shown before this.
const QUIET: Duration = Duration::from_secs(2);

impl Progress {
    /// Work in `total` pieces.
    pub fn new(total: usize) -> Self {
        Self {
            terminal: stderr().is_terminal(),
            shown: false,
            began: Instant::now(),
            total,
            done: 0,
        }
    }

    /// A piece begins.
    pub fn step(&mut self, what: &str) {
        self.done = self.done.saturating_add(1);
        if self.terminal && self.began.elapsed() >= QUIET {
            self.shown = true;
            eprint!("\r\x1b[2K[{}/{}] {what}", self.done, self.total);
            drop(stderr().flush());
        }
    }

    /// Takes the line away, so that something else can be written.
    pub fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}
