use super::*;
use crate::settings;

fn accept(name: &str, value: Value) -> Result<Value, ConfigError> {
    let setting = settings::find(name).expect("a setting of the table");
    let environment = Environment {
        directory: "/tmp".into(),
        ..Environment::default()
    };
    setting.accept(value, &Origin::CommandLine, &environment)
}

fn given(text: &str) -> Value {
    Value::Str(text.into())
}

#[test]
fn numbers_are_read_as_in_python_source() {
    for (value, number) in [
        (given("0x10"), 16),
        (given(" 3 "), 3),
        (Value::Bool(true), 1),
        (Value::Int(7), 7),
    ] {
        assert_eq!(accept("workers", value), Ok(Value::Int(number)));
    }
    for value in [
        Value::Int(-1),
        given("abc"),
        Value::None,
        Value::Opaque("1.5".into()),
    ] {
        assert!(accept("workers", value).is_err());
    }
}

#[test]
fn numbers_have_the_bounds_of_their_setting() {
    assert!(accept("http2_max_concurrent_streams", Value::Int(0)).is_err());
    assert!(accept("http2_initial_window_size", Value::Int(2_147_483_648)).is_err());
    assert!(accept("http2_max_frame_size", Value::Int(16_383)).is_err());
    assert_eq!(
        accept("http2_max_frame_size", Value::Int(16_777_215)),
        Ok(Value::Int(16_777_215))
    );
}

#[test]
fn a_bool_is_not_guessed_from_numbers_or_yes() {
    assert_eq!(accept("daemon", given("TRUE")), Ok(Value::Bool(true)));
    assert_eq!(accept("daemon", Value::None), Ok(Value::None));
    for value in [Value::Int(1), given("yes"), given("1")] {
        assert!(accept("daemon", value).is_err());
    }
}

#[test]
fn one_text_is_a_list_of_one() {
    assert_eq!(accept("bind", given(" :80 ")), Ok(Value::strings([":80"])));
    assert_eq!(accept("bind", given("")), Ok(Value::List(vec![])));
    assert!(accept("bind", Value::List(vec![Value::Int(80)])).is_err());
    assert!(accept("bind", Value::Int(80)).is_err());
}

#[test]
fn metrics_go_to_a_host_with_a_port_number_or_to_a_socket() {
    for good in [
        "localhost:8125",
        "stats",
        "[::1]",
        "[::1]:81",
        "unix:///run/s",
        "unix:81",
    ] {
        assert_eq!(accept("statsd_host", given(good)), Ok(given(good)));
    }
    for bad in ["stats:b", "stats:", "stats:70000", "[::1]:x"] {
        let error = accept("statsd_host", given(bad)).unwrap_err();
        assert!(error.to_string().contains("no port number"), "{error}");
    }
    assert_eq!(accept("statsd_host", Value::None), Ok(Value::None));
}

#[test]
fn networks_are_strict() {
    let good = "10.0.0.0/8, *,::1,fe80::/10,0.0.0.0/0,::/0,192.168.0.0/255.255.0.0";
    assert!(accept("forwarded_allow_ips", given(good)).is_ok());
    assert_eq!(
        accept("forwarded_allow_ips", given("")),
        Ok(Value::List(vec![]))
    );
    for bad in [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "localhost",
        "::1/64",
        "10.0.0.0/255.0.255.0",
    ] {
        assert!(accept("forwarded_allow_ips", given(bad)).is_err(), "{bad}");
    }
    assert!(accept("forwarded_allow_ips", Value::strings(["127.0.0.1"])).is_err());
}

#[test]
fn the_proxy_protocol_has_many_spellings() {
    for (value, mode) in [
        (Value::None, "off"),
        (Value::Bool(true), "auto"),
        (given("0"), "off"),
        (given("True"), "auto"),
        (given("V2"), "v2"),
    ] {
        assert_eq!(accept("proxy_protocol", value), Ok(given(mode)));
    }
    assert!(accept("proxy_protocol", given("apps:app")).is_err());
}

#[test]
fn choices_ignore_case_unless_they_are_exact() {
    assert_eq!(accept("header_map", given("REFUSE")), Ok(given("refuse")));
    assert_eq!(accept("http_parser", Value::None), Ok(given("auto")));
    assert!(accept("reload_engine", given("Poll")).is_err());
    assert!(accept("header_map", given("keep")).is_err());
}

#[test]
fn protocols_are_known_and_distinct() {
    assert_eq!(
        accept("http_protocols", given("H2, h1")),
        Ok(Value::strings(["h2", "h1"]))
    );
    assert_eq!(
        accept("http_protocols", Value::None),
        Ok(Value::strings(["h1"]))
    );
    assert!(accept("http_protocols", given("h1,h1")).is_err());
    assert!(accept("http_protocols", given("h3")).is_err());
}

#[test]
fn a_directory_is_made_absolute_and_must_exist() {
    assert_eq!(accept("chdir", given("./../tmp/.")), Ok(given("/tmp")));
    assert!(accept("chdir", given("/nonexistent/directory")).is_err());
}

#[test]
fn an_error_names_setting_value_place_and_remedy() {
    let error = accept("workers", given("abc")).expect_err("not a number");
    assert_eq!(
        error.to_string(),
        "workers cannot be 'abc' (command line): expected a whole number, not negative, or auto"
    );
}
