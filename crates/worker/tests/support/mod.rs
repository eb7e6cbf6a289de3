//! An engine with a client or two, for the tests beside.
#![expect(
    clippy::unwrap_used,
    reason = "a test that fails by unwrap says enough"
)]
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxicorn_http::trust::Networks;
use oxicorn_http::{Settings, proxy};
use oxicorn_sys::scoreboard::{Scoreboard, Slot};
use oxicorn_worker::{Application, Engine, Limits, Options};

/// No condition takes longer than this to come true.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The shortest request there is.
pub const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// An engine that turns when it is told to, alone on its listener.
pub struct Server<A: Application> {
    pub engine: Engine<A>,
    pub application: A,
    pub address: SocketAddr,
    pub slot: Slot,
    _wakeup: UnixStream,
}

impl<A: Application + Default> Server<A> {
    pub fn start(change: impl FnOnce(&mut Options)) -> Server<A> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (wakeup, far) = UnixStream::pair().unwrap();
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let mut options = options();
        change(&mut options);
        let engine = Engine::new(options, vec![OwnedFd::from(listener)], &far, slot).unwrap();
        Server {
            engine,
            application: A::default(),
            address,
            slot,
            _wakeup: wakeup,
        }
    }

    pub fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Client {
            socket,
            got: Vec::new(),
            is_closed: false,
        }
    }

    pub fn turn(&mut self) {
        let ready = self.engine.poll(Duration::from_millis(5)).unwrap();
        self.engine.turn(ready, &mut self.application);
    }

    /// Turns until the client has what it waits for.
    pub fn until(&mut self, client: &mut Client, condition: impl Fn(&Client) -> bool) {
        let began = Instant::now();
        while !condition(client) {
            assert!(began.elapsed() < PATIENCE, "got only {:?}", client.text());
            self.turn();
            client.receive();
        }
    }
}

/// Nothing is limited, and nothing ends soon.
pub fn options() -> Options {
    Options {
        http: oxicorn_http::Options::new(&Settings::default()),
        keepalive: Duration::from_secs(60),
        head_timeout: Duration::from_secs(60),
        tick: Duration::from_secs(1),
        graceful_timeout: Duration::from_secs(30),
        first_byte_timeout: Duration::from_millis(500),
        limits: Limits::default(),
        connections: 1000,
        timeout: None,
        queue: Default::default(),
        has_siblings: false,
        proxy_protocol: proxy::Mode::Off,
        proxy_allow: Networks::default(),
        forwarded_allow: Networks::default(),
        upload_directory: std::env::temp_dir(),
    }
}

/// One that never blocks.
pub struct Client {
    pub socket: TcpStream,
    pub got: Vec<u8>,
    pub is_closed: bool,
}

impl Client {
    pub fn send(&mut self, data: &[u8]) {
        self.socket.write_all(data).unwrap();
    }

    pub fn receive(&mut self) {
        let mut buffer = [0; 65536];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.is_closed = true,
                Ok(length) => {
                    self.got.extend_from_slice(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            return;
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.got[..self.got.len().min(2000)]).into_owned()
    }

    pub fn responses(&self) -> usize {
        self.got
            .windows(9)
            .filter(|window| window == b"HTTP/1.1 ")
            .count()
    }
}
