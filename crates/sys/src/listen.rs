//! Listening sockets: made here, adopted from a parent or from the service manager.
//!
//! All of them are non-blocking and closed on exec; a re-exec opens them for its successor.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::FdFlags;
use rustix::process::umask;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// First descriptor that a service manager passes on.
pub const FIRST_PASSED: RawFd = 3;

/// What applies to every kind.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that the kernel keeps for us.
    pub backlog: i32,
    /// Several processes may bind the same address; the kernel spreads connections over them.
    pub reuse_port: bool,
}

/// What applies to a socket file.
#[derive(Clone, Copy, Debug)]
pub struct FileOptions {
    /// In force while the file is made; 0 gives mode 0777.
    pub umask: u32,
    /// Owner of the file, user and group; not changed where it is the current one.
    pub owner: (u32, u32),
}

/// Binds a TCP address. A host name is resolved here; of several addresses the first IPv4 one is taken.
pub fn tcp(host: &str, port: u16, options: Options) -> io::Result<OwnedFd> {
    let address = resolve(host, port)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    // Accepted connections inherit this, which saves one call each.
    socket.set_tcp_nodelay(true)?;
    listen(socket, &address.into(), options)
}

/// Binds a socket file. A socket that is already there is removed first, anything else there is refused.
pub fn unix(path: &Path, file: FileOptions, options: Options) -> io::Result<(OwnedFd, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let before = umask(Mode::from_raw_mode(file.umask));
    let listening = listen(socket, &SockAddr::unix(path)?, options);
    umask(before);
    let listening = listening?;
    let made = fs::symlink_metadata(path)?;
    if (made.uid(), made.gid()) != file.owner {
        std::os::unix::fs::chown(path, Some(file.owner.0), Some(file.owner.1))?;
    }
    Ok((
        listening,
        SocketFile {
            path: path.to_owned(),
            identity: Identity::of(&made),
        },
    ))
}

/// Binds a name in the abstract namespace, given without its leading NUL. There is no file to own or remove.
pub fn abstract_unix(name: &[u8], options: Options) -> io::Result<OwnedFd> {
    let mut path = vec![0];
    path.extend_from_slice(name);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&path)))?;
    listen(socket, &address, options)
}

/// Takes over a listening socket that this process was started with (`fd://N`, re-exec, socket activation).
pub fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is only looked at, and whether it is open at all is checked by the first call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_getfd(borrowed)?;
    // Before owning it: what is not a listener may be the standard output, and is not ours to close.
    if !SockRef::from(&borrowed).is_listener()? {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: it is open, and it was passed to this process to be used as a listener, once: nothing else in
    // the program owns it.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    Ok(socket.into())
}

/// Number of sockets passed by a service manager: `LISTEN_FDS`, if `LISTEN_PID` is this process.
pub fn passed(listen_pid: Option<&str>, listen_fds: Option<&str>) -> u16 {
    let for_us = listen_pid.and_then(|pid| pid.parse().ok()) == Some(std::process::id());
    let count = listen_fds.and_then(|count| count.parse().ok());
    count.filter(|_| for_us).unwrap_or(0)
}

/// What tells a socket from all others on this machine, in whatever process.
pub fn identity(socket: impl AsFd) -> io::Result<u64> {
    // All sockets are inodes of one file system.
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

/// Lets a descriptor survive the next exec.
pub fn keep_on_exec(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, FdFlags::empty())?)
}

/// A socket file of our own making.
#[derive(Clone, Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is. Inode numbers are handed out again at once, and a socket's modification time is that
/// of its bind: changing mode or owner leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bound_at: (i64, i64),
}

impl Identity {
    fn of(file: &fs::Metadata) -> Identity {
        Identity {
            device: file.dev(),
            inode: file.ino(),
            bound_at: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl SocketFile {
    /// The file of a socket that was inherited together with the duty to remove it.
    pub fn inherited(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile {
            path: path.to_owned(),
            identity: Identity::of(&fs::symlink_metadata(path)?),
        })
    }

    /// Removes the file, unless another server has put its own in this place meanwhile.
    pub fn remove(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if Identity::of(&found) == self.identity => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    // An empty host means every interface, as it does for Python's bind.
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
}

fn listen(socket: Socket, address: &SockAddr, options: Options) -> io::Result<OwnedFd> {
    socket.set_nonblocking(true)?;
    socket.bind(address)?;
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{:?} exists and is not a socket", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        backlog: 8,
        reuse_port: false,
    };

    fn ours(umask: u32) -> FileOptions {
        let owner = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        FileOptions { umask, owner }
    }

    #[test]
    fn names_and_both_families_are_bound() {
        for host in ["127.0.0.1", "localhost", ""] {
            tcp(host, 0, OPTIONS).unwrap();
        }
        assert!(tcp("192.0.2.1", 0, OPTIONS).is_err());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_plain_file_is_not() {
        let path = std::env::temp_dir().join(format!("oxicorn-listen-{}", std::process::id()));
        let (first, file) = unix(&path, ours(0o077), OPTIONS).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        drop(first);
        let (_second, successor) = unix(&path, ours(0), OPTIONS).unwrap();
        file.remove().unwrap();
        assert!(path.exists(), "the successor's file was removed");
        successor.remove().unwrap();
        assert!(!path.exists());

        fs::write(&path, "x").unwrap();
        assert!(unix(&path, ours(0), OPTIONS).is_err());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn abstract_names_leave_no_file() {
        let name = format!("oxicorn-abstract-{}", std::process::id());
        let _listening = abstract_unix(name.as_bytes(), OPTIONS).unwrap();
        assert!(abstract_unix(name.as_bytes(), OPTIONS).is_err());
    }

    #[test]
    fn a_duplicate_is_the_same_socket() {
        let [one, other] = [(); 2].map(|()| tcp("127.0.0.1", 0, OPTIONS).unwrap());
        let duplicate = one.try_clone().unwrap();
        assert_eq!(identity(&one).unwrap(), identity(&duplicate).unwrap());
        assert_ne!(identity(&one).unwrap(), identity(&other).unwrap());
    }

    #[test]
    fn only_open_listeners_are_adopted() {
        assert!(adopt(-1).is_err());
        assert!(adopt(1_000_000).is_err());
        assert!(adopt(1).is_err());
    }

    #[test]
    fn passed_sockets_count_only_for_the_right_process() {
        let us = std::process::id().to_string();
        assert_eq!(passed(Some(&us), Some("2")), 2);
        assert_eq!(passed(Some("1"), Some("2")), 0);
        assert_eq!(passed(None, Some("2")), 0);
        assert_eq!(passed(Some(&us), Some("x")), 0);
    }
}
