//! Properties: what the proxy knows of an exchange, by path, and what filters leave there for each
//! other.
//!
//! A path is its segments joined by zero bytes. The first segment names a tree of
//! [`crate::rules::attribute`], or else an entry of the filter state; the rest descends. Values are
//! coded as Envoy codes them: numbers and times as eight little-endian bytes, truth values as one
//! byte, texts as they are, JSON objects and lists in the wire form of header maps, metadata as
//! protobuf.

use super::{EffectiveContext, HostHandle};
use crate::abi::{HostResult, Status};
use crate::core::Core;
use crate::rules::attribute::{self, Value};
use crate::rules::variable::{self, Outside};

impl HostHandle {
    /// A property.
    ///
    /// # Errors
    /// `NotFound`; `SerializationFailure` for a tree that has no coding.
    pub fn property(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        self.call_in_context("get_property", |core, at| {
            if let Some(namespace) = core.profile.properties.namespace {
                return core.variable(at, namespace, &variable::dotted(path));
            }
            let mut segments = path.split(|byte| *byte == 0).peekable();
            let first = segments.next().unwrap_or_default();
            let mut value = core.top(at, first).ok_or(Status::NotFound)?;
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

    /// Leaves a value in the filter state of the exchange under `wasm.` and this name; on nginx,
    /// under a name that begins with the host's own word.
    ///
    /// # Errors
    /// `NotFound` in a root context. On nginx, `NotFound` for other names, and `InternalFailure`
    /// for a variable of its own and outside of an exchange.
    pub fn set_property(&self, path: &[u8], value: &[u8]) -> HostResult<()> {
        self.call_in_context("set_property", |core, at| {
            if let Some(namespace) = core.profile.properties.namespace {
                return core.set_variable(at, namespace, &variable::dotted(path), value);
            }
            let (stream, _) = core.exchange(at).map_err(|_| Status::NotFound)?;
            stream
                .filter_state
                .insert(path.to_owned(), value.to_owned());
            Ok(())
        })
    }
}

impl Core {
    /// A property on nginx.
    fn variable(
        &mut self,
        at: EffectiveContext,
        namespace: &str,
        name: &str,
    ) -> HostResult<Vec<u8>> {
        if let Some((stream, filter)) = self.exchange_of(at.vm, at.context) {
            let stream = self.streams.get(&stream);
            let value =
                stream.and_then(|stream| variable::value(self, stream, filter, namespace, name));
            return value.ok_or(Status::NotFound);
        }
        match variable::outside(namespace, name) {
            Outside::NotFound => Err(Status::NotFound),
            Outside::Crash if self.profile.crashes.property_without_exchange => {
                self.crash("a property without an exchange")
            }
            Outside::Refused | Outside::Crash => Err(Status::InternalFailure),
        }
    }

    fn set_variable(
        &mut self,
        at: EffectiveContext,
        namespace: &str,
        name: &str,
        value: &[u8],
    ) -> HostResult<()> {
        if let Some(left) = variable::left(namespace, name) {
            let (stream, _) = self.exchange(at).map_err(|_| Status::InternalFailure)?;
            let name = left.as_bytes().to_vec();
            stream.filter_state.insert(name, value.to_owned());
            return Ok(());
        }
        match name.strip_prefix("ngx.").is_some_and(variable::is_variable) {
            true => Err(Status::InternalFailure),
            false => Err(Status::NotFound),
        }
    }

    fn top(&self, at: EffectiveContext, name: &[u8]) -> Option<Value> {
        let vm = self.vm(at.vm)?;
        let plugin = vm
            .root(at.context)
            .and_then(|root| self.plugin(root.plugin));
        match name {
            b"plugin_name" => return plugin.map(|plugin| Value::text(&plugin.name)),
            b"plugin_root_id" => return plugin.map(|plugin| Value::text(&plugin.root_id)),
            b"plugin_vm_id" => return Some(Value::text(&vm.vm_id)),
            _ => {}
        }
        let (stream, filter) = self.exchange_of(at.vm, at.context)?;
        attribute::tree(self, self.streams.get(&stream)?, filter, name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Phase, during};
    use super::*;

    fn get(phase: Phase, path: &'static str) -> HostResult<Vec<u8>> {
        during(phase, move |host| host.property(path.as_bytes()))
    }

    #[test]
    fn get_property_descends_along_the_path() {
        let path = |path| get(Phase::RequestHeaders, path);
        assert_eq!(path("request\0path"), Ok(b"/v1/x?q=1".to_vec()));
        assert_eq!(path("request\0path\0"), Ok(b"/v1/x?q=1".to_vec()));
        assert_eq!(path("request\0headers\0x-twice"), Ok(b"a,b".to_vec()));
        assert_eq!(path("plugin_root_id"), Ok(b"root".to_vec()));
    }

    #[test]
    fn get_property_refuses_unknown_paths_and_trees_without_a_coding() {
        for unknown in ["", "nothing", "request\0nothing", "request\0path\0deeper"] {
            assert_eq!(
                get(Phase::RequestHeaders, unknown),
                Err(Status::NotFound),
                "{unknown:?}"
            );
        }
        assert_eq!(
            get(Phase::RequestHeaders, "request"),
            Err(Status::SerializationFailure)
        );
    }

    #[test]
    fn get_property_has_no_exchange_in_a_root_context() {
        assert_eq!(get(Phase::Tick, "request\0path"), Err(Status::NotFound));
        assert_eq!(get(Phase::Tick, "plugin_name"), Ok(b"tried".to_vec()));
        assert_eq!(
            get(Phase::RequestHeaders, "response\0code"),
            Err(Status::NotFound)
        );
        assert_eq!(
            get(Phase::Start, "plugin_name"),
            Err(Status::InternalFailure)
        );
    }

    #[test]
    fn set_property_leaves_a_value_in_the_exchange() {
        let set = |phase| {
            during(phase, |host| {
                host.set_property(b"mine", b"1")?;
                host.property(b"mine")
            })
        };
        assert_eq!(set(Phase::RequestHeaders), Ok(b"1".to_vec()));
        assert_eq!(set(Phase::Log), Ok(b"1".to_vec()));
        assert_eq!(set(Phase::Tick), Err(Status::NotFound));
        assert_eq!(set(Phase::Start), Err(Status::InternalFailure));
    }
}
