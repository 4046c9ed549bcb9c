use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::taken::Taken;

/// Bytes of a file from which on a thread of its own pays for hashing it.
pub(crate) const LARGE: u64 = 1 << 20;

/// Pieces on their way to the thread that hashes.
const PIECES: usize = 2;

/// Hashes the bytes of a file while somebody else writes them: a small one in between, a large one on a thread of its own,
/// since hashing takes about as long as writing does.
pub(crate) struct Hashing {
    here: Taken,
    beside: Option<Beside>,
}

/// The thread, to which whole buffers go, and from which they come back.
struct Beside {
    pieces: SyncSender<Piece>,
    back: Receiver<Vec<u8>>,
    thread: JoinHandle<Taken>,
}

struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Hashing {
            here: Taken::new(false),
            beside: None,
        }
    }

    /// Adds the first `length` bytes of a buffer, which may be another one of the same size afterwards.
    pub(crate) fn add(&mut self, buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
        if self.beside.is_none() && self.here.size() >= LARGE {
            self.beside = Beside::start(&self.here);
        }
        match &self.beside {
            None => self.here.add(&buffer[..length]),
            Some(beside) => beside.add(buffer, length)?,
        }
        Ok(())
    }

    /// What was hashed, once all of it is.
    pub(crate) fn end(self) -> Taken {
        match self.beside {
            None => self.here,
            Some(beside) => beside.end(),
        }
    }
}

impl Beside {
    /// Goes on behind what is hashed; nothing where the system has no thread left.
    fn start(begun: &Taken) -> Option<Self> {
        let (pieces, coming) = sync_channel::<Piece>(PIECES);
        let (used, back) = sync_channel(PIECES + 2);
        let mut taken = begun.clone();
        let hash = move || {
            for piece in coming {
                taken.add(&piece.buffer[..piece.length]);
                // Whoever writes may have given up.
                let _ = used.send(piece.buffer);
            }
            taken
        };
        let thread = thread::Builder::new().spawn(hash).ok()?;
        Some(Beside { pieces, back, thread })
    }

    fn add(&self, buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
        let next = self.back.try_recv().unwrap_or_else(|_| vec![0; buffer.len()]);
        let buffer = std::mem::replace(buffer, next);
        let lost = |_| io::Error::other("the thread that hashes was lost");
        self.pieces.send(Piece { buffer, length }).map_err(lost)
    }

    fn end(self) -> Taken {
        drop(self.pieces);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn a_file_has_the_same_sum_on_whichever_thread_it_is_hashed() {
        for size in [0, 1, LARGE - 1, LARGE, LARGE + 1, 5 * LARGE + 3] {
            let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let (mut hashing, mut buffer) = (Hashing::new(), vec![0; 100_000]);
            for piece in bytes.chunks(buffer.len() - 1) {
                buffer[..piece.len()].copy_from_slice(piece);
                hashing.add(&mut buffer, piece.len()).unwrap();
                assert_eq!(buffer.len(), 100_000);
            }
            let taken = hashing.end();
            assert_eq!((taken.size(), taken.sha256()), (size, Digest::of(&bytes)));
        }
    }
}
