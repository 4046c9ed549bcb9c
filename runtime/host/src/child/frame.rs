//! What travels between daemon and child.
//!
//! Layout, little endian: length of the rest (4), kind (1), id (8), name length (2), name, body.

use rustix::fd::OwnedFd;
use std::io;

/// Longest frame that is read, in bytes.
const MAX: usize = 64 << 20;
const FIXED: usize = 11;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A call; the name is the method.
    Call = 1,
    /// A call that streams.
    Stream = 2,
    /// An item on the one-way path; the name is the method.
    Send = 3,
    /// The answer to a call.
    Answer = 4,
    /// The error that a call ended with, JSON.
    Failed = 5,
    /// Nobody waits for the answer any more.
    Cancel = 6,
    /// An item of a streaming call.
    Item = 7,
    /// There is room for one more item.
    Room = 8,
    /// The stream ended early, with the error as JSON.
    Close = 9,
    /// A log line: the id is the level, the name the target, the body JSON.
    Log = 10,
    /// A descriptor for the store; it travels with the frame.
    Keep = 11,
    /// A descriptor was taken out of the store.
    Taken = 12,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Call,
        Self::Stream,
        Self::Send,
        Self::Answer,
        Self::Failed,
        Self::Cancel,
        Self::Item,
        Self::Room,
        Self::Close,
        Self::Log,
        Self::Keep,
        Self::Taken,
    ];
}

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) body: Vec<u8>,
    /// With [`Kind::Keep`] only.
    pub(super) descriptor: Option<OwnedFd>,
}

impl Frame {
    pub(super) fn new(kind: Kind, id: u64, name: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            id,
            name: name.into(),
            body: body.into(),
            descriptor: None,
        }
    }

    /// The bytes of the frame, without its descriptor.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} too long for a frame"));
        let name = u16::try_from(self.name.len()).map_err(|_| wrong("name"))?;
        let rest = FIXED + self.name.len() + self.body.len();
        let length = u32::try_from(rest)
            .ok()
            .filter(|_| rest <= MAX)
            .ok_or_else(|| wrong("body"))?;
        let mut bytes = Vec::with_capacity(4 + rest);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&name.to_le_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }

    /// Takes the first frame off a buffer, when it is complete.
    pub(super) fn decode(buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let Some(length) = buffer.first_chunk::<4>().map(|l| u32::from_le_bytes(*l) as usize) else {
            return Ok(None);
        };
        if !(FIXED..=MAX).contains(&length) {
            return Err(wrong(format!("a frame of {length} bytes: expected {FIXED} to {MAX}")));
        }
        let Some(rest) = buffer.get(4..4 + length) else {
            return Ok(None);
        };
        let (fixed, tail) = rest.split_at(FIXED);
        let [kind, id @ .., n0, n1] = fixed else {
            return Err(wrong("a frame without a head".into()));
        };
        let kind = Kind::ALL
            .into_iter()
            .find(|k| *k as u8 == *kind)
            .ok_or_else(|| wrong(format!("frame kind {kind}")))?;
        let id = u64::from_le_bytes(id.try_into().map_err(|_| wrong("a frame without an id".into()))?);
        let (name, body) = tail
            .split_at_checked(usize::from(u16::from_le_bytes([*n0, *n1])))
            .ok_or_else(|| wrong("a frame whose name is longer than itself".into()))?;
        let name = String::from_utf8(name.to_vec()).map_err(|e| wrong(format!("a frame's name: {e}")))?;
        let frame = Self {
            kind,
            id,
            name,
            body: body.to_vec(),
            descriptor: None,
        };
        buffer.drain(..4 + length);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_back_as_they_went_however_they_are_cut(
            frames in proptest::collection::vec((0usize..12, any::<u64>(), ".{0,20}", any::<Vec<u8>>()), 0..8),
            cut in 1usize..50,
        ) {
            let sent: Vec<_> = frames.iter().map(|(k, id, name, body)| Frame::new(Kind::ALL[*k], *id, name, body.clone())).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|f| f.encode().unwrap()).collect();
            let (mut buffer, mut got) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = Frame::decode(&mut buffer).unwrap() {
                    got.push(frame);
                }
            }
            prop_assert!(buffer.is_empty());
            let told = |f: &Frame| (f.kind as u8, f.id, f.name.clone(), f.body.clone());
            prop_assert_eq!(got.iter().map(told).collect::<Vec<_>>(), sent.iter().map(told).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(mut bytes: Vec<u8>) {
            while let Ok(Some(_)) = Frame::decode(&mut bytes) {}
        }
    }

    #[test]
    fn a_length_beyond_reason_is_refused_at_once() {
        let mut buffer = u32::MAX.to_le_bytes().to_vec();
        assert!(Frame::decode(&mut buffer).is_err());
    }
}
