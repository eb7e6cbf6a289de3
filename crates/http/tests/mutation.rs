//! Messages with a few bytes changed, by a generator with a fixed seed: no panic, the same meaning
//! for every cut, and nothing taken that another parser would not take. The fuzz targets ask the
//! same with more patience.
#![allow(clippy::unwrap_used)]

mod support;

use std::ops::Range;

use oxicorn_http::response::{Facts, Fields, write_head};
use oxicorn_http::{Options, Settings, Version, proxy::Mode};
use support::{Peer, oracle, read};

const SEEDS: &[&[u8]] = &[
    b"GET /a?b#c HTTP/1.1\r\nHost: a\r\nX-A: b\t\xe9\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET /2 HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;a=\"b\\\"\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nA\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"GET http://a:1/b HTTP/1.1\r\nX_Y: 1\r\n folded\r\nX-Forwarded-Proto: https\r\nSCRIPT_NAME: /b\r\n\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x63\x01\xbbGET / HTTP/1.1\r\n\r\n",
];

/// Bytes that mean something somewhere.
const TELLING: &[u8] = b"\r\n\0 \t:;,=\"\\/%_0159aAfFgG-*#?\x7f\x80\xff";

/// xorshift64*: the same sequence everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }

    fn range(&mut self, len: usize) -> Range<usize> {
        let start = self.below(len + 1);
        start..start + self.below((len - start).min(12) + 1)
    }

    fn byte(&mut self) -> u8 {
        match self.below(4) {
            0 => self.below(256) as u8,
            _ => TELLING[self.below(TELLING.len())],
        }
    }

    /// A seed with a few changes.
    fn message(&mut self) -> Vec<u8> {
        let mut message = SEEDS[self.below(SEEDS.len())].to_vec();
        for _ in 0..=self.below(4) {
            let place = self.range(message.len());
            match self.below(4) {
                0 => drop(message.splice(place, [])),
                1 => message.insert(place.start, self.byte()),
                2 => {
                    let copy = message[place].to_vec();
                    let to = self.below(message.len() + 1);
                    drop(message.splice(to..to, copy));
                }
                _ => {
                    if let Some(byte) = message.get_mut(place.start) {
                        *byte = self.byte();
                    }
                }
            }
        }
        message
    }
}

#[test]
fn changed_messages_mean_the_same_however_they_are_cut() {
    let lenient = Options::new(&Settings {
        limit_request_line: 40,
        limit_request_fields: 3,
        limit_request_field_size: 40,
        permit_obsolete_folding: true,
        strip_header_spaces: true,
        permit_unconventional_http_method: true,
        permit_unconventional_http_version: true,
        casefold_http_method: true,
        ..Settings::default()
    });
    let peers = [
        Peer {
            trusted: true,
            proxy: Mode::Auto,
            ..Peer::default()
        },
        Peer {
            options: lenient,
            trusted: true,
            proxy: Mode::Auto,
        },
        Peer::default(),
    ];
    let mut random = Random(0x0C1C_0121);
    for _ in 0..50_000 {
        let message = random.message();
        let peer = &peers[random.below(peers.len())];
        let whole = read(peer, &message, []);
        let mut cuts: Vec<usize> = (0..3).map(|_| random.below(message.len() + 1)).collect();
        cuts.sort_unstable();
        assert_eq!(
            read(peer, &message, cuts),
            whole,
            "{}",
            message.escape_ascii()
        );
        assert_eq!(
            read(peer, &message, 0..message.len()),
            whole,
            "{}",
            message.escape_ascii()
        );
    }
}

#[test]
fn what_is_accepted_another_parser_accepts_too() {
    let mut random = Random(0xBEEF);
    let accepted = (0..20_000).filter(|_| oracle(&random.message())).count();
    assert!(accepted > 2_000, "only {accepted} heads were accepted");
}

#[test]
fn response_heads_hold_exactly_what_was_pushed() {
    let mut random = Random(0xFACE);
    let (mut fields, mut out) = (Fields::default(), Vec::new());
    for _ in 0..50_000 {
        fields.clear();
        out.clear();
        let mut pushed = Vec::new();
        for _ in 0..random.below(4) {
            let name: Vec<u8> = (0..random.below(4)).map(|_| random.byte()).collect();
            let value: Vec<u8> = (0..random.below(6)).map(|_| random.byte()).collect();
            if fields.push(&name, &value).is_ok() {
                pushed.push((name, value));
            }
        }
        let facts = Facts {
            version: Version::HTTP_11,
            is_head: false,
            keep_alive: true,
        };
        let _ = write_head(&mut out, &facts, b"200 OK", 200, b"Date: D\r\n", &fields);
        support::check_response(&out, &pushed);
    }
}
