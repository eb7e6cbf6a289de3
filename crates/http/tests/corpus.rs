//! Every message of `corpus/` means what is written below it, whole and cut anywhere.
//!
//! The format: `## name`, an optional `@ setting setting=value untrusted` line, the bytes as lines
//! beginning with `> ` (escapes as in Rust, `{a*100}` for a hundred of them, nothing added at the
//! end), and what they mean as lines beginning with `= `. With `BLESS=1` in the environment the latter are
//! rewritten; read the difference before you commit it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "each test uses its part")]
mod support;

use std::fs;
use std::path::Path;

use oxicorn_http::proxy::Mode;
use oxicorn_http::{HeaderMap, Options, Settings};
use support::{Peer, read};

struct Case {
    name: String,
    settings: String,
    input: Vec<u8>,
    source: Vec<String>,
    meaning: String,
}

#[test]
fn corpus_is_understood_whole_and_cut_anywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut cases = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (intro, mut found) = parse(&text);
        for case in &mut found {
            let meaning = check(case);
            if std::env::var_os("BLESS").is_some() {
                case.meaning = meaning;
            } else {
                assert_eq!(meaning, case.meaning, "{} in {}", case.name, file.display());
            }
        }
        cases += found.len();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, render(&intro, &found)).unwrap();
        }
    }
    assert!(cases > 100, "only {cases} messages were found");
}

/// What the message means; the same for every cut.
fn check(case: &Case) -> String {
    let peer = peer(&case.settings);
    let len = case.input.len();
    let whole = read(&peer, &case.input, []);
    if len < 2000 {
        for cut in 0..=len {
            assert_eq!(
                read(&peer, &case.input, [cut]),
                whole,
                "{} cut at {cut}",
                case.name
            );
        }
    }
    assert_eq!(
        read(&peer, &case.input, 0..len),
        whole,
        "{} byte by byte",
        case.name
    );
    whole
}

fn peer(line: &str) -> Peer {
    let mut settings = Settings::default();
    let mut peer = Peer {
        trusted: true,
        ..Peer::default()
    };
    for word in line.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "untrusted" => peer.trusted = false,
            "permit_obsolete_folding" => settings.permit_obsolete_folding = true,
            "strip_header_spaces" => settings.strip_header_spaces = true,
            "permit_unconventional_http_method" => {
                settings.permit_unconventional_http_method = true
            }
            "permit_unconventional_http_version" => {
                settings.permit_unconventional_http_version = true
            }
            "casefold_http_method" => settings.casefold_http_method = true,
            "limit_request_line" => settings.limit_request_line = value.parse().unwrap(),
            "limit_request_fields" => settings.limit_request_fields = value.parse().unwrap(),
            "limit_request_field_size" => {
                settings.limit_request_field_size = value.parse().unwrap()
            }
            "header_map" if value == "refuse" => settings.header_map = HeaderMap::Refuse,
            "header_map" if value == "dangerous" => settings.header_map = HeaderMap::Dangerous,
            "forwarder_headers" => {
                settings.forwarder_headers = value.split(',').map(str::to_owned).collect()
            }
            "proxy_protocol" => {
                peer.proxy = match value {
                    "v1" => Mode::V1,
                    "v2" => Mode::V2,
                    _ => Mode::Auto,
                }
            }
            _ => panic!("unknown setting {word}"),
        }
    }
    peer.options = Options::new(&settings);
    peer
}

fn parse(text: &str) -> (String, Vec<Case>) {
    let (mut intro, mut cases) = (String::new(), Vec::<Case>::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push(Case {
                name: name.to_owned(),
                settings: String::new(),
                input: Vec::new(),
                source: Vec::new(),
                meaning: String::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            intro += &format!("{line}\n");
            continue;
        };
        match line.split_at_checked(2) {
            Some(("@ ", settings)) => case.settings = settings.to_owned(),
            Some(("> ", bytes)) => {
                unescape(bytes, &mut case.input);
                case.source.push(bytes.to_owned());
            }
            Some(("= ", meaning)) => case.meaning += &format!("{meaning}\n"),
            _ => assert!(line.is_empty(), "{}: {line}", case.name),
        }
    }
    (intro, cases)
}

fn render(intro: &str, cases: &[Case]) -> String {
    let mut out = intro.trim_end().to_owned() + "\n";
    for case in cases {
        out += &format!("\n## {}\n", case.name);
        if !case.settings.is_empty() {
            out += &format!("@ {}\n", case.settings);
        }
        for line in &case.source {
            out += &format!("> {line}\n");
        }
        for line in case.meaning.lines() {
            out += &format!("= {line}\n");
        }
    }
    out
}

fn unescape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [b'r', tail @ ..]) => push(out, b'\r', tail),
            (b'\\', [b'n', tail @ ..]) => push(out, b'\n', tail),
            (b'\\', [b't', tail @ ..]) => push(out, b'\t', tail),
            (b'\\', [b'0', tail @ ..]) => push(out, 0, tail),
            (b'\\', [b'x', tail @ ..]) => {
                let (digits, tail) = tail.split_at(2);
                let byte = u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
                push(out, byte, tail)
            }
            (b'\\', [escaped, tail @ ..]) => push(out, *escaped, tail),
            (b'{', [repeated, b'*', tail @ ..]) => {
                let end = tail.iter().position(|&b| b == b'}').unwrap();
                let count = str::from_utf8(&tail[..end]).unwrap().parse().unwrap();
                out.extend(std::iter::repeat_n(*repeated, count));
                &tail[end + 1..]
            }
            (byte, tail) => push(out, *byte, tail),
        };
    }
}

fn push<'a>(out: &mut Vec<u8>, byte: u8, rest: &'a [u8]) -> &'a [u8] {
    out.push(byte);
    rest
}
