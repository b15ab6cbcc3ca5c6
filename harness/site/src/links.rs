//! Links in Markdown: each is given another target.

use anyhow::{Result, bail};
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};

/// `text` with every link to a file rewritten by `target`, which is given the path below the
/// repository's root, without the fragment. Links to other sites and within the page stay.
///
/// # Errors
/// If a link is written in a form that is not known here, or leads nowhere.
pub fn rewrite(
    file: &str,
    text: &str,
    target: &mut dyn FnMut(&str) -> Result<String>,
) -> Result<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut rewritten = String::with_capacity(text.len());
    let mut at = 0;
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let Event::Start(Tag::Link {
            link_type,
            dest_url,
            ..
        }) = event
        else {
            continue;
        };
        let elsewhere = dest_url.contains("://") || dest_url.starts_with("mailto:");
        if elsewhere || dest_url.starts_with('#') {
            continue;
        }
        if link_type != LinkType::Inline {
            bail!("{file}: write the link to {dest_url} as [text](target)");
        }
        let (path, fragment) = match dest_url.split_once('#') {
            Some((path, fragment)) => (path, format!("#{fragment}")),
            None => (&*dest_url, String::new()),
        };
        let new = format!("{}{fragment}", target(&joined(folder, path))?);
        let link = text.get(range.clone()).unwrap_or_default();
        let Some(offset) = link.rfind(&*dest_url) else {
            bail!("{file}: the link to {dest_url} cannot be read");
        };
        let start = range.start.saturating_add(offset);
        rewritten.push_str(text.get(at..start).unwrap_or_default());
        rewritten.push_str(&new);
        at = start.saturating_add(dest_url.len());
    }
    rewritten.push_str(text.get(at..).unwrap_or_default());
    Ok(rewritten)
}

/// The path that `path` is, seen from `folder`.
pub fn joined(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The relative link that leads from one place in the book to another.
pub fn relative(from: &str, to: &str) -> String {
    let folders = from.matches('/').count();
    format!("{}{to}", "../".repeat(folders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_rewritten_and_nothing_else() {
        let text = "See [`a`](../b/#x), [c](c.md), [d](#d), [e](https://e.example/c.md).\n\n\
                    ```yaml\n# [f](f.md)\n```\n\n| [g](g.md) | `[h](h.md)` |\n|---|---|\n";
        let mut seen = Vec::new();
        let new = rewrite("docs/p.md", text, &mut |path| {
            seen.push(path.to_owned());
            Ok(format!("<{path}>"))
        });
        assert_eq!(
            new.unwrap(),
            "See [`a`](<b>#x), [c](<docs/c.md>), [d](#d), [e](https://e.example/c.md).\n\n\
             ```yaml\n# [f](f.md)\n```\n\n| [g](<docs/g.md>) | `[h](h.md)` |\n|---|---|\n"
        );
        assert_eq!(seen, ["b", "docs/c.md", "docs/g.md"]);
        let lost = rewrite("p.md", "[a](b.md)", &mut |_| bail!("lost"));
        assert!(lost.is_err());
        assert!(rewrite("p.md", "[a][b]\n\n[b]: c.md\n", &mut |_| Ok(String::new())).is_err());
    }

    #[test]
    fn paths_are_put_together() {
        assert_eq!(joined("docs/x", "../../envoy/a.yaml"), "envoy/a.yaml");
        assert_eq!(joined("", "./docs/"), "docs");
        assert_eq!(relative("a/b/c.md", "d.md"), "../../d.md");
        assert_eq!(relative("c.md", "d/e.md"), "d/e.md");
    }
}
