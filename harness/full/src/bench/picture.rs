//! The figures of the chain as bars: `docs/pictures/performance.svg`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::BARE;
use super::rounds::Rounds;

/// Where it stands, from the root of the repository.
const PICTURE: &str = "docs/pictures/performance.svg";
/// Whose style it has.
const STYLED: &str = "docs/pictures/chain.svg";

/// The bars: a variant, what it is called, and the class of its bar.
const BARS: [(&str, &str, &str); 5] = [
    (BARE, "no filter", "zone"),
    (
        "jwt_authn, rbac, local_ratelimit, aws_request_signing",
        "Envoy's own chain",
        "zone",
    ),
    ("chain-one-entry, native", "native form, one entry", "box"),
    ("chain-one-entry", "Wasm, one entry", "box"),
    ("chain", "Wasm, seven entries", "box"),
];

const WIDTH: f64 = 960.0;
const LEFT: f64 = 210.0;
const BAR: f64 = 30.0;
const STEP: f64 = 46.0;
const TOP: f64 = 60.0;

/// Draws what was measured, if all of it was; into the repository at `root`.
///
/// # Errors
/// If the style cannot be read, or the file not be written.
pub fn write(root: &Path, measured: &[Rounds]) -> Result<()> {
    let find = |name: &str| measured.iter().find(|rounds| rounds.name == name);
    let Some(bare) = find(BARE) else {
        return Ok(());
    };
    let bars: Option<Vec<(&str, &str, f64)>> = BARS
        .iter()
        .map(|(name, called, class)| Some((*called, *class, find(name)?.ratio(bare))))
        .collect();
    let Some(bars) = bars else { return Ok(()) };
    let styled = std::fs::read_to_string(root.join(STYLED)).context(STYLED)?;
    std::fs::write(root.join(PICTURE), drawn(&bars, style(&styled)?)).context(PICTURE)
}

/// The style of a picture.
fn style(picture: &str) -> Result<&str> {
    let (_, rest) = picture.split_once("<style>").context(STYLED)?;
    let (style, _) = rest.split_once("</style>").context(STYLED)?;
    Ok(style)
}

fn drawn(bars: &[(&str, &str, f64)], style: &str) -> String {
    let longest = bars.iter().map(|(.., ratio)| *ratio).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / longest;
    let mut rows = String::new();
    let mut y = TOP;
    for (called, class, ratio) in bars {
        let (middle, width) = (y + BAR / 2.0 + 5.0, ratio * scale);
        // Writing to a text cannot fail.
        let _ = writeln!(
            rows,
            "<text class=\"name\" x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{called}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{BAR:.0}\" rx=\"3\"/>\n\
             <text x=\"{:.0}\" y=\"{middle:.0}\">{ratio:.2} ×</text>",
            LEFT - 14.0,
            LEFT + width + 10.0,
        );
        y += STEP;
    }
    let one = LEFT + scale;
    let bottom = y - STEP + BAR + 10.0;
    let height = bottom + 20.0;
    format!(
        "<svg class=\"picture\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\">\n\
         <title>CPU time of a request, beside the same request without a filter</title>\n\
         <style>{style}</style>\n\
         <text class=\"small\" x=\"{LEFT:.0}\" y=\"32\">CPU time of Envoy per request, × the same request without a filter</text>\n\
         <path class=\"line dash\" d=\"M {one:.0} {:.0} V {bottom:.0}\"/>\n{rows}</svg>\n",
        TOP - 10.0
    )
}

#[cfg(test)]
mod tests {
    use super::super::rounds::Sample;
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures_and_say_them() {
        let svg = drawn(&[("a", "zone", 1.0), ("b", "box", 3.3)], ".x {}");
        assert!(svg.contains("<style>.x {}</style>"));
        let width = |class: &str| {
            let (_, rest) = svg.split_once(&format!("<rect class=\"{class}\"")).unwrap();
            let (_, rest) = rest.split_once("width=\"").unwrap();
            rest.split_once('"').unwrap().0.parse::<f64>().unwrap()
        };
        assert_eq!(width("box"), 660.0);
        assert_eq!(width("zone"), 200.0);
        assert!(svg.contains(">3.30 ×</text>") && svg.contains(">1.00 ×</text>"));
    }

    #[test]
    fn nothing_is_drawn_of_a_part() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = |name: &str| Rounds {
            name: name.to_owned(),
            samples: vec![Sample {
                cpu_ns: 1_000,
                requests: 1,
            }],
        };
        let pictures = folder.path().join("docs/pictures");
        std::fs::create_dir_all(&pictures).unwrap();
        std::fs::write(pictures.join("chain.svg"), "<style>.y {}</style>").unwrap();
        write(folder.path(), &[rounds(BARE)]).unwrap();
        assert!(!folder.path().join(PICTURE).exists());
        let all: Vec<Rounds> = BARS.iter().map(|(name, ..)| rounds(name)).collect();
        write(folder.path(), &all).unwrap();
        let drawn = std::fs::read_to_string(folder.path().join(PICTURE)).unwrap();
        assert!(drawn.contains(".y {}"));
    }
}
