//! Orders and replies between the arbiter and a process that forks for it.
//!
//! A pair of sockets that keeps the bounds of messages. When one process is gone the other hears of it:
//! each has only its own end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

/// Three numbers; what they mean is the business of those who exchange them.
pub type Message = [i32; 3];

const BYTES: usize = size_of::<Message>();

/// One end.
#[derive(Debug)]
pub struct Control(OwnedFd);

impl Control {
    /// Both ends; they are closed on exec.
    ///
    /// # Errors
    ///
    /// When this process has no descriptor to spare.
    pub fn pair() -> io::Result<(Control, Control)> {
        let (one, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Control(one), Control(other)))
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// When the other process is gone.
    pub fn send(&self, message: Message) -> io::Result<()> {
        let mut bytes = [0; BYTES];
        for (place, number) in bytes.chunks_exact_mut(4).zip(message) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        loop {
            match send(&self.0, &bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// Waits for the next message. `None`: a signal came first.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the other process is gone.
    pub fn receive(&self) -> io::Result<Option<Message>> {
        self.take(RecvFlags::empty())
    }

    /// The next message, if it is there.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the other process is gone.
    pub fn poll(&self) -> io::Result<Option<Message>> {
        self.take(RecvFlags::DONTWAIT)
    }

    fn take(&self, flags: RecvFlags) -> io::Result<Option<Message>> {
        let mut bytes = [0; BYTES];
        match recv(&self.0, &mut bytes, flags) {
            Ok((_, BYTES)) => {}
            // Nobody sends anything of another length; nothing at all is the end.
            Ok(_) | Err(Errno::CONNRESET) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(Errno::INTR | Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mut message = [0; 3];
        for (number, place) in message.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = i32::from_ne_bytes(place.try_into().unwrap_or_default());
        }
        Ok(Some(message))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_one_by_one() {
        let (one, other) = Control::pair().unwrap();
        assert_eq!(other.poll().unwrap(), None);
        one.send([1, -2, i32::MAX]).unwrap();
        one.send([3, 4, 5]).unwrap();
        assert_eq!(other.receive().unwrap(), Some([1, -2, i32::MAX]));
        assert_eq!(other.poll().unwrap(), Some([3, 4, 5]));
        assert_eq!(other.poll().unwrap(), None);
    }

    #[test]
    fn the_end_of_the_other_side_is_told() {
        let (one, other) = Control::pair().unwrap();
        one.send([1, 2, 3]).unwrap();
        drop(one);
        assert_eq!(other.receive().unwrap(), Some([1, 2, 3]));
        let error = other.receive().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(other.send([0; 3]).is_err());
    }
}
