//! Where the last lines begin.

use std::io;

const BLOCK: usize = 64 * 1024;

/// Offset of the last `lines` lines of `length` bytes, which are read backwards in blocks. A last line without its end
/// counts as one.
///
/// # Errors
/// Those of `read`, which fills a buffer from an offset.
pub(crate) fn start(
    length: u64,
    lines: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<u64> {
    if lines == 0 {
        return Ok(length);
    }
    // The last byte ends the last line or belongs to it: either way no line begins behind it.
    let (mut end, mut left) = (length.saturating_sub(1), lines);
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let size = end.min(BLOCK as u64);
        let block = &mut block[..size as usize];
        end -= size;
        read(block, end)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            left -= 1;
            if left == 0 {
                return Ok(end + at as u64 + 1);
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn last(text: &[u8], lines: u64) -> Vec<u8> {
        let read = |buffer: &mut [u8], at: u64| {
            buffer.copy_from_slice(&text[at as usize..at as usize + buffer.len()]);
            Ok(())
        };
        text[start(text.len() as u64, lines, read).unwrap() as usize..].to_vec()
    }

    #[test]
    fn the_last_lines_are_whole_lines() {
        assert_eq!(last(b"a\nb\nc\n", 2), b"b\nc\n");
        assert_eq!(last(b"a\nb\nc", 2), b"b\nc");
        assert_eq!(last(b"a\nb\n", 9), b"a\nb\n");
        assert_eq!(last(b"a\n\n\n", 2), b"\n\n");
        assert_eq!(last(b"a\n", 0), b"");
        assert_eq!(last(b"", 3), b"");
    }

    #[test]
    fn a_line_longer_than_a_block_is_found() {
        let long = [vec![b'x'; 3 * BLOCK], b"\nlast\n".to_vec()].concat();
        assert_eq!(last(&long, 1), b"last\n");
        assert_eq!(last(&long, 2), long);
    }

    proptest! {
        #[test]
        fn it_agrees_with_splitting_the_text(text in "[ab\n]{0,60}", lines in 0_u64..8) {
            let split: Vec<&str> = text.split_inclusive('\n').collect();
            let expected: String = split[split.len().saturating_sub(lines as usize)..].concat();
            prop_assert_eq!(last(text.as_bytes(), lines), expected.as_bytes());
        }
    }
}
