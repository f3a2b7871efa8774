//! Access tokens as signed JWTs (RFC 9068) and the key that signs them, made anew at each start.
//! It judges signature, type, issuer and audience, and tells `exp`; revocation is in `records.rs`.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The media type in the header (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";

/// What an access token says (RFC 9068 §2.2) and who the person is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) scope: String,
    /// Seconds since 1970.
    pub(crate) exp: u64,
    /// Seconds since 1970.
    pub(crate) iat: u64,
    pub(crate) jti: String,
    pub(crate) name: String,
    pub(crate) email: String,
    /// The key that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cnf: Option<Confirmation>,
}

/// What a token is confirmed by (RFC 7800 §3.1): the thumbprint of a key (RFC 9449 §6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    pub(crate) jkt: String,
}

impl Claims {
    /// Whether the time is over: "on or after which" (RFC 7519 §4.1.4).
    pub(crate) fn have_expired(&self) -> bool {
        self.exp <= seconds(SystemTime::now())
    }
}

/// No key could be made, or it signs nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library made no key.
    #[error("no key pair was generated")]
    Generate,
    /// The JWT library refuses the key.
    #[error("the key is of no use for JWTs: {0}")]
    Jwt(#[from] jsonwebtoken::errors::Error),
    /// The public key has no JSON form.
    #[error("the public key has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Issuer,
    Audience,
    Invalid,
}

/// The ES256 key pair.
pub(crate) struct SigningKey {
    private: EncodingKey,
    public: DecodingKey,
    jwk: Value,
    id: String,
    secret: hmac::Key,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let private = EncodingKey::from_ec_der(pair.map_err(|_| KeyError::Generate)?.as_ref());
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let id = jwk.thumbprint(ThumbprintHash::SHA256)?;
        jwk.common.key_id = Some(id.clone());
        let public = DecodingKey::from_jwk(&jwk)?;
        let mut jwk = serde_json::to_value(&jwk)?;
        jwk["use"] = "sig".into();
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| KeyError::Generate)?;
        Ok(SigningKey { private, public, jwk, id, secret })
    }

    /// What seals that which comes back to us alone.
    pub(crate) fn secret(&self) -> &hmac::Key {
        &self.secret
    }

    pub(crate) fn public_jwk(&self) -> &Value {
        &self.jwk
    }

    /// An access token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        self.signed(TYPE, claims)
    }

    /// An ID token; its type keeps it from being taken for an access token.
    pub(crate) fn sign_id_token(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        self.signed("JWT", claims)
    }

    /// Whatever is to be signed, as this media type.
    pub(crate) fn sign_as(&self, kind: &str, claims: &Value) -> Result<String, KeyError> {
        self.signed(kind, claims)
    }

    /// A statement that we vouch for, of the claims given.
    pub(crate) fn sign_statement(&self, claims: &Map<String, Value>) -> Result<String, KeyError> {
        self.signed("JWT", claims)
    }

    /// The claims of a statement that we signed, if it is good still.
    pub(crate) fn read_statement(&self, token: &str, issuer: &str) -> Result<Map<String, Value>, KeyError> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.validate_aud = false;
        rules.set_issuer(&[issuer]);
        rules.set_required_spec_claims(&["iss"]);
        Ok(decode::<Map<String, Value>>(token, &self.public, &rules)?.claims)
    }

    fn signed(&self, kind: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.id.clone());
        Ok(encode(&header, claims, &self.private)?)
    }

    /// The claims of a token that we signed, for this audience, or for any if none is given (RFC 9068 §4); be it expired.
    pub(crate) fn read(&self, token: &str, issuer: &str, audience: Option<&str>) -> Result<Claims, TokenFault> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.validate_exp = false;
        rules.validate_aud = audience.is_some();
        rules.set_issuer(&[issuer]);
        rules.set_audience(audience.as_slice());
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token = decode::<Claims>(token, &self.public, &rules).map_err(|error| match error.kind() {
            ErrorKind::InvalidIssuer => TokenFault::Issuer,
            ErrorKind::InvalidAudience => TokenFault::Audience,
            _ => TokenFault::Invalid,
        })?;
        if token.header.typ.as_deref() == Some(TYPE) { Ok(token.claims) } else { Err(TokenFault::Invalid) }
    }
}

/// Whom a JWT says that it comes from; nothing is checked, and why there is none is said.
pub(crate) fn unchecked_issuer(token: &str) -> Result<String, String> {
    let payload = token.split('.').nth(1).filter(|_| token.split('.').count() == 3).ok_or("it has not three parts")?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|error| error.to_string())?;
    let claims = serde_json::from_slice::<Value>(&payload).map_err(|error| error.to_string())?;
    Ok(claims["iss"].as_str().ok_or("it has no iss")?.to_owned())
}

/// Whole seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::{Claims, SigningKey, TokenFault, seconds};

    fn claims(exp: u64) -> Claims {
        let text = str::to_owned;
        Claims {
            iss: text("http://as"),
            aud: text("http://rs/mcp"),
            sub: text("alice"),
            client_id: text("c"),
            scope: text("s"),
            exp,
            iat: 1,
            jti: text("j"),
            name: text("Alice"),
            email: text("alice@example.com"),
            cnf: None,
        }
    }

    #[test]
    fn a_token_is_judged_by_key_issuer_and_audience() {
        let (ours, theirs) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let good = ours.sign(&claims(1)).unwrap();
        assert_eq!(ours.read(&good, "http://as", Some("http://rs/mcp")).unwrap().sub, "alice");
        assert_eq!(ours.read(&good, "http://as", None).unwrap().sub, "alice");
        for (name, token, issuer, audience, fault) in [
            ("another key", theirs.sign(&claims(1)).unwrap(), "http://as", "http://rs/mcp", TokenFault::Invalid),
            ("another issuer", good.clone(), "http://as2", "http://rs/mcp", TokenFault::Issuer),
            ("another audience", good.clone(), "http://as", "http://rs", TokenFault::Audience),
            ("no token", "x.y.z".to_owned(), "http://as", "http://rs/mcp", TokenFault::Invalid),
        ] {
            assert_eq!(ours.read(&token, issuer, Some(audience)).unwrap_err(), fault, "{name}");
        }
    }

    #[test]
    fn a_token_has_expired_from_the_very_second_on() {
        let now = seconds(SystemTime::now());
        assert!(claims(now).have_expired());
        assert!(!claims(now + 60).have_expired());
    }
}
