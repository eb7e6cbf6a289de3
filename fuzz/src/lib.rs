//! What the targets share: a connection in memory, and settings and cuts taken from the input.

#[path = "../../crates/http/tests/support/mod.rs"]
pub mod support;

#[path = "../../crates/websocket/tests/support/mod.rs"]
pub mod websocket;

use oxicorn_http::proxy::Mode;
use oxicorn_http::{HeaderMap, Options, Settings};
pub use support::{Peer, read};

/// Settings from one byte, cuts from the next three, the rest is what the peer sends.
pub fn split(data: &[u8]) -> Option<(Peer, Vec<usize>, &[u8])> {
    let (&[knobs, cuts @ ..], input) = data.split_first_chunk::<4>()?;
    let mut cuts = cuts.map(usize::from).to_vec();
    cuts.sort_unstable();
    Some((peer(knobs), cuts, input))
}

fn peer(knobs: u8) -> Peer {
    let on = |bit: u8| knobs & (1 << bit) != 0;
    let mut settings = Settings {
        permit_obsolete_folding: on(0),
        strip_header_spaces: on(1),
        permit_unconventional_http_method: on(2),
        permit_unconventional_http_version: on(2),
        casefold_http_method: on(3),
        header_map: if on(4) { HeaderMap::Dangerous } else { HeaderMap::Drop },
        ..Settings::default()
    };
    if on(5) {
        settings.limit_request_line = 30;
        settings.limit_request_fields = 2;
        settings.limit_request_field_size = 20;
    }
    let proxy = if on(6) { Mode::Auto } else { Mode::Off };
    Peer { options: Options::new(&settings), trusted: on(7), proxy }
}

/// The same meaning whole, in the given pieces and byte by byte; what it is.
pub fn read_alike(peer: &Peer, input: &[u8], cuts: Vec<usize>) -> String {
    let whole = read(peer, input, []);
    assert_eq!(read(peer, input, cuts), whole);
    if input.len() < 1000 {
        assert_eq!(read(peer, input, 0..input.len()), whole);
    }
    whole
}
