//! Child processes that do not outlive this one: killed when they are dropped, and when this
//! process is told to end.

use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Everything that was adopted and is not dropped yet.
static ADOPTED: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// A child process that is killed when this is dropped.
#[derive(Debug)]
pub struct Adopted(Arc<Mutex<Child>>);

impl Adopted {
    /// Takes a child over.
    pub fn new(child: Child) -> Self {
        let child = Arc::new(Mutex::new(child));
        let mut all = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&child));
        Self(child)
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.with(|child| child.id())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn try_wait(&self) -> std::io::Result<Option<ExitStatus>> {
        self.with(Child::try_wait)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Child) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.with(end);
    }
}

/// Kills it and takes its status; it may have ended by itself.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// SIGINT (Ctrl-C) and SIGTERM, which no longer end this process by themselves.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Begins to listen for them; needs a runtime around it.
    ///
    /// # Errors
    /// If the system refuses the handlers.
    pub fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them, and gives the exit code that a shell gives for it (130, 143).
    pub async fn received(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// From now on SIGINT and SIGTERM kill the children before they end this process, with the exit
/// code that a shell gives (130, 143).
///
/// # Errors
/// If the system refuses the handlers.
pub fn end_with_this_process() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        StopSignals::new()?
    };
    std::thread::spawn(move || {
        let code = runtime.block_on(signals.received());
        end_all();
        std::process::exit(code);
    });
    Ok(())
}

/// Kills every child that was adopted and is not dropped yet.
pub fn end_all() {
    let all = ADOPTED.lock().unwrap_or_else(PoisonError::into_inner);
    for child in all.iter().filter_map(Weak::upgrade) {
        end(&mut child.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_ends_when_it_is_dropped() {
        let child = Adopted::new(Command::new("sleep").arg("60").spawn().unwrap());
        let entry = format!("/proc/{}", child.id());
        assert!(child.try_wait().unwrap().is_none());
        drop(child);
        assert!(!std::path::Path::new(&entry).exists());
    }
}
