//! Path templates for rules: `/v1/models/{model}/**`.
//!
//! A template is compiled once and then compared segment by segment, without allocation unless the
//! path has escapes.
//! - `/v2/health/live` is that path alone;
//! - `*` is any one segment that is not empty;
//! - `{name}` is that too and can be read back; text may stand before or after it:
//!   `{model}:predict`;
//! - `**`, at the end, is any number of segments, none too: `/v2/**` is `/v2`, `/v2/` and all
//!   below.
//!
//! Text is written decoded and compared with the decoded path, case-sensitively. There are no
//! regular expressions.

use super::{Path, Segment};
use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::config::types::refused;
use crate::glob::Glob;

/// Why a template was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TemplateError {
    /// It does not begin with a slash.
    NotAbsolute,
    /// Two slashes in a row.
    EmptySegment,
    /// A segment `.` or `..`: no path has one.
    DotSegment,
    /// `**` is not the last segment.
    RestNotLast,
    /// A `*` with other text in its segment.
    StarWithText,
    /// A brace that is not closed or not opened, or a second pair in one segment.
    Braces,
    /// A name that is not `a-z`, `0-9` and `_`, beginning with a letter.
    Name,
    /// The same name twice.
    NameTwice,
    /// A character that no path has once it is decoded: `%`, `?`, `#`, `;`, `\` or a control
    /// character.
    Character,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "a path template begins with a slash",
            Self::EmptySegment => "two slashes in a row match no path",
            Self::DotSegment => "`.` and `..` match no path",
            Self::RestNotLast => "`**` may only be the last segment",
            Self::StarWithText => {
                "`*` stands alone in its segment; write `{name}` to match part of one"
            }
            Self::Braces => "a segment holds at most one `{name}`, with both braces",
            Self::Name => "a name is a lower-case letter, then letters, digits or `_`",
            Self::NameTwice => "a name may be used once",
            Self::Character => {
                "write paths decoded, without `%`, `?`, `#`, `;`, `\\` or control characters"
            }
        })
    }
}

impl std::error::Error for TemplateError {}

/// A compiled path template.
#[derive(Clone, PartialEq, Eq, Debug, schemars::JsonSchema)]
#[schemars(with = "String", inline)]
pub struct Template {
    parts: Vec<Part>,
    rest: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    Any,
    Capture {
        name: String,
        before: String,
        after: String,
    },
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let inner = text.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
        if text
            .chars()
            .any(|c| matches!(c, '%' | '?' | '#' | ';' | '\\') || c.is_control())
        {
            return Err(TemplateError::Character);
        }
        let mut template = Self {
            parts: Vec::new(),
            rest: false,
        };
        let mut segments = inner.split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            match segment {
                "**" if last => template.rest = true,
                "**" => return Err(TemplateError::RestNotLast),
                "" if !last => return Err(TemplateError::EmptySegment),
                _ => {
                    let part = Part::parse(segment)?;
                    if part
                        .name()
                        .is_some_and(|name| template.names().any(|other| other == name))
                    {
                        return Err(TemplateError::NameTwice);
                    }
                    template.parts.push(part);
                }
            }
        }
        Ok(template)
    }

    /// The names that [`Self::capture`] knows, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(Part::name)
    }

    /// A pattern that the text of every path that fits has (`Path::text`), and others too: what an
    /// index can be built on.
    #[must_use]
    pub fn pattern(&self) -> Glob {
        let mut pattern = String::new();
        for part in &self.parts {
            pattern.push('/');
            match part {
                Part::Literal(literal) => pattern.push_str(literal),
                Part::Any => pattern.push('*'),
                Part::Capture { before, after, .. } => {
                    pattern.extend([before.as_str(), "*", after.as_str()]);
                }
            }
        }
        if self.rest {
            pattern.push('*');
        }
        Glob::new(&pattern)
    }

    /// Whether the whole path fits.
    #[must_use]
    pub fn matches(&self, path: &Path<'_>) -> bool {
        let mut segments = path.segments();
        self.parts.iter().all(|part| {
            segments
                .next()
                .is_some_and(|segment| part.capture(segment).is_some())
        }) && (self.rest || segments.next().is_none())
    }

    /// What stands in the path's place of `{name}`; nothing if the path does not fit or the
    /// template has no such name.
    #[must_use]
    pub fn capture<'p>(&self, path: &Path<'p>, name: &str) -> Option<Cow<'p, str>> {
        let (part, segment) = self
            .parts
            .iter()
            .zip(path.segments())
            .find(|(part, _)| part.name() == Some(name))?;
        if self.matches(path) {
            part.capture(segment)
        } else {
            None
        }
    }
}

impl Part {
    fn parse(segment: &str) -> Result<Self, TemplateError> {
        if segment == "*" {
            return Ok(Self::Any);
        }
        if segment.contains('*') {
            return Err(TemplateError::StarWithText);
        }
        if matches!(segment, "." | "..") {
            return Err(TemplateError::DotSegment);
        }
        let Some((before, rest)) = segment.split_once('{') else {
            let stray = segment.contains('}');
            return if stray {
                Err(TemplateError::Braces)
            } else {
                Ok(Self::Literal(segment.to_owned()))
            };
        };
        let (name, after) = rest.split_once('}').ok_or(TemplateError::Braces)?;
        if [before, name, after]
            .iter()
            .any(|text| text.contains(['{', '}']))
        {
            return Err(TemplateError::Braces);
        }
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(word) {
            return Err(TemplateError::Name);
        }
        let [name, before, after] = [name, before, after].map(str::to_owned);
        Ok(Self::Capture {
            name,
            before,
            after,
        })
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Capture { name, .. } => Some(name),
            Self::Literal(_) | Self::Any => None,
        }
    }

    /// What the segment holds in this part's place, if it fits.
    fn capture<'p>(&self, segment: Segment<'p>) -> Option<Cow<'p, str>> {
        let text = segment.decoded();
        let (before, after) = match self {
            Self::Literal(literal) => return (text == literal.as_str()).then_some(text),
            Self::Any => ("", ""),
            Self::Capture { before, after, .. } => (before.as_str(), after.as_str()),
        };
        let inside = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(before)?.strip_suffix(after)?),
            Cow::Owned(text) => {
                Cow::Owned(text.strip_prefix(before)?.strip_suffix(after)?.to_owned())
            }
        };
        (!inside.is_empty()).then_some(inside)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(|error| refused(error, ""))
    }
}

/// Tools show the defaults of a configuration, and none has one of these.
impl serde::Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template)
            .unwrap()
            .matches(&Path::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn a_template_matches_whole_paths() {
        for (template, yes, no) in [
            ("/", &["/", "/?x"][..], &["/a", "/a/"][..]),
            (
                "/a/b",
                &["/a/b", "/a/b?c"],
                &["/a", "/a/b/", "/a/b/c", "/A/b", "/a/bb"],
            ),
            ("/a/", &["/a/"], &["/a", "/a/b"]),
            ("/a/*", &["/a/b", "/a/b%20c"], &["/a", "/a/", "/a/b/c"]),
            (
                "/a/*/c",
                &["/a/b/c"],
                &["/a//c".trim_end_matches("//c"), "/a/b", "/a/b/d"],
            ),
            ("/**", &["/", "/a", "/a/b/"], &[]),
            ("/a/**", &["/a", "/a/", "/a/b/c"], &["/", "/ab", "/b/a"]),
            (
                "/v1/models/{model}/**",
                &["/v1/models/m", "/v1/models/m/versions/3:predict"],
                &["/v1/models", "/v1/models/"],
            ),
            (
                "/v1/models/{model}:predict",
                &["/v1/models/m:predict"],
                &["/v1/models/m:explain", "/v1/models/:predict"],
            ),
            (
                "/model/x:0/invoke",
                &[
                    "/model/x:0/invoke",
                    "/model/x%3A0/invoke",
                    "/model/x%3a0/invoke",
                ],
                &["/model/x/invoke"],
            ),
            ("/caf\u{e9}", &["/caf%C3%A9"], &["/caf"]),
        ] {
            for path in yes {
                assert!(matches(template, path), "{template} {path}");
            }
            for path in no {
                assert!(!matches(template, path), "{template} {path}");
            }
        }
    }

    #[test]
    fn a_name_reads_back_what_stood_in_its_place() {
        let template = Template::parse("/v{api}/models/pre-{model}:predict/**").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["api", "model"]);
        let path = Path::parse(b"/v1/models/pre-a%20b:predict/x").unwrap();
        assert_eq!(template.capture(&path, "api").as_deref(), Some("1"));
        assert_eq!(template.capture(&path, "model").as_deref(), Some("a b"));
        assert_eq!(template.capture(&path, "other"), None);
        let path = Path::parse(b"/v1/models/a:predict").unwrap();
        assert_eq!(
            template.capture(&path, "api"),
            None,
            "the path as a whole does not fit"
        );
    }

    #[test]
    fn a_faulty_template_is_refused() {
        use TemplateError::*;
        for (text, error) in [
            ("", NotAbsolute),
            ("a", NotAbsolute),
            ("/a//b", EmptySegment),
            ("/../a", DotSegment),
            ("/**/a", RestNotLast),
            ("/a*", StarWithText),
            ("/{a}*", StarWithText),
            ("/***", StarWithText),
            ("/{a", Braces),
            ("/a}", Braces),
            ("/{a}{b}", Braces),
            ("/{a{b}}", Braces),
            ("/{}", Name),
            ("/{A}", Name),
            ("/{1}", Name),
            ("/{a-b}", Name),
            ("/{a}/{a}", NameTwice),
            ("/a%20b", Character),
            ("/a?b", Character),
            ("/a;b", Character),
            ("/a\n", Character),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_path_matches_itself_and_arbitrary_templates_never_panic(
            text in "/[a-c{}*./:]{0,16}", target in "/[a-c./:]{0,16}",
        ) {
            let Ok(path) = Path::parse(target.as_bytes()) else { return Ok(()) };
            if !target.contains('*') {
                prop_assert!(Template::parse(&target).unwrap().matches(&path));
            }
            if let Ok(template) = Template::parse(&text) {
                let fits = template.matches(&path);
                prop_assert!(!fits || template.pattern().matches(&path.text()));
                for name in template.names() {
                    prop_assert_eq!(template.capture(&path, name).is_some(), fits);
                }
            }
        }
    }
}
