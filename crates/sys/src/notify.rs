//! Telling the service manager how we are: the protocol of sd_notify(3).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::monotonic_us;

/// What happens to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The workers serve.
    Ready,
    /// A new configuration was read and takes effect; [`Milestone::Ready`] follows.
    Reloading,
    /// The server shuts down.
    Stopping,
    /// The arbiter's loop still turns.
    Watchdog,
}

/// The service manager's socket. Only the arbiter writes to it.
pub struct Notifier {
    address: OsString,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, given by `variable`; `None` without the first.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Option<Notifier> {
        let address = variable("NOTIFY_SOCKET").filter(|address| !address.is_empty())?;
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|&usec| for_us && usec > 0);
        Some(Notifier {
            address,
            watchdog: watchdog.map(Duration::from_micros),
        })
    }

    /// How often [`Milestone::Watchdog`] has to be said: twice in the time the manager waits.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// Sends one message.
    pub fn send(&self, milestone: Milestone, status: &str) -> io::Result<()> {
        let state = match milestone {
            Milestone::Ready => "READY=1\n".to_owned(),
            // Type=notify-reload wants to know that this answers the newest request to reload.
            Milestone::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_us()),
            Milestone::Stopping => "STOPPING=1\n".to_owned(),
            Milestone::Watchdog => "WATCHDOG=1\n".to_owned(),
        };
        let status = match status {
            "" => String::new(),
            text => format!("STATUS={text}\n"),
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not stop the arbiter.
        socket.set_nonblocking(true)?;
        socket.send_to_addr((state + &status).as_bytes(), &address(&self.address)?)?;
        Ok(())
    }
}

/// A leading `@` stands for the NUL of an abstract name.
fn address(text: &OsStr) -> io::Result<SocketAddr> {
    match text.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_at_an_abstract_socket() {
        let name = format!("oxicorn-notify-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::from_env(|variable| match variable {
            "NOTIFY_SOCKET" => Some(format!("@{name}").into()),
            "WATCHDOG_USEC" => Some("3000000".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(
            notifier.watchdog_interval(),
            Some(Duration::from_millis(1500))
        );

        notifier.send(Milestone::Ready, "up").unwrap();
        let mut buffer = [0; 100];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=up\n");
        notifier.send(Milestone::Reloading, "").unwrap();
        let length = manager.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"RELOADING=1\nMONOTONIC_USEC="));
    }

    #[test]
    fn a_watchdog_for_another_process_is_not_ours() {
        let notifier = Notifier::from_env(|variable| match variable {
            "NOTIFY_SOCKET" => Some("/x".into()),
            "WATCHDOG_USEC" => Some("3000000".into()),
            "WATCHDOG_PID" => Some("1".into()),
            _ => None,
        });
        assert_eq!(notifier.unwrap().watchdog_interval(), None);
    }
}
