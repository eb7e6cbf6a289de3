//! Connections on their way from one worker to another.
//!
//! One pair of sockets for all workers, made before the first fork: whoever has a connection to
//! give away sends its descriptor and a message into it, and whoever has time takes the next one out. What
//! nobody has taken yet stays in the socket, also when its sender dies.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Longest message that can come along with a connection.
pub const LONGEST: usize = 64 * 1024;

/// The pair. Every process that has it may send and receive.
pub struct Channel {
    entrance: OwnedFd,
    exit: OwnedFd,
}

impl Channel {
    /// Both ends are non-blocking and closed on exec.
    pub fn new() -> io::Result<Channel> {
        // Messages keep their bounds, and each is received by one process.
        let (entrance, exit) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(Channel { entrance, exit })
    }

    /// Sends a duplicate of `descriptor` and the pieces of a message, one after the other. False: there is
    /// no room now, or the message is too long.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason.
    pub fn send(&self, descriptor: BorrowedFd<'_>, message: &[IoSlice<'_>]) -> io::Result<bool> {
        let length: usize = message.iter().map(|piece| piece.len()).sum();
        if length == 0 || length > LONGEST {
            return Ok(false);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        match sendmsg(&self.entrance, message, &mut control, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::TOOMANYREFS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The end that connections are sent into.
    pub(crate) fn entrance(&self) -> BorrowedFd<'_> {
        self.entrance.as_fd()
    }

    /// Takes the next connection out: its descriptor, and the length of the message that is now at the start
    /// of `buffer`, which has to have room for [`LONGEST`] bytes. `None`: there is none now.
    ///
    /// # Errors
    ///
    /// When no descriptor is left in this process: then the connection is lost.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(OwnedFd, usize)>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.exit,
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        let length = match received {
            Ok(received) => received.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        match descriptor {
            Some(descriptor) => Ok(Some((descriptor, length))),
            None => Err(Errno::MFILE.into()),
        }
    }
}

impl AsFd for Channel {
    /// The end that becomes readable when there is something to receive.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_connection_arrives_with_its_message() {
        let channel = Channel::new().unwrap();
        let mut buffer = vec![0; LONGEST];
        assert!(channel.receive(&mut buffer).unwrap().is_none());

        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(b"hello").unwrap();
        let pieces = [b"one, ".as_slice(), b"two"].map(IoSlice::new);
        assert!(channel.send(server.as_fd(), &pieces).unwrap());
        drop(server);

        let (descriptor, length) = channel.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..length], b"one, two");
        let mut data = [0; 5];
        UnixStream::from(descriptor).read_exact(&mut data).unwrap();
        assert_eq!(&data, b"hello");
    }

    #[test]
    fn each_message_comes_out_once_and_whole() {
        let channel = Channel::new().unwrap();
        let (_client, server) = UnixStream::pair().unwrap();
        for length in [1_usize, 300, LONGEST] {
            let message = vec![b'x'; length];
            assert!(
                channel
                    .send(server.as_fd(), &[IoSlice::new(&message)])
                    .unwrap()
            );
        }
        let mut buffer = vec![0; LONGEST];
        for expected in [1_usize, 300, LONGEST] {
            let (_, length) = channel.receive(&mut buffer).unwrap().unwrap();
            assert_eq!(length, expected);
        }
        assert!(channel.receive(&mut buffer).unwrap().is_none());
    }

    #[test]
    fn a_full_channel_says_so_and_a_long_message_is_not_sent() {
        let channel = Channel::new().unwrap();
        let (_client, server) = UnixStream::pair().unwrap();
        let long = vec![b'x'; LONGEST + 1];
        assert!(
            !channel
                .send(server.as_fd(), &[IoSlice::new(&long)])
                .unwrap()
        );
        let mut sent = 0;
        while channel.send(server.as_fd(), &[IoSlice::new(b"x")]).unwrap() {
            sent += 1;
        }
        assert!(sent > 10, "only {sent} fitted");
    }
}
