//! Reads what a library says of itself, without running any of its code.

use aerolith_plugin_abi::{API, HEADER_SYMBOL, Version, c};
use aerolith_plugin_wire::manifest::{Entry, MANIFEST_SECTION, MARKER_SECTION, Manifest, Marker};
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _};

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The manifest of its section.
    pub manifest: Manifest,
    /// By which door it is entered.
    pub entry: Entry,
}

/// Why a file is no plugin for this host. Each names what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No ELF file of 64 bits.
    #[error("expected a 64-bit ELF shared library, found {0}")]
    NotElf(String),
    /// Parts that its headers speak of are missing.
    #[error("the file is truncated: its headers speak of {expected} bytes, found {found}")]
    Truncated {
        /// Bytes that the headers speak of.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// Of another machine.
    #[error("expected machine {expected}, found {found}")]
    Machine {
        /// This host's.
        expected: &'static str,
        /// The file's.
        found: String,
    },
    /// An executable or an object file.
    #[error("expected a shared library (ET_DYN with a dynamic section), found {0}")]
    NotShared(String),
    /// No plugin of ours.
    #[error("expected a plugin manifest in section `{MANIFEST_SECTION}`, found none: this is no Aerolith plugin")]
    NoManifest,
    /// The manifest cannot be read.
    #[error("expected a manifest as JSON, found something else: {0}")]
    BadManifest(String),
    /// The marker is missing or unknown.
    #[error("expected a known marker in section `{MARKER_SECTION}`, found {0}")]
    Marker(String),
    /// Built so that a panic ends the process.
    #[error(
        "expected a library built with `panic = \"unwind\"`, found `panic = \"abort\"`: a panic would end the node"
    )]
    PanicAbort,
    /// The majors differ.
    #[error("expected plugin API {}.x, found {found}", API.major)]
    Api {
        /// The plugin's.
        found: Version,
    },
    /// It needs a newer host.
    #[error("expected a plugin that runs on API {API}, found one that needs at least {needs}: update the host")]
    NeedsNewer {
        /// What it needs at least.
        needs: Version,
    },
    /// The door is missing.
    #[error("expected the exported symbol `{0}`, found none")]
    NoSymbol(&'static str),
}

const MACHINE: &str = if cfg!(target_arch = "x86_64") {
    "x86-64"
} else {
    "aarch64"
};

/// Inspects a file's bytes.
///
/// # Errors
/// [`Refusal`]
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Refusal> {
    let file = elf(bytes)?;
    let manifest = manifest(&file)?;
    let entry = marker(&file)?;
    versions(&manifest)?;
    door(&file, entry)?;
    Ok(Inspected { manifest, entry })
}

type Elf<'a> = ElfFile64<'a, Endianness>;

fn elf(bytes: &[u8]) -> Result<Elf<'_>, Refusal> {
    let file = Elf::parse(bytes).map_err(|e| match bytes {
        [0x7f, b'E', b'L', b'F', 1, ..] => Refusal::NotElf("a 32-bit one".into()),
        [0x7f, b'E', b'L', b'F', ..] => {
            truncated(bytes).unwrap_or_else(|| Refusal::NotElf(format!("a broken one ({e})")))
        }
        [] => Refusal::NotElf("an empty file".into()),
        [b'#', b'!', ..] => Refusal::NotElf("a script".into()),
        _ => Refusal::NotElf(format!("a file that begins with {}", beginning(bytes))),
    })?;
    let (header, endian) = (file.elf_header(), file.endian());
    let found = machine(header.e_machine(endian));
    if found != MACHINE {
        return Err(Refusal::Machine {
            expected: MACHINE,
            found,
        });
    }
    if let Some(refusal) = truncated(bytes) {
        return Err(refusal);
    }
    match header.e_type(endian) {
        object::elf::ET_DYN if file.dynamic_symbol_table_present() => Ok(file),
        object::elf::ET_DYN => Err(Refusal::NotShared("a file without dynamic symbols".into())),
        object::elf::ET_EXEC => Err(Refusal::NotShared("an executable".into())),
        other => Err(Refusal::NotShared(format!("ELF type {other:?}"))),
    }
}

trait DynamicSymbols {
    fn dynamic_symbol_table_present(&self) -> bool;
}

impl DynamicSymbols for Elf<'_> {
    fn dynamic_symbol_table_present(&self) -> bool {
        object::Object::dynamic_symbol_table(self).is_some()
    }
}

/// Whether the headers speak of bytes that are not there: mapping those would end the host by SIGBUS.
fn truncated(bytes: &[u8]) -> Option<Refusal> {
    let header = object::elf::FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let found = bytes.len() as u64;
    let sections = header
        .e_shoff(endian)
        .saturating_add(u64::from(header.e_shentsize(endian)).saturating_mul(u64::from(header.e_shnum(endian))));
    let segments = header.program_headers(endian, bytes).ok().into_iter().flatten();
    let segments = segments.map(|s| s.p_offset(endian).saturating_add(s.p_filesz(endian)));
    let expected = segments.chain([sections]).max().unwrap_or(0);
    (expected > found).then_some(Refusal::Truncated { expected, found })
}

fn machine(number: object::elf::Machine) -> String {
    match number {
        object::elf::EM_X86_64 => "x86-64".into(),
        object::elf::EM_AARCH64 => "aarch64".into(),
        object::elf::EM_ARM => "arm".into(),
        object::elf::EM_RISCV => "riscv".into(),
        other => format!("{other:?}"),
    }
}

fn beginning(bytes: &[u8]) -> String {
    let shown: String = bytes
        .iter()
        .take(12)
        .flat_map(|b| std::ascii::escape_default(*b))
        .map(char::from)
        .collect();
    format!("`{shown}`")
}

fn section<'a>(file: &Elf<'a>, name: &str) -> Option<&'a [u8]> {
    file.section_by_name(name)?.data().ok()
}

fn manifest(file: &Elf<'_>) -> Result<Manifest, Refusal> {
    let bytes = section(file, MANIFEST_SECTION).ok_or(Refusal::NoManifest)?;
    let bytes = bytes.split(|b| *b == 0).next().unwrap_or(bytes);
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| Refusal::BadManifest(e.to_string()))?;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if manifest.name.is_empty() || manifest.name.len() > 63 || !manifest.name.chars().all(good) {
        let name = manifest.name.escape_default();
        return Err(Refusal::BadManifest(format!(
            "name `{name}`: 1 to 63 of a-z, 0-9 and - are allowed"
        )));
    }
    if manifest.format != 1 {
        return Err(Refusal::BadManifest(format!(
            "format {}: this host reads 1",
            manifest.format
        )));
    }
    Ok(manifest)
}

fn marker(file: &Elf<'_>) -> Result<Entry, Refusal> {
    let bytes = section(file, MARKER_SECTION).ok_or_else(|| Refusal::Marker("none".into()))?;
    match Marker::read(bytes) {
        Some(Marker { unwinds: false, .. }) => Err(Refusal::PanicAbort),
        Some(Marker { entry, .. }) => Ok(entry),
        None => Err(Refusal::Marker(beginning(bytes))),
    }
}

fn versions(manifest: &Manifest) -> Result<(), Refusal> {
    let read = |text: &str| text.parse::<Version>().map_err(|e| Refusal::BadManifest(e.to_string()));
    let (found, needs) = (read(&manifest.api)?, read(&manifest.api_min)?);
    if found.major != API.major || needs.major != API.major {
        return Err(Refusal::Api { found });
    }
    if needs > API {
        Err(Refusal::NeedsNewer { needs })
    } else {
        Ok(())
    }
}

fn door(file: &Elf<'_>, entry: Entry) -> Result<(), Refusal> {
    let (symbol, name) = match entry {
        Entry::Rust => (HEADER_SYMBOL, "_1as_0lib_1header_0root_bmodule_bloader"),
        Entry::C => (c::ENTRY_SYMBOL, "aerolith_plugin_v1"),
    };
    let wanted = symbol.strip_suffix(b"\0").unwrap_or(symbol);
    let exported = file
        .dynamic_symbols()
        .any(|s| s.is_definition() && s.name_bytes() == Ok(wanted));
    if exported { Ok(()) } else { Err(Refusal::NoSymbol(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(inspect(&bytes).is_err());
        }

        #[test]
        fn an_elf_header_with_any_bytes_behind_is_refused_without_a_panic(bytes: Vec<u8>) {
            let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".to_vec();
            file.extend(bytes);
            prop_assert!(inspect(&file).is_err());
        }
    }

    #[test]
    fn a_refusal_says_what_was_found_instead() {
        let found = |bytes: &[u8]| inspect(bytes).unwrap_err().to_string();
        assert!(found(b"").contains("an empty file"));
        assert!(found(b"#!/bin/sh\n").contains("a script"));
        assert!(found(b"PK\x03\x04").contains("`PK\\x03\\x04`"));
        assert!(found(b"\x7fELF\x01").contains("32-bit"));
    }
}
