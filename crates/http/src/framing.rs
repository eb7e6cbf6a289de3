//! What the fields of a complete head mean together: the body, the connection, the scheme.

use crate::grammar::{decimal, members};
use crate::head::{BodyLength, Field, FieldKind, Head, Scheme, Version};
use crate::options::Options;
use crate::refused::{Quote, Refused};

/// Kinds that decide something here; most requests have at most one of them.
const DECISIVE: u32 = FieldKind::ContentLength.bit()
    | FieldKind::TransferEncoding.bit()
    | FieldKind::Connection.bit()
    | FieldKind::Expect.bit()
    | FieldKind::Upgrade.bit()
    | FieldKind::ScriptName.bit()
    | FieldKind::Scheme.bit();

/// What was gathered from the fields so far.
#[derive(Default)]
struct Findings {
    content_length: Option<u64>,
    codings: Codings,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    expect_continue: bool,
    scheme: Option<Scheme>,
    script_name: Option<Field>,
}

/// The members of all Transfer-Encoding fields. RFC 9112 §6.1.
#[derive(Default)]
struct Codings {
    given: bool,
    chunked: bool,
    /// Compressed as well: passed on as it is, and the last message of its connection.
    compressed: bool,
}

/// Settle what the head, whose fields are all there, says about message and connection.
#[inline]
pub(crate) fn settle(head: &mut Head, buf: &[u8], options: &Options) -> Result<(), Refused> {
    head.keep_alive = head.version >= Version::HTTP_11 && head.method(buf) != b"CONNECT";
    if head.kinds & DECISIVE == 0 {
        return Ok(());
    }
    settle_fields(head, buf, options)
}

fn settle_fields(head: &mut Head, buf: &[u8], options: &Options) -> Result<(), Refused> {
    let mut found = Findings::default();
    for field in &head.fields {
        if field.kind.bit() & DECISIVE != 0 {
            found.add(
                field,
                head.name(buf, field),
                head.value(buf, field),
                options,
            )?;
        }
    }
    let modern = head.version >= Version::HTTP_11;
    head.body = found.body(modern)?;
    head.keep_alive = !found.close
        && !found.codings.compressed
        && (modern || found.keep_alive)
        && head.method(buf) != b"CONNECT";
    // RFC 9110 §7.8, §10.1.1: HTTP/1.0 knows neither.
    head.expect_continue = modern && found.expect_continue;
    head.upgrade = modern && found.upgrade_option && found.upgrade_field;
    head.scheme = found.scheme.unwrap_or_default();
    head.script_name = found.script_name;
    Ok(())
}

impl Findings {
    fn add(
        &mut self,
        field: &Field,
        name: &[u8],
        value: &[u8],
        options: &Options,
    ) -> Result<(), Refused> {
        match field.kind {
            FieldKind::ContentLength => {
                if self.content_length.is_some() {
                    return Err(Refused::Repeated(Quote::new(name)));
                }
                let length =
                    decimal(value).ok_or_else(|| Refused::ContentLength(Quote::new(value)))?;
                self.content_length = Some(length);
            }
            FieldKind::TransferEncoding => self.codings.add(value)?,
            FieldKind::Connection => self.add_connection(value),
            FieldKind::Expect => {
                let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                if !is_continue && !options.ignores_expectations {
                    return Err(Refused::Expectation(Quote::new(value)));
                }
                self.expect_continue |= is_continue;
            }
            FieldKind::Upgrade => self.upgrade_field = true,
            FieldKind::ScriptName => self.script_name = Some(*field),
            FieldKind::Scheme => self.add_scheme(name, value, options)?,
            _ => {}
        }
        Ok(())
    }

    /// All fields and members count, so that `close` is heard wherever it stands. RFC 9112 §9.3.
    fn add_connection(&mut self, value: &[u8]) {
        for option in members(value) {
            match option.len() {
                5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                7 => self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade"),
                10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                _ => {}
            }
        }
    }

    fn add_scheme(&mut self, name: &[u8], value: &[u8], options: &Options) -> Result<(), Refused> {
        let secure = options.secure_value(name) == Some(value);
        let scheme = if secure { Scheme::Https } else { Scheme::Http };
        if self.scheme.is_some_and(|known| known != scheme) {
            return Err(Refused::ContradictoryScheme);
        }
        self.scheme = Some(scheme);
        Ok(())
    }

    /// RFC 9112 §6.3, without the choices it leaves: whatever two parties could read differently is refused.
    fn body(&self, modern: bool) -> Result<BodyLength, Refused> {
        match (self.codings.given, self.content_length) {
            (false, None) => Ok(BodyLength::None),
            (false, Some(length)) => Ok(BodyLength::Known(length)),
            (true, Some(_)) => Err(Refused::TwoLengths),
            (true, None) if modern && self.codings.chunked => Ok(BodyLength::Chunked),
            (true, None) if modern => Err(Refused::NotChunked),
            (true, None) => Err(Refused::CodingInHttp10),
        }
    }
}

impl Codings {
    fn add(&mut self, value: &[u8]) -> Result<(), Refused> {
        self.given = true;
        for coding in members(value) {
            let is = |known: &[u8]| coding.eq_ignore_ascii_case(known);
            let compresses = is(b"gzip") || is(b"deflate") || is(b"compress");
            if !compresses && !is(b"chunked") && !is(b"identity") {
                return Err(Refused::UnknownCoding(Quote::new(coding)));
            }
            // Nothing may follow chunked, not even itself.
            if self.chunked {
                return Err(Refused::AfterChunked(Quote::new(value)));
            }
            self.compressed |= compresses;
            self.chunked = is(b"chunked");
        }
        Ok(())
    }
}
