//! What a program for Linux needs of the machine that it runs on: the shared libraries, and the
//! release of glibc whose symbols it was linked with.

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{Dyn as _, FileHeader as _};

/// What a program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Shared libraries, in order.
    pub libraries: Vec<String>,
    /// The oldest glibc that has every symbol, as in `2.34`.
    pub glibc: String,
}

/// What stands in the file's dynamic section and its table of needed versions (LSB, "Symbol
/// Versioning").
///
/// # Errors
/// If it is no dynamic 64-bit ELF file with symbols of glibc.
pub fn needs(file: &[u8]) -> Result<Needs> {
    let header = FileHeader64::<Endianness>::parse(file).context("not a 64-bit ELF file")?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let (entries, strings) = sections
        .dynamic(endian, file)?
        .context("a static program")?;
    let strings = sections.strings(endian, file, strings)?;
    let mut libraries = Vec::new();
    for entry in entries {
        if entry.d_tag(endian) == object::elf::DT_NEEDED {
            let name = entry.string(endian, strings)?;
            libraries.push(String::from_utf8(name.to_vec())?);
        }
    }
    libraries.sort();
    let mut newest = None;
    if let Some((mut files, strings)) = sections.gnu_verneed(endian, file)? {
        let strings = sections.strings(endian, file, strings)?;
        while let Some((_, mut versions)) = files.next()? {
            while let Some(version) = versions.next()? {
                let name = std::str::from_utf8(version.name(endian, strings)?)?;
                newest = newest.max(release(name)?);
            }
        }
    }
    let newest = newest.context("needs no symbol of glibc")?;
    let glibc: Vec<String> = newest.iter().map(u32::to_string).collect();
    let glibc = glibc.join(".");
    Ok(Needs { libraries, glibc })
}

/// The release in the name of a version, `GLIBC_2.34`; nothing for those of other libraries.
fn release(name: &str) -> Result<Option<Vec<u32>>> {
    let Some(numbers) = name.strip_prefix("GLIBC_") else {
        return Ok(None);
    };
    let numbers: Result<Vec<u32>, _> = numbers.split('.').map(str::parse).collect();
    match numbers {
        Ok(numbers) => Ok(Some(numbers)),
        // GLIBC_PRIVATE, GLIBC_ABI_DT_RELR: this very release, or a way to be linked.
        Err(_) => bail!("needs {name}, which names no release of glibc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What binutils says of this very test.
    #[test]
    fn the_needs_of_a_program_are_those_that_objdump_prints() {
        let program = std::env::current_exe().unwrap();
        let needs = needs(&std::fs::read(&program).unwrap()).unwrap();
        let output = Command::new("objdump").arg("-p").arg(&program).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let lines: Vec<Vec<String>> = said.lines().map(words).collect();
        let mut libraries = Vec::new();
        let mut releases = Vec::new();
        for line in &lines {
            match line.as_slice() {
                [tag, library] if tag == "NEEDED" => libraries.push(library.clone()),
                [.., name] if name.starts_with("GLIBC_") => {
                    releases.push(release(name).unwrap().unwrap());
                }
                _ => {}
            }
        }
        libraries.sort();
        assert_eq!(needs.libraries, libraries);
        let newest = releases.into_iter().max().unwrap();
        let newest: Vec<String> = newest.iter().map(u32::to_string).collect();
        assert_eq!(needs.glibc, newest.join("."));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(needs(b"\0asm").is_err());
        assert!(needs(b"").is_err());
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(needs(&program[..1000]).is_err());
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        let of = |name| release(name).unwrap();
        assert!(of("GLIBC_2.34") > of("GLIBC_2.9"));
        assert_eq!(of("GCC_3.0"), None);
        assert!(release("GLIBC_PRIVATE").is_err());
    }
}
