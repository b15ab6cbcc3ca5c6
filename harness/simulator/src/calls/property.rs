//! Properties: what the proxy knows of an exchange, by path, and what filters leave there for each
//! other.
//!
//! A path is its segments joined by zero bytes. The first segment names a tree of
//! [`crate::rules::attribute`], or else an entry of the filter state; the rest descends. Values are
//! coded as Envoy codes them: numbers and times as eight little-endian bytes, truth values as one
//! byte, texts as they are, JSON objects and lists in the wire form of header maps, metadata as
//! protobuf.

use super::{Focus, HostHandle};
use crate::abi::{Answered, Status};
use crate::core::Core;
use crate::rules::attribute::{self, Value};

impl HostHandle {
    /// A property.
    ///
    /// # Errors
    /// `NotFound`; `SerializationFailure` for a tree that has no coding.
    pub fn property(&self, path: &[u8]) -> Answered<Vec<u8>> {
        self.focused("get_property", |core, focus| {
            let mut segments = path.split(|byte| *byte == 0).peekable();
            let first = segments.next().unwrap_or_default();
            let mut value = core.top(focus, first).ok_or(Status::NotFound)?;
            while let Some(segment) = segments.next() {
                // A path may end with its separator.
                if segment.is_empty() && segments.peek().is_none() {
                    break;
                }
                value = value.child(segment).ok_or(Status::NotFound)?;
            }
            value.encode()
        })
    }

    /// Leaves a value in the filter state of the exchange under `wasm.` and this name.
    ///
    /// # Errors
    /// `NotFound` in a root context.
    pub fn set_property(&self, path: &[u8], value: &[u8]) -> Answered<()> {
        self.focused("set_property", |core, focus| {
            let (stream, _) = core.exchange(focus).map_err(|_| Status::NotFound)?;
            stream
                .filter_state
                .insert(path.to_owned(), value.to_owned());
            Ok(())
        })
    }
}

impl Core {
    fn top(&self, focus: Focus, name: &[u8]) -> Option<Value> {
        let vm = self.vm(focus.vm)?;
        let plugin = vm
            .root(focus.context)
            .and_then(|root| self.plugins.get(root.plugin));
        match name {
            b"plugin_name" => return plugin.map(|plugin| Value::text(&plugin.name)),
            b"plugin_root_id" => return plugin.map(|plugin| Value::text(&plugin.root_id)),
            b"plugin_vm_id" => return Some(Value::text(&vm.vm_id)),
            _ => {}
        }
        let (stream, slot) = self.exchange_of(focus.vm, focus.context)?;
        attribute::tree(self, self.streams.get(&stream)?, slot, name)
    }
}
