//! What a request head says, as a table of places in the buffer it was parsed from.

/// A place in the buffer that holds the message, in bytes from its first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The limits on heads keep every offset below `u32::MAX`.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Options bounds a head to 1 GiB"
    )]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes it stands for, empty if `buf` is not the buffer that was parsed.
    #[inline]
    #[must_use]
    pub fn of<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        buf.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Nothing in it?
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The fields that mean something to the server, recognised once, whatever their case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum FieldKind {
    /// Only the application cares.
    #[default]
    Other,
    /// `Host`: at most one.
    Host,
    /// `Content-Length`: at most one.
    ContentLength,
    /// `Content-Type`: at most one.
    ContentType,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Connection`.
    Connection,
    /// `Expect`.
    Expect,
    /// `Upgrade`.
    Upgrade,
    /// `TE`.
    Te,
    /// `Trailer`.
    Trailer,
    /// `Authorization`.
    Authorization,
    /// `SCRIPT_NAME`, accepted from this peer.
    ScriptName,
    /// One of `secure_scheme_headers`, from a trusted peer.
    Scheme,
}

impl FieldKind {
    /// A bit of its own in a set of kinds.
    #[inline]
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// One field of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as it was sent.
    pub name: Span,
    /// The value without the blanks around it; read it through [`Head::value`].
    pub(crate) value: Span,
    /// What it means to the server.
    pub kind: FieldKind,
    /// The value was joined from several lines and is kept in the head itself.
    pub(crate) joined: bool,
}

/// `HTTP/major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u8,
    /// After the dot.
    pub minor: u8,
}

impl Version {
    /// The version most requests have.
    pub const HTTP_11: Self = Self { major: 1, minor: 1 };
    /// Without persistent connections and chunked bodies.
    pub const HTTP_10: Self = Self { major: 1, minor: 0 };

    /// As in a status line, `HTTP/1.1`.
    #[must_use]
    pub fn as_bytes(self) -> [u8; 8] {
        let digit = |n: u8| b'0'.wrapping_add(n);
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            digit(self.major),
            b'.',
            digit(self.minor),
        ]
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::HTTP_11
    }
}

/// How the end of the request body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyLength {
    /// No body: neither field was there.
    #[default]
    None,
    /// `Content-Length`.
    Known(u64),
    /// `Transfer-Encoding` ending in chunked.
    Chunked,
}

/// What the client used, as far as this head tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Nothing else was said.
    #[default]
    Http,
    /// A trusted peer said so.
    Https,
}

/// A request head. One is kept a connection (or a thread) and reused, so that parsing allocates nothing.
#[derive(Debug, Default)]
pub struct Head {
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Span,
    /// The protocol version of the request.
    pub version: Version,
    /// The fields in the order they came, without those that `header_map` dropped.
    pub fields: Vec<Field>,
    /// The framing of the body.
    pub body: BodyLength,
    /// May the connection go on after this request, as far as the client is concerned?
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// The client asks for another protocol; the `Upgrade` fields name it.
    pub upgrade: bool,
    /// https if a trusted peer said so.
    pub scheme: Scheme,
    pub(crate) script_name: Option<Field>,
    /// Union of the kinds in `fields`.
    pub(crate) kinds: u32,
    /// Method in upper case, if that was asked for.
    pub(crate) folded_method: Vec<u8>,
    /// Values that were joined from several lines.
    pub(crate) joined: Vec<u8>,
}

impl Clone for Head {
    fn clone(&self) -> Head {
        let mut head = Head::default();
        head.clone_from(self);
        head
    }

    /// Keeps the memory, so that heads can be handed on without allocating.
    fn clone_from(&mut self, from: &Head) {
        self.fields.clone_from(&from.fields);
        self.folded_method.clone_from(&from.folded_method);
        self.joined.clone_from(&from.joined);
        self.method = from.method;
        self.target = from.target;
        self.path = from.path;
        self.query = from.query;
        self.version = from.version;
        self.body = from.body;
        self.keep_alive = from.keep_alive;
        self.expect_continue = from.expect_continue;
        self.upgrade = from.upgrade;
        self.scheme = from.scheme;
        self.script_name = from.script_name;
        self.kinds = from.kinds;
    }
}

impl Head {
    /// Forget the request, keep the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.folded_method.clear();
        self.joined.clear();
        self.method = Span::default();
        self.target = Span::default();
        self.path = Span::default();
        self.query = Span::default();
        self.version = Version::default();
        self.body = BodyLength::None;
        self.keep_alive = false;
        self.expect_continue = false;
        self.upgrade = false;
        self.scheme = Scheme::Http;
        self.script_name = None;
        self.kinds = 0;
    }

    /// The method, upper-cased with `casefold_http_method`.
    #[inline]
    #[must_use]
    pub fn method<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.folded_method.is_empty() {
            self.method.of(buf)
        } else {
            &self.folded_method
        }
    }

    /// The request target, exactly as received.
    #[inline]
    #[must_use]
    pub fn target<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.target.of(buf)
    }

    /// The path of the target, still percent-encoded.
    #[inline]
    #[must_use]
    pub fn path<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.path.of(buf)
    }

    /// The query of the target without its `?` and without the fragment.
    #[inline]
    #[must_use]
    pub fn query<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.query.of(buf)
    }

    /// The name of a field, in the case it was sent in.
    #[inline]
    #[must_use]
    pub fn name<'a>(&self, buf: &'a [u8], field: &Field) -> &'a [u8] {
        field.name.of(buf)
    }

    /// The value of a field.
    #[inline]
    #[must_use]
    pub fn value<'a>(&'a self, buf: &'a [u8], field: &Field) -> &'a [u8] {
        field
            .value
            .of(if field.joined { &self.joined } else { buf })
    }

    /// The value of an accepted `SCRIPT_NAME` field; the last one counts.
    #[must_use]
    pub fn script_name<'a>(&'a self, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.script_name.map(|field| self.value(buf, &field))
    }

    /// Is there a field of this kind?
    #[inline]
    #[must_use]
    pub fn has(&self, kind: FieldKind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// The first field of this kind.
    #[must_use]
    pub fn first(&self, kind: FieldKind) -> Option<&Field> {
        if self.has(kind) {
            self.fields.iter().find(|field| field.kind == kind)
        } else {
            None
        }
    }
}
