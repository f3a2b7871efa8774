//! The rules of RFC 9449, one after the other.

use std::collections::HashSet;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::DATE;
use serde_json::{Value, json};

use super::*;
use crate::oauth::challenge;

const NOW: u64 = 1_764_000_000;

fn parts(proof: &HeaderValue) -> (Value, Value) {
    let text = proof.to_str().unwrap();
    let decoded = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let mut parts = text.split('.');
    let both = (decoded(parts.next().unwrap()), decoded(parts.next().unwrap()));
    assert_eq!(URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap().len(), 64);
    assert_eq!(parts.next(), None);
    both
}

fn proof(key: &DpopKey, url: &str, nonce: Option<&Nonce>, access_token: Option<&Secret>) -> HeaderValue {
    let url = Url::parse(url).unwrap();
    key.proof(&Claims { method: &Method::POST, url: &url, issued_at: NOW, nonce, access_token }).unwrap()
}

mod rfc9449_4_2 {
    use super::*;

    #[test]
    fn a_proof_says_type_algorithm_public_key_method_url_time_and_an_id() {
        let key = DpopKey::generate().unwrap();
        let (header, payload) = parts(&proof(&key, "https://as.example.com/token", None, None));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
        let jwk = header["jwk"].as_object().unwrap();
        assert_eq!(jwk.keys().collect::<Vec<_>>(), ["crv", "kty", "x", "y"]);
        assert_eq!((&jwk["crv"], &jwk["kty"]), (&json!("P-256"), &json!("EC")));
        let id = payload["jti"].as_str().unwrap();
        let expected = json!({"jti": id, "htm": "POST", "htu": "https://as.example.com/token", "iat": NOW});
        assert_eq!((id.len(), &payload), (43, &expected));
    }

    #[test]
    fn its_signature_is_of_the_key_in_it() {
        let key = DpopKey::generate().unwrap();
        let proof = proof(&key, "https://as.example.com/token", None, None);
        let (header, _) = parts(&proof);
        let member = |name: &str| URL_SAFE_NO_PAD.decode(header["jwk"][name].as_str().unwrap()).unwrap();
        let point = [vec![4], member("x"), member("y")].concat();
        let (signed, signature) = proof.to_str().unwrap().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
        assert!(public.verify(&signed.as_bytes()[1..], &signature).is_err());
    }

    #[test]
    fn the_url_is_without_query_and_fragment() {
        let key = DpopKey::generate().unwrap();
        let table = [
            ("plain", "https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
            ("a query", "https://mcp.example.com/mcp?tenant=1&x=/y", "https://mcp.example.com/mcp"),
            ("a fragment", "https://mcp.example.com/mcp#x", "https://mcp.example.com/mcp"),
            ("no path", "https://mcp.example.com?x", "https://mcp.example.com/"),
            ("the port of the scheme", "https://mcp.example.com:443/a%20b", "https://mcp.example.com/a%20b"),
            ("another port", "http://127.0.0.1:8080/mcp/", "http://127.0.0.1:8080/mcp/"),
        ];
        for (name, url, expected) in table {
            assert_eq!(parts(&proof(&key, url, None, None)).1["htu"], expected, "{name}");
        }
    }

    #[test]
    fn nonce_and_the_hash_of_the_token_are_in_it_where_there_are_any() {
        let key = DpopKey::generate().unwrap();
        let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let nonce = Nonce::parse("eyJ7S_zG.eyJH0-Z.HX4w-7v").unwrap();
        let (_, payload) = parts(&proof(&key, "https://mcp.example.com/mcp", Some(&nonce), Some(&token)));
        assert_eq!(payload["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(payload["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    }

    #[test]
    fn no_two_proofs_have_one_id() {
        let key = DpopKey::generate().unwrap();
        let ids: HashSet<String> = (0..100)
            .map(|_| parts(&proof(&key, "https://as.example.com/token", None, None)).1["jti"].to_string())
            .collect();
        assert_eq!(ids.len(), 100);
    }
}

mod the_key {
    use super::*;

    #[test]
    fn a_stored_key_is_the_same_key() {
        let key = DpopKey::generate().unwrap();
        let again = DpopKey::from_pkcs8(key.pkcs8()).unwrap();
        assert_eq!(key.thumbprint(), again.thumbprint());
        assert_eq!(key.thumbprint().len(), 43);
        assert_ne!(key.thumbprint(), DpopKey::generate().unwrap().thumbprint());
    }

    #[test]
    fn what_is_no_key_is_damaged() {
        let key = DpopKey::generate().unwrap();
        let cut = &key.pkcs8().expose()[..100];
        for text in ["", "!", "AAAA", cut] {
            assert_eq!(DpopKey::from_pkcs8(&Secret::new(text)).err(), Some(DpopError::KeyDamaged), "{text}");
        }
    }

    #[test]
    fn neither_key_nor_proof_is_shown_by_debug() {
        let key = DpopKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(key.pkcs8().expose()));
        let proof = proof(&key, "https://as.example.com/token", None, None);
        assert_eq!(format!("{proof:?}"), "Sensitive");
    }
}

mod rfc9449_8 {
    use super::*;

    fn given(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(DPOP_NONCE, HeaderValue::from_static(value));
        }
        Nonce::given_by(&headers).map(|nonce| nonce.as_str().to_owned())
    }

    #[test]
    fn one_nonce_of_the_right_characters_is_taken() {
        assert_eq!(given(&["a.b-c~!#["]).as_deref(), Some("a.b-c~!#["));
        let table: [(&str, &[&'static str]); 6] = [
            ("none", &[]),
            ("empty", &[""]),
            ("two", &["a", "b"]),
            ("a blank", &["a b"]),
            ("a quote", &["a\"b"]),
            ("a backslash", &["a\\b"]),
        ];
        for (name, values) in table {
            assert_eq!(given(values), None, "{name}");
        }
        assert!(Nonce::parse(&"n".repeat(LONGEST_NONCE)).is_some());
        assert_eq!(Nonce::parse(&"n".repeat(LONGEST_NONCE + 1)), None);
    }

    #[test]
    fn what_a_token_endpoint_objects_to_is_told_by_status_and_error() {
        let nonce = r#"{"error":"use_dpop_nonce","error_description":"x"}"#;
        let table = [
            ("a nonce", 400, nonce, Some(Objection::UseNonce)),
            ("a nonce, by 401", 401, nonce, Some(Objection::UseNonce)),
            ("a proof", 400, r#"{"error":"invalid_dpop_proof"}"#, Some(Objection::InvalidProof)),
            ("a grant", 400, r#"{"error":"invalid_grant"}"#, None),
            ("trouble", 500, nonce, None),
            ("success", 200, nonce, None),
            ("no JSON", 400, "use_dpop_nonce", None),
        ];
        for (name, status, body, expected) in table {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Objection::of_token_endpoint(status, body.as_bytes()), expected, "{name}");
        }
    }
}

mod rfc9449_9 {
    use super::*;

    #[test]
    fn what_a_resource_objects_to_is_told_by_the_challenge_of_dpop() {
        let table: [(&str, &[&str], Option<Objection>); 6] = [
            ("a nonce", &[r#"DPoP error="use_dpop_nonce", error_description="x""#], Some(Objection::UseNonce)),
            ("any case", &["dpop error=use_dpop_nonce"], Some(Objection::UseNonce)),
            ("a proof", &["Bearer, DPoP error=\"invalid_dpop_proof\""], Some(Objection::InvalidProof)),
            ("a second field", &["DPoP algs=ES256", "DPoP error=use_dpop_nonce"], Some(Objection::UseNonce)),
            ("a token", &["DPoP error=\"invalid_token\""], None),
            ("another scheme", &["Bearer error=\"use_dpop_nonce\""], None),
        ];
        for (name, fields, expected) in table {
            assert_eq!(Objection::of_resource(&challenge::parse(fields)), expected, "{name}");
        }
    }
}

mod whether_tokens_are_bound {
    use super::*;

    #[test]
    fn the_person_says_and_else_the_servers_do() {
        use DpopChoice::{Always, Auto, Never};
        let (good, bad) = (["PS256".to_owned(), "ES256".to_owned()], ["PS256".to_owned()]);
        let (good, bad): (Option<&[String]>, Option<&[String]>) = (Some(&good), Some(&bad));
        // the person, the metadata, the challenge, what is offered; the resource takes them, but where it says that it does not
        let table = [
            ("nobody wants it", Auto, false, false, None, Some(false)),
            ("the resource takes it, and the authorization server offers it", Auto, false, false, good, Some(true)),
            ("only the authorization server knows it", Auto, false, false, good, Some(false)),
            ("the resource demands it", Auto, true, false, None, Some(true)),
            ("the challenge demands it", Auto, false, true, None, Some(true)),
            ("offered by another algorithm", Auto, false, false, bad, Some(false)),
            ("demanded, by another algorithm", Auto, true, false, bad, None),
            ("always", Always, false, false, None, Some(true)),
            ("always, by another algorithm", Always, false, false, bad, None),
            ("never", Never, true, true, good, Some(false)),
            ("never, by another algorithm", Never, true, true, bad, Some(false)),
        ];
        for (name, choice, by_metadata, by_challenge, offered, expected) in table {
            let decided =
                Wanted { by_metadata, by_challenge, taken: !name.starts_with("only"), offered }.decide(choice);
            assert!(decided.is_ok() || matches!(decided, Err(DpopError::Algorithm { .. })), "{name}");
            assert_eq!(decided.ok(), expected, "{name}");
        }
    }
}

#[test]
fn rfc9449_11_1_a_clock_that_differs_is_read_from_the_date() {
    let at = |date: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        skew(&headers, NOW)
    };
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW);
    let date = |ahead: u64| httpdate::fmt_http_date(now + std::time::Duration::from_secs(ahead));
    assert_eq!(at(&date(3600)), Some(3600));
    assert_eq!(at(&httpdate::fmt_http_date(now - std::time::Duration::from_secs(300))), Some(-300));
    assert_eq!((at(&date(0)), at(&date(2)), at("yesterday")), (None, None, None));
    assert_eq!(skew(&HeaderMap::new(), NOW), None);
}
