use oxicorn_http::{Head, HeadParser, Options, Settings};
use oxicorn_sys::stream::PeerAddress;

use super::*;

const DEFAULT: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

fn rendered(format: &str, request: &[u8]) -> String {
    let mut head = Head::default();
    let options = Options::new(&Settings::default());
    let length = HeadParser::new()
        .parse(request, &options, false, &mut head)
        .unwrap()
        .unwrap();
    line(format, Message::Whole(&head, &request[..length]))
}

fn line(format: &str, message: Message<'_>) -> String {
    let peer = Peer::new(PeerAddress::Ip("127.0.0.1:4711".parse().unwrap()), false);
    let record = Record {
        peer: &peer,
        message,
        status: 200,
        body_sent: 5,
        response_fields: b"Content-Type: text/plain\r\nX-A: 1\r\nx-a: 2\r\n",
        application: 90_000_001_234,
        queue: None,
        error: None,
        environ: &(),
    };
    let mut stamp = Stamp::new();
    stamp.refresh(Moment::from_micros(1), |text| {
        text.extend_from_slice(b"[now]")
    });
    let mut line = Vec::new();
    let format = Format::parse(format).unwrap();
    format.render(
        &record,
        &stamp,
        Moment::from_micros(1),
        &mut line,
        &mut Vec::new(),
    );
    String::from_utf8(line).unwrap()
}

#[test]
fn the_default_line() {
    let request =
        b"GET /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: cu\"rl\r\nReferer: http://r/\r\n\
        Authorization: Basic dXNlcjpwdw==\r\n\r\n";
    let expected = r#"127.0.0.1 - user [now] "GET /a%20b?q=1 HTTP/1.1" 200 5 "http://r/" "cu\"rl""#;
    assert_eq!(rendered(DEFAULT, request), format!("{expected}\n"));
}

#[test]
fn single_atoms() {
    let request =
        b"GET /a%0Ab?q=1 HTTP/1.0\r\nX-Foo: 1\r\nx-foo: 2\r\nReferer: a\r\nReferer: b\r\n\r\n";
    for (format, expected) in [
        ("%(m)s %(U)s %(q)s %(H)s", r"GET /a\x0ab q=1 HTTP/1.0"),
        ("%({X-FOO}i)s %({nope}i)s %(f)s", "2 - a,b"),
        ("%({x-A}o)s %({date}o)s %({any}e)s", "2 - -"),
        (
            "%(T)s %(M)d %(D)s %(L)s",
            "3600 3600001 3600001234 3600.001234",
        ),
    ] {
        assert_eq!(
            rendered(format, request),
            format!("{expected}\n"),
            "{format}"
        );
    }
    assert_eq!(
        rendered("%(p)s", request),
        format!("<{}>\n", std::process::id())
    );
}

#[test]
fn torn_messages_have_lines_too() {
    let format = "%(r)s|%(m)s|%(U)s|%(H)s|%(a)s|%(u)s";
    let torn = |bytes| line(format, Message::torn(bytes));
    assert_eq!(torn(b"bad\r\n\r\n"), "bad|bad||-|-|-\n");
    assert_eq!(
        torn(b"POST /%63l HTTP/1.1\r\nA: b"),
        "POST /%63l HTTP/1.1|POST|/cl|HTTP/1.1|-|-\n"
    );
    assert_eq!(
        torn(b"\x16\x03\x01"),
        r"\x16\x03\x01|\x16\x03\x01||-|-|-".to_owned() + "\n"
    );
}

#[test]
fn json_is_ascii_and_whole() {
    let request = b"GET /%C3%A9%22%00%FF?a=\"b\" HTTP/1.1\r\nHost: x\r\nUser-Agent: a\xf0\x9f\x98\x80\\b\x85\r\n\
        X-Request-ID: 7\r\n\r\n";
    let line = rendered("json", request);
    assert!(
        line.bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
        "{line}"
    );
    for part in [
        r#"{"timestamp":"[now]."#,
        r#""url.path":"/\u00e9\"\u0000\ufffd","url.query":"a=\"b\"","network.protocol.version":"1.1""#,
        r#""user_agent.original":"a\ud83d\ude00\\b\ufffd","request_id":"7""#,
        r#""http.response.status_code":200,"http.response.body.size":5,"application_ms":90000001.234"#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
