//! What mdBook's pages lack: a description each, pictures in the page, and an anchor for each
//! option and code in a table.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::{Captures, Regex};

/// Longest description of a page, in characters.
const DESCRIPTION: usize = 160;

/// Shortest paragraph that describes its page, in bytes.
const TELLING: usize = 24;

/// A text in a cell that is a sentence rather than a word or a figure, in characters.
const SENTENCE: usize = 48;

macro_rules! pattern {
    ($name:ident, $pattern:literal) => {
        // A pattern that is not one is found by every test that builds the site.
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

pattern!(MAIN, r"(?s)<main>(.*)</main>");
pattern!(PARAGRAPH, r"(?s)<p>(.*?)</p>");
pattern!(TAG, r"(?s)<[^>]*>");
pattern!(META, r#"<meta name="description" content="[^"]*">"#);
// mdBook puts a picture into a label, once more for its enlarged form.
pattern!(
    PICTURE,
    r#"(?s)<p>(?:<label[^>]*>.{0,80}?)?<img src="(?:[^"]*/)?pictures/([a-z-]+\.svg)" alt="([^"]*)".*?</p>"#
);
pattern!(TABLE, r"(?s)<table>.*?</table>");
pattern!(FIRST_HEAD, r"<th[^>]*>(option|code|key|metric)</th>");
pattern!(ROW, r"<tr><td[^>]*><code>([^<]+)</code>");
pattern!(HEAD, r"(?s)<th[^>]*>(.*?)</th>");
pattern!(LINE, r"(?s)<tr>.*?</tr>");
pattern!(CELL, r"(?s)<td([^>]*)>(.*?)</td>");
pattern!(ID, r#"\bid="([^"]+)""#);

/// Goes over every page of a built site.
pub fn finish(root: &Path, site: &Path) -> Result<()> {
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "html") {
                let text = std::fs::read_to_string(&path)?;
                let text = page(root, &text).with_context(|| path.display().to_string())?;
                std::fs::write(&path, text)?;
            }
        }
    }
    Ok(())
}

fn page(root: &Path, html: &str) -> Result<String> {
    let html = described(html);
    let html = anchored(&html);
    let html = labelled(&html);
    drawn(root, &html)
}

/// With the first paragraph as the page's description.
fn described(html: &str) -> String {
    let description = || {
        let main = MAIN.as_ref()?.captures(html)?.get(1)?.as_str();
        let paragraphs = PARAGRAPH.as_ref()?.captures_iter(main);
        let texts: Vec<String> = paragraphs
            .filter_map(|paragraph| paragraph.get(1))
            .map(|paragraph| plain(paragraph.as_str()))
            .filter(|text| !text.is_empty())
            .collect();
        // A status or a caption describes nothing.
        let telling = texts.iter().find(|text| text.len() >= TELLING);
        let text = telling.or(texts.first())?;
        let meta = format!(r#"<meta name="description" content="{}">"#, shortened(text));
        Some(
            META.as_ref()?
                .replace(html, regex::NoExpand(&meta))
                .into_owned(),
        )
    };
    description().unwrap_or_else(|| html.to_owned())
}

/// The text of some HTML, fit for an attribute.
fn plain(html: &str) -> String {
    let text = match TAG.as_ref() {
        Some(tag) => tag.replace_all(html, ""),
        None => html.into(),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('"', "&quot;")
}

fn shortened(text: &str) -> String {
    let mut short = String::new();
    for word in text.split(' ') {
        if short.chars().count() + word.chars().count() >= DESCRIPTION {
            short.push_str(" …");
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short
}

/// With pictures in the page, where they follow its theme, in place of links to them.
fn drawn(root: &Path, html: &str) -> Result<String> {
    let mut failed = Ok(());
    let draw = |captures: &Captures<'_>| {
        let part = |number| captures.get(number).map_or("", |part| part.as_str());
        let path = root.join("docs/pictures").join(part(1));
        match std::fs::read_to_string(&path) {
            Ok(svg) => format!(
                "<figure role=\"img\" aria-label=\"{}\">\n{}</figure>",
                part(2),
                svg
            ),
            Err(error) => {
                failed = Err(error).with_context(|| format!("reading {}", path.display()));
                String::new()
            }
        }
    };
    let html = match PICTURE.as_ref() {
        Some(picture) => picture.replace_all(html, draw).into_owned(),
        None => html.to_owned(),
    };
    failed.map(|()| html)
}

/// With an anchor at each row of tables of options and codes, `option-issuers.keys`, and a class
/// by which these tables are laid out.
fn anchored(html: &str) -> String {
    let (Some(table), Some(head), Some(row), Some(id)) = (
        TABLE.as_ref(),
        FIRST_HEAD.as_ref(),
        ROW.as_ref(),
        ID.as_ref(),
    ) else {
        return html.to_owned();
    };
    let ids = id.captures_iter(html).filter_map(|id| id.get(1));
    let mut taken: BTreeSet<String> = ids.map(|id| id.as_str().to_owned()).collect();
    let replaced = table.replace_all(html, |table: &Captures<'_>| {
        let text = table.get(0).map_or("", |table| table.as_str());
        let Some(kind) = head.captures(text).and_then(|head| head.get(1)) else {
            return text.to_owned();
        };
        let anchored = row.replace_all(text, |row: &Captures<'_>| {
            let whole = row.get(0).map_or("", |row| row.as_str());
            let name = row.get(1).map_or("", |name| name.as_str());
            let id = format!("{}-{}", kind.as_str(), name.replace("[]", ""));
            if !taken.insert(id.clone()) {
                return whole.to_owned();
            }
            let rest = whole.strip_prefix("<tr>").unwrap_or(whole);
            let linked = rest.replacen(
                &format!("<code>{name}</code>"),
                &format!("<a class=\"anchor\" href=\"#{id}\"><code>{name}</code></a>"),
                1,
            );
            format!("<tr id=\"{id}\">{linked}")
        });
        let class = format!("<table class=\"listing {}s\">", kind.as_str());
        // What must be written has no default.
        let anchored =
            anchored.replace("<td>required</td>", "<td class=\"required\">required</td>");
        anchored.replacen("<table>", &class, 1)
    });
    replaced.into_owned()
}

/// With the head of its column at each cell of a table of sentences: on a phone such a table is
/// not laid out side by side, where its last columns would be out of sight.
fn labelled(html: &str) -> String {
    let (Some(table), Some(head), Some(line), Some(cell)) =
        (TABLE.as_ref(), HEAD.as_ref(), LINE.as_ref(), CELL.as_ref())
    else {
        return html.to_owned();
    };
    let replaced = table.replace_all(html, |table: &Captures<'_>| {
        let text = table.get(0).map_or("", |table| table.as_str());
        let heads: Vec<String> = head.captures_iter(text).map(|it| plain(&it[1])).collect();
        let cells = || cell.captures_iter(text).map(|it| plain(&it[2]));
        let longest = cells().map(|text| text.chars().count()).max();
        if heads.len() < 3 || longest < Some(SENTENCE) {
            return text.to_owned();
        }
        let labelled = line.replace_all(text, |line: &Captures<'_>| {
            let mut heads = heads.iter().enumerate();
            let cells = cell.replace_all(&line[0], |cell: &Captures<'_>| match heads.next() {
                Some((1.., head)) if !head.is_empty() => {
                    format!("<td data-head=\"{head}\"{}>{}</td>", &cell[1], &cell[2])
                }
                _ => cell[0].to_owned(),
            });
            cells.into_owned()
        });
        labelled.replacen("<table>", "<table class=\"sentences\">", 1)
    });
    replaced.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_described_by_its_first_paragraph() {
        let page = r#"<meta name="description" content="x"><main><h1>A</h1><p><img src="a"></p>
            <p>Reads <code>"a"</code>
            and <a href="b">b</a>.</p><p>More.</p></main>"#;
        let said = r#"<meta name="description" content="Reads &quot;a&quot; and b.">"#;
        assert!(described(page).starts_with(said));
        assert_eq!(shortened(&"word ".repeat(100)).chars().count(), 161);
    }

    #[test]
    fn each_option_has_one_anchor() {
        let row = "<tr><td><code>a[].b</code></td><td>text</td></tr>";
        let table = |head: &str| format!("<table><tr><th>{head}</th></tr>{row}{row}</table>");
        let options = anchored(&table("option"));
        assert_eq!(options.matches("id=\"option-a.b\"").count(), 1);
        assert!(options.contains("href=\"#option-a.b\"><code>a[].b</code></a>"));
        assert_eq!(anchored(&table("file")), table("file"));
    }

    #[test]
    fn cells_of_a_table_of_sentences_know_their_columns() {
        let long = "a sentence that is too long to stand beside others on a phone";
        let table = |text: &str| {
            format!(
                "<table><thead><tr><th>a</th><th>b <code>c</code></th><th></th></tr></thead><tr><td>1</td><td>{text}</td><td>3</td></tr></table>"
            )
        };
        let said = labelled(&table(long));
        assert!(said.starts_with("<table class=\"sentences\">"), "{said}");
        assert!(said.contains(&format!(
            "<td>1</td><td data-head=\"b c\">{long}</td><td>3</td>"
        )));
        assert_eq!(labelled(&table("short")), table("short"));
        let listing = anchored("<table><tr><th>option</th></tr><tr><td>required</td></tr></table>");
        assert!(listing.contains("<td class=\"required\">"));
    }

    #[test]
    fn a_picture_that_is_not_there_is_an_error() {
        let picture = |name: &str| format!("<p><img src=\"../pictures/{name}\" alt=\"A\"></p>");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(
            drawn(&root, &picture("chain.svg"))
                .unwrap()
                .contains("<svg")
        );
        assert!(drawn(&root, &picture("nothing.svg")).is_err());
    }
}
