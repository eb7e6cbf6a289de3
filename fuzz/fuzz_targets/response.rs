//! A response head reads back as the fields that were pushed: nothing can be injected.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxicorn_http::Version;
use oxicorn_http::response::{Facts, Fields, status_code, write_head};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|&b| b == 0xFE);
    let status = parts.next().unwrap_or_default();
    let Ok(code) = status_code(status) else { return };
    let (mut fields, mut pushed, mut out) = (Fields::default(), Vec::new(), Vec::new());
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        if pushed.len() < 100 && fields.push(name, value).is_ok() {
            pushed.push((name.to_vec(), value.to_vec()));
        }
    }
    let facts = Facts { version: Version::HTTP_11, is_head: false, keep_alive: true };
    let _ = write_head(&mut out, &facts, status, code, b"Date: D\r\n", &fields);
    oxicorn_fuzz::support::check_response(&out, &pushed);
});
