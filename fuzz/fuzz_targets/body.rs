//! A chunked body means the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((mut peer, cuts, body)) = oxicorn_fuzz::split(data) else { return };
    peer.options = oxicorn_http::Options::default();
    peer.proxy = oxicorn_http::proxy::Mode::Off;
    let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cuts = cuts.into_iter().map(|cut| head.len() + cut).collect();
    oxicorn_fuzz::read_alike(&peer, &[head, body].concat(), cuts);
});
