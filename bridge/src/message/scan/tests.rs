//! That the scan takes what is JSON and nothing else, beside a parser that is known to be right.

use serde_json::value::RawValue;

use super::*;

fn found(text: &str) -> Result<Vec<(&str, &str)>, NotJson> {
    let mut found = Vec::new();
    members(text, |key, value| found.push((key, value))).map(|_| found)
}

/// What another parser says.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

const TEXTS: [&str; 14] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"a\u00e4\n\"\\/"}}}"#,
    r#" { "a" : [ 1 , -2.5e+10 , 0.1E-3 , true , false , null , [ ] , { } , [ [ ] ] ] , "b" : { "c" : { "d" : [ { } ] } } } "#,
    "{\r\n\t\"pretty\": [\n\t\t1,\n\t\t\"two\"\n\t]\n}\n",
    r#"{"":"","\u0061":"\ud83d\ude00","a long string without an end for a while":"0123456789abcdef0123456789abcdef\\"}"#,
    "[]",
    "{}",
    "0",
    "-0",
    "12345678901234567890.5e1",
    "\"text\"",
    "null",
    "[[[[[[1]]]]]]",
    r#"{"a":{"b":{"c":[{"d":[[{"e":"f"}]]}]}}}"#,
    r#"{"a":"ä€😀","b":["x","y"]}"#,
];

#[test]
fn members_are_handed_out_to_the_letter() {
    assert_eq!(
        found(r#" {"a" : 1.0 ,"b\u0062": [1, {"a":2}] } "#).unwrap(),
        [("a", "1.0"), (r"b\u0062", r#"[1, {"a":2}]"#)]
    );
    assert_eq!(found("{}").unwrap(), []);
    assert_eq!(members("[1]", |_, _| {}), Ok(Shape::Other));
    assert_eq!(members("{}", |_, _| {}), Ok(Shape::Object));
}

#[test]
fn what_json_has_is_taken() {
    for text in TEXTS {
        assert!(found(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_cut_anywhere_is_judged_as_another_parser_does() {
    for text in TEXTS {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert_eq!(found(&text[..end]).is_ok(), is_json(&text[..end]), "{}", &text[..end]);
        }
    }
}

#[test]
fn what_has_one_wrong_byte_anywhere_is_judged_as_another_parser_does() {
    let bytes = b"\"\\{}[]:,.-+0e1tfnu /\t\n\r\0\x1f\x7fX";
    for text in TEXTS {
        for at in 0..text.len() {
            for byte in bytes {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = *byte;
                let Ok(changed) = str::from_utf8(&changed) else { continue };
                assert_eq!(found(changed).is_ok(), is_json(changed), "{changed:?}");
            }
        }
    }
}

#[test]
fn what_has_one_byte_more_or_less_anywhere_is_judged_as_another_parser_does() {
    for text in TEXTS {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for more in ["\"", "\\", "{", "}", "[", "]", ",", ":", "0", " ", "\n", "-", "\u{1}"] {
                let longer = [&text[..at], more, &text[at..]].concat();
                assert_eq!(found(&longer).is_ok(), is_json(&longer), "{longer:?}");
            }
            let shorter = text[at..].chars().next().map(|c| [&text[..at], &text[at + c.len_utf8()..]].concat());
            if let Some(shorter) = shorter {
                assert_eq!(found(&shorter).is_ok(), is_json(&shorter), "{shorter:?}");
            }
        }
    }
}

#[test]
fn a_depth_without_end_costs_a_bit_a_level_and_each_level_keeps_its_kind() {
    let depth = 1000;
    let open: String = (0..depth).map(|level| if level % 3 == 0 { "{\"a\":" } else { "[" }).collect();
    let close: String = (0..depth).rev().map(|level| if level % 3 == 0 { "}" } else { "]" }).collect();
    assert!(found(&format!("{open}1{close}")).is_ok());
    let wrong = close.replacen(']', "}", 1);
    assert!(found(&format!("{open}1{wrong}")).is_err());
    let endless = "[".repeat(1_000_000);
    assert_eq!(found(&endless), Err(NotJson(1_000_000)));
}

#[test]
fn the_first_quote_or_backslash_is_found_wherever_it_is() {
    for length in 0..40 {
        for at in 0..length {
            for (mark, other) in [(b'"', b'\\'), (b'\\', b'"')] {
                for filler in [b'x', b'!', b'#', b'[', b']', 0x7f, 0xa2, 0xdc, 0xff, 0x21, 0x23] {
                    let mut bytes = vec![filler; length];
                    bytes[at] = mark;
                    bytes[at + 1..].iter_mut().for_each(|byte| *byte = other);
                    assert_eq!(quote_or_escape(&bytes), Some(at), "{mark} at {at} of {length}");
                }
            }
        }
        assert_eq!(quote_or_escape(&vec![b'x'; length]), None);
    }
}
