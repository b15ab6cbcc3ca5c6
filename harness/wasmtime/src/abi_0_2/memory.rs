//! Guest memory: the arguments of a host call read, its results written, memory of the guest's own
//! allocator handed over.

use wasmtime::Caller;

use super::State;
use crate::Faults;
use proxy_wasm_simulator::HostHandle;
use proxy_wasm_simulator::abi::{HostResult, Status, StreamKind};

/// Why a host call did not succeed.
pub(super) enum Fault {
    /// It was refused, and the guest is told.
    Refused(Status),
    /// The guest's own code trapped meanwhile: the guest is lost.
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// How a host call went.
pub(super) type Served = Result<(), Fault>;

/// A guest during a host call.
pub(super) struct Guest<'a>(Caller<'a, State>);

/// Serves a host call that answers with a status.
pub(super) fn serve(
    caller: Caller<'_, State>,
    act: impl FnOnce(&mut Guest<'_>) -> Served,
) -> wasmtime::Result<u32> {
    let faults = caller.data().faults.clone();
    let refusal = || faults.as_ref().and_then(Faults::refusal);
    if let Some(status) = refusal() {
        return Ok(status);
    }
    match act(&mut Guest(caller)) {
        // Made, and yet said to have failed.
        Ok(()) => Ok(refusal().unwrap_or(0)),
        Err(Fault::Refused(status)) => Ok(status.raw()),
        Err(Fault::Trap(trap)) => Err(trap),
    }
}

/// The status of a call that is refused, or a trap where this host does not have it.
pub(super) fn refused(caller: &Caller<'_, State>, name: &'static str, status: Status) -> u32 {
    let host = &caller.data().host;
    host.optional_call(name).err().unwrap_or(status).raw()
}

impl<'a> Guest<'a> {
    pub fn new(caller: Caller<'a, State>) -> Self {
        Self(caller)
    }

    pub fn host(&self) -> HostHandle {
        self.0.data().host.clone()
    }

    pub fn state(&self) -> &State {
        self.0.data()
    }

    /// Bytes of guest memory.
    pub fn bytes(&self, at: u32, size: u32) -> HostResult<Vec<u8>> {
        let (at, size) = (index(at)?, index(size)?);
        let end = at.checked_add(size).ok_or(Status::InvalidMemoryAccess)?;
        let memory = self.0.data().memory()?.data(&self.0);
        memory
            .get(at..end)
            .map(<[u8]>::to_vec)
            .ok_or(Status::InvalidMemoryAccess)
    }

    pub fn u32(&self, at: u32) -> HostResult<u32> {
        let bytes = self.bytes(at, 4)?;
        let bytes: [u8; 4] = bytes.try_into().map_err(|_| Status::InvalidMemoryAccess)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Writes bytes into guest memory.
    pub fn write(&mut self, at: u32, bytes: &[u8]) -> HostResult<()> {
        let memory = self.0.data().memory()?;
        memory
            .write(&mut self.0, index(at)?, bytes)
            .map_err(|_| Status::InvalidMemoryAccess)
    }

    pub fn write_u32(&mut self, at: u32, value: u32) -> HostResult<()> {
        self.write(at, &value.to_le_bytes())
    }

    pub fn write_u64(&mut self, at: u32, value: u64) -> HostResult<()> {
        self.write(at, &value.to_le_bytes())
    }

    /// Tells the guest a number.
    pub fn tell_u32(&mut self, at: u32, value: u32) -> HostResult<()> {
        let told = self.faults().map(|faults| faults.number(value.into()));
        let [a, b, c, d, ..] = told.unwrap_or(value.into()).to_le_bytes();
        self.write(at, &[a, b, c, d])
    }

    /// Tells the guest a number.
    pub fn tell_u64(&mut self, at: u32, value: u64) -> HostResult<()> {
        let told = self.faults().map(|faults| faults.number(value));
        self.write_u64(at, told.unwrap_or(value))
    }

    /// Continues a stream.
    pub fn continue_stream(&self, kind: StreamKind) -> HostResult<()> {
        if let Some(faults) = self.faults() {
            faults.continues(kind);
        }
        self.host().continue_stream(kind)
    }

    fn faults(&self) -> Option<&Faults> {
        self.0.data().faults.as_ref()
    }

    /// Hands bytes over in memory of the guest's allocator. No bytes are a null pointer.
    pub fn give(&mut self, bytes: &[u8], pointer_at: u32, size_at: u32) -> Served {
        let spoiled = self.faults().and_then(|faults| faults.bytes(bytes));
        let bytes = spoiled.as_deref().unwrap_or(bytes);
        let size = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let mut pointer = 0;
        if size > 0 {
            let allocator = self
                .0
                .data()
                .allocator
                .clone()
                .ok_or(Status::InvalidMemoryAccess)?;
            pointer = allocator.call(&mut self.0, size).map_err(Fault::Trap)?;
            if pointer == 0 {
                return Err(Status::InvalidMemoryAccess.into());
            }
            self.write(pointer, bytes)?;
        }
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(size_at, size)?;
        Ok(())
    }
}

fn index(number: u32) -> HostResult<usize> {
    usize::try_from(number).map_err(|_| Status::InvalidMemoryAccess)
}
