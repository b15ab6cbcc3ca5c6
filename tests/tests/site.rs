//! The documentation as a site: every page is in it, every link leads somewhere, every page says
//! what it is about, and the runbook has an entry for each reason code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use modelgate_cli::SUITE;
use modelgate_cli::build::Workspace;
use modelgate_kit::problem::{Reason, common};
use regex::Regex;

fn root() -> PathBuf {
    Workspace::locate().unwrap().root
}

/// The files below a folder, by their paths in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    files.sort();
    files
}

/// A built site: the text of its pages by their paths, and all its files.
struct Site {
    pages: BTreeMap<PathBuf, String>,
    files: BTreeSet<PathBuf>,
}

impl Site {
    fn build(folder: &Path) -> Self {
        modelgate_site::build(&root(), folder).unwrap();
        Self::read(folder)
    }

    fn read(folder: &Path) -> Self {
        let files = files(folder);
        // The contents, in a frame of their own for browsers without scripts, and the page for
        // addresses that lead nowhere are mdBook's.
        let is_page = |path: &&PathBuf| {
            let own = ["toc.html", "404.html"]
                .iter()
                .any(|own| path.ends_with(own));
            path.extension().is_some_and(|kind| kind == "html") && !own
        };
        let read = |path: &PathBuf| std::fs::read_to_string(folder.join(path)).unwrap();
        Self {
            pages: files
                .iter()
                .filter(is_page)
                .map(|path| (path.clone(), read(path)))
                .collect(),
            files: files.into_iter().collect(),
        }
    }

    /// Links that lead nowhere.
    fn broken(&self) -> Vec<String> {
        let link = Regex::new(r#"(?:href|src)="([^"]*)""#).unwrap();
        let id = Regex::new(r#"\s(?:id|name)="([^"]+)""#).unwrap();
        let ids: BTreeMap<&Path, BTreeSet<&str>> = self
            .pages
            .iter()
            .map(|(path, text)| {
                let ids = id.captures_iter(text).map(|id| id.get(1).unwrap().as_str());
                (path.as_path(), ids.collect())
            })
            .collect();
        let mut broken = Vec::new();
        for (page, text) in &self.pages {
            for link in link.captures_iter(text) {
                let link = &link[1];
                if ["https:", "http:", "mailto:", "data:"]
                    .iter()
                    .any(|scheme| link.starts_with(scheme))
                {
                    continue;
                }
                let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
                let target = match path.is_empty() {
                    true => page.clone(),
                    false => joined(page.parent().unwrap(), path),
                };
                let there = self.files.contains(&target);
                let anchor = fragment.is_empty()
                    || ids
                        .get(target.as_path())
                        .is_some_and(|ids| ids.contains(fragment));
                if !there || !anchor {
                    broken.push(format!("{}: {link}", page.display()));
                }
            }
        }
        broken
    }

    /// What a page says of itself, by this pattern.
    fn said(&self, pattern: &str) -> Vec<(&Path, Option<&str>)> {
        let pattern = Regex::new(pattern).unwrap();
        let of = |text| Some(pattern.captures(text)?.get(1)?.as_str());
        self.pages
            .iter()
            .map(|(path, text)| (path.as_path(), of(text)))
            .collect()
    }
}

fn joined(folder: &Path, path: &str) -> PathBuf {
    let mut joined = folder.to_owned();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(joined.pop()),
            step => joined.push(step),
        }
    }
    joined
}

#[test]
fn the_site_has_every_document_and_no_link_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::build(folder.path());
    assert!(site.pages.len() > 60, "{} pages", site.pages.len());
    let broken = site.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n"));

    // Built over an earlier one, it is the same; over anything else it is not built.
    assert_eq!(Site::build(folder.path()).pages, site.pages);
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("mine"), "").unwrap();
    assert!(modelgate_site::build(&root(), other.path()).is_err());
    assert_eq!(files(other.path()), [Path::new("mine")]);

    // Titles and descriptions.
    let mut seen = BTreeMap::new();
    for (pattern, what) in [
        ("<title>([^<]*)</title>", "title"),
        (
            r#"<meta name="description" content="([^"]*)">"#,
            "description",
        ),
    ] {
        for (page, said) in site.said(pattern) {
            let said = said.unwrap_or_default();
            assert!(said.len() > 8, "{}: no {what}: {said:?}", page.display());
            // The first page of a book is its index too.
            if page != Path::new("index.html") {
                let other = seen.insert((what, said), page);
                let other = other.map(Path::display);
                assert!(other.is_none(), "{}: {what} as {other:?}", page.display());
            }
        }
    }

    // Search finds what the pages say.
    let index = site
        .files
        .iter()
        .find(|path| path.to_string_lossy().starts_with("searchindex"))
        .unwrap();
    let index = std::fs::read_to_string(folder.path().join(index)).unwrap();
    for word in ["token_expired", "triton", "kustomize"] {
        assert!(index.contains(word), "{word} cannot be found");
    }

    // An anchor for every option.
    let row = Regex::new(r"(?m)^\| `([^`]+)` \|").unwrap();
    for member in SUITE.filters() {
        let readme = root().join(format!("plugins/{}/README.md", member.krate));
        let readme = std::fs::read_to_string(readme).unwrap();
        let (_, options) = readme.split_once("<!-- options:begin -->").unwrap();
        let (options, _) = options.split_once("<!-- options:end -->").unwrap();
        let page = &site.pages[&PathBuf::from(format!("filters/{}.html", member.krate))];
        for option in row.captures_iter(options) {
            let id = format!("id=\"option-{}\"", option[1].replace("[]", ""));
            assert!(page.contains(&id), "{}: no {id}", member.krate);
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = |text: &str| (PathBuf::from("a/p.html"), text.to_owned());
    let of = |text: &str| {
        let site = Site {
            pages: [page(text)].into(),
            files: ["a/p.html", "a/x.svg"].map(PathBuf::from).into(),
        };
        site.broken().len()
    };
    let good = r##"<a id="here" href="#here"><img src="x.svg"><a href="../a/p.html#here">"##;
    assert_eq!(of(good), 0);
    assert_eq!(of(r##"<a href="#there">"##), 1);
    assert_eq!(of(r#"<a href="q.html">"#), 1);
    assert_eq!(of(r##"<a id="here" href="../p.html#here">"##), 1);
}

#[test]
fn every_document_is_in_the_table_of_contents() {
    let root = root();
    let summary = std::fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap();
    let mut documents: Vec<PathBuf> = files(&root.join("docs"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .filter(|path| path != Path::new("SUMMARY.md"))
        .collect();
    for entry in std::fs::read_dir(root.join("plugins")).unwrap() {
        let name = entry.unwrap().file_name();
        documents.push(Path::new("../plugins").join(name).join("README.md"));
    }
    assert!(documents.len() > 40);
    for document in documents {
        let link = format!("]({})", document.display());
        assert!(summary.contains(&link), "docs/SUMMARY.md has no {link}");
    }
}

/// The pages of the runbook, and the reasons that each is about.
fn runbook() -> Vec<(String, &'static [&'static Reason])> {
    let mut pages = vec![("every-filter".to_owned(), common::ALL)];
    for member in SUITE.filters() {
        pages.push((member.krate.to_owned(), member.filter.reasons));
    }
    pages
}

#[test]
fn the_runbook_has_one_entry_for_each_reason_and_no_other() {
    let folder = root().join("docs/runbook");
    let index = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let mut pages = Vec::new();
    for (page, reasons) in runbook() {
        let text = std::fs::read_to_string(folder.join(format!("{page}.md"))).unwrap();
        let mut entries = text.split("\n## ");
        entries.next();
        let entries: Vec<&str> = entries.collect();
        let codes: Vec<&str> = entries
            .iter()
            .map(|entry| entry.lines().next().unwrap_or_default().trim_matches('`'))
            .collect();
        let expected: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, expected, "{page}");
        for (reason, entry) in reasons.iter().zip(entries) {
            let code = reason.code;
            let saw = format!(
                "**The client saw** status {}, `x-modelgate-reason: {code}` and “{}”",
                reason.status, reason.title
            );
            for part in [&saw, "**What happened.** ", "**Look at.** ", "**Do.** "] {
                assert!(entry.contains(part), "{page}, {code}: no {part}");
            }
            let row = format!(
                "| [`{code}`](runbook/{page}.md#{code}) | {} |",
                reason.status
            );
            assert!(index.contains(&row), "docs/runbook.md: no {row}");
        }
        pages.push(PathBuf::from(format!("{page}.md")));
    }
    pages.sort();
    assert_eq!(files(&folder), pages);
    let rows = index.matches("](runbook/").count();
    let reasons: usize = runbook().iter().map(|(_, reasons)| reasons.len()).sum();
    assert_eq!(rows, reasons, "docs/runbook.md");
}
