//! A load of echoed messages, or of connections that rest, for `bench/websocket.py`.
//!
//!     load ADDRESS echo CONNECTIONS SECONDS BYTES    prints messages and seconds
//!     load ADDRESS rest CONNECTIONS                  holds them until standard input ends

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [address, "echo", connections, seconds, bytes] => echo(
            address,
            number(connections)?,
            number(seconds)?,
            number(bytes)?,
        ),
        [address, "rest", connections] => rest(address, number(connections)?),
        _ => Err(io::Error::other("see the first lines of examples/load.rs")),
    }
}

fn number(word: &str) -> io::Result<usize> {
    word.parse().map_err(io::Error::other)
}

/// Each connection sends its next message when the last one has come back.
fn echo(address: &str, connections: usize, seconds: usize, bytes: usize) -> io::Result<()> {
    let (count, is_over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut threads = Vec::new();
    for _ in 0..connections {
        let mut stream = open(address)?;
        let (count, is_over) = (Arc::clone(&count), Arc::clone(&is_over));
        threads.push(thread::spawn(move || -> io::Result<()> {
            let frame = frame(bytes);
            let mut answer = vec![0; frame.len().saturating_sub(4)];
            while !is_over.load(Relaxed) {
                stream.write_all(&frame)?;
                stream.read_exact(&mut answer)?;
                count.fetch_add(1, Relaxed);
            }
            Ok(())
        }));
    }
    let began = Instant::now();
    thread::sleep(Duration::from_secs(seconds as u64));
    let (messages, took) = (count.load(Relaxed), began.elapsed().as_secs_f64());
    is_over.store(true, Relaxed);
    for thread in threads {
        thread
            .join()
            .map_err(|_| io::Error::other("a client failed"))??;
    }
    println!("{messages} {took}");
    Ok(())
}

fn rest(address: &str, connections: usize) -> io::Result<()> {
    let streams = (0..connections)
        .map(|_| open(address))
        .collect::<io::Result<Vec<_>>>()?;
    println!("{} open", streams.len());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn open(address: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(
        b"GET /echo HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        Ok(stream)
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&head).into_owned(),
        ))
    }
}

/// A message of text. The server's frame is the same without the key.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(bytes) {
        Ok(short @ 0..126) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((bytes.min(65535) as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.resize(frame.len().saturating_add(bytes.min(65535)), b'x');
    frame
}
