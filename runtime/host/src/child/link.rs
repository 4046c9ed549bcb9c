//! Frames over a Unix socket, each descriptor with its frame.

use super::frame::{Frame, Kind};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Descriptors that may come with one read.
const TOGETHER: usize = 16;

/// The reading end.
pub(super) struct Reader {
    socket: Arc<UnixStream>,
    buffer: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

/// The writing end.
pub(super) struct Writer(Arc<UnixStream>);

/// Both ends of a socket.
pub(super) fn split(socket: UnixStream) -> (Reader, Writer) {
    let socket = Arc::new(socket);
    (
        Reader {
            socket: socket.clone(),
            buffer: Vec::new(),
            descriptors: VecDeque::new(),
        },
        Writer(socket),
    )
}

impl Reader {
    /// The next frame, or nothing when the other side has closed.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(mut frame) = Frame::decode(&mut self.buffer)? {
                if frame.kind == Kind::Keep {
                    frame.descriptor = self.descriptors.pop_front();
                }
                return Ok(Some(frame));
            }
            let socket = self.socket.clone();
            if socket.async_io(Interest::READABLE, || self.receive()).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut piece)];
        let got = recvmsg(
            self.socket.as_fd(),
            &mut slices,
            &mut control,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if got.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other("descriptors were lost on the way"));
        }
        self.buffer
            .extend_from_slice(piece.get(..got.bytes).unwrap_or_default());
        Ok(got.bytes)
    }
}

impl Writer {
    /// Writes a frame with its descriptor.
    pub(super) async fn write(&self, frame: &Frame) -> io::Result<()> {
        let bytes = frame.encode()?;
        let mut rest = bytes.as_slice();
        let mut descriptor = frame.descriptor.as_ref();
        while !rest.is_empty() {
            let sent = self
                .0
                .async_io(Interest::WRITABLE, || self.send(rest, descriptor))
                .await?;
            descriptor = None;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8], descriptor: Option<&OwnedFd>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let borrowed = descriptor.map(|d| [d.as_fd()]);
        if let Some(borrowed) = &borrowed {
            control.push(SendAncillaryMessage::ScmRights(borrowed));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(self.0.as_fd(), &[IoSlice::new(bytes)], &mut control, flags)?)
    }
}
