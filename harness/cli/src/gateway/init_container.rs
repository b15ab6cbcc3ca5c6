//! Modules in clusters without image volumes (Kubernetes before 1.33): a container fetches them
//! before Envoy starts.

use serde_json::{Value as Json, json};

use super::envoy::MODULES;
use super::file::Modules;
use super::meaning::Meaning;

/// What fetches: skopeo, which takes images by digest and verifies it, with a shell and tar.
const IMAGE: &str = "quay.io/skopeo/stable:v1.18.0";
/// The Secret with the registry's credentials (of the type `kubernetes.io/dockerconfigjson`); may
/// be missing.
const CREDENTIALS: &str = "modelgate-registry";
/// Where the modules are put.
const PLACE: &str = "/modules";

/// The layer of an image that has `plugin.wasm` is found by trying. A file appears under its name
/// when it is complete.
const FETCH: &str = r#"if [ -f /auth/.dockerconfigjson ]; then export REGISTRY_AUTH_FILE=/auth/.dockerconfigjson; fi
fetch() {
  skopeo copy --quiet "docker://$2" "dir:$TMPDIR/$1"
  for blob in "$TMPDIR/$1"/*; do
    if tar -xzOf "$blob" plugin.wasm >"$MODULES/$1.part" 2>/dev/null; then
      mv "$MODULES/$1.part" "$MODULES/$1"
      return
    fi
  done
  echo "$2 has no plugin.wasm" >&2
  exit 1
}
"#;

/// The script.
fn script(meaning: &Meaning, modules: &Modules) -> String {
    let mut script = FETCH.to_owned();
    for filter in &meaning.filters {
        let image = modules.by_digest(filter.member.krate);
        script.push_str(&format!(
            "fetch {}.wasm {image}\n",
            filter.member.filter.name
        ));
    }
    script
}

/// The container that fetches.
pub(super) fn container(meaning: &Meaning, modules: &Modules) -> Json {
    json!({
        "name": "modules",
        "image": IMAGE,
        "command": [ "/bin/sh", "-euc", script(meaning, modules) ],
        "env": [
            { "name": "HOME", "value": "/tmp" },
            { "name": "MODULES", "value": PLACE },
            { "name": "TMPDIR", "value": "/tmp" },
        ],
        "resources": {
            "requests": { "cpu": "100m", "memory": "64Mi" },
            "limits": { "memory": "256Mi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": [ "ALL" ] },
        },
        "volumeMounts": [
            { "name": "modules", "mountPath": PLACE },
            { "name": "scratch", "mountPath": "/tmp" },
            { "name": "registry", "mountPath": "/auth", "readOnly": true },
        ],
    })
}

/// The volumes that it fills and reads.
pub(super) fn volumes() -> [Json; 3] {
    [
        json!({ "name": "modules", "emptyDir": { "sizeLimit": "64Mi" } }),
        json!({ "name": "scratch", "emptyDir": { "sizeLimit": "256Mi" } }),
        json!({ "name": "registry", "secret": { "secretName": CREDENTIALS, "optional": true } }),
    ]
}

/// Where Envoy finds them.
pub(super) fn mount() -> Json {
    json!({ "name": "modules", "mountPath": MODULES, "readOnly": true })
}
