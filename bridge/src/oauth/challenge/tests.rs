//! Headers as servers send them, one row each: what is read, written back in one plain form.

use super::{Challenge, bearer, parse};

/// `scheme(name=value;…)` or `scheme[token68]`, joined by ` | `.
fn read(fields: &[&str]) -> String {
    let show = |challenge: &Challenge| {
        let token68 = challenge.token68.as_ref().map(|value| format!("[{value}]")).unwrap_or_default();
        let pairs: Vec<String> = challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let pairs = if pairs.is_empty() { String::new() } else { format!("({})", pairs.join(";")) };
        format!("{}{token68}{pairs}", challenge.scheme)
    };
    parse(fields).iter().map(show).collect::<Vec<_>>().join(" | ")
}

type Row = (&'static str, &'static [&'static str], &'static str);

const WELL_FORMED: &[Row] = &[
    ("a scheme alone", &["Bearer"], "bearer"),
    ("a scheme alone with blanks", &["  Bearer  "], "bearer"),
    ("lower case", &["bearer"], "bearer"),
    ("upper case", &["BEARER REALM=\"X\""], "bearer(realm=X)"),
    ("one parameter", &["Bearer realm=\"x\""], "bearer(realm=x)"),
    ("a token as value", &["Bearer realm=x"], "bearer(realm=x)"),
    ("two parameters", &["Bearer realm=\"x\", error=\"invalid_token\""], "bearer(realm=x;error=invalid_token)"),
    ("no blank after the comma", &["Bearer realm=\"x\",error=\"e\""], "bearer(realm=x;error=e)"),
    ("blanks around =", &["Bearer realm = \"x\" , error\t=\te"], "bearer(realm=x;error=e)"),
    ("an empty value", &["Bearer realm=\"\", error=\"e\""], "bearer(realm=;error=e)"),
    ("an escaped quote", &[r#"Bearer realm="a\"b""#], "bearer(realm=a\"b)"),
    ("an escaped backslash", &[r#"Bearer realm="a\\", error=e"#], r"bearer(realm=a\;error=e)"),
    ("an escaped letter", &[r#"Bearer realm="\a\b""#], "bearer(realm=ab)"),
    ("a comma in quotes", &["Bearer realm=\"a, Basic realm=b\""], "bearer(realm=a, Basic realm=b)"),
    ("an equals sign in quotes", &["Bearer realm=\"a=b\""], "bearer(realm=a=b)"),
    ("token68", &["Negotiate YII="], "negotiate[YII=]"),
    ("token68 with two signs", &["Negotiate YII=="], "negotiate[YII==]"),
    ("token68 without signs", &["NTLM TlRM"], "ntlm[TlRM]"),
    ("token68 with every character", &["X a-._~+/9="], "x[a-._~+/9=]"),
    ("token68, then another scheme", &["NTLM TlRM=, Bearer realm=\"x\""], "ntlm[TlRM=] | bearer(realm=x)"),
    ("two bare schemes", &["Negotiate, NTLM"], "negotiate | ntlm"),
    ("a bare scheme first", &["Negotiate, Bearer realm=\"x\""], "negotiate | bearer(realm=x)"),
    ("a bare scheme last", &["Bearer realm=\"x\", Negotiate"], "bearer(realm=x) | negotiate"),
    (
        "two with parameters",
        &["Basic realm=\"a\", Bearer realm=\"b\", error=\"e\""],
        "basic(realm=a) | bearer(realm=b;error=e)",
    ),
    ("two fields", &["Basic realm=\"a\"", "Bearer realm=\"b\""], "basic(realm=a) | bearer(realm=b)"),
    (
        "two fields, one of them two",
        &["Basic realm=a, NTLM", "Bearer realm=b"],
        "basic(realm=a) | ntlm | bearer(realm=b)",
    ),
    (
        "Digest with a list in quotes",
        &["Digest qop=\"auth, auth-int\", nonce=\"n==\""],
        "digest(qop=auth, auth-int;nonce=n==)",
    ),
    (
        "RFC 9110's example",
        &["Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\""],
        "basic(realm=simple) | newauth(realm=apps;type=1;title=Login to \"apps\")",
    ),
    (
        "DPoP beside Bearer",
        &["DPoP algs=\"ES256 PS256\", Bearer error=\"e\""],
        "dpop(algs=ES256 PS256) | bearer(error=e)",
    ),
    ("parameter names in any case", &["Bearer Resource_Metadata=\"u\""], "bearer(resource_metadata=u)"),
    ("scheme and parameter of one name", &["Bearer bearer=\"x\""], "bearer(bearer=x)"),
    ("a tab after the scheme", &["Bearer\trealm=\"x\""], "bearer(realm=x)"),
    ("folded lines", &["Bearer realm=\"x\",\r\n  error=\"e\""], "bearer(realm=x;error=e)"),
    ("letters beyond ASCII", &["Bearer realm=\"zürich\""], "bearer(realm=zürich)"),
];

const ODD: &[Row] = &[
    ("no field", &[], ""),
    ("an empty field", &[""], ""),
    ("blanks only", &[" \t "], ""),
    ("commas only", &[", ,,"], ""),
    ("commas in front", &[",, Bearer realm=\"x\""], "bearer(realm=x)"),
    ("commas inside", &["Bearer realm=\"x\",, ,error=e,"], "bearer(realm=x;error=e)"),
    ("a comma after the scheme", &["Bearer, realm=\"x\""], "bearer(realm=x)"),
    (
        "a scope without quotes",
        &["Bearer error=\"invalid_token\",scope=read:x"],
        "bearer(error=invalid_token;scope=read:x)",
    ),
    (
        "a URL without quotes",
        &["Bearer resource_metadata=https://a.example/x?y=1, error=e"],
        "bearer(resource_metadata=https://a.example/x?y=1;error=e)",
    ),
    ("no comma between parameters", &["Bearer realm=\"x\" error=\"e\""], "bearer(realm=x;error=e)"),
    ("a colon after the scheme", &["Bearer: realm=\"x\""], "bearer(realm=x)"),
    ("a semicolon between parameters", &["Bearer realm=\"x\"; error=\"e\""], "bearer(realm=x;error=e)"),
    ("a parameter without a scheme", &["realm=\"x\""], ""),
    ("a parameter of no scheme, then one", &["realm=\"x\", Bearer error=e"], "bearer(error=e)"),
    ("a parameter never joins the field before", &["Bearer realm=x", "error=e"], "bearer(realm=x)"),
    ("a string without an end", &["Bearer error=e, realm=\"x"], "bearer(error=e)"),
    ("a string that ends in a backslash", &["Bearer error=e, realm=\"x\\"], "bearer(error=e)"),
    ("a stray quote", &["\" Bearer realm=x"], ""),
    ("a stray quoted string", &["\"a, b\", Bearer realm=x"], "bearer(realm=x)"),
    ("a stray word", &["Bearer foo bar realm=x"], "bearer(realm=x)"),
    ("garbage in front", &["@@@, Bearer realm=x"], "bearer(realm=x)"),
    ("a page", &["<html>, Bearer realm=x"], "html | bearer(realm=x)"),
    ("garbage between", &["Basic realm=a, (), Bearer realm=b"], "basic(realm=a) | bearer(realm=b)"),
    ("equals signs only", &["Bearer ===, Basic realm=a"], "basic(realm=a)"),
    ("a parameter without its value", &["Bearer error=e, realm=, scope=s"], "bearer(error=e;realm=;scope=s)"),
    ("a parameter twice", &["Bearer realm=a, REALM=b"], "bearer(realm=a)"),
    ("token68, then parameters", &["Bearer abc=, error=e"], "bearer[abc=](error=e)"),
    ("NUL", &["Bearer realm=\"a\0b\", error=e"], "bearer(realm=a\0b;error=e)"),
    ("text behind a string", &["Bearer realm=\"x\"y, error=e"], "bearer(realm=x;error=e)"),
];

mod rfc9110_11_6_1 {
    use super::*;

    #[test]
    fn well_formed_headers_are_read() {
        for (name, fields, expected) in WELL_FORMED {
            assert_eq!(read(fields), *expected, "{name}");
        }
    }

    #[test]
    fn what_is_broken_costs_only_itself() {
        for (name, fields, expected) in ODD {
            assert_eq!(read(fields), *expected, "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        let challenges = parse([b"Bearer realm=\"\xff\"".as_slice()]);
        assert_eq!(challenges[0].parameter("realm"), Some("\u{fffd}"));
    }

    #[test]
    fn size_and_number_are_bounded() {
        assert_eq!(parse([",A".repeat(10_000)]).len(), 32);
        let many: String = (0..1000).map(|n| format!("p{n}=v,")).collect();
        assert_eq!(parse([format!("Bearer {many}")])[0].parameters.len(), 32);
        assert_eq!(bearer([format!("Bearer x=\"{}\", error=e", "a".repeat(100_000))]).unwrap().error, None);
    }

    #[test]
    fn any_cut_of_a_header_is_read_without_panic() {
        for (_, fields, _) in WELL_FORMED.iter().chain(ODD) {
            for field in *fields {
                for end in 0..field.len() {
                    parse([&field.as_bytes()[..end]]);
                }
            }
        }
    }
}

mod rfc6750_3 {
    use super::*;

    #[test]
    fn the_parameters_of_a_bearer_challenge_are_found() {
        let found = bearer([concat!(
            "Basic realm=\"x\", Bearer error=\"insufficient_scope\", scope=\"files:read files:write\", ",
            "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource\", ",
            "error_description=\"more is needed\""
        )])
        .unwrap();
        assert_eq!(found.error.as_deref(), Some("insufficient_scope"));
        assert_eq!(found.scope.as_deref(), Some("files:read files:write"));
        assert_eq!(
            found.resource_metadata.as_deref(),
            Some("https://mcp.example.com/.well-known/oauth-protected-resource")
        );
        assert_eq!(found.error_description.unwrap().to_string(), "more is needed");
    }

    #[test]
    fn no_bearer_challenge_is_none() {
        assert_eq!(bearer(["Basic realm=x"]), None);
        assert_eq!(bearer::<&str>([]), None);
    }

    #[test]
    fn rfc9449_7_1_a_challenge_of_dpop_is_one_for_tokens_and_demands_bound_ones_where_it_stands_alone() {
        let table: [(&str, &[&str], bool); 4] = [
            ("alone", &["DPoP algs=\"ES256\", resource_metadata=\"https://a.example\""], true),
            ("beside another scheme", &["Basic realm=x", "DPoP resource_metadata=\"https://a.example\""], true),
            ("beside Bearer", &["Bearer, DPoP resource_metadata=\"https://a.example\""], false),
            ("Bearer", &["Bearer resource_metadata=\"https://a.example\""], false),
        ];
        for (name, fields, expected) in table {
            let found = bearer(fields).unwrap();
            assert_eq!(found.resource_metadata.as_deref(), Some("https://a.example"), "{name}");
            assert_eq!(found.wants_dpop, expected, "{name}");
        }
    }

    #[test]
    fn an_empty_parameter_is_as_if_absent() {
        assert_eq!(bearer(["Bearer scope=\"\""]).unwrap().scope, None);
    }

    #[test]
    fn of_two_the_one_with_metadata_is_taken() {
        let found = bearer(["Bearer error=a", "Bearer resource_metadata=\"https://a.example\", error=b"]).unwrap();
        assert_eq!(found.error.as_deref(), Some("b"));
        assert_eq!(bearer(["Bearer realm=a, Bearer error=b"]).unwrap().error.as_deref(), Some("b"));
    }
}
