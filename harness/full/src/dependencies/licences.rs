//! Which licences are accepted: `[licenses]` of deny.toml, read as cargo-deny reads it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};

/// What deny.toml says of licences.
#[derive(Debug)]
pub struct Licences {
    allowed: Vec<Licensee>,
    /// For single crates, by their names.
    exceptions: BTreeMap<String, Vec<Licensee>>,
}

/// The section `[licenses]`.
#[derive(Deserialize)]
pub(super) struct Section {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    krate: String,
    allow: Vec<String>,
}

impl Licences {
    /// Reads the section.
    ///
    /// # Errors
    /// If it names a licence that SPDX does not know.
    pub(super) fn of(section: Section) -> Result<Self> {
        let exceptions = section.exceptions.into_iter();
        Ok(Self {
            allowed: licensees(&section.allow)?,
            exceptions: exceptions
                .map(|exception| Ok((exception.krate, licensees(&exception.allow)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// The licence of a crate, as its manifest says it.
    ///
    /// # Errors
    /// If it has none, it is no SPDX expression, or it is not accepted.
    pub fn judge(&self, krate: &str, licence: Option<&str>) -> Result<Expression> {
        let licence = licence.with_context(|| format!("{krate} names no licence"))?;
        // Cargo's old way to write OR is understood as well.
        let expression = Expression::parse_mode(licence, ParseMode::LAX)
            .map_err(|error| anyhow::anyhow!("{krate}: `{licence}`: {}", error.reason))?;
        let own = self.exceptions.get(krate).into_iter().flatten();
        let accepted: Vec<&Licensee> = self.allowed.iter().chain(own).collect();
        let good = |requirement: &LicenseReq| accepted.iter().any(|it| it.satisfies(requirement));
        anyhow::ensure!(
            expression.evaluate(good),
            "{krate}: the licence `{licence}` is not among those that deny.toml allows"
        );
        Ok(expression)
    }
}

fn licensees(names: &[String]) -> Result<Vec<Licensee>> {
    let read = |name: &String| {
        Licensee::parse(name)
            .map_err(|error| anyhow::anyhow!("deny.toml: licence `{name}`: {}", error.reason))
    };
    names.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use crate::dependencies::Rules;

    const DENY: &str = "[bans]\nwildcards = \"deny\"\n[licenses]\nallow = [\"MIT\", \"Apache-2.0\", \"Apache-2.0 WITH LLVM-exception\"]\n\
                        exceptions = [{ crate = \"icons\", allow = [\"Unicode-3.0\"] }]\n";

    #[test]
    fn an_expression_is_judged_as_a_whole() {
        let policy = Rules::read(DENY).unwrap().licences;
        let accepted = |krate: &str, licence: &str| policy.judge(krate, Some(licence)).is_ok();
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "MIT AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
        ] {
            assert!(accepted("x", good), "{good}");
        }
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Unicode-3.0",
            "none",
        ] {
            assert!(!accepted("x", bad), "{bad}");
        }
        assert!(accepted("icons", "(MIT OR Apache-2.0) AND Unicode-3.0"));
        let error = policy.judge("x", None).unwrap_err();
        assert_eq!(error.to_string(), "x names no licence");
    }

    #[test]
    fn a_file_that_is_not_understood_allows_nothing() {
        for wrong in [
            "",
            "[licenses]\n",
            "[licenses]\nallow = [\"MITT\"]\n",
            "[licenses]\nallow = \"MIT\"\n",
        ] {
            assert!(Rules::read(wrong).is_err(), "{wrong}");
        }
    }
}
