//! Giving up the rights of the user that started the server.

use std::ffi::CString;
use std::io;

/// Whom a process shall run as.
#[derive(Clone, Debug)]
pub struct Identity {
    /// User; 0 means "do not switch".
    pub uid: u32,
    /// Group; 0 means "do not switch".
    pub gid: u32,
    /// Name of the user whose supplementary groups are taken on (`initgroups`).
    pub groups_of: Option<CString>,
}

/// Switches group, then user; the order matters, a plain user may not change its group any more.
/// What is already so is left alone, so that an unprivileged server may name its own user.
pub fn assume(identity: &Identity) -> io::Result<()> {
    if identity.gid != 0 {
        assume_group(identity)?;
    }
    if identity.uid != 0 && rustix::process::geteuid().as_raw() != identity.uid {
        // SAFETY: setuid takes a number. libc's version, unlike the bare system call, switches
        // all threads of the process.
        checked(unsafe { libc::setuid(identity.uid) })?;
    }
    Ok(())
}

fn assume_group(identity: &Identity) -> io::Result<()> {
    if let Some(user) = &identity.groups_of {
        // SAFETY: `user` is a NUL-terminated string that outlives the call.
        return checked(unsafe { libc::initgroups(user.as_ptr(), identity.gid) })
            .and_then(|()| switch_group(identity.gid));
    }
    if rustix::process::getegid().as_raw() != identity.gid {
        switch_group(identity.gid)?;
    }
    Ok(())
}

fn switch_group(gid: u32) -> io::Result<()> {
    // SAFETY: setgid takes a number.
    checked(unsafe { libc::setgid(gid) })
}

fn checked(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
