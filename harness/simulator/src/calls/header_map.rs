//! Headers and trailers: of the exchange, and of the callout that has just been answered.

use super::{Focus, HostHandle};
use crate::abi::{Answered, MapKind, Status};
use crate::core::Core;
use crate::rules::headers::Headers;

impl HostHandle {
    /// The first value of a header.
    ///
    /// # Errors
    /// `NotFound` without such a header, `BadArgument` while the map cannot be read.
    pub fn header_value(&self, map: MapKind, name: &[u8]) -> Answered<Vec<u8>> {
        self.focused("get_header_map_value", |core, focus| {
            match core.map(focus, map) {
                Some(headers) => headers
                    .first(name)
                    .map(<[u8]>::to_vec)
                    .ok_or(Status::NotFound),
                None if core.logging(focus) => Err(Status::NotFound),
                None => Err(Status::BadArgument),
            }
        })
    }

    /// All headers; none while the map cannot be read.
    ///
    /// # Errors
    /// `InternalFailure` outside of callbacks.
    pub fn header_pairs(&self, map: MapKind) -> Answered<Headers> {
        self.focused("get_header_map_pairs", |core, focus| {
            Ok(core.map(focus, map).cloned().unwrap_or_default())
        })
    }

    /// Bytes of all names and values.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn header_map_size(&self, map: MapKind) -> Answered<u32> {
        self.focused("get_header_map_size", |core, focus| {
            let size = core.map_mut(focus, map)?.byte_size();
            u32::try_from(size).map_err(|_| Status::InternalFailure)
        })
    }

    /// Replaces all headers.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn set_header_pairs(&self, map: MapKind, pairs: Headers) -> Answered<()> {
        self.focused("set_header_map_pairs", |core, focus| {
            *core.map_mut(focus, map)? = pairs;
            Ok(())
        })
    }

    /// Adds one more value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn add_header(&self, map: MapKind, name: &[u8], value: &[u8]) -> Answered<()> {
        self.focused("add_header_map_value", |core, focus| {
            core.map_mut(focus, map)?.add(name, value);
            Ok(())
        })
    }

    /// Gives a header exactly one value.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn set_header(&self, map: MapKind, name: &[u8], value: &[u8]) -> Answered<()> {
        self.focused("replace_header_map_value", |core, focus| {
            core.map_mut(focus, map)?.set(name, value);
            Ok(())
        })
    }

    /// Removes every value of a header.
    ///
    /// # Errors
    /// `BadArgument` while the map cannot be changed.
    pub fn remove_header(&self, map: MapKind, name: &[u8]) -> Answered<()> {
        self.focused("remove_header_map_value", |core, focus| {
            let keeps = core.profile.sends_removed_headers && map == MapKind::RequestHeaders;
            let headers = core.map_mut(focus, map)?;
            let values: Vec<Vec<u8>> = headers.all(name).map(<[u8]>::to_vec).collect();
            headers.remove(name);
            if keeps {
                let (stream, _) = core.exchange(focus)?;
                for value in values {
                    stream.request.removed.add(name, value);
                }
            }
            Ok(())
        })
    }
}

impl Core {
    fn map(&self, focus: Focus, kind: MapKind) -> Option<&Headers> {
        match kind {
            MapKind::CallHeaders | MapKind::CallTrailers => {
                let answer = self.vm(focus.vm)?.root(focus.context)?.answer.as_ref()?;
                if kind == MapKind::CallHeaders {
                    answer.headers.as_ref()
                } else {
                    answer.trailers.as_ref()
                }
            }
            MapKind::GrpcInitialMetadata | MapKind::GrpcTrailingMetadata => None,
            _ => {
                let (stream, slot) = self.exchange_of(focus.vm, focus.context)?;
                self.streams.get(&stream)?.map(slot, kind)
            }
        }
    }

    fn map_mut(&mut self, focus: Focus, kind: MapKind) -> Answered<&mut Headers> {
        let (stream, slot) = self.exchange(focus)?;
        stream.map_mut(slot, kind).ok_or(Status::BadArgument)
    }

    fn logging(&self, focus: Focus) -> bool {
        let slot = self.exchange_of(focus.vm, focus.context);
        let slot = slot.and_then(|(stream, slot)| self.streams.get(&stream)?.slots.get(slot));
        slot.is_some_and(|slot| slot.logging)
    }
}
