//! A connection without a socket: bytes arrive in pieces, what was understood is written down.
//!
//! Shared by the corpus, the mutation test and the fuzz targets.

use std::fmt::Write;

use oxicorn_http::proxy::{self, Mode, Outcome};
use oxicorn_http::{
    BodyDecoder, Decoded, Eof, Head, HeadParser, Options, Refused, Scheme, decode_path,
};

/// What one end of a connection is told about the other.
#[derive(Default)]
pub struct Peer {
    /// Parser settings.
    pub options: Options,
    /// It is in `forwarded_allow_ips` and `proxy_allow_ips`.
    pub trusted: bool,
    /// The PROXY header it may send.
    pub proxy: Mode,
}

/// Everything that `input` means, if it comes in pieces that end at `ends`, and then no more.
pub fn read(peer: &Peer, input: &[u8], ends: impl IntoIterator<Item = usize>) -> String {
    let mut ends = ends.into_iter().chain([input.len()]);
    let mut connection = Connection {
        peer,
        input,
        start: 0,
        end: 0,
        log: String::new(),
        head: Head::default(),
    };
    let outcome = connection.run(|| ends.next());
    if let Err(refused) = outcome {
        let _ = writeln!(connection.log, "refused {}: {refused}", refused.status());
        assert!(refused.page(b"").ends_with(b"</html>\n"));
    }
    connection.log
}

struct Connection<'a> {
    peer: &'a Peer,
    input: &'a [u8],
    /// First byte not yet understood.
    start: usize,
    /// One past the last byte that arrived.
    end: usize,
    log: String,
    head: Head,
}

impl Connection<'_> {
    fn run(&mut self, mut more: impl FnMut() -> Option<usize>) -> Result<(), Refused> {
        if !self.read_proxy(&mut more)? {
            return Ok(());
        }
        while self.read_head(&mut more)? && self.read_body(&mut more)? && self.head.keep_alive {}
        Ok(())
    }

    /// Let the next piece arrive, if there is one.
    fn grow(&mut self, more: &mut impl FnMut() -> Option<usize>) -> bool {
        let next = more();
        self.end = next.unwrap_or(self.end).clamp(self.end, self.input.len());
        next.is_some()
    }

    fn pending(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn read_proxy(&mut self, more: &mut impl FnMut() -> Option<usize>) -> Result<bool, Refused> {
        loop {
            match proxy::parse(self.peer.proxy, self.peer.trusted, self.pending())? {
                Outcome::NotProxy => return Ok(true),
                Outcome::Header { len, info } => {
                    match info {
                        None => self.log.push_str("proxy local\n"),
                        Some(info) => {
                            let (from, to) = (info.source, info.destination);
                            let _ = writeln!(self.log, "proxy {} {from} {to}", info.protocol());
                        }
                    }
                    self.start += len;
                    return Ok(true);
                }
                Outcome::NeedMore if !self.grow(more) => {
                    self.log.push_str("ends in a PROXY header\n");
                    return Ok(false);
                }
                Outcome::NeedMore => {}
            }
        }
    }

    fn read_head(&mut self, more: &mut impl FnMut() -> Option<usize>) -> Result<bool, Refused> {
        let mut parser = HeadParser::new();
        loop {
            let buf = &self.input[self.start..self.end];
            let peer = self.peer;
            match parser.parse(buf, &peer.options, peer.trusted, &mut self.head)? {
                Some(len) => {
                    self.describe(len);
                    self.start += len;
                    return Ok(true);
                }
                None if !self.grow(more) => {
                    if !self.pending().is_empty() {
                        self.log.push_str("ends in a head\n");
                    }
                    return Ok(false);
                }
                None => {}
            }
        }
    }

    fn describe(&mut self, len: usize) {
        let (head, buf) = (&self.head, &self.input[self.start..self.start + len]);
        let mut scratch = Vec::new();
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let path = text(decode_path(head.path(buf), &mut scratch));
        let (method, target) = (text(head.method(buf)), text(head.target(buf)));
        let version = text(&head.version.as_bytes());
        let _ = writeln!(self.log, "{method} {target} {version}");
        if path != target {
            let _ = writeln!(self.log, "  path {path} query {}", text(head.query(buf)));
        }
        for field in &head.fields {
            let (name, value) = (head.name(buf, field), head.value(buf, field));
            let _ = writeln!(self.log, "  {}: {}", text(name), text(value));
        }
        let notes = [
            (head.keep_alive, "keep-alive".to_owned()),
            (head.expect_continue, "expects 100".to_owned()),
            (head.upgrade, "upgrade".to_owned()),
            (head.scheme == Scheme::Https, "https".to_owned()),
            (
                head.script_name(buf).is_some(),
                format!("below {}", text(head.script_name(buf).unwrap_or_default())),
            ),
        ];
        for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
            let _ = writeln!(self.log, "  ({note})");
        }
    }

    fn read_body(&mut self, more: &mut impl FnMut() -> Option<usize>) -> Result<bool, Refused> {
        let options = &self.peer.options;
        let mut decoder = BodyDecoder::new(self.head.body, options);
        let mut body = Vec::new();
        loop {
            let (taken, decoded) = decoder.decode(&self.input[self.start..self.end], options)?;
            self.start += taken;
            match decoded {
                Decoded::Data(data) => body.extend_from_slice(data),
                Decoded::End => break,
                Decoded::NeedMore => {
                    assert_eq!(
                        self.start, self.end,
                        "all input is taken before more is asked for"
                    );
                    if !self.grow(more) {
                        break;
                    }
                }
            }
        }
        if !body.is_empty() {
            let _ = writeln!(self.log, "  body {}", body.escape_ascii());
        }
        for (name, value) in decoder.trailers().filter(|_| decoder.is_done()) {
            let _ = writeln!(
                self.log,
                "  trailer {}: {}",
                name.escape_ascii(),
                value.escape_ascii()
            );
        }
        match decoder.at_eof() {
            Eof::Complete => return Ok(true),
            Eof::Short => self.log.push_str("ends in a body\n"),
            Eof::Broken => self.log.push_str("ends in a chunk\n"),
            Eof::Refused(refused) => return Err(refused),
        }
        Ok(false)
    }
}

/// Parse a head with httparse as well: whatever we accept it must accept, and understand alike.
/// Did we accept it?
///
/// httparse is stricter than we are only in the versions it knows, and it is asked for nothing
/// that we take by a setting.
pub fn oracle(input: &[u8]) -> bool {
    let options = Options::new(&oxicorn_http::Settings {
        header_map: oxicorn_http::HeaderMap::Dangerous,
        ..oxicorn_http::Settings::default()
    });
    let mut head = Head::default();
    let Ok(Some(len)) = HeadParser::new().parse(input, &options, false, &mut head) else {
        return false;
    };
    if head.version.minor > 1 {
        return true;
    }
    let mut slots = vec![httparse::EMPTY_HEADER; 200];
    let mut request = httparse::Request::new(&mut slots);
    let parsed = request.parse(input);
    let shown = input.escape_ascii();
    assert_eq!(parsed, Ok(httparse::Status::Complete(len)), "{shown}");
    assert_eq!(
        request.method.map(str::as_bytes),
        Some(head.method(input)),
        "{shown}"
    );
    assert_eq!(
        request.path.map(str::as_bytes),
        Some(head.target(input)),
        "{shown}"
    );
    assert_eq!(request.version, Some(head.version.minor), "{shown}");
    assert_eq!(request.headers.len(), head.fields.len(), "{shown}");
    for (theirs, ours) in request.headers.iter().zip(&head.fields) {
        assert_eq!(theirs.name.as_bytes(), head.name(input, ours), "{shown}");
        assert_eq!(theirs.value, head.value(input, ours), "{shown}");
    }
    true
}

/// A response head must read back as the fields of the server and a part of those `pushed`, in order.
pub fn check_response(out: &[u8], pushed: &[(Vec<u8>, Vec<u8>)]) {
    let mut slots = vec![httparse::EMPTY_HEADER; 200];
    let mut response = httparse::Response::new(&mut slots);
    let parsed = response.parse(out);
    let shown = out.escape_ascii();
    assert_eq!(parsed, Ok(httparse::Status::Complete(out.len())), "{shown}");
    let servers = ["Server", "Date", "Connection", "Transfer-Encoding"];
    let mut pushed = pushed.iter();
    for field in response
        .headers
        .iter()
        .skip_while(|field| servers.contains(&field.name))
    {
        let matches = |(name, value): &&(Vec<u8>, Vec<u8>)| {
            name == field.name.as_bytes() && value.trim_ascii() == field.value.trim_ascii()
        };
        assert!(
            pushed.any(|pair| matches(&pair)),
            "{} in {shown}",
            field.name
        );
    }
    assert_eq!(
        out.windows(4).position(|end| end == b"\r\n\r\n"),
        Some(out.len() - 4),
        "{shown}"
    );
}
