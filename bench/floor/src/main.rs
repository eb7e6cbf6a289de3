//! The floor of the comparison: what the kernel alone charges for a request.
//!
//! `oxicorn-bench-floor ADDRESS [CONTENT_TYPE BODY]` answers every request head with the same bytes:
//! one thread, level-triggered epoll, one `recv` an event into a shared buffer, one `send` a
//! request. No Python, no parser: it finds the end of each head and whether it asks for
//! `Connection: close` (in this spelling), nothing else. No server that runs an application
//! can be cheaper; the distance to it is what HTTP, Python and safety cost.
#![forbid(unsafe_code)]

mod answer;

use std::env;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use answer::{Answers, Heads};

const BACKLOG: i32 = 1024;
const EVENTS: usize = 128;
const RECEIVE_BUFFER: usize = 64 * 1024;
/// No descriptor has this number, so it can stand for the listener among the tokens.
const LISTENER: u64 = u64::MAX;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (address, answers) = match arguments.as_slice() {
        [address] => (
            address,
            Answers::new("text/plain; charset=utf-8", "Hello, World!"),
        ),
        [address, content_type, body] => (address, Answers::new(content_type, body)),
        _ => return fail("usage: oxicorn-bench-floor ADDRESS [CONTENT_TYPE BODY]"),
    };
    let Ok(address) = address.parse::<SocketAddr>() else {
        return fail(&format!(
            "{address}: expected an address such as 127.0.0.1:8000"
        ));
    };
    match Server::bind(address, answers).and_then(Server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{address}: {error}")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("oxicorn-bench-floor: {message}");
    ExitCode::FAILURE
}

struct Connection {
    socket: OwnedFd,
    /// Bytes of a head that came in pieces; empty for every client that sends a head at once.
    unfinished: Vec<u8>,
}

enum Next {
    KeepOpen,
    Close,
}

struct Server {
    listener: OwnedFd,
    poll: OwnedFd,
    /// Indexed by descriptor, which is also the epoll token.
    connections: Vec<Option<Connection>>,
    received: Vec<u8>,
    heads: Heads,
    answers: Answers,
}

impl Server {
    fn bind(address: SocketAddr, answers: Answers) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => net::AddressFamily::INET,
            SocketAddr::V6(_) => net::AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        net::bind(&listener, &address)?;
        net::listen(&listener, BACKLOG)?;
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &poll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Self {
            listener,
            poll,
            connections: Vec::new(),
            received: vec![0; RECEIVE_BUFFER],
            heads: Heads::new(),
            answers,
        })
    }

    /// Serve until a signal ends the process.
    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.poll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    token => self.receive(token),
                }
            }
        }
    }

    /// One accept an event: level-triggered polling reports the listener again while more wait.
    fn accept(&mut self) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // The client may be gone again, which is no concern of the listener.
        let Ok(socket) = net::accept_with(&self.listener, flags) else {
            return Ok(());
        };
        let Ok(slot) = usize::try_from(socket.as_raw_fd()) else {
            return Ok(());
        };
        epoll::add(
            &self.poll,
            &socket,
            EventData::new_u64(slot as u64),
            EventFlags::IN,
        )?;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        self.connections[slot] = Some(Connection {
            socket,
            unfinished: Vec::new(),
        });
        Ok(())
    }

    fn receive(&mut self, token: u64) {
        let Some(slot) = usize::try_from(token)
            .ok()
            .and_then(|s| self.connections.get_mut(s))
        else {
            return;
        };
        let Some(connection) = slot else { return };
        let next = match net::recv(
            &connection.socket,
            &mut self.received[..],
            RecvFlags::empty(),
        ) {
            Ok((0, _)) => Next::Close,
            Ok((length, _)) => serve(
                connection,
                &self.received[..length],
                &self.heads,
                &self.answers,
            ),
            // An event of a descriptor that was closed and accepted anew in the same batch.
            Err(Errno::AGAIN | Errno::INTR) => Next::KeepOpen,
            Err(_) => Next::Close,
        };
        if let Next::Close = next {
            *slot = None; // closing the descriptor also takes it out of the epoll set
        }
    }
}

/// Answer each complete head in `bytes`, keep the rest for the next event.
fn serve(connection: &mut Connection, bytes: &[u8], heads: &Heads, answers: &Answers) -> Next {
    let joined;
    let mut rest = bytes;
    if !connection.unfinished.is_empty() {
        connection.unfinished.extend_from_slice(bytes);
        joined = std::mem::take(&mut connection.unfinished);
        rest = &joined;
    }
    while let Some(length) = heads.length_of_first(rest) {
        let (head, behind) = rest.split_at(length);
        let close = heads.asks_to_close(head);
        let answer = if close {
            &answers.close
        } else {
            &answers.keep_alive
        };
        match net::send(&connection.socket, answer, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == answer.len() && !close => rest = behind,
            _ => return Next::Close,
        }
    }
    connection.unfinished.extend_from_slice(rest);
    Next::KeepOpen
}
