//! The guided tour of `modelgate demo`, on every engine: it succeeds through the gateway that users
//! copy, and through the same with its chain in one entry, and fails through one that is weaker.

use modelgate_cli::SUITE;
use std::future::pending;

use located_yaml::Node;

use modelgate_cli::build::{Profile, Workspace, build_all, native};
use modelgate_cli::gateway::{self, Host};
use modelgate_demo::{Engine, Report, Settings, run};
use modelgate_tests::envoys;
use proxy_wasm_wasmtime::WasmCode;
use tokio::sync::Notify;

fn settings(engine: Engine) -> Settings {
    let workspace = Workspace::locate().unwrap();
    Settings {
        engine,
        config: std::fs::read_to_string(workspace.root.join("envoy/sagemaker.yaml")).unwrap(),
        file: "envoy/sagemaker.yaml",
        port: 0,
        workers: 2,
        once: true,
    }
}

fn wasm() -> std::path::PathBuf {
    let workspace = Workspace::locate().unwrap();
    let built = build_all(&workspace, Profile::Release).unwrap();
    built[0].path.parent().unwrap().to_owned()
}

/// An Envoy, or nothing if there is none and need not be.
fn envoy() -> Option<Engine> {
    envoys::envoy(None).map(|envoy| Engine::Envoy(envoy, wasm()))
}

/// The tour through a gateway whose configuration `change` has changed.
async fn tour(engine: Engine, change: impl Fn(&str) -> String) -> bool {
    let mut settings = settings(engine);
    settings.config = change(&settings.config);
    run(&settings, &Report::new(), pending()).await.unwrap()
}

/// As it is.
fn shipped(config: &str) -> String {
    config.to_owned()
}

/// With the whole chain in one entry of the proxy's.
fn one_entry(config: &str) -> String {
    let root = Workspace::locate().unwrap().root;
    let one = std::fs::read_to_string(root.join("envoy/sagemaker-one-entry.yaml")).unwrap();
    assert_ne!(one, config);
    one
}

/// Written from a gateway file.
fn rendered(config: &str) -> String {
    let root = Workspace::locate().unwrap().root;
    let file = std::fs::read_to_string(root.join("envoy/gateways/sagemaker.yaml")).unwrap();
    let meaning = gateway::read(&Node::parse(&file).unwrap(), Host::Envoy).unwrap();
    let rendered = gateway::render(&meaning, Host::Envoy);
    assert_ne!(rendered, config);
    rendered
}

/// With Bob's group among those that may.
fn weaker(config: &str) -> String {
    let weaker = config.replace(
        r#""any_of": [ "data-science", "trial" ]"#,
        r#""any_of": [ "data-science", "trial", "marketing" ]"#,
    );
    assert_ne!(weaker, config);
    weaker
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_on_envoy() {
    if let Some(envoy) = envoy() {
        assert!(tour(envoy, shipped).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_on_native_code_and_fits_80_columns() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = std::sync::Arc::clone(&told);
    let report = Report::to(move |text| seen.lock().unwrap().push_str(text));
    assert!(
        run(&settings(Engine::Native(SUITE)), &report, pending())
            .await
            .unwrap()
    );
    let told = told.lock().unwrap();
    assert!(told.contains("14. All is well"), "{told}");
    let wide: Vec<&str> = told
        .lines()
        .filter(|line| line.chars().count() > 80)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_on_wasmtime() {
    assert!(tour(Engine::Wasmtime(wasm(), WasmCode::load), shipped).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_from_a_gateway_file_on_envoy() {
    if let Some(envoy) = envoy() {
        assert!(tour(envoy, rendered).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_from_a_gateway_file_on_native_code() {
    assert!(tour(Engine::Native(SUITE), rendered).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_in_the_native_form() {
    let workspace = Workspace::locate().unwrap();
    let native = |_: &str| {
        let file = workspace.root.join("envoy/sagemaker-native.yaml");
        std::fs::read_to_string(file).unwrap()
    };
    assert!(tour(Engine::Native(SUITE), native).await);
    if let Some(envoy) = envoys::envoy(None) {
        let library = native::build(&workspace).unwrap().path;
        let folder = library.parent().unwrap().to_owned();
        assert!(tour(Engine::EnvoyNative(envoy, folder), native).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_through_one_entry_on_envoy() {
    if let Some(envoy) = envoy() {
        assert!(tour(envoy, one_entry).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_through_one_entry_on_native_code() {
    assert!(tour(Engine::Native(SUITE), one_entry).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should_through_one_entry_on_wasmtime() {
    assert!(tour(Engine::Wasmtime(wasm(), WasmCode::load), one_entry).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_fails_where_the_wrong_group_gets_in_through_one_entry_on_native_code() {
    assert!(!tour(Engine::Native(SUITE), |config| weaker(&one_entry(config))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_fails_where_the_wrong_group_gets_in_on_envoy() {
    if let Some(envoy) = envoy() {
        assert!(!tour(envoy, weaker).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_fails_where_the_wrong_group_gets_in_on_native_code() {
    assert!(!tour(Engine::Native(SUITE), weaker).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tour_that_is_stopped_does_not_count_as_taken() {
    let begun = std::sync::Arc::new(Notify::new());
    let seen = std::sync::Arc::clone(&begun);
    let report = Report::to(move |text| {
        if text.contains("1. No credentials") {
            seen.notify_one();
        }
    });
    let right = run(&settings(Engine::Native(SUITE)), &report, begun.notified()).await;
    assert!(!right.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_embedded_host_does_not_serve_is_refused() {
    let mut settings = settings(Engine::Native(SUITE));
    settings.config = settings.config.replace(
        "use_remote_address: true",
        "use_remote_address: true\n          xff_num_trusted_hops: 1",
    );
    let refused = run(&settings, &Report::new(), pending()).await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("xff_num_trusted_hops"),
        "{refused:#}"
    );
}
