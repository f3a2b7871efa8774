//! Which keys are read, and what an assertion says; each is verified by its public key.

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;

/// Where the RSAPrivateKey begins in the PKCS#8 of a key of 2048 bits.
const PKCS1_IN_PKCS8: usize = 26;

fn pem(label: &str, der: &[u8]) -> Secret {
    let lines: Vec<String> = STANDARD.encode(der).as_bytes().chunks(64).map(lossy).collect();
    Secret::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn p256() -> (Vec<u8>, Vec<u8>) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
    (key.to_pkcs8v1().unwrap().as_ref().to_vec(), sec1.as_ref().to_vec())
}

fn rsa() -> Vec<u8> {
    let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    der.as_ref().to_vec()
}

fn ed25519() -> Vec<u8> {
    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec()
}

fn public(key: &SigningKey) -> (&'static dyn VerificationAlgorithm, Vec<u8>) {
    match &key.0 {
        Kind::Es256(key) => (&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref().to_vec()),
        Kind::Rs256(key) => (&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref().to_vec()),
        Kind::EdDsa(key) => (&ED25519, key.public_key().as_ref().to_vec()),
    }
}

fn json(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

mod rfc7523_3 {
    use super::*;

    #[test]
    fn an_assertion_of_each_algorithm_is_signed_by_the_key_that_was_read() {
        let ((pkcs8, sec1), rsa) = (p256(), rsa());
        let table = [
            ("P-256 in PKCS#8", pem("PRIVATE KEY", &pkcs8), "ES256"),
            ("P-256 in SEC 1", pem("EC PRIVATE KEY", &sec1), "ES256"),
            ("RSA in PKCS#8", pem("PRIVATE KEY", &rsa), "RS256"),
            ("RSA in PKCS#1", pem("RSA PRIVATE KEY", &rsa[PKCS1_IN_PKCS8..]), "RS256"),
            ("Ed25519 in PKCS#8", pem("PRIVATE KEY", &ed25519()), "EdDSA"),
        ];
        for (name, pem, algorithm) in table {
            let key = SigningKey::from_pem(&pem).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(key.algorithm(), algorithm, "{name}");
            let claims = Claims { client_id: "c", audience: "https://as.example/t", now: 1000, jti: "j" };
            let token = sign(&key, Some("k1"), &claims).unwrap();
            let (signed, signature) = token.expose().rsplit_once('.').unwrap();
            let (header, payload) = signed.split_once('.').unwrap();
            assert_eq!(json(header), serde_json::json!({"alg": algorithm, "typ": "JWT", "kid": "k1"}), "{name}");
            let expected = serde_json::json!({
                "iss": "c", "sub": "c", "aud": "https://as.example/t", "iat": 1000, "exp": 1000 + LIFETIME, "jti": "j"
            });
            assert_eq!(json(payload), expected, "{name}");
            let (rule, bytes) = public(&key);
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            UnparsedPublicKey::new(rule, bytes).verify(signed.as_bytes(), &signature).unwrap();
        }
    }

    #[test]
    fn a_key_without_an_id_names_none() {
        let key = SigningKey::from_pem(&pem("PRIVATE KEY", &ed25519())).unwrap();
        let token = sign(&key, None, &Claims { client_id: "c", audience: "a", now: 0, jti: "j" }).unwrap();
        assert_eq!(json(token.expose().split('.').next().unwrap()), serde_json::json!({"alg": "EdDSA", "typ": "JWT"}));
    }
}

#[test]
fn what_is_no_key_to_sign_with_is_refused_and_not_quoted() {
    let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let table = [
        ("empty", Secret::new(""), SigningKeyError::NotPem),
        ("a client secret", Secret::new("hunter2"), SigningKeyError::NotPem),
        ("a certificate", pem("CERTIFICATE", b"x"), SigningKeyError::NotPem),
        ("one with a password", pem("ENCRYPTED PRIVATE KEY", b"x"), SigningKeyError::NotPem),
        ("damaged", pem("PRIVATE KEY", b"x"), SigningKeyError::Unsupported),
        ("another curve", pem("PRIVATE KEY", p384.as_ref()), SigningKeyError::Unsupported),
    ];
    for (name, pem, expected) in table {
        assert_eq!(SigningKey::from_pem(&pem).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn debug_shows_the_algorithm_alone() {
    let key = SigningKey::from_pem(&pem("PRIVATE KEY", &p256().0)).unwrap();
    assert_eq!(format!("{key:?}"), "SigningKey(ES256)");
}
