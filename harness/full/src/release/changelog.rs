//! The section of a version in CHANGELOG.md (Keep a Changelog 1.1.0), which becomes the release
//! notes.

use anyhow::{Context, Result, bail, ensure};

/// The section for what has no version yet.
pub const UNRELEASED: &str = "Unreleased";

/// The notes of a version: what stands in its section, under a heading of their own.
///
/// # Errors
/// If the section is missing, is there twice, has no date, or is empty.
pub fn notes(changelog: &str, version: &str) -> Result<String> {
    let found = section(changelog, version)?;
    let Section { date, text } = found.with_context(|| {
        format!("CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`: give `## [{UNRELEASED}]` this heading")
    })?;
    let date =
        date.with_context(|| format!("CHANGELOG.md: the section [{version}] has no date"))?;
    ensure!(
        is_date(date),
        "CHANGELOG.md: the section [{version}] has the date `{date}`, expected YYYY-MM-DD"
    );
    ensure!(
        !text.is_empty(),
        "CHANGELOG.md: the section [{version}] is empty"
    );
    Ok(format!("# modelgate {version} ({date})\n\n{text}\n"))
}

/// The notes of a trial, from what has no version yet.
///
/// # Errors
/// If that section is there twice.
pub fn trial_notes(changelog: &str, version: &str) -> Result<String> {
    let found = section(changelog, UNRELEASED)?;
    let text = found.map(|section| section.text).unwrap_or_default();
    Ok(format!(
        "# modelgate {version} (trial build, not a release)\n\n{text}\n"
    ))
}

#[derive(Debug)]
struct Section<'a> {
    date: Option<&'a str>,
    text: String,
}

fn section<'a>(changelog: &'a str, name: &str) -> Result<Option<Section<'a>>> {
    let mut found: Option<Section> = None;
    let mut inside = false;
    for line in changelog.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let (named, date) = match heading.split_once(" - ") {
                Some((named, date)) => (named, Some(date.trim())),
                None => (heading, None),
            };
            inside = named.trim() == format!("[{name}]");
            if inside {
                if found.is_some() {
                    bail!("CHANGELOG.md has the section [{name}] twice");
                }
                let text = String::new();
                found = Some(Section { date, text });
            }
        } else if let Some(section) = found.as_mut().filter(|_| inside) {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    if let Some(section) = &mut found {
        section.text = section.text.trim().to_owned();
    }
    Ok(found)
}

/// `YYYY-MM-DD` of a day that a calendar may have.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |part: &str, digits: usize| {
        let good = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_: &u32| good)
    };
    let month = number(month, 2).is_some_and(|month| (1..=12).contains(&month));
    let day = number(day, 2).is_some_and(|day| (1..=31).contains(&day));
    number(year, 4).is_some() && month && day
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "# Changelog\n\n## [Unreleased]\n\n- next\n\n## [1.1.0] - 2026-11-29\n\n### Added\n\n- this\n\n\
                       ## [1.0.0]\n\n- first\n\n## [0.9.0] - soon\n\n- x\n\n## [0.8.0] - 2026-01-31\n\n## [0.7.0] - 2026-01-31\n- a\n## [0.7.0] - 2026-02-01\n- b\n";

    #[test]
    fn the_notes_of_a_version_are_its_section() {
        let notes = notes(LOG, "1.1.0").unwrap();
        assert_eq!(
            notes,
            "# modelgate 1.1.0 (2026-11-29)\n\n### Added\n\n- this\n"
        );
        let trial = trial_notes(LOG, "1.2.0").unwrap();
        assert!(trial.contains("trial build") && trial.ends_with("\n\n- next\n"));
    }

    #[test]
    fn a_version_without_a_dated_section_is_not_released() {
        for (version, said) in [
            ("2.0.0", "has no section `## [2.0.0] - YYYY-MM-DD`"),
            // Only the beginning of another one.
            ("1.1", "has no section"),
            ("1.0.0", "has no date"),
            ("0.9.0", "expected YYYY-MM-DD"),
            ("0.8.0", "is empty"),
            ("0.7.0", "twice"),
        ] {
            let error = notes(LOG, version).unwrap_err().to_string();
            assert!(error.contains(said), "{version}: {error}");
        }
    }

    #[test]
    fn dates_are_of_the_calendar() {
        assert!(is_date("2026-11-29"));
        for wrong in [
            "2026-13-01",
            "2026-00-01",
            "2026-01-32",
            "26-01-01",
            "2026-1-1",
            "2026-01",
            "2026-+1-01",
        ] {
            assert!(!is_date(wrong), "{wrong}");
        }
    }
}
