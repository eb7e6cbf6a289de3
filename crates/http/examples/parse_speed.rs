//! How long a head takes, in and out: `cargo run --release -p oxicorn-http --example parse_speed`.
//!
//! The best of several rounds is printed, as everything else that runs only makes it slower.

use std::hint::black_box;
use std::time::Instant;

use oxicorn_http::response::{Facts, Fields, write_head};
use oxicorn_http::{BodyDecoder, BodyLength, Decoded, Head, HeadParser, Options, Version};

const ROUNDS: usize = 15;
const CALLS: u32 = 200_000;

const HELLO: &[u8] =
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2.0\r\nAccept: */*\r\n\r\n";

const BROWSER: &[u8] = b"GET /articles/2024/05/some-long-title?utm_source=feed&page=2 HTTP/1.1\r\n\
Host: www.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; csrftoken=abcdefghijklmnopqrstuvwxyz\r\n\
Connection: keep-alive\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Sec-Fetch-Mode: navigate\r\n\
X-Forwarded-For: 203.0.113.7\r\n\
X-Forwarded-Proto: https\r\n\r\n";

fn main() {
    let options = Options::default();
    let (mut parser, mut head) = (HeadParser::new(), Head::default());
    for (name, message) in [
        ("request head, hello", HELLO),
        ("request head, browser", BROWSER),
    ] {
        measure(name, message.len(), || {
            let parsed = parser.parse(black_box(message), &options, false, &mut head);
            assert!(matches!(black_box(parsed), Ok(Some(_))));
        });
    }
    measure("request head, hello, byte by byte", HELLO.len(), || {
        for end in 1..=HELLO.len() {
            let buf = HELLO.get(..end).unwrap_or_default();
            let _ = black_box(parser.parse(black_box(buf), &options, false, &mut head));
        }
    });

    let (mut fields, mut out) = (Fields::default(), Vec::new());
    let facts = Facts {
        version: Version::HTTP_11,
        is_head: false,
        keep_alive: true,
    };
    let date = b"Date: Sat, 01 Jan 2028 00:00:00 GMT\r\n";
    measure("response head, two fields", 0, || {
        fields.clear();
        out.clear();
        let pushed = fields
            .push(black_box(b"Content-Type"), black_box(b"text/plain"))
            .and_then(|()| fields.push(black_box(b"Content-Length"), black_box(b"13")));
        assert!(pushed.is_ok());
        let sent = write_head(&mut out, &facts, black_box(b"200 OK"), 200, date, &fields);
        black_box(sent.keep_alive);
        black_box(&out);
    });

    let chunks = [b"400\r\n".as_slice(), &[b'x'; 1024], b"\r\n"]
        .concat()
        .repeat(16);
    let body = [chunks.as_slice(), b"0\r\n\r\n"].concat();
    measure("chunked body, 16 x 1 KiB", body.len(), || {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, &options);
        let mut rest = black_box(body.as_slice());
        while let Ok((taken, decoded)) = decoder.decode(rest, &options) {
            rest = rest.get(taken..).unwrap_or_default();
            if matches!(black_box(decoded), Decoded::End | Decoded::NeedMore) {
                break;
            }
        }
        assert!(decoder.is_done());
    });
}

fn measure(name: &str, bytes: usize, mut call: impl FnMut()) {
    let nanos = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min);
    print!("{name:36} {nanos:9.1} ns");
    if bytes > 0 {
        print!("  {:5.2} GB/s", bytes as f64 / nanos);
    }
    println!();
}
