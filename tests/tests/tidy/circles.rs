//! Circles of files: those of one crate that use each other, directly or by way of others.
//!
//! Read are the paths that begin with `crate`, `self`, `super` or a module of the file's own, in
//! `use` and elsewhere, outside of tests. A name that another file only hands on counts for the
//! file that it comes from. That a file uses those in the folder of its own name is no arrow: the
//! folder is its inside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syn::visit::Visit;
use syn::{Attribute, Item, UseTree};

/// The path of a module below the root of its crate.
type Module = Vec<String>;

/// The shortest circle through each file that is in one, as `a.rs -> b.rs -> a.rs`, and each circle
/// once. `files` are those of one crate by their paths below its `src`.
pub fn circles(files: &BTreeMap<&str, &str>) -> Vec<String> {
    let read: BTreeMap<Module, Paths> = files
        .iter()
        .filter_map(|(path, text)| Some((module(path)?, Paths::read(text))))
        .collect();
    let paths: BTreeMap<Module, &str> = files
        .keys()
        .filter_map(|path| Some((module(path)?, *path)))
        .collect();
    let arrows: BTreeMap<&Module, BTreeSet<Module>> = read
        .keys()
        .map(|from| (from, arrows(from, &read)))
        .collect();
    let mut found: BTreeMap<BTreeSet<&Module>, String> = BTreeMap::new();
    for start in read.keys() {
        let Some(way) = way_back(start, &arrows) else {
            continue;
        };
        let names: Vec<&str> = way.iter().map(|module| paths[*module]).collect();
        found
            .entry(way.into_iter().collect())
            .or_insert_with(|| names.join(" -> "));
    }
    found.into_values().collect()
}

/// The module of a file; none for tests.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_suffix(".rs")?;
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if matches!(path, "lib" | "main") {
        module.clear();
    }
    (!module.iter().any(|name| name == "tests")).then_some(module)
}

/// What a file names.
#[derive(Default)]
struct Paths {
    /// Names that it brings in by `use`, with where they come from; `*` is left out.
    names: BTreeMap<String, Vec<String>>,
    /// All paths, those of `use` that hands on for others to use left out.
    used: BTreeSet<Vec<String>>,
}

impl Paths {
    fn read(text: &str) -> Self {
        let file = syn::parse_file(text).expect("a file that compiles");
        let mut paths = Self::default();
        paths.visit_file(&file);
        paths
    }

    fn take(&mut self, tree: &UseTree, before: &[String], hands_on: bool) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.take(&path.tree, &with(&path.ident), hands_on),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take(tree, before, hands_on);
                }
                return;
            }
            UseTree::Glob(_) => (before.to_vec(), None),
            UseTree::Rename(name) => (with(&name.ident), Some(name.rename.to_string())),
            UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned())
            }
            UseTree::Name(name) => (with(&name.ident), Some(name.ident.to_string())),
        };
        if let Some(name) = name {
            self.names.insert(name, path.clone());
        }
        if !hands_on {
            self.used.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        if attributes.iter().any(is_for_tests) {
            return;
        }
        if let Item::Use(item) = item {
            let hands_on = !matches!(item.vis, syn::Visibility::Inherited);
            return self.take(&item.tree, &[], hands_on);
        }
        syn::visit::visit_item(self, item);
    }

    /// `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let names: Vec<String> = names.collect();
        if matches!(
            names.first().map(String::as_str),
            Some("crate" | "self" | "super")
        ) {
            self.used.insert(names);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|what| what.is_ident("test"))
}

/// The files that a file uses, but for itself and those in its folder.
fn arrows(from: &Module, files: &BTreeMap<Module, Paths>) -> BTreeSet<Module> {
    files[from]
        .used
        .iter()
        .filter_map(|path| resolve(&absolute(from, path, files)?, files, 0))
        .filter(|to| !to.starts_with(from))
        .collect()
}

/// A path from the root of the crate; none for other crates' names.
fn absolute(
    from: &[String],
    path: &[String],
    files: &BTreeMap<Module, Paths>,
) -> Option<Vec<String>> {
    let mut base = from.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|name| name == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let child = [from, &[first.to_owned()]].concat();
            files.contains_key(&child).then_some(())?;
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The file that a path leads to, through files that hand its name on.
fn resolve(path: &[String], files: &BTreeMap<Module, Paths>, depth: usize) -> Option<Module> {
    let length = (0..=path.len())
        .rev()
        .find(|length| files.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let handed_on = rest.first().and_then(|name| {
        let target = files[module].names.get(name)?;
        let target = absolute(module, target, files).filter(|_| depth < 8)?;
        resolve(&[&target, &rest[1..]].concat(), files, depth + 1)
    });
    Some(handed_on.unwrap_or_else(|| module.to_vec()))
}

/// The shortest way from a file back to itself, both ends included.
fn way_back<'a>(
    start: &'a Module,
    arrows: &'a BTreeMap<&Module, BTreeSet<Module>>,
) -> Option<Vec<&'a Module>> {
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in &arrows[at] {
            if next == start {
                let mut way = vec![start, at];
                while let Some(earlier) = before.get(way[way.len() - 1]) {
                    way.push(earlier);
                }
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

#[test]
fn a_circle_is_seen_through_files_that_hand_names_on() {
    let files = BTreeMap::from([
        ("lib.rs", "pub mod a; mod b; mod c; pub use b::B;"),
        ("a.rs", "mod inner; use inner::I; use crate::B;"),
        ("a/inner.rs", "use super::A; pub struct I;"),
        ("d.rs", "use crate::c::D; mod inner;"),
        ("d/inner.rs", "pub(super) struct I;"),
        (
            "b.rs",
            "fn f() -> super::c::C {} #[cfg(test)] mod tests { use crate::a; }",
        ),
        (
            "c.rs",
            "use crate::a::{self, A as Other}; use crate::d::inner::I; #[cfg(test)] use crate::b::B;",
        ),
    ]);
    assert_eq!(circles(&files), ["a.rs -> b.rs -> c.rs -> a.rs"]);
}

#[test]
fn a_folder_is_the_inside_of_its_file() {
    let files = BTreeMap::from([
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c; use b::B; use c::C;"),
        ("a/b.rs", "use super::{A, c::C};"),
        ("a/c.rs", "use super::A;"),
    ]);
    assert!(circles(&files).is_empty());
}
