//! Connected sockets: accept, receive, send, send a file, shut down; and the
//! unnamed files that hold what they did not take. Nothing here blocks but [`wait_writable`].

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrAny, SocketFlags, sockopt,
};

use crate::ledger::{self, Socket};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A process on this machine, through a unix socket.
    Local,
}

/// What came of an attempt to receive or to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// That many bytes went through; never 0.
    Bytes(usize),
    /// Nothing can go through now.
    WouldBlock,
    /// The connection is over: the peer ended its side, or it failed. How it ended makes no
    /// difference to a server, so no error is kept.
    Ended,
}

fn progress(result: rustix::io::Result<usize>) -> Progress {
    match result {
        Ok(0) => Progress::Ended,
        Ok(bytes) => Progress::Bytes(bytes),
        Err(Errno::AGAIN | Errno::INTR) => Progress::WouldBlock,
        Err(_) => Progress::Ended,
    }
}

/// Takes the next connection of a listener, non-blocking and close-on-exec; `None` if there is
/// none, or if it was gone before it could be taken.
pub fn accept(listener: impl AsFd) -> io::Result<Option<(OwnedFd, PeerAddress)>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match rustix::net::acceptfrom_with(listener, flags) {
        Ok((socket, address)) => Ok(Some((socket, peer_address(address)))),
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn peer_address(address: Option<SocketAddrAny>) -> PeerAddress {
    match address.map(SocketAddr::try_from) {
        Some(Ok(ip)) => PeerAddress::Ip(ip),
        _ => PeerAddress::Local,
    }
}

/// True where `error` says that no descriptor is left, for this process or for the machine.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Turns Nagle's algorithm off, so that a small chunk leaves at once.
pub fn set_nodelay(socket: impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(socket, true)?)
}

/// Who is at the other end; `None` if nobody is any more.
pub fn peer(socket: impl AsFd) -> Option<PeerAddress> {
    rustix::net::getpeername(socket).ok().map(peer_address)
}

/// Receives what there is, as far as `buffer` has room.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Progress {
    ledger::note_receiving(socket.as_fd());
    progress(rustix::net::recv(socket, buffer, RecvFlags::empty()).map(|(_, bytes)| bytes))
}

/// Sends as much of `data` as the socket takes now.
pub fn send(socket: impl AsFd, data: &[u8]) -> Progress {
    ledger::note_sending(socket.as_fd());
    progress(rustix::net::send(socket, data, SendFlags::NOSIGNAL))
}

/// [`send`], where the response is complete with it and nothing of a next request is here: should this process die, another
/// one can go on with the connection. `listener` as for [`Socket::rests`].
pub fn send_answer(socket: &Socket, listener: usize, data: &[u8]) -> Progress {
    socket.ends(listener, data.len());
    let sent = progress(rustix::net::send(socket, data, SendFlags::NOSIGNAL));
    if sent != Progress::Bytes(data.len()) {
        socket.answers();
    }
    sent
}

/// [`send`], where the end of the stream follows at once: the kernel then sends both in one segment
/// (`MSG_MORE` of tcp(7)), which saves a good part of what a connection for one request costs.
pub fn send_last(socket: impl AsFd, data: &[u8]) -> Progress {
    ledger::note_sending(socket.as_fd());
    progress(rustix::net::send(
        socket,
        data,
        SendFlags::NOSIGNAL | SendFlags::MORE,
    ))
}

/// Sends as much of the pieces, one after the other, as the socket takes now.
pub fn send_vectored(socket: impl AsFd, pieces: &[IoSlice<'_>]) -> Progress {
    ledger::note_sending(socket.as_fd());
    let mut control = SendAncillaryBuffer::default();
    progress(rustix::net::sendmsg(
        socket,
        pieces,
        &mut control,
        SendFlags::NOSIGNAL,
    ))
}

/// Sends bytes of a file from `offset` on, which moves on by what was sent; the file's own
/// position is left alone.
pub fn send_file(socket: impl AsFd, file: &File, offset: &mut u64, most: usize) -> Progress {
    ledger::note_sending(socket.as_fd());
    progress(rustix::fs::sendfile(socket, file, Some(offset), most))
}

/// Ends the sending side: the peer reads the end of the stream after what was sent.
pub fn finish_sending(socket: impl AsFd) {
    // A connection that is already gone has nothing to end.
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
}

/// Waits until the socket takes bytes again; false when `timeout` passed first.
pub fn wait_writable(socket: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    match rustix::event::poll(&mut fds, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the peer has ended its side, or the connection has failed; bytes that came before may
/// still be unread.
pub fn peer_has_ended(socket: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&socket, PollFlags::RDHUP)];
    // Errors and hang-ups are reported in any case.
    rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// A new file in `directory` that has no name there; it is gone when its last descriptor is closed.
///
/// # Errors
///
/// Those of `open`, for instance a directory that does not exist.
pub fn unnamed_file(directory: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok(file.into()),
        // Not every file system has O_TMPFILE.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => named_then_removed(directory, flags, mode),
        Err(error) => Err(error.into()),
    }
}

fn named_then_removed(directory: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    let unique = crate::clock::monotonic_us();
    let name = directory.join(format!("oxicorn-{}-{unique}", std::process::id()));
    let file = rustix::fs::open(&name, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    rustix::fs::unlink(&name)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn last_bytes_leave_together_with_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();

        client.set_nonblocking(true).unwrap();
        assert!(matches!(send_last(&server, b"bye"), Progress::Bytes(3)));
        let early = client.read(&mut [0; 8]).unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
        drop(server);
        client.set_nonblocking(false).unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"bye");
    }
}
