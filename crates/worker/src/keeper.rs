//! What becomes of a worker's connections when it is killed: who was at a request gets an answer, who rested goes
//! on with another worker.

use std::io;
use std::sync::Arc;

use oxicorn_http::error_page;
use oxicorn_sys::channel::Channel;
use oxicorn_sys::keeper::{self, Orders};
use oxicorn_sys::ledger::Orphan;
use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::stream::PeerAddress;

use crate::parcel::Parcel;

/// Starts the keeper of this process, whose record is `slot`; connections go on through `channel`.
///
/// # Errors
///
/// As [`keeper::start`].
pub fn start(slot: Slot, channel: &Arc<Channel>) -> io::Result<()> {
    keeper::start(Orders {
        page: error_page(502, "Bad Gateway", "", b""),
        tenure: slot.tenure(),
        channel: Arc::clone(channel),
        describe,
    })
}

fn describe(message: &mut Vec<u8>, orphan: &Orphan, address: PeerAddress) {
    let parcel = Parcel {
        listener: orphan.listener,
        requests: u32::from(orphan.is_kept),
        waits_since: None,
        address: match address {
            PeerAddress::Ip(address) => Some(address),
            PeerAddress::Local => None,
        },
        in_preface: orphan.in_preface,
        is_rescued: false,
        proxy: None,
    };
    parcel.write(message);
}
