//! The parts of becoming a daemon that are not forks; the forks belong to the Python border, because the
//! interpreter has to know of them.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{setsid, umask};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Leaves the terminal's session and takes the umask of a daemon.
pub fn new_session() -> io::Result<()> {
    setsid()?;
    umask(Mode::from_raw_mode(0o022));
    Ok(())
}

/// Points the standard streams at `/dev/null`. With `keep_output` standard output and standard error stay as
/// they are, unless they are the terminal that the daemon has left.
pub fn null_stdio(keep_output: bool) -> io::Result<()> {
    let null = open("/dev/null", OFlags::RDWR, Mode::empty())?;
    dup2_stdin(&null)?;
    let lost = |stream: &dyn IsTerminal| !keep_output || stream.is_terminal();
    if lost(&io::stdout()) {
        dup2_stdout(null.as_fd())?;
    }
    if lost(&io::stderr()) {
        dup2_stderr(null.as_fd())?;
    }
    Ok(())
}

/// [`std::io::IsTerminal`] as an object.
trait IsTerminal {
    fn is_terminal(&self) -> bool;
}

impl<T: io::IsTerminal> IsTerminal for T {
    fn is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(self)
    }
}
