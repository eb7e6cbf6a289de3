//! Requests that are called with their head and stay in touch with the loop, over real sockets.
#![expect(
    clippy::unwrap_used,
    reason = "a test that fails by unwrap says enough"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxicorn_http::response::{Dialect, Fields};
use oxicorn_sys::scoreboard::Scoreboard;
use oxicorn_worker::{
    Appetite, Application, Body, Called, End, Engine, Exchange, Notice, Place, Request,
};
use support::PATIENCE;

/// Takes every request away and notes what it hears.
#[derive(Default)]
struct Taker {
    taken: Vec<(Place, Exchange<()>)>,
    heard: Vec<u8>,
    ends: Vec<&'static str>,
    room: usize,
    is_sated: bool,
}

impl Application for Taker {
    type Client = ();

    const INLINE: bool = true;

    const STREAMS: bool = true;

    fn call(&mut self, request: Request<'_>, mut exchange: Exchange<()>) -> Called<()> {
        if let Body::Memory(bytes) = request.body {
            self.heard.extend_from_slice(bytes);
        }
        if request.head.path(request.bytes) == b"/now" {
            respond(&mut exchange, b"now");
            return Called::Answered(exchange);
        }
        let departure = exchange.depart();
        self.taken.push((exchange.place(), exchange));
        Called::Away(departure)
    }

    fn arrived(&mut self, _: Place, data: &[u8]) -> Appetite {
        self.heard.extend_from_slice(data);
        if self.is_sated {
            Appetite::Enough
        } else {
            Appetite::More
        }
    }

    fn ended(&mut self, _: Place, end: End<'_>) {
        self.ends.push(match end {
            End::Body => "body",
            End::Refused(_) => "refused",
            End::Client => "client",
            End::Connection => "connection",
        });
    }

    fn room(&mut self, place: Place) -> bool {
        self.room += 1;
        let exchange = self.taken.iter_mut().find(|(taken, _)| *taken == place);
        exchange.is_some_and(|(_, exchange)| !exchange.send_waiting().unwrap())
    }

    fn notice(&mut self, notice: Notice<'_>) {
        if let Notice::Trouble { peer, what, error } = notice {
            panic!("{what}: {} {error}", peer.text);
        }
    }
}

fn respond(exchange: &mut Exchange<()>, body: &[u8]) {
    exchange.start(b"200 OK", 200, &Fields::new(Dialect::Asgi));
    exchange.write(body).unwrap();
    exchange.finish();
}

struct Server {
    engine: Engine<Taker>,
    taker: Taker,
    address: SocketAddr,
    client: TcpStream,
    got: Vec<u8>,
    is_closed: bool,
    _wakeup: UnixStream,
}

impl Server {
    /// A server with one client that has sent `first`.
    fn with(first: &[u8]) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (wakeup, far) = UnixStream::pair().unwrap();
        let slot = Scoreboard::new(1).unwrap().claim().unwrap();
        let engine = Engine::new(
            support::options(),
            vec![OwnedFd::from(listener)],
            &far,
            slot,
        )
        .unwrap();
        let client = TcpStream::connect(address).unwrap();
        let mut server = Server {
            engine,
            taker: Taker::default(),
            address,
            client,
            got: Vec::new(),
            is_closed: false,
            _wakeup: wakeup,
        };
        server.send(first);
        server
    }

    fn send(&mut self, data: &[u8]) {
        self.client.write_all(data).unwrap();
    }

    fn turn(&mut self) {
        let ready = self.engine.poll(Duration::from_millis(5)).unwrap();
        self.engine.turn(ready, &mut self.taker);
    }

    /// Turns, and reads what the client gets, until the condition holds.
    fn until(&mut self, condition: impl Fn(&Server) -> bool) {
        let began = Instant::now();
        self.client.set_nonblocking(true).unwrap();
        while !condition(self) {
            let got = String::from_utf8_lossy(&self.got);
            assert!(
                began.elapsed() < PATIENCE,
                "only {got:?} {:?}",
                self.taker.ends
            );
            self.turn();
            self.read();
        }
        self.client.set_nonblocking(false).unwrap();
    }

    fn read(&mut self) {
        let mut buffer = vec![0; 1 << 20];
        match self.client.read(&mut buffer) {
            Ok(0) => self.is_closed = true,
            Ok(length) => self.got.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.is_closed = true,
        }
    }

    fn put_back(&mut self) -> bool {
        let (place, exchange) = self.taker.taken.remove(0);
        self.engine.put_back(place, exchange, &mut self.taker)
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn a_body_comes_while_its_request_runs() {
    let mut server = Server::with(b"POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nab");
    server.until(|server| server.taker.taken.len() == 1);
    assert_eq!(server.taker.heard, b"ab");
    server.send(b"cd");
    server.until(|server| server.taker.heard == b"abcd");
    server.send(b"efGET /now HTTP/1.1\r\n\r\n");
    server.until(|server| server.taker.ends == ["body"]);
    assert_eq!(server.taker.heard, b"abcdef");
    respond(&mut server.taker.taken[0].1, b"one");
    assert!(server.put_back(), "the next request is at hand");
    server.until(|server| server.got.ends_with(b"3\r\nnow\r\n0\r\n\r\n"));
}

#[test]
fn a_sated_request_is_told_no_more_until_it_asks() {
    let mut server = Server::with(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    server.until(|server| server.taker.taken.len() == 1);
    server.taker.is_sated = true;
    server.send(b"1\r\na\r\n");
    server.until(|server| server.taker.heard == b"a");
    server.send(b"1\r\nb\r\n0\r\n\r\n");
    for _ in 0..5 {
        server.turn();
    }
    assert_eq!(server.taker.heard, b"a");
    let place = server.taker.taken[0].0;
    server.engine.want_more(place);
    server.until(|server| server.taker.ends == ["body"]);
    assert_eq!(server.taker.heard, b"ab");
}

#[test]
fn an_unread_body_is_passed_over() {
    let mut server = Server::with(b"POST /now HTTP/1.1\r\nContent-Length: 6\r\n\r\nab");
    server.until(|server| server.got.ends_with(b"now\r\n0\r\n\r\n"));
    server.send(b"cdefGET /now HTTP/1.1\r\n\r\n");
    server.got.clear();
    server.until(|server| server.got.ends_with(b"now\r\n0\r\n\r\n"));
}

#[test]
fn a_body_is_asked_for_when_somebody_wants_it() {
    const EXPECT: &[u8] = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    let mut server = Server::with(EXPECT);
    server.until(|server| server.taker.taken.len() == 1);
    assert_eq!(server.got, b"");
    server.taker.taken[0].1.ask_for_body().unwrap();
    server.until(|server| server.got.ends_with(b"100 Continue\r\n\r\n"));

    let mut server = Server::with(EXPECT);
    server.until(|server| server.taker.taken.len() == 1);
    respond(&mut server.taker.taken[0].1, b"no");
    server.put_back();
    server.until(|server| server.is_closed);
    assert!(String::from_utf8_lossy(&server.got).contains("Connection: close"));
}

#[test]
fn a_malformed_body_is_told() {
    let mut server = Server::with(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    server.until(|server| server.taker.taken.len() == 1);
    server.send(b"nonsense\r\n");
    server.until(|server| server.taker.ends == ["refused"]);
}

#[test]
fn the_end_of_the_client_is_told_and_the_answer_still_leaves() {
    let mut server = Server::with(GET);
    server.until(|server| server.taker.taken.len() == 1);
    server.client.shutdown(std::net::Shutdown::Write).unwrap();
    server.until(|server| server.taker.ends == ["client"]);
    respond(&mut server.taker.taken[0].1, b"late");
    server.put_back();
    server.until(|server| server.is_closed);
    assert!(server.got.ends_with(b"4\r\nlate\r\n0\r\n\r\n"));
}

#[test]
fn a_client_that_is_gone_is_told_even_when_it_pipelined_more_than_is_kept() {
    let mut server = Server::with(GET);
    server.until(|server| server.taker.taken.len() == 1);
    server.send(&GET.repeat(5_000));
    for _ in 0..50 {
        server.turn();
    }
    server.client = TcpStream::connect(server.address).unwrap();
    server.until(|server| !server.taker.ends.is_empty());
}

#[test]
fn room_is_told_to_whoever_waits_for_it() {
    let mut server = Server::with(GET);
    server.until(|server| server.taker.taken.len() == 1);
    let (place, exchange) = &mut server.taker.taken[0];
    exchange.start(b"200 OK", 200, &Fields::new(Dialect::Asgi));
    let body = vec![b'x'; 64 * 1024];
    while exchange.unsent() < 1_000_000 {
        exchange.write(&body).unwrap();
        exchange.flush().unwrap();
    }
    let place = *place;
    server.engine.want_room(place);
    server.until(|server| server.taker.taken[0].1.unsent() == 0);
    assert!(server.taker.room > 0);
    server.taker.taken[0].1.finish();
    server.put_back();
    server.until(|server| server.got.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_connection_can_be_handed_over() {
    let mut server = Server::with(b"GET / HTTP/1.1\r\n\r\nbehind");
    server.until(|server| server.taker.taken.len() == 1);
    let (place, mut exchange) = server.taker.taken.remove(0);
    let mut fields = Fields::new(Dialect::Asgi);
    fields.push(b"connection", b"upgrade").unwrap();
    exchange.start(b"101 Switching Protocols", 101, &fields);
    let mut raw = exchange.into_raw();
    assert_eq!(server.engine.hand_over(place), b"behind");
    server.send(b"any bytes");
    server.until(|server| server.taker.heard == b"any bytes");
    raw.send(b"answer").unwrap();
    server.until(|server| server.got.ends_with(b"\r\n\r\nanswer"));
    server.engine.take_back(place, raw, 101);
    server.until(|server| server.is_closed);
}
