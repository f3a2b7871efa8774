//! What a command may print, and what it may not.

use http::HeaderValue;

use super::*;

const NOW: u64 = 1_795_529_100;

fn authorization(printed: &str) -> Result<(String, Option<u64>), OutputError> {
    let supply = token(printed.as_bytes(), NOW)?;
    assert!(supply.headers[AUTHORIZATION].is_sensitive());
    Ok((supply.headers[AUTHORIZATION].to_str().unwrap().to_owned(), supply.life.map(|(_, ends)| ends)))
}

#[test]
fn a_token_is_bare_or_in_json_and_may_say_how_long_it_lasts() {
    let table = [
        ("bare", "abc.DEF-1~+/=\n", None),
        ("json", r#"{"access_token":"abc.DEF-1~+/="}"#, None),
        (
            "a lifetime",
            r#" {"access_token":"abc.DEF-1~+/=","token_type":"bearer","expires_in":3600,"x":[1]}"#,
            Some(NOW + 3600),
        ),
        ("a lifetime as text", r#"{"access_token":"abc.DEF-1~+/=","expires_in":"3600"}"#, Some(NOW + 3600)),
        (
            "other spellings",
            r#"{"accessToken":"abc.DEF-1~+/=","tokenType":"Bearer","expires_on":1795532700}"#,
            Some(NOW + 3600),
        ),
        ("milliseconds", r#"{"token":"abc.DEF-1~+/=","expiresAt":1795532700000}"#, Some(NOW + 3600)),
        ("a date", r#"{"access_token":"abc.DEF-1~+/=","expires_at":"2026-11-24T15:05:00Z"}"#, Some(NOW + 3600)),
    ];
    for (name, printed, ends) in table {
        assert_eq!(authorization(printed), Ok(("Bearer abc.DEF-1~+/=".to_owned(), ends)), "{name}");
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    let table = [
        (&b""[..], OutputError::Nothing),
        (b" \n", OutputError::Nothing),
        (b"hunter2\xff", OutputError::NotText),
        (b"hunter2 hunter3", OutputError::NotAToken),
        (b"hunter2\nhunter3", OutputError::NotAToken),
        ("hunter2é".as_bytes(), OutputError::NotAToken),
        (b"Authorization: Bearer hunter2", OutputError::NotAToken),
        (br#"{"access_token":""}"#, OutputError::NotAToken),
        (br#"{"password":"hunter2"}"#, OutputError::NoToken),
        (br#"{"access_token":"hunter2","token_type":"DPoP"}"#, OutputError::OtherType),
        (br#"{"access_token":"hunter2","expires_at":"hunter3"}"#, OutputError::NotATime),
    ];
    for (printed, expected) in table {
        assert_eq!(token(printed, NOW).unwrap_err(), expected);
    }
    for printed in
        [r#"{"access_token":"hunter2""#, r#"{"access_token":["hunter2"]}"#, r#"{"access_token":"a"} hunter2"#]
    {
        let error = token(printed.as_bytes(), NOW).unwrap_err();
        assert!(matches!(error, OutputError::NotJson { .. }), "{printed}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn headers_are_lines_or_json_and_all_are_sensitive() {
    let table = [
        ("lines", "X-A: 1\r\n\nx-b:  two: 2 \n", None),
        ("json", r#"{"headers":{"X-A":"1","x-b":"two: 2"},"expires_in":60}"#, Some(NOW + 60)),
        ("an object of headers", r#"{"X-A":"1","x-b":"two: 2"}"#, None),
    ];
    for (name, printed, ends) in table {
        let supply = headers(printed.as_bytes(), NOW).unwrap();
        assert_eq!(
            (&supply.headers["x-a"], &supply.headers["x-b"]),
            (&"1".parse().unwrap(), &"two: 2".parse().unwrap()),
            "{name}"
        );
        assert_eq!((supply.headers.len(), supply.life.map(|(_, ends)| ends)), (2, ends), "{name}");
        assert!(supply.headers.values().all(HeaderValue::is_sensitive));
    }
}

#[test]
fn what_is_no_header_is_refused_by_its_place_and_not_repeated() {
    for printed in [
        "X-A: 1\nhunter2",
        "X-A: 1\nhunter2 x: 1",
        "X-A: 1\nMcp-Session-Id: hunter2",
        r#"{"headers":{"A":"1","B":"hunter2\nx"}}"#,
        r#"{"headers":{"A":"1","host":"hunter2"}}"#,
    ] {
        let error = headers(printed.as_bytes(), NOW).unwrap_err();
        assert!(matches!(error, OutputError::NotAHeader { place: 2, .. }), "{printed}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(headers(b"{}", NOW).unwrap_err(), OutputError::Nothing);
    for printed in [r#"{"headers":["hunter2"]}"#, r#"{"headers":{"A":{"hunter2":1}}}"#, r#"{"a":1}"#] {
        assert!(matches!(headers(printed.as_bytes(), NOW), Err(OutputError::NotJson { .. })), "{printed}");
    }
}

#[test]
fn a_credential_is_due_a_tenth_of_its_life_before_its_end_and_without_an_end_never() {
    let supply = |life| Supply { headers: HeaderMap::new(), life };
    let table = [
        (None, u64::MAX, false, false),
        (Some((100, 200)), 189, false, false),
        (Some((100, 200)), 190, true, false),
        (Some((100, 200)), 200, true, true),
        (Some((100, 10_100)), 10_039, false, false),
        (Some((100, 10_100)), 10_040, true, false),
        (Some((100, 100)), 100, true, true),
        // The clock was set back.
        (Some((100, 200)), 50, false, false),
    ];
    for (life, now, is_due, has_ended) in table {
        assert_eq!((supply(life).is_due(now), supply(life).has_ended(now)), (is_due, has_ended), "{life:?} {now}");
    }
}

#[test]
fn rfc3339_5_6_a_moment_is_read_with_its_zone() {
    let table = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-11-24T14:05:00Z", Some(NOW)),
        ("2026-11-24 15:05:00.123456+01:00", Some(NOW)),
        ("2026-11-24t09:35:00-04:30", Some(NOW)),
        ("2000-02-29T00:00:00z", Some(951_782_400)),
        ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
        ("1969-12-31T23:59:59Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-24T14:05:00", None),
        ("2026-11-24", None),
        ("2026-11-24T14:05:00é+", None),
    ];
    for (text, expected) in table {
        assert_eq!(rfc3339(text), expected, "{text}");
    }
}
