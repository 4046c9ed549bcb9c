//! What kind of program a file is, told from its first bytes: ELF (System V ABI, chapter 4) or a script (execve(2)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// So many bytes from the beginning are looked at.
pub(crate) const HEAD: usize = 4096;

/// How the system would execute a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a processor; `loader` when it is linked dynamically.
    Elf { machine: Machine, loader: Option<PathBuf> },
    /// Through an interpreter, with at most one argument.
    Script {
        interpreter: PathBuf,
        argument: Option<String>,
    },
    /// Not at all.
    Unknown,
}

/// A processor as ELF names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    /// 1 is 32 bit, 2 is 64 bit.
    class: u8,
    /// 1 is little endian, 2 is big endian.
    order: u8,
    /// `e_machine`.
    number: u16,
}

impl Machine {
    /// Whether a system of this machine can as a rule execute programs of the other: the 32 bit ones of its family, too.
    pub(crate) fn runs(self, other: Self) -> bool {
        let family = |number| match number {
            3 => 62,
            40 => 183,
            n => n,
        };
        self.order == other.order && family(self.number) == family(other.number)
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            3 => f.write_str("x86 (32 bit)"),
            8 => f.write_str("MIPS"),
            21 => f.write_str("POWER (64 bit)"),
            22 => f.write_str("s390"),
            40 => f.write_str("arm (32 bit)"),
            62 => f.write_str("x86-64"),
            183 => f.write_str("arm64"),
            243 => f.write_str("RISC-V"),
            258 => f.write_str("LoongArch"),
            n => write!(f, "ELF machine {n}"),
        }
    }
}

/// Tells the format from a file's first [`HEAD`] bytes, or all of it when it is shorter.
pub(crate) fn of(head: &[u8]) -> Format {
    match head {
        [b'#', b'!', rest @ ..] => script(rest).unwrap_or(Format::Unknown),
        [0x7f, b'E', b'L', b'F', ..] => elf(head).unwrap_or(Format::Unknown),
        _ => Format::Unknown,
    }
}

fn script(rest: &[u8]) -> Option<Format> {
    let line = rest.split(|b| *b == b'\n').next()?;
    let trimmed = line.trim_ascii_start();
    let end = trimmed
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(trimmed.len());
    let (interpreter, argument) = trimmed.split_at(end);
    let argument = String::from_utf8_lossy(argument.trim_ascii()).into_owned();
    (!interpreter.is_empty()).then(|| Format::Script {
        interpreter: OsStr::from_bytes(interpreter).into(),
        argument: (!argument.is_empty()).then_some(argument),
    })
}

fn elf(head: &[u8]) -> Option<Format> {
    let read = Reader {
        head,
        wide: *head.get(4)? == 2,
        big: *head.get(5)? == 2,
    };
    let machine = Machine {
        class: *head.get(4)?,
        order: *head.get(5)?,
        number: read.number(18, 2)? as u16,
    };
    Some(Format::Elf {
        machine,
        loader: loader(&read),
    })
}

/// Reads numbers of a header in its byte order.
struct Reader<'a> {
    head: &'a [u8],
    wide: bool,
    big: bool,
}

impl Reader<'_> {
    fn bytes(&self, at: u64, length: u64) -> Option<&[u8]> {
        self.head
            .get(usize::try_from(at).ok()?..usize::try_from(at.checked_add(length)?).ok()?)
    }

    fn number(&self, at: u64, length: u64) -> Option<u64> {
        let bytes = self.bytes(at, length)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        })
    }

    /// A field that lies and is sized differently in 32 and 64 bit files.
    fn field(&self, base: u64, narrow: (u64, u64), wide: (u64, u64)) -> Option<u64> {
        let (at, length) = if self.wide { wide } else { narrow };
        self.number(base.checked_add(at)?, length)
    }
}

/// The path in the segment `PT_INTERP`.
fn loader(read: &Reader<'_>) -> Option<PathBuf> {
    let table = read.field(0, (28, 4), (32, 8))?;
    let size = read.field(0, (42, 2), (54, 2))?;
    let count = read.field(0, (44, 2), (56, 2))?;
    let segment = (0..count)
        .filter_map(|i| table.checked_add(i.checked_mul(size)?))
        .find(|segment| read.number(*segment, 4) == Some(3))?;
    let path = read.bytes(
        read.field(segment, (4, 4), (8, 8))?,
        read.field(segment, (16, 4), (32, 8))?,
    )?;
    Some(OsStr::from_bytes(path.strip_suffix(b"\0").unwrap_or(path)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head_of(path: &str) -> Vec<u8> {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.truncate(HEAD);
        bytes
    }

    #[test]
    fn a_shell_is_an_elf_program_with_a_loader_that_exists() {
        let Format::Elf { loader, .. } = of(&head_of("/bin/sh")) else {
            panic!("/bin/sh is no ELF program")
        };
        assert!(loader.unwrap().exists());
    }

    #[test]
    fn a_script_names_interpreter_and_one_argument() {
        let script = |i: &str, a: Option<&str>| Format::Script {
            interpreter: i.into(),
            argument: a.map(Into::into),
        };
        assert_eq!(of(b"#!/bin/sh\necho"), script("/bin/sh", None));
        assert_eq!(
            of(b"#! /usr/bin/env  python3 -u \nx"),
            script("/usr/bin/env", Some("python3 -u"))
        );
        assert_eq!(of(b"#!/bin/sh\r\n"), script("/bin/sh\r", None));
        assert_eq!(of(b"#!\n/bin/sh"), Format::Unknown);
    }

    #[test]
    fn a_text_without_a_first_line_of_that_kind_is_unknown() {
        assert_eq!(of(b"echo hello"), Format::Unknown);
        assert_eq!(of(b""), Format::Unknown);
        assert_eq!(of(b"\x7fELF"), Format::Unknown);
    }

    #[test]
    fn a_machine_runs_its_32_bit_family_and_no_other() {
        let machine = |class, number| Machine {
            class,
            order: 1,
            number,
        };
        assert!(machine(2, 62).runs(machine(1, 3)) && machine(2, 183).runs(machine(1, 40)));
        assert!(!machine(2, 62).runs(machine(2, 183)));
        assert!(!machine(2, 62).runs(Machine {
            class: 2,
            order: 2,
            number: 62
        }));
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), class in 0_u8..3) {
            let magic = [0x7f, b'E', b'L', b'F', class];
            let cut = magic.len().min(bytes.len());
            bytes[..cut].copy_from_slice(&magic[..cut]);
            let _ = of(&bytes);
        }

        #[test]
        fn a_changed_header_of_a_real_program_is_read_without_a_panic(at in 0_usize..200, byte: u8) {
            let mut head = head_of("/bin/sh");
            head[at] = byte;
            let _ = of(&head);
        }
    }
}
