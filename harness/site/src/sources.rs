//! The files of the repository: pages of the site, and what these link to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdbook_driver::book::{BookItem, Chapter, SectionNumber};

use crate::links;

/// Where pages of files are in the book.
const FILES: &str = "files";

/// The files of the repository, and which of them the site shows.
pub struct Sources {
    root: PathBuf,
    /// Places of the pages in the book, by their files.
    pages: BTreeMap<String, PathBuf>,
    /// Files and folders that pages link to.
    linked: BTreeSet<String>,
}

impl Sources {
    /// The files below `root`, of which these are pages.
    pub fn new(root: &Path, pages: BTreeMap<String, PathBuf>) -> Self {
        Self {
            root: root.to_owned(),
            pages,
            linked: BTreeSet::new(),
        }
    }

    /// A file's text.
    pub fn read(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(file)).with_context(|| format!("reading {file}"))
    }

    /// The link that leads from a page to the one that shows `target`.
    pub fn page_of(&mut self, page: &str, target: &str) -> Result<String> {
        let from = self.pages.get(page).cloned().unwrap_or_default();
        let to = self.place(page, target)?;
        Ok(links::relative(&from.to_string_lossy(), &to))
    }

    fn place(&mut self, page: &str, target: &str) -> Result<String> {
        let readme = format!("{target}/README.md");
        let known = self.pages.get(target).or_else(|| self.pages.get(&readme));
        if let Some(place) = known {
            return Ok(place.to_string_lossy().into_owned());
        }
        // The site begins where the repository begins.
        if ["README.md", "docs/SUMMARY.md", ""].contains(&target) {
            return Ok("index.md".to_owned());
        }
        let path = self.root.join(target);
        if path.extension().is_some_and(|kind| kind == "md") || !path.exists() {
            bail!("{page}: {target} is no page of docs/SUMMARY.md, and no file to show");
        }
        self.linked.insert(target.to_owned());
        if path.is_dir() {
            for (name, is_file) in self.entries(target)? {
                if is_file && !name.ends_with(".md") {
                    self.linked.insert(format!("{target}/{name}"));
                }
            }
        }
        Ok(place_of_file(target))
    }

    /// The names in a folder, in order, and whether each is a file.
    fn entries(&self, folder: &str) -> Result<Vec<(String, bool)>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.root.join(folder)).context(folder.to_owned())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push((name, entry.file_type()?.is_file()));
        }
        entries.sort();
        Ok(entries)
    }

    /// The pages of files, below one that lists them.
    pub fn chapters(&self) -> Result<Vec<BookItem>> {
        let mut all = Chapter::new(
            "Files",
            String::from(
                "# Files\n\nThe configurations, scenarios and sources that the pages refer to.\n\n",
            ),
            format!("{FILES}.md"),
            Vec::new(),
        );
        // Numbers are not shown; they make a chapter that can be folded of its pages.
        all.number = Some(SectionNumber::new([1]));
        for (number, path) in (1..).zip(&self.linked) {
            let place = place_of_file(path);
            all.content.push_str(&format!("- [`{path}`]({place})\n"));
            let text = match self.root.join(path).is_dir() {
                true => self.folder(path)?,
                false => self.file(path)?,
            };
            let mut chapter = Chapter::new(path, text, place, vec![all.name.clone()]);
            chapter.number = Some(SectionNumber::new([1, number]));
            all.sub_items.push(BookItem::Chapter(chapter));
        }
        Ok(vec![
            BookItem::PartTitle("Repository".to_owned()),
            BookItem::Chapter(all),
        ])
    }

    fn folder(&self, path: &str) -> Result<String> {
        let mut page = format!("# `{path}/`\n\nThe files in `{path}/` of the repository.\n\n");
        let from = place_of_file(path);
        for (name, _) in self.entries(path)? {
            let below = format!("{path}/{name}");
            page.push_str(&match self.linked.contains(&below) {
                true => {
                    let link = links::relative(&from, &place_of_file(&below));
                    format!("- [`{name}`]({link})\n")
                }
                false => format!("- `{name}`\n"),
            });
        }
        Ok(page)
    }

    fn file(&self, path: &str) -> Result<String> {
        let text = self.read(path)?;
        let longest = text.split(|letter| letter != '`').map(str::len).max();
        let fence = "`".repeat(longest.unwrap_or_default().saturating_add(1).max(3));
        let extension = Path::new(path).extension();
        let kind = match extension.and_then(|extension| extension.to_str()) {
            Some("rs") => "rust,ignore",
            Some("conf") => "ini",
            Some(kind @ ("yaml" | "json" | "toml" | "sh")) => kind,
            _ => "text",
        };
        Ok(format!(
            "# `{path}`\n\nThe file `{path}` of the repository.\n\n{fence}{kind}\n{text}{fence}\n"
        ))
    }
}

fn place_of_file(path: &str) -> String {
    format!("{FILES}/{path}.md")
}
