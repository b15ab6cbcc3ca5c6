//! The table of contents, `docs/SUMMARY.md`: which pages the site has, and where.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdbook_driver::book::SectionNumber;
use mdbook_summary::{Link, SummaryItem, parse_summary};

use crate::links;

/// The table of contents, below the root.
const FILE: &str = "docs/SUMMARY.md";

/// The table of contents.
pub struct Contents {
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

/// A line of it.
pub enum Entry {
    /// Title of a part.
    Part(String),
    /// A page.
    Page(Page),
}

/// A page of the site.
pub struct Page {
    /// As the table of contents calls it.
    pub title: String,
    /// Its Markdown file, below the repository's root.
    pub file: String,
    /// Its place in the book.
    pub place: PathBuf,
    /// Its number in the book.
    pub number: Option<SectionNumber>,
    /// Pages below it.
    pub below: Vec<Page>,
}

impl Contents {
    /// Reads it.
    pub fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
        let summary = parse_summary(&text).context(FILE)?;
        let items = [
            summary.prefix_chapters,
            summary.numbered_chapters,
            summary.suffix_chapters,
        ];
        let mut entries = Vec::new();
        for item in items.into_iter().flatten() {
            match item {
                SummaryItem::PartTitle(title) => entries.push(Entry::Part(title)),
                SummaryItem::Link(link) => entries.push(Entry::Page(page(link)?)),
                _ => {}
            }
        }
        Ok(Self { entries })
    }

    /// The places of all pages, by their files.
    pub fn pages(&self) -> BTreeMap<String, PathBuf> {
        let mut pages = BTreeMap::new();
        for entry in &self.entries {
            if let Entry::Page(page) = entry {
                collect(page, &mut pages);
            }
        }
        pages
    }
}

fn collect(page: &Page, pages: &mut BTreeMap<String, PathBuf>) {
    pages.insert(page.file.clone(), page.place.clone());
    for below in &page.below {
        collect(below, pages);
    }
}

fn page(link: Link) -> Result<Page> {
    let Some(location) = &link.location else {
        bail!("{FILE}: `{}` has no file", link.name)
    };
    let file = links::joined("docs", &location.to_string_lossy());
    let mut below = Vec::new();
    for item in link.nested_items {
        if let SummaryItem::Link(link) = item {
            below.push(page(link)?);
        }
    }
    Ok(Page {
        title: link.name,
        place: place(&file),
        file,
        number: link.number,
        below,
    })
}

/// Where a page is in the book: `docs/` is its root, filters have a folder, and a README stands for
/// its folder.
fn place(file: &str) -> PathBuf {
    let file = match file.strip_suffix("/README.md") {
        Some(folder) => format!("{folder}.md"),
        None => file.to_owned(),
    };
    let below = file.strip_prefix("docs/").unwrap_or(&file);
    match below.strip_prefix("plugins/") {
        Some(filter) => Path::new("filters").join(filter),
        None => PathBuf::from(below.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_plain_address() {
        let of = |file| place(file).to_string_lossy().into_owned();
        assert_eq!(of("docs/start.md"), "start.md");
        assert_eq!(of("docs/runbook/jwt-auth.md"), "runbook/jwt-auth.md");
        assert_eq!(of("plugins/jwt-auth/README.md"), "filters/jwt-auth.md");
        assert_eq!(of("kong/README.md"), "kong.md");
        assert_eq!(of("CHANGELOG.md"), "changelog.md");
    }
}
