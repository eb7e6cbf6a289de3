//! The settings of the parser: as the operator wrote them, and as the parser uses them.

/// What happens to a field whose name has an underscore (`header_map`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderMap {
    /// Leave the field out.
    #[default]
    Drop,
    /// Refuse the request.
    Refuse,
    /// Pass it on, though it may stand for the hyphenated name in the environ.
    Dangerous,
}

/// The values of the settings, named after them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of the request line without its CRLF.
    pub limit_request_line: usize,
    /// Number of fields in a head.
    pub limit_request_fields: usize,
    /// Bytes of a field line with its CRLF.
    pub limit_request_field_size: usize,
    /// Join continuation lines instead of refusing them.
    pub permit_obsolete_folding: bool,
    /// Drop blanks between a name and its colon instead of refusing them.
    pub strip_header_spaces: bool,
    /// Take any token as a method.
    pub permit_unconventional_http_method: bool,
    /// Take any `HTTP/d.d`.
    pub permit_unconventional_http_version: bool,
    /// Upper-case the method once it was found valid.
    pub casefold_http_method: bool,
    /// What to do with underscores in names.
    pub header_map: HeaderMap,
    /// Upper-case names with an underscore that a trusted peer may send; `*` for all.
    pub forwarder_headers: Vec<String>,
    /// Upper-case name and exact value by which a trusted peer says "this came over https".
    pub secure_scheme_headers: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            limit_request_line: 4094,
            limit_request_fields: 100,
            limit_request_field_size: 8190,
            permit_obsolete_folding: false,
            strip_header_spaces: false,
            permit_unconventional_http_method: false,
            permit_unconventional_http_version: false,
            casefold_http_method: false,
            header_map: HeaderMap::Drop,
            forwarder_headers: vec!["SCRIPT_NAME".to_owned(), "PATH_INFO".to_owned()],
            secure_scheme_headers: vec![
                pair("X-FORWARDED-PROTOCOL", "ssl"),
                pair("X-FORWARDED-PROTO", "https"),
                pair("X-FORWARDED-SSL", "on"),
            ],
        }
    }
}

/// The [`Settings`] with limits made effective and names made ready for look-up. Made once.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) request_line: usize,
    pub(crate) fields: usize,
    pub(crate) field_size: usize,
    /// Bytes of all field lines together, also of those that `header_map` drops.
    pub(crate) head_size: usize,
    pub(crate) obsolete_folding: bool,
    pub(crate) strip_header_spaces: bool,
    pub(crate) any_method: bool,
    pub(crate) any_version: bool,
    pub(crate) casefold_method: bool,
    pub(crate) ignores_expectations: bool,
    pub(crate) header_map: HeaderMap,
    forwarder_headers: Vec<Box<[u8]>>,
    any_forwarder_header: bool,
    scheme_headers: Vec<SchemeHeader>,
    /// Bit n is set if a scheme header has a name of n bytes: most names miss without a comparison.
    scheme_lengths: u64,
}

/// Name, and the value that means https.
type SchemeHeader = (Box<[u8]>, Box<[u8]>);

/// The largest request line that can be asked for, and what zero means for the number of fields.
const MAX_REQUEST_LINE: usize = 8190;
const MAX_FIELDS: usize = 32768;
/// "Unlimited" still ends somewhere.
const UNLIMITED_REQUEST_LINE: usize = 1 << 20;
/// Spans count in 32 bits, so a head ends well before that.
const MAX_HEAD: usize = 1 << 30;

impl Options {
    /// Clamp the limits as Gunicorn does and prepare the look-ups.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let fields = match settings.limit_request_fields {
            0 => MAX_FIELDS,
            n => n.min(MAX_FIELDS),
        };
        let field_size = match settings.limit_request_field_size {
            0 => 8190,
            // The empty line that ends a head has to fit.
            n => n.clamp(2, MAX_HEAD),
        };
        // Received names are upper-cased before they are looked up, so one written with a
        // lower-case letter matches nothing.
        let can_match = |name: &str| !name.bytes().any(|b| b.is_ascii_lowercase());
        let scheme_headers: Vec<SchemeHeader> = settings
            .secure_scheme_headers
            .iter()
            .filter(|(name, _)| can_match(name))
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .collect();
        Self {
            request_line: match settings.limit_request_line {
                0 => UNLIMITED_REQUEST_LINE,
                n => n.min(MAX_REQUEST_LINE),
            },
            fields,
            field_size,
            head_size: fields
                .saturating_mul(field_size.saturating_add(2))
                .saturating_add(4)
                .min(MAX_HEAD),
            obsolete_folding: settings.permit_obsolete_folding,
            strip_header_spaces: settings.strip_header_spaces,
            any_method: settings.permit_unconventional_http_method,
            any_version: settings.permit_unconventional_http_version,
            casefold_method: settings.casefold_http_method,
            ignores_expectations: false,
            header_map: settings.header_map,
            any_forwarder_header: settings.forwarder_headers.iter().any(|name| name == "*"),
            forwarder_headers: settings
                .forwarder_headers
                .iter()
                .filter(|name| can_match(name))
                .map(|name| name.as_bytes().into())
                .collect(),
            scheme_lengths: scheme_headers
                .iter()
                .fold(0, |bits, (name, _)| bits | length_bit(name.len())),
            scheme_headers,
        }
    }

    /// Passes on expectations other than `100-continue` instead of refusing them, as Gunicorn's ASGI worker
    /// does (RFC 9110 §10.1.1 allows both).
    #[must_use]
    pub fn ignoring_expectations(mut self) -> Self {
        self.ignores_expectations = true;
        self
    }

    /// May a trusted peer send this name in spite of its underscore?
    pub(crate) fn is_forwarder_header(&self, name: &[u8]) -> bool {
        self.any_forwarder_header
            || self
                .forwarder_headers
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The value that means https, if `name` is a scheme header.
    #[inline]
    pub(crate) fn secure_value(&self, name: &[u8]) -> Option<&[u8]> {
        if self.scheme_lengths & length_bit(name.len()) == 0 {
            return None;
        }
        self.scheme_headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

/// Names of 63 bytes and more share the last bit.
fn length_bit(length: usize) -> u64 {
    1u64.checked_shl(u32::try_from(length).unwrap_or(63).min(63))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut Settings)) -> Options {
        let mut settings = Settings::default();
        change(&mut settings);
        Options::new(&settings)
    }

    #[test]
    fn zero_limits_mean_what_they_mean_in_gunicorn() {
        let zero = options(|s| {
            s.limit_request_line = 0;
            s.limit_request_fields = 0;
            s.limit_request_field_size = 0;
        });
        assert_eq!(zero.request_line, 1 << 20);
        assert_eq!(zero.fields, 32768);
        assert_eq!(zero.field_size, 8190);
    }

    #[test]
    fn large_limits_are_clamped() {
        let large = options(|s| {
            s.limit_request_line = 20_000;
            s.limit_request_fields = usize::MAX;
            s.limit_request_field_size = usize::MAX;
        });
        assert_eq!(large.request_line, 8190);
        assert_eq!(large.fields, 32768);
        assert_eq!(large.head_size, 1 << 30);
    }

    #[test]
    fn scheme_headers_match_any_case_of_the_received_name() {
        let options = Options::default();
        assert_eq!(
            options.secure_value(b"x-Forwarded-PROTO"),
            Some(&b"https"[..])
        );
        assert_eq!(options.secure_value(b"x-forwarded-prot0"), None);
    }

    #[test]
    fn lower_case_settings_never_match() {
        let options = options(|s| {
            s.secure_scheme_headers = vec![("X-Proto".into(), "https".into())];
            s.forwarder_headers = vec!["remote_user".into()];
        });
        assert_eq!(options.secure_value(b"X-Proto"), None);
        assert!(!options.is_forwarder_header(b"remote_user"));
    }
}
