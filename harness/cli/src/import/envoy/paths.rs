//! Conditions on paths as templates of the suite that fit exactly the same paths.

use super::super::ledger::{At, Try};

/// Refuses members that are not in a list: they would narrow or widen what is read.
pub fn only(at: &At<'_>, known: &[&str]) -> Try<()> {
    let squeezed = |text: &str| text.replace('_', "").to_ascii_lowercase();
    for (name, value) in at.members() {
        let is_known = |known: &&str| squeezed(known) == squeezed(name);
        if name != "@type" && !known.iter().any(is_known) && !value.node.is_null() {
            return Err(value.obstacle(format!("{name} has no counterpart")));
        }
    }
    Ok(())
}

/// A literal part of a path, as a template has it.
fn literal(path: &str) -> Option<&str> {
    let special = |c: char| "%?#;\\{}*".contains(c) || c.is_control();
    let odd = path.contains("//") || path.split('/').any(|part| matches!(part, "." | ".."));
    (path.starts_with('/') && !path.contains(special) && !odd).then_some(path)
}

/// Templates for one path.
pub fn exact(path: &str) -> Option<Vec<String>> {
    literal(path).map(|path| vec![path.to_owned()])
}

/// Templates for all paths that begin so. `**` stands for what is there without a slash at the end,
/// too, so that a prefix that ends in one needs two templates.
pub fn prefix(path: &str) -> Option<Vec<String>> {
    if path == "/" {
        return Some(vec!["/**".to_owned()]);
    }
    let path = literal(path)?;
    Some(match path.strip_suffix('/') {
        Some(folder) => vec![path.to_owned(), format!("{folder}/*/**")],
        // `/a` begins `/a`, `/a/b` and `/ab`.
        None => vec![format!("{path}/**"), format!("{path}{{rest}}/**")],
    })
}

/// Templates for a path and all below it.
pub fn below(path: &str) -> Option<Vec<String>> {
    literal(path.trim_end_matches('/')).map(|path| vec![format!("{path}/**")])
}

/// Templates of a route's `match`; nothing where it fits every path.
pub fn of_match(at: &At<'_>) -> Try<Option<Vec<String>>> {
    only(
        at,
        &["prefix", "path", "path_separated_prefix", "case_sensitive"],
    )?;
    if at.flag_of("case_sensitive") == Some(false) {
        return Err(at.obstacle("paths are compared with their case"));
    }
    let read = |name: &str| at.get(name).and_then(|at| Some((at.clone(), at.text()?)));
    let (found, templates) = if let Some((found, path)) = read("prefix") {
        if path == "/" || path.is_empty() {
            return Ok(None);
        }
        let templates = prefix(&path);
        (found, templates)
    } else if let Some((found, path)) = read("path") {
        let templates = exact(&path);
        (found, templates)
    } else if let Some((found, path)) = read("path_separated_prefix") {
        let templates = below(&path);
        (found, templates)
    } else {
        return Err(at.obstacle("it names no path that could be read"));
    };
    match templates {
        Some(templates) => Ok(Some(templates)),
        None => Err(found.obstacle("no path template is the same as this path")),
    }
}

#[cfg(test)]
mod tests {
    use modelgate_kit::route::{Path, Template};

    use super::*;

    /// Whether a template fits a path that nothing is ambiguous about.
    fn fits(templates: &[String], path: &str) -> bool {
        let path = Path::parse(path.as_bytes()).unwrap();
        templates
            .iter()
            .any(|template| Template::parse(template).unwrap().matches(&path))
    }

    #[test]
    fn templates_fit_exactly_the_paths_that_begin_so() {
        let paths = [
            "/", "/a", "/a/", "/ab", "/ab/", "/a/b", "/a/b/", "/ab/c", "/b", "/a/b/c", "/abc/d/e",
        ];
        for begin in ["/", "/a", "/a/", "/a/b", "/ab", "/ab/"] {
            let templates = prefix(begin).unwrap();
            for path in paths {
                assert_eq!(
                    fits(&templates, path),
                    path.starts_with(begin),
                    "{begin} {path}"
                );
            }
        }
        for path in paths {
            assert_eq!(fits(&exact("/a/").unwrap(), path), path == "/a/", "{path}");
            let under = path == "/a" || path.starts_with("/a/");
            assert_eq!(fits(&below("/a").unwrap(), path), under, "{path}");
        }
        for odd in ["a", "/a%2f", "/{x}", "/*", "/a//b", "/a/../b", "/a?b"] {
            assert_eq!((prefix(odd), exact(odd)), (None, None), "{odd}");
        }
    }
}
