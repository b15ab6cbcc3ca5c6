//! The guided tour of `modelgate demo`, on a real Envoy: it succeeds through the gateway that users copy, and fails through one that is
//! weaker.

use std::future::pending;

use modelgate_harness::artifacts::{Profile, Workspace, build_filters};
use modelgate_harness::demo::{Settings, run};
use modelgate_harness::envoy_release::Envoy;

/// What the tour is taken with, or nothing if there is no Envoy and need not be.
fn settings() -> Option<Settings> {
    let envoy = Envoy::find(None, &|message| println!("{message}"));
    let envoy = match envoy.and_then(|envoy| envoy.require_wasm().map(|()| envoy)) {
        Ok(envoy) => envoy,
        Err(missing) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI=true, but there is no Envoy: {missing:#}"
            );
            println!("SKIPPED: no Envoy: {missing:#}");
            return None;
        }
    };
    let workspace = Workspace::locate().unwrap();
    let built = build_filters(&workspace, Profile::Release).unwrap();
    Some(Settings {
        envoy,
        wasm: built[0].path.parent().unwrap().to_owned(),
        config: std::fs::read_to_string(workspace.root.join("envoy/sagemaker.yaml")).unwrap(),
        port: 0,
        workers: 2,
        once: true,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tour_goes_as_it_should() {
    if let Some(settings) = settings() {
        assert!(run(&settings, pending()).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_fails_where_the_wrong_group_gets_in() {
    if let Some(mut settings) = settings() {
        let weaker = settings.config.replace(
            r#""data-science", "trial""#,
            r#""data-science", "trial", "marketing""#,
        );
        assert_ne!(weaker, settings.config);
        settings.config = weaker;
        assert!(!run(&settings, pending()).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tour_that_is_stopped_does_not_count_as_taken() {
    if let Some(settings) = settings() {
        let stop = tokio::time::sleep(std::time::Duration::from_secs(4));
        assert!(!run(&settings, stop).await.unwrap());
    }
}
