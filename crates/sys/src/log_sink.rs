//! Where log lines go: written whole, without waiting for whoever reads them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::stream::Progress;

/// A pipe takes this much in one piece (PIPE_BUF of Linux), so that writers do not tear each
/// other's lines.
const PIPE_PIECE: usize = 4096;

/// An open log.
#[derive(Debug)]
pub struct LogSink {
    descriptor: OwnedFd,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Takes everything, in one piece.
    File,
    /// A pipe or a terminal, opened anew so that only our writes do not wait.
    NonBlocking,
    /// The same where it could not be opened anew: looked at before each write. Somebody else may
    /// fill it in between; then a write waits.
    Watched,
    /// A socket.
    Socket,
}

impl LogSink {
    /// Another way to what is open as `descriptor`. Closing or replacing that changes nothing here.
    ///
    /// # Errors
    ///
    /// When no descriptor is left, or `descriptor` is none.
    pub fn of(descriptor: BorrowedFd<'_>) -> io::Result<LogSink> {
        let kind = match FileType::from_raw_mode(rustix::fs::fstat(descriptor)?.st_mode) {
            FileType::Socket => Kind::Socket,
            FileType::Fifo | FileType::CharacterDevice => {
                // Non-blocking is a property of the open file, which we share with others: with the
                // shell, or with programs that the application starts.
                if let Some(descriptor) = opened_anew(descriptor) {
                    return Ok(LogSink {
                        descriptor,
                        kind: Kind::NonBlocking,
                    });
                }
                Kind::Watched
            }
            _ => Kind::File,
        };
        Ok(LogSink {
            descriptor: descriptor.try_clone_to_owned()?,
            kind,
        })
    }

    /// Most bytes that are written in one piece.
    pub fn atomic(&self) -> usize {
        if self.kind == Kind::File {
            usize::MAX
        } else {
            PIPE_PIECE
        }
    }

    /// Writes as much of `data` as can be written now.
    pub fn write(&self, data: &[u8]) -> Progress {
        let written = match self.kind {
            Kind::Socket => rustix::net::send(
                &self.descriptor,
                data,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            ),
            Kind::Watched if !is_writable(&self.descriptor) => return Progress::WouldBlock,
            Kind::File | Kind::NonBlocking | Kind::Watched => {
                rustix::io::write(&self.descriptor, data)
            }
        };
        match written {
            Ok(0) => Progress::Ended,
            Ok(bytes) => Progress::Bytes(bytes),
            Err(Errno::AGAIN | Errno::INTR) => Progress::WouldBlock,
            Err(_) => Progress::Ended,
        }
    }
}

fn opened_anew(descriptor: BorrowedFd<'_>) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

fn is_writable(descriptor: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(descriptor, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}
