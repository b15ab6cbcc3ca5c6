//! The documentation as a site: the pages of the repository, rendered by mdBook.
//!
//! `docs/SUMMARY.md` lists the pages. They stay where they are in the repository, with links that
//! work there; here each link is rewritten to the page of the site that it leads to. Files of the
//! repository that a page links to (a configuration, a scenario) get a page of their own.

mod contents;
mod html;
mod links;
pub mod serve;
mod sources;

use std::path::Path;

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;
use mdbook_driver::book::{Book, BookItem, Chapter};
use mdbook_driver::config::Config;

use contents::{Contents, Entry};
use sources::Sources;

/// Written into the folder of a site: only such a folder is ever overwritten.
const MARK: &str = ".modelgate-site";

/// What mdBook is told.
const BOOK: &str = include_str!("../theme/book.toml");

/// Style sheet of the site, beside mdBook's own.
const STYLE: &str = include_str!("../theme/site.css");

/// Builds the site of the repository at `root` into the folder `output`.
///
/// # Errors
/// If a page cannot be read, if a link leads nowhere, or if `output` is a folder with something
/// else in it.
pub fn build(root: &Path, output: &Path) -> Result<()> {
    let vacant = match std::fs::read_dir(output) {
        Ok(mut entries) => entries.next().is_none() || output.join(MARK).exists(),
        Err(_) => true,
    };
    if !vacant {
        bail!(
            "{} has something else in it: name an empty folder, or one that does not exist",
            output.display()
        );
    }
    std::fs::create_dir_all(output).with_context(|| format!("creating {}", output.display()))?;
    let output = output.canonicalize()?;

    let contents = Contents::read(root)?;
    let mut sources = Sources::new(root, contents.pages());
    let mut items = Vec::new();
    for entry in contents.entries {
        items.push(match entry {
            Entry::Part(title) => BookItem::PartTitle(title),
            Entry::Page(page) => BookItem::Chapter(chapter(&page, &[], &mut sources)?),
        });
    }
    items.extend(sources.chapters()?);

    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("src"))?;
    std::fs::write(folder.path().join("site.css"), STYLE)?;
    let mut config: Config = BOOK.parse()?;
    config.build.build_dir = output.clone();
    let mut book = MDBook::load_with_config_and_summary(
        folder.path(),
        config,
        mdbook_summary::Summary::default(),
    )?;
    book.book = Book::new_with_items(items);
    book.build()?;
    html::finish(root, &output)?;
    std::fs::write(output.join(MARK), "")?;
    Ok(())
}

/// A page as a chapter of the book, with those below it.
fn chapter(page: &contents::Page, parents: &[String], sources: &mut Sources) -> Result<Chapter> {
    let text = sources.read(&page.file)?;
    let content = links::rewrite(&page.file, &text, &mut |target| {
        sources.page_of(&page.file, target)
    })?;
    let mut chapter = Chapter::new(&page.title, content, &page.place, parents.to_vec());
    chapter.number = page.number.clone();
    let mut names = parents.to_vec();
    names.push(page.title.clone());
    for below in &page.below {
        let below = self::chapter(below, &names, sources)?;
        chapter.sub_items.push(BookItem::Chapter(below));
    }
    Ok(chapter)
}
