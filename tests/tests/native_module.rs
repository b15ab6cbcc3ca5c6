//! The dynamic module as it is built: what it exports, what it needs of the machine that it is
//! loaded on, and that no release of Envoy starts with it where it would not protect.

use std::collections::BTreeSet;

use elf::ElfBytes;
use elf::abi::{DT_NEEDED, SHN_UNDEF, STB_WEAK};
use elf::endian::AnyEndian;
use modelgate_cli::build::{Workspace, native};
use modelgate_envoy::process::validate;
use modelgate_envoy::release;
use modelgate_tests::envoys::envoy;

/// The hooks that Envoy 1.38 looks for, without those that it can do without.
const HOOKS: [&str; 25] = [
    "program_init",
    "http_filter_config_new",
    "http_filter_config_destroy",
    "http_filter_config_scheduled",
    "http_filter_config_http_callout_done",
    "http_filter_per_route_config_new",
    "http_filter_per_route_config_destroy",
    "http_filter_new",
    "http_filter_request_headers",
    "http_filter_request_body",
    "http_filter_request_trailers",
    "http_filter_response_headers",
    "http_filter_response_body",
    "http_filter_response_trailers",
    "http_filter_stream_complete",
    "http_filter_destroy",
    "http_filter_http_callout_done",
    "http_filter_http_stream_headers",
    "http_filter_http_stream_data",
    "http_filter_http_stream_trailers",
    "http_filter_http_stream_complete",
    "http_filter_http_stream_reset",
    "http_filter_scheduled",
    "http_filter_downstream_above_write_buffer_high_watermark",
    "http_filter_downstream_below_write_buffer_low_watermark",
];

/// What a shared library needs and offers.
struct Library {
    needed: BTreeSet<String>,
    exported: BTreeSet<String>,
    undefined: BTreeSet<String>,
    /// Versions of the C library's symbols, as `(2, 34)`.
    glibc: BTreeSet<(u32, u32)>,
}

impl Library {
    fn read(bytes: &[u8]) -> Self {
        let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).unwrap();
        let (symbols, names) = file.dynamic_symbol_table().unwrap().unwrap();
        let dynamic = file.dynamic().unwrap().unwrap();
        let needed = dynamic.iter().filter(|entry| entry.d_tag == DT_NEEDED);
        let needed = needed.map(|entry| names.get(entry.d_val() as usize).unwrap().to_owned());
        let (mut exported, mut undefined) = (BTreeSet::new(), BTreeSet::new());
        for symbol in symbols.iter().filter(|symbol| symbol.st_name > 0) {
            let name = names.get(symbol.st_name as usize).unwrap().to_owned();
            match symbol.st_shndx == SHN_UNDEF {
                false => drop(exported.insert(name)),
                true if symbol.st_bind() != STB_WEAK => drop(undefined.insert(name)),
                true => {}
            }
        }
        let versions = file.symbol_version_table().unwrap().unwrap();
        let mut glibc = BTreeSet::new();
        for at in 0..symbols.len() {
            if let Ok(Some(wanted)) = versions.get_requirement(at)
                && let Some(version) = wanted.name.strip_prefix("GLIBC_")
            {
                let mut numbers = version.split('.').map(|number| number.parse().unwrap());
                glibc.insert((numbers.next().unwrap(), numbers.next().unwrap_or(0)));
            }
        }
        Self {
            needed: needed.collect(),
            exported,
            undefined,
            glibc,
        }
    }
}

#[test]
fn the_module_exports_the_hooks_and_needs_nothing_but_the_c_library() {
    let module = native::build(&Workspace::locate().unwrap()).unwrap();
    let library = Library::read(&std::fs::read(module.path).unwrap());
    for hook in HOOKS {
        let name = format!("envoy_dynamic_module_on_{hook}");
        assert!(library.exported.contains(&name), "{name} is not exported");
    }
    let theirs = |name: &&String| name.starts_with("envoy_");
    let undefined: Vec<&String> = library.undefined.iter().filter(theirs).collect();
    assert_eq!(
        undefined,
        [] as [&String; 0],
        "an Envoy without it would not load the module"
    );
    let c_library = |name: &String| {
        ["libc.so.", "libm.so.", "libgcc_s.so.", "ld-linux"]
            .iter()
            .any(|known| name.starts_with(known))
    };
    assert!(library.needed.iter().all(c_library), "{:?}", library.needed);
    // What the machine's linker has chosen; an image for others is built on an older one.
    let newest = library.glibc.last().copied().unwrap_or_default();
    assert!(newest <= (2, 36), "it needs glibc {newest:?}");
    assert!(module.bytes < 7 << 20, "{} bytes", module.bytes);
}

#[test]
fn every_release_refuses_to_start_without_protection() {
    let workspace = Workspace::locate().unwrap();
    native::build(&workspace).unwrap();
    let modules = workspace.target.join("modelgate");
    let good = std::fs::read_to_string(workspace.root.join("envoy/sagemaker-native.yaml"))
        .unwrap()
        .replace("/etc/envoy/modelgate", modules.to_str().unwrap());
    let local = good
        .lines()
        .find_map(|line| line.trim().strip_prefix("module: "))
        .unwrap();
    let remote = "{ remote: { http_uri: { uri: https://login.example.com/m.so, cluster: login, timeout: 1s }, \
                  sha256: \"0000000000000000000000000000000000000000000000000000000000000000\" } }";
    let cases = [
        ("  filter_name: chain\n", "  filter_name: chian\n"),
        (" issuers:\n", " isuers:\n"),
        (" AWS_SECRET_ACCESS_KEY,", ""),
        ("- filter: aws_sigv4", "- filter: aws_sigv5"),
        ("google.protobuf.Struct", "google.protobuf.BoolValue"),
        ("/libmodelgate.so", "/libmodelgate-gone.so"),
    ]
    .map(|(from, to)| (from, to.to_owned()));
    let fetched = format!("{remote}\n                nack_on_cache_miss: true");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.yaml");
    let environment = [
        ("AWS_ACCESS_KEY_ID", Some("AKIDEXAMPLE")),
        ("AWS_SECRET_ACCESS_KEY", Some("example")),
    ];
    for version in release::NATIVE {
        let Some(envoy) = envoy(Some(version)) else {
            continue;
        };
        let refused = |text: &str| {
            std::fs::write(&file, text).unwrap();
            validate(&envoy, &file, &environment).unwrap()
        };
        assert_eq!(refused(&good), None, "{version}");
        for (from, to) in &cases {
            let bent = good.replacen(from, to, 1);
            assert_ne!(bent, good, "{from}");
            assert!(refused(&bent).is_some(), "{version} takes {to:?}");
        }
        let bent = good.replacen(local, &fetched, 1);
        assert!(refused(&bent).is_some(), "{version} waits for a module");
    }
}
