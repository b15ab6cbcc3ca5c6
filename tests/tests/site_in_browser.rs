//! The documentation's site in a real browser: on a phone, a laptop and a wide screen, in both
//! themes, no page reports an error or scrolls sideways, and the search finds things.
//!
//! A page of this test's own loads each page of the site in a frame of the width in question and
//! posts what it saw. Frames obey media queries by their own width.

#[path = "site_in_browser/probe.rs"]
mod probe;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::routing::{get, post};
use modelgate_cli::build::Workspace;
use modelgate_cli::skip::require_or_skip;
use serde_json::Value as Json;
use tokio::sync::mpsc;

/// As long as the slowest machine may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Names of the browser's program.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A browser under way; it ends with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn program() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("no {} in PATH", PROGRAMS.join(", ")))
}

/// What the browser saw of the pages in this folder.
async fn look(program: &Path, site: &Path, pages: &[String]) -> Json {
    let (seen, mut reports) = mpsc::channel(1);
    let probe = probe::page(pages);
    let router = modelgate_site::serve::router(site)
        .route(
            "/probe.html",
            get(move || async { axum::response::Html(probe) }),
        )
        .route(
            "/report",
            post(move |report: String| async move {
                seen.send(report).await.ok();
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let profile = tempfile::tempdir().unwrap();
    let child = Command::new(program)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args(["--no-first-run", "--disable-extensions"])
        .args(["--disable-background-networking", "--window-size=2000,1000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/probe.html"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _browser = Browser(child);
    let report = tokio::time::timeout(PATIENCE, reports.recv()).await;
    let report = report.expect("the browser reports nothing").unwrap();
    serde_json::from_str(&report).unwrap()
}

fn faults(report: &Json) -> Vec<&str> {
    let faults = report["faults"].as_array().unwrap();
    faults.iter().map(|fault| fault.as_str().unwrap()).collect()
}

/// Every page below a folder, by its address.
fn pages(site: &Path) -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(site).unwrap();
            let framed = ["toc.html", "404.html"].map(Path::new).contains(&below);
            if below.extension().is_some_and(|kind| kind == "html") && !framed {
                pages.push(below.to_str().unwrap().to_owned());
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(&path, probe::watched(&text)).unwrap();
            }
        }
    }
    pages.sort();
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_scrolls_sideways_or_reports_an_error_and_the_search_finds_things() {
    let Some(program) = require_or_skip("Chromium", program()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    modelgate_site::build(&Workspace::locate().unwrap().root, folder.path()).unwrap();
    let pages = pages(folder.path());
    let report = look(&program, folder.path(), &pages).await;
    let faults = faults(&report);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let loads = report["loads"].as_u64().unwrap();
    assert!(pages.len() > 100, "{pages:?}");
    assert_eq!(loads, (pages.len() + probe::WORDS.len()) as u64);
    for (word, found) in report["found"].as_object().unwrap() {
        assert!(found.as_u64() > Some(0), "{word} is not found");
    }
    assert_eq!(
        report["found"].as_object().unwrap().len(),
        probe::WORDS.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_too_wide_or_has_an_error_is_seen() {
    let Some(program) = require_or_skip("Chromium", program()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str, body: &str| {
        let text = format!(
            "<!DOCTYPE html><html><head></head><body>{body}\
             <script>document.documentElement.className = localStorage['mdbook-theme']</script>"
        );
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    page("good.html", "<p>Well.</p>");
    page("wide.html", "<div style='width: 800px'>Wide.</div>");
    page("script.html", "<script>nothing.at.all()</script>");
    page("console.html", "<script>console.error('alas')</script>");
    page("lost.html", "<img src='nowhere.png'>");
    page("abroad.html", "<img src='http://127.0.0.1:9/pixel.png'>");
    // The search of the real site, without results.
    page("index.html", "");
    let pages = pages(folder.path());
    let report = look(&program, folder.path(), &pages).await;
    let mut seen: Vec<&str> = faults(&report)
        .iter()
        .map(|fault| fault.split([' ', ':']).next().unwrap())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        seen,
        [
            "/abroad.html",
            "/console.html",
            "/lost.html",
            "/script.html",
            "/wide.html"
        ]
    );
    for wanted in ["390 px", "asks another server"] {
        let seen = faults(&report).iter().any(|fault| fault.contains(wanted));
        assert!(seen, "{wanted}: {report}");
    }
    assert!(
        !faults(&report)
            .iter()
            .any(|fault| fault.contains("1280 px"))
    );
    assert!(
        report["found"]
            .as_object()
            .unwrap()
            .values()
            .all(|found| found == 0)
    );
}
