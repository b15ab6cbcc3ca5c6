//! The modules as they are shipped: what they say of themselves is what the code says.

use modelgate_cli::SUITE;
use modelgate_cli::build::{self, Profile, Workspace};
use modelgate_cli::inspect::Module;
use modelgate_kit::manifest;

#[test]
fn every_module_says_what_it_is() {
    let workspace = Workspace::locate().unwrap();
    build::build_all(&workspace, Profile::Release).unwrap();
    for krate in SUITE.modules() {
        let wasm = std::fs::read(workspace.artifact_path(krate)).unwrap();
        let module = Module::read(&wasm).unwrap_or_else(|error| panic!("{krate}: {error}"));
        assert!(module.is_ours(), "{krate}");
        assert_eq!(module.kit.as_deref(), Some(manifest::VERSION), "{krate}");
        assert_eq!(module.version(), Some(manifest::VERSION), "{krate}");
        assert_eq!(module.described["licenses"], "Apache-2.0", "{krate}");
        assert_eq!(module.abi, ["0.2.1"], "{krate}");
        let mut expected = SUITE.filters_in(krate);
        let mut said = module.filters.clone();
        expected.sort_by_key(|filter| filter.name);
        said.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(said.len(), expected.len(), "{krate}");
        for (said, filter) in said.iter().zip(expected) {
            assert_eq!(said.name, filter.name);
            assert_eq!(said.version, filter.version);
            assert_eq!(said.order, u32::from(filter.needs.order));
            assert_eq!(said.environment, filter.environment);
            let has = |need: &str| said.needs.iter().any(|known| known == need);
            assert_eq!(has("buffers_request"), filter.needs.buffers_request);
            assert_eq!(has("callouts"), filter.needs.callouts);
            assert_eq!(has("holds"), filter.needs.holds);
            assert_eq!(has("end"), filter.needs.end);
        }
        let calls = module.uses().contains(&"HTTP calls");
        assert!(calls || module.that_need("callouts").is_empty(), "{krate}");
    }
}
