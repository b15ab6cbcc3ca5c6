//! Archives: tar in gzip, the same bytes for the same files; and reading somebody else's.
//!
//! An entry is written as POSIX ustar has it, with mode 644 (a program's: 755) and nobody's name
//! and time. Written by hand because nothing of an entry may come from the machine.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

/// A file in an archive: its path, and its content.
pub type File = (String, Vec<u8>);

/// The unit of an archive.
const BLOCK: usize = 512;

/// The longest path that an entry has without an extension.
const LONGEST_PATH: usize = 100;

/// What is read of an archive at most: unpacked bytes, and entries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All of it, unpacked.
    pub unpacked_bytes: u64,
    /// Files, folders and whatever else.
    pub entries: usize,
}

/// As much as Istio's agent unpacks (`ISTIO_WASM_MAX_BINARY_SIZE_BYTES`).
pub const LIMITS: Limits = Limits {
    unpacked_bytes: 256 << 20,
    entries: 1000,
};

/// An archive of these files, in their order.
///
/// # Errors
/// If a path is too long for an entry, or a file too large.
pub fn tar(files: &[File]) -> Result<Vec<u8>> {
    tar_with_programs(files, |_| false)
}

/// The same, where those are programs whose path `is_program` says so of.
///
/// # Errors
/// As [`tar`].
pub fn tar_with_programs(files: &[File], is_program: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (path, content) in files {
        let mode = if is_program(path) {
            "0000755"
        } else {
            "0000644"
        };
        archive.extend(header(path, content.len(), mode)?);
        archive.extend(content);
        let padding = content.len().next_multiple_of(BLOCK) - content.len();
        archive.extend(std::iter::repeat_n(0, padding));
    }
    archive.extend([0; 2 * BLOCK]);
    Ok(archive)
}

fn header(path: &str, bytes: usize, mode: &str) -> Result<Vec<u8>> {
    ensure!(path.len() <= LONGEST_PATH, "{path}: too long a path");
    ensure!(bytes < 0o100_000_000_000, "{path}: too large");
    let mut header = Vec::with_capacity(BLOCK);
    let mut field = |value: &str, width: usize| {
        header.extend(value.bytes().chain(std::iter::repeat(0)).take(width));
    };
    field(path, 100);
    field(mode, 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{bytes:011o}"), 12);
    field(&format!("{:011o}", 0), 12);
    // The sum is taken with spaces in its own place.
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar", 6);
    field("00", 2);
    field("", 32);
    field("", 32);
    field("0000000", 8);
    field("0000000", 8);
    field("", 155 + 12);
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    let sum = format!("{sum:06o}\0 ");
    header.splice(148..156, sum.bytes());
    Ok(header)
}

/// Compresses.
///
/// # Errors
/// None that memory would not give.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    // No time, no name, no operating system.
    let builder = GzBuilder::new().mtime(0).operating_system(255);
    let mut writer = builder.write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

/// Unpacks what is not larger than allowed.
///
/// # Errors
/// If it is damaged, or larger.
pub fn gunzip(bytes: &[u8], limits: Limits) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(bytes).take(limits.unpacked_bytes.saturating_add(1));
    reader
        .read_to_end(&mut unpacked)
        .context("the layer is not gzip, or damaged")?;
    ensure!(
        u64::try_from(unpacked.len())? <= limits.unpacked_bytes,
        "the layer is larger than {} MiB when it is unpacked",
        limits.unpacked_bytes >> 20
    );
    Ok(unpacked)
}

/// The regular files of an archive, in their order.
///
/// # Errors
/// If it is damaged, has too many entries, has one whose path leads out of it, or one that is
/// neither a file nor a folder.
pub fn untar(archive: &[u8], limits: Limits) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut paths = BTreeSet::new();
    let mut rest = archive;
    let mut long_path = None;
    // One round more, for the end.
    for _ in 0..=limits.entries {
        let Some((header, after)) = rest.split_at_checked(BLOCK) else {
            bail!("the archive is cut off");
        };
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        check_sum(header)?;
        let bytes = usize::try_from(number(part(header, 124, 12)?)?)?;
        let (content, after) = after
            .split_at_checked(bytes)
            .context("the archive is cut off")?;
        let padding = bytes.next_multiple_of(BLOCK).saturating_sub(bytes);
        rest = after.get(padding..).unwrap_or_default();
        match part(header, 156, 1)?.first() {
            // GNU's long names, and POSIX's records, of which only the path is understood.
            Some(b'L') => long_path = Some(text(content)?),
            Some(b'x') => long_path = pax_path(content)?.or(long_path),
            // What holds for all that follows: a comment of git's.
            Some(b'g') => {}
            Some(b'0' | 0) => {
                let path = long_path.take().map_or_else(|| path_of(header), Ok)?;
                let path = harmless(&path)?;
                // Some take the first, others the last of two.
                ensure!(
                    paths.insert(path.clone()),
                    "the archive holds `{path}` twice"
                );
                files.push((path, content.to_vec()));
            }
            Some(b'5') => {
                let path = long_path.take().map_or_else(|| path_of(header), Ok)?;
                harmless(&path)?;
            }
            _ => {
                let path = path_of(header)?;
                bail!(
                    "the archive holds `{}`, which is neither a file nor a folder",
                    path.escape_debug()
                );
            }
        }
    }
    bail!(
        "the archive has more than {} entries, or no end",
        limits.entries
    )
}

fn part(header: &[u8], from: usize, bytes: usize) -> Result<&[u8]> {
    let part = header.get(from..from.saturating_add(bytes));
    part.context("the archive is cut off")
}

fn check_sum(header: &[u8]) -> Result<()> {
    let own = part(header, 148, 8)?;
    let of = |bytes: &[u8]| -> u64 { bytes.iter().copied().map(u64::from).sum() };
    let sum = of(header)
        .saturating_sub(of(own))
        .saturating_add(8 * u64::from(b' '));
    ensure!(number(own)? == sum, "the archive is damaged");
    Ok(())
}

/// An octal number with spaces or zeros around it. GNU's binary ones are for sizes from 8 GiB on.
fn number(field: &[u8]) -> Result<u64> {
    let digits = std::str::from_utf8(field).unwrap_or("-");
    let digits = digits.trim_matches(['\0', ' ']);
    u64::from_str_radix(digits, 8).context("the archive has a number that is none")
}

fn text(field: &[u8]) -> Result<String> {
    let end = field.iter().position(|byte| *byte == 0);
    let field = field
        .get(..end.unwrap_or(field.len()))
        .unwrap_or_default()
        .to_vec();
    String::from_utf8(field).context("the archive has a path that is not UTF-8")
}

fn path_of(header: &[u8]) -> Result<String> {
    let name = text(part(header, 0, 100)?)?;
    let prefix = match part(header, 257, 6)? {
        b"ustar\0" => text(part(header, 345, 155)?)?,
        _ => String::new(),
    };
    Ok(match prefix.is_empty() {
        true => name,
        false => format!("{prefix}/{name}"),
    })
}

/// The path in POSIX's extended records, `LENGTH KEY=VALUE\n` each.
fn pax_path(mut records: &[u8]) -> Result<Option<String>> {
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ');
        let space = space.context("the archive has a record without a length")?;
        let length = std::str::from_utf8(records.get(..space).unwrap_or_default())?;
        let length: usize = length
            .parse()
            .context("the archive has a record without a length")?;
        let record = records.get(space.saturating_add(1)..length);
        let record = record.context("the archive has a record that is cut off")?;
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(text(value)?);
        }
        // Another size than the header's would have the files begin elsewhere.
        ensure!(
            !record.starts_with(b"size="),
            "the archive has a file of 8 GiB or more"
        );
        records = records.get(length..).unwrap_or_default();
    }
    Ok(path)
}

/// A path without `./` before it and `/` after it, if it stays where it is unpacked.
fn harmless(path: &str) -> Result<String> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let odd = |part: &&str| {
        *part == ".." || part.contains(['\\', ':']) || part.chars().any(char::is_control)
    };
    ensure!(
        !path.starts_with('/') && !parts.iter().any(odd),
        "the archive holds `{}`, a path that leads out of it",
        path.escape_debug()
    );
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<File> {
        vec![
            ("plugin.wasm".to_owned(), vec![7; 1000]),
            ("kong/empty".to_owned(), Vec::new()),
            ("LICENSE".to_owned(), b"free".repeat(128)),
        ]
    }

    #[test]
    fn what_is_packed_is_unpacked_and_packed_alike_again() {
        let packed = gzip(&tar(&files()).unwrap()).unwrap();
        assert_eq!(packed, gzip(&tar(&files()).unwrap()).unwrap());
        // RFC 1952: no time, and an unknown system.
        assert_eq!(&packed[4..8], &[0; 4]);
        assert_eq!(packed[9], 255);
        let unpacked = untar(&gunzip(&packed, LIMITS).unwrap(), LIMITS).unwrap();
        assert_eq!(unpacked, files());
    }

    #[test]
    fn the_tar_of_others_reads_it_and_it_reads_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        std::fs::write(&file, tar(&files()).unwrap()).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new("tar");
            let output = command.current_dir(&folder).args(arguments).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(run(&["-tf", "a.tar"]), "plugin.wasm\nkong/empty\nLICENSE\n");
        run(&["-xf", "a.tar"]);
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        std::fs::create_dir(folder.path().join("d".repeat(90))).unwrap();
        std::fs::write(folder.path().join(&long), "long").unwrap();
        for format in ["ustar", "gnu", "pax", "v7"] {
            let paths: &[&str] = match format {
                "v7" => &["./plugin.wasm", "./kong"],
                _ => &["./plugin.wasm", "./kong", &long],
            };
            let mut arguments = vec!["-cf", "b.tar", "--format", format];
            arguments.extend(paths);
            run(&arguments);
            let read = untar(&std::fs::read(folder.path().join("b.tar")).unwrap(), LIMITS);
            let read = read.unwrap_or_else(|error| panic!("{format}: {error:#}"));
            let names: Vec<&str> = read.iter().map(|(path, _)| path.as_str()).collect();
            let mut wanted = vec!["plugin.wasm", "kong/empty"];
            wanted.extend((format != "v7").then_some(long.as_str()));
            assert_eq!(names, wanted, "{format}");
            assert_eq!(read[0].1, vec![7; 1000], "{format}");
        }
    }

    #[test]
    fn programs_can_be_run_where_they_are_unpacked() {
        let archive = tar_with_programs(&files(), |path| path == "kong/empty").unwrap();
        let modes: Vec<&[u8]> = [0, 3, 4]
            .iter()
            .map(|at| &archive[at * BLOCK + 100..][..7])
            .collect();
        assert_eq!(modes, [&b"0000644"[..], b"0000755", b"0000644"]);
        assert_eq!(untar(&archive, LIMITS).unwrap(), files());
    }

    #[test]
    fn a_path_that_leads_out_ends_the_reading() {
        for path in [
            "../x",
            "/etc/x",
            "a/../../x",
            "a\\..\\x",
            "c:x",
            "a\nb",
            "..",
        ] {
            let archive = tar(&[(path.to_owned(), vec![1])]).unwrap();
            let error = untar(&archive, LIMITS).unwrap_err().to_string();
            assert!(error.contains("leads out of it"), "{path}: {error}");
        }
    }

    #[test]
    fn a_link_ends_the_reading() {
        let mut archive = tar(&[("plugin.wasm".to_owned(), Vec::new())]).unwrap();
        for kind in [b'1', b'2', b'3', b'6'] {
            archive[156] = kind;
            archive[148..156].fill(b' ');
            let sum: u32 = archive[..BLOCK].iter().copied().map(u32::from).sum();
            archive.splice(148..156, format!("{sum:06o}\0 ").bytes());
            let error = untar(&archive, LIMITS).unwrap_err().to_string();
            assert!(error.contains("neither a file nor a folder"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_there_twice_ends_the_reading() {
        let mut twice = files();
        twice.push(("./plugin.wasm".to_owned(), vec![8]));
        let error = untar(&tar(&twice).unwrap(), LIMITS).unwrap_err();
        assert_eq!(error.to_string(), "the archive holds `plugin.wasm` twice");
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let small = Limits {
            unpacked_bytes: 10_000,
            entries: 3,
        };
        let bomb = gzip(&vec![0; 1 << 20]).unwrap();
        assert!(bomb.len() < 2000);
        assert!(gunzip(&bomb, small).is_err());
        let many: Vec<File> = (0..4).map(|n| (format!("{n}"), Vec::new())).collect();
        assert!(untar(&tar(&many).unwrap(), small).is_err());
        assert_eq!(untar(&tar(&many[..3]).unwrap(), small).unwrap().len(), 3);
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_never_taken_for_whole() {
        let whole = tar(&files()).unwrap();
        let content = 4 * BLOCK;
        for length in (0..content).step_by(97) {
            assert!(untar(&whole[..length], LIMITS).is_err(), "{length}");
        }
        for at in 0..BLOCK {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(untar(&damaged, LIMITS).is_err(), "byte {at}");
        }
        let packed = gzip(&whole).unwrap();
        for length in 0..packed.len() {
            assert!(gunzip(&packed[..length], LIMITS).is_err(), "{length}");
        }
    }
}
