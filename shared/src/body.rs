//! The body of one side: what the host holds, what the filter has taken of it, and what it wrote
//! instead.
//!
//! A body ends with its last chunk, with the headers, or with trailers (then no chunk is ever
//! marked as the last one). Several writes of one step are joined, because a host keeps only the
//! last write of a callback. Bytes that were handled and are still held by the host (because the
//! filter paused afterwards) come again with the next chunk: they are skipped.

use std::cell::{Cell, RefCell};
use std::task::Poll;

use crate::host::{Buffer, Proxy, Side, Status};

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// More bytes than the limit.
    TooLarge,
    /// The host did not hand over what it announced (e.g. spooled to a file).
    Unreadable,
    /// There is no body that ends: the request asks to leave HTTP, or has left it (see
    /// [`crate::upgrade`]).
    Endless,
}

/// State of one side's body.
#[derive(Default)]
pub(crate) struct BodyState {
    /// Bytes that the host announced in the last callback, held ones included.
    size: Cell<usize>,
    /// The last callback's bytes have not been taken yet.
    fresh: Cell<bool>,
    complete: Cell<bool>,
    /// That it is complete was taken from the headers, see [`BodyState::assume_end`].
    assumed: Cell<Assumed>,
    /// The headers leave open whether there is a body, and without one no callback comes.
    open: Cell<bool>,
    /// What replaces the bytes of this step.
    out: RefCell<Option<Vec<u8>>>,
    /// Handled bytes that the host still holds.
    held: RefCell<Vec<u8>>,
    /// The headers go on before the body is whole: nothing in them may depend on it.
    headers_gone: Cell<bool>,
    /// What has come of a body that is wanted whole and that the host does not hold.
    kept: RefCell<Vec<u8>>,
}

/// Whether it was taken for granted that there is no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Assumed {
    #[default]
    No,
    Yes,
    /// And somebody has gone by it.
    Used,
}

impl BodyState {
    /// The headers announce no body, and the host does not say whether one follows.
    pub fn assume_end(&self) {
        self.assumed.set(Assumed::Yes);
        self.complete.set(true);
    }

    /// The headers announce a body that may be empty, and then no callback will come.
    pub fn leave_open(&self) {
        self.open.set(true);
    }

    /// Whether nothing may come any more, see [`BodyState::leave_open`].
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Whether the end is certain, and not taken from the headers.
    pub fn has_surely_ended(&self) -> bool {
        self.complete.get() && self.assumed.get() == Assumed::No
    }

    /// Whether there is no body as far as the headers say.
    pub fn is_end_assumed(&self) -> bool {
        self.assumed.get() != Assumed::No
    }

    /// So many bytes have come. Whether they should not be there: the end was taken from the
    /// headers, and the filter has gone by it.
    pub fn contradicts(&self, size: usize) -> bool {
        if size == 0 {
            return false;
        }
        let assumed = self.assumed.replace(Assumed::No);
        if assumed != Assumed::No {
            self.complete.set(false);
        }
        assumed == Assumed::Used
    }

    /// A body callback: `size` bytes are at hand, and whether they are the last.
    pub fn arrived(&self, size: usize, last: bool) {
        self.size.set(size);
        self.fresh.set(size > self.held.borrow().len());
        if last {
            self.complete.set(true);
        }
    }

    /// Headers that end the message, or trailers.
    pub fn ended(&self) {
        self.complete.set(true);
    }

    /// See [`BodyState::are_headers_gone`].
    pub fn let_headers_go(&self) {
        self.headers_gone.set(true);
    }

    /// Whether the headers go on before the body is whole.
    pub fn are_headers_gone(&self) -> bool {
        self.headers_gone.get()
    }

    pub fn complete(&self) -> bool {
        if self.assumed.get() == Assumed::Yes {
            self.assumed.set(Assumed::Used);
        }
        self.complete.get()
    }

    fn read(&self, host: &dyn Proxy, side: Side) -> Result<Vec<u8>, BodyError> {
        self.read_up_to(host, side, usize::MAX)
    }

    /// How many bytes are at hand.
    pub fn size(&self) -> usize {
        self.size.get()
    }

    /// The first bytes of what is at hand, or of what was kept.
    pub fn first(&self, host: &dyn Proxy, side: Side, max: usize) -> Result<Vec<u8>, BodyError> {
        let kept = self.kept.borrow();
        if !kept.is_empty() {
            return Ok(kept.iter().take(max).copied().collect());
        }
        self.read_up_to(host, side, max)
    }

    fn read_up_to(&self, host: &dyn Proxy, side: Side, max: usize) -> Result<Vec<u8>, BodyError> {
        let size = self.size.get().min(max);
        if size == 0 {
            return Ok(Vec::new());
        }
        match host.body(Buffer::body(side), 0, size) {
            Ok(bytes) if bytes.len() == size => Ok(bytes),
            _ => Err(BodyError::Unreadable),
        }
    }

    pub fn poll_whole(
        &self,
        host: &dyn Proxy,
        side: Side,
        limit: usize,
    ) -> Poll<Result<Vec<u8>, BodyError>> {
        if side == Side::Response && !host.rules().holds_responses {
            return self.poll_kept(host, side, limit);
        }
        if self.size.get() > limit {
            return Poll::Ready(Err(BodyError::TooLarge));
        }
        if !self.complete() {
            return Poll::Pending;
        }
        self.fresh.set(false);
        Poll::Ready(self.read(host, side))
    }

    /// The same where the host lets go what it has shown: it is taken out and kept here. When the
    /// body is whole or too long, all of it goes on in place of the last piece, unless it is
    /// replaced.
    fn poll_kept(
        &self,
        host: &dyn Proxy,
        side: Side,
        limit: usize,
    ) -> Poll<Result<Vec<u8>, BodyError>> {
        let mut kept = self.kept.borrow_mut();
        if self.fresh.replace(false) {
            match self.read(host, side) {
                Ok(bytes) => kept.extend_from_slice(&bytes),
                Err(error) => return Poll::Ready(Err(error)),
            }
            *self.out.borrow_mut() = Some(Vec::new());
        }
        let too_large = kept.len() > limit;
        if !too_large && !self.complete() {
            return Poll::Pending;
        }
        if !kept.is_empty() {
            *self.out.borrow_mut() = Some(kept.clone());
        }
        Poll::Ready(match too_large {
            true => Err(BodyError::TooLarge),
            false => Ok(core::mem::take(&mut *kept)),
        })
    }

    pub fn poll_chunk(
        &self,
        host: &dyn Proxy,
        side: Side,
        over: bool,
    ) -> Poll<Result<Option<Vec<u8>>, BodyError>> {
        if self.fresh.replace(false) {
            let taken = self.read(host, side).map(|mut bytes| {
                let handled = self.held.borrow().len().min(bytes.len());
                self.out.borrow_mut().get_or_insert_default();
                Some(bytes.split_off(handled))
            });
            return Poll::Ready(taken);
        }
        if self.complete() || over {
            Poll::Ready(Ok(None))
        } else {
            Poll::Pending
        }
    }

    /// As [`BodyState::poll_chunk`], of a body that passes as it is.
    pub fn poll_seen(
        &self,
        host: &dyn Proxy,
        side: Side,
        over: bool,
    ) -> Poll<Result<Option<Vec<u8>>, BodyError>> {
        if self.fresh.replace(false) {
            return Poll::Ready(self.read(host, side).map(Some));
        }
        match self.complete() || over {
            true => Poll::Ready(Ok(None)),
            false => Poll::Pending,
        }
    }

    pub fn write(&self, bytes: &[u8]) {
        self.out
            .borrow_mut()
            .get_or_insert_default()
            .extend_from_slice(bytes);
    }

    pub fn replace(&self, bytes: Vec<u8>) {
        self.held.borrow_mut().clear();
        *self.out.borrow_mut() = Some(bytes);
    }

    /// Hands this step's writes to the host. `held` says whether the host keeps the bytes (the
    /// filter pauses).
    pub fn flush(&self, host: &dyn Proxy, side: Side, held: bool) -> Result<(), Status> {
        let Some(out) = self.out.borrow_mut().take() else {
            return Ok(());
        };
        let mut whole = self.held.take();
        whole.extend_from_slice(&out);
        host.set_body(Buffer::body(side), 0, self.size.get(), &whole)?;
        self.size.set(whole.len());
        if held {
            self.held.replace(whole);
        }
        Ok(())
    }

    /// The host has let go of what it held.
    pub fn released(&self) {
        self.held.borrow_mut().clear();
    }
}
