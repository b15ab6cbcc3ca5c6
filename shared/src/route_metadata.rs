//! What the operator has written into the metadata of a route or of its virtual host, under
//! `modelgate`: which profile counts, and in which dialect clients are refused.

use crate::host::Host;

/// Where modelgate's values stand in a route's metadata.
const NAMESPACE: &str = "modelgate";

/// A text value under `modelgate` in the route's metadata, or else in the virtual host's.
pub(crate) fn text(host: &dyn Host, path: &[&str]) -> Option<String> {
    ["route_metadata", "virtual_host_metadata"]
        .into_iter()
        .find_map(|level| {
            let mut whole = vec!["xds", level, "filter_metadata", NAMESPACE];
            whole.extend_from_slice(path);
            let value = host.property(&whole).ok()?;
            // What is no text (a number, a list) names nothing, and is not taken for absent.
            (!value.is_empty()).then(|| String::from_utf8_lossy(&value).into_owned())
        })
}
