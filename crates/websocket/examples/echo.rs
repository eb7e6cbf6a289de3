//! Echoes every message: what a conformance suite needs, without the rest of the server.
//!
//!     cargo run --release -p oxicorn-websocket --example echo -- 127.0.0.1:9001

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use oxicorn_websocket::handshake::{self, Head, Opening};
use oxicorn_websocket::{Connection, Event, Options, Windows};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9001"))?;
    println!("listening on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut buffer, mut out) = (vec![0; 64 * 1024], Vec::new());
    let (head, mut pending) = read_head(&mut stream, &mut buffer)?;
    let Some(opening) = open(&head)? else {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    };
    opening.write_head(None, &mut out);
    out.extend_from_slice(b"\r\n");
    let options = Options {
        max_message_size: 64 * 1024 * 1024,
    };
    let mut connection = Connection::new(options, opening.deflate());
    loop {
        echo(&mut connection, &mut pending, &mut out);
        stream.write_all(&out)?;
        out.clear();
        if connection.is_closed() {
            return stream.shutdown(std::net::Shutdown::Write);
        }
        let received = stream.read(&mut buffer)?;
        if received == 0 {
            return Ok(());
        }
        pending = buffer.get(..received).unwrap_or_default().to_vec();
    }
}

fn echo(connection: &mut Connection, mut input: &mut [u8], out: &mut Vec<u8>) {
    loop {
        let (used, event) = connection.receive(input, out);
        let message = match event {
            Some(Event::Text(text)) => Ok(text.to_owned()),
            Some(Event::Binary(bytes)) => Err(bytes.to_vec()),
            Some(Event::Failed(_)) => {
                connection.fail(out);
                return;
            }
            Some(Event::Closed(_)) | None => return,
        };
        // An open connection takes any message.
        let _ = match message {
            Ok(text) => connection.send_text(&text, out),
            Err(bytes) => connection.send_binary(&bytes, out),
        };
        input = input.get_mut(used..).unwrap_or_default();
    }
}

/// The head, and what came behind it.
fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let received = stream.read(buffer)?;
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(buffer.get(..received).unwrap_or_default());
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let behind = head.split_off(end.saturating_add(4));
            return Ok((head, behind));
        }
    }
}

fn open(head: &[u8]) -> io::Result<Option<Opening>> {
    let text = str::from_utf8(head).map_err(io::Error::other)?;
    let fields = text.lines().skip(1).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.as_bytes(), value.trim().as_bytes()))
    });
    let windows = Windows {
        server_bits: 15,
        client_bits: 15,
        client_takeover: true,
    };
    let method = text.split(' ').next().unwrap_or_default().as_bytes();
    let head = Head {
        method,
        at_least_http_11: true,
        has_body: false,
        fields,
    };
    handshake::read(&head, Some(windows)).map_err(|refusal| io::Error::other(refusal.to_string()))
}
