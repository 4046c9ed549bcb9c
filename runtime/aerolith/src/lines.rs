//! Bytes that come in pieces, cut into lines.

/// Keeps what is not a whole line yet.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// The whole lines that a piece completes, each with its end.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        self.0.extend_from_slice(piece);
        let Some(last) = self.0.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.0.split_off(last + 1);
        let whole = std::mem::replace(&mut self.0, rest);
        whole
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// What is left at the end, ended like a line.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| {
            self.0.push(b'\n');
            self.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_the_bytes_come_in() {
        let text = b"one\n\ntwo\nthree";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut found: Vec<Vec<u8>> = text.chunks(size).flat_map(|piece| lines.push(piece)).collect();
            found.extend(lines.finish());
            assert_eq!(
                found,
                [
                    b"one\n".to_vec(),
                    b"\n".to_vec(),
                    b"two\n".to_vec(),
                    b"three\n".to_vec()
                ]
            );
        }
        assert_eq!(Lines::default().finish(), None);
    }
}
