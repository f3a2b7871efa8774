//! The grants without a person: client credentials (RFC 6749 §4.4), assertions (RFC 7523 §2.1, identity assertions among
//! them), and on the other side the identity provider's exchange of an ID token for one (RFC 8693). No refresh tokens.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::authorization::assertion::{Assertion, AssertionFault};
use crate::authorization::authorize::{judged_resource, judged_scope};
use crate::authorization::jwt::seconds;
use crate::authorization::parameters::Parameters;
use crate::authorization::records::{Client, Grant, Records};
use crate::authorization::refusal::{Refusal, refusal, server_error};
use crate::authorization::scope::Scope;
use crate::authorization::token::{Issue, issue};
use crate::public_key::PublicKey;
use crate::random;
use crate::settings::Account;
use crate::state::ServerState;

/// The type of an identity assertion, as it is asked for (RFC 8693 §3).
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
/// Its media type.
const ID_JAG_TYPE: &str = "oauth-id-jag+jwt";
/// How long an identity assertion is good.
const ID_JAG_LIFETIME: Duration = Duration::from_secs(300);

/// RFC 6749 §4.4: the token is the client's own.
pub(super) fn client_credentials(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    form: &Parameters,
    jkt: Option<String>,
) -> Result<Value, Refusal> {
    if client.is_public() {
        return Err(refusal("unauthorized_client", "client credentials are for a client that proves itself"));
    }
    let grant = grant(state, &client.id, Account::new(&client.id, &client.id), form)?;
    issued(state, records, client, grant, jkt)
}

/// RFC 7523 §2.1: somebody whom we trust says who is there.
pub(super) fn jwt_bearer(
    state: &ServerState,
    records: &mut Records,
    client: Option<&Client>,
    form: &Parameters,
    jkt: Option<String>,
) -> Result<Value, Refusal> {
    let text = form.get("assertion").ok_or_else(|| refusal("invalid_request", "assertion is missing"))?;
    state.remember_secret(text);
    let invalid = |fault: AssertionFault| refusal("invalid_grant", fault.to_string());
    let assertion = Assertion::read(text).map_err(invalid)?;
    let (issuer, subject) =
        (assertion.text("iss").unwrap_or_default(), assertion.text("sub").unwrap_or_default().to_owned());
    let key = state.trusted_issuer(issuer);
    let key = key.ok_or_else(|| refusal("invalid_grant", "the issuer of the assertion is not trusted here"))?;
    assertion.judge(&key, &state.issuer).map_err(invalid)?;
    // One that stands for itself.
    let nobody = Client::unregistered(&subject);
    let client = match (assertion.kind(), client) {
        (Some(ID_JAG_TYPE), client) => {
            judge_identity(&assertion, client, form)?;
            assertion.use_once(records).map_err(invalid)?;
            client.unwrap_or(&nobody)
        }
        (_, client) => client.unwrap_or(&nobody),
    };
    let account = state.settings.accounts.iter().find(|account| account.sub == subject).cloned();
    let account = account.unwrap_or_else(|| Account::new(subject.as_str(), subject.as_str()));
    let grant = grant(state, &client.id, account, form)?;
    if let Some(allowed) = assertion.text("scope").and_then(Scope::parse)
        && !grant.scope.is_within(&allowed)
    {
        return Err(refusal("invalid_scope", format!("the assertion is for the scope: {allowed}")));
    }
    issued(state, records, client, grant, jkt)
}

/// Enterprise-Managed Authorization §5.1: for this client, and for the resource that it names.
fn judge_identity(assertion: &Assertion<'_>, client: Option<&Client>, form: &Parameters) -> Result<(), Refusal> {
    if client.is_none() || assertion.text("client_id") != client.map(|client| client.id.as_str()) {
        return Err(refusal("invalid_grant", "the identity assertion is for another client"));
    }
    if assertion.text("resource").is_none() || assertion.text("resource") != form.get("resource") {
        return Err(refusal("invalid_target", "the identity assertion is for another resource"));
    }
    Ok(())
}

/// RFC 8693 §2.1, at the identity provider: an ID token of ours, for the client that it was issued to.
pub(super) fn token_exchange(state: &ServerState, client: &Client, form: &Parameters) -> Result<Value, Refusal> {
    let demanded = |name: &str| form.get(name).ok_or_else(|| refusal("invalid_request", format!("{name} is missing")));
    if demanded("requested_token_type")? != ID_JAG {
        return Err(refusal("invalid_request", format!("only {ID_JAG} is issued")));
    }
    if demanded("subject_token_type")? != "urn:ietf:params:oauth:token-type:id_token" {
        return Err(refusal("invalid_request", "only an ID token is taken as subject_token"));
    }
    let (audience, resource) = (demanded("audience")?, demanded("resource")?);
    let invalid = |fault: AssertionFault| refusal("invalid_request", format!("the subject token: {fault}"));
    let subject = Assertion::read(demanded("subject_token")?).map_err(invalid)?;
    let key = PublicKey::from_p256_jwk(state.key.public_jwk()).ok_or_else(|| server_error("no key"))?;
    subject.judge(&key, &client.id).map_err(invalid)?;
    let client_there = state.settings.identity_assertions.get(audience);
    let client_there =
        client_there.ok_or_else(|| refusal("invalid_target", format!("nothing is issued for {audience}")))?;
    let now = SystemTime::now();
    let mut claims = json!({
        "iss": state.issuer, "sub": subject.text("sub"), "aud": audience, "resource": resource,
        "client_id": client_there, "jti": random::token().map_err(server_error)?,
        "iat": seconds(now), "exp": seconds(now + ID_JAG_LIFETIME),
    });
    if let Some(scope) = form.get("scope") {
        claims["scope"] = scope.into();
    }
    let token = state.key.sign_as(ID_JAG_TYPE, &claims).map_err(server_error)?;
    state.remember_secret(&token);
    Ok(json!({
        "access_token": token, "issued_token_type": ID_JAG, "token_type": "N_A",
        "expires_in": ID_JAG_LIFETIME.as_secs(),
    }))
}

/// Whether nobody says who asks: an assertion may stand for itself (RFC 7521 §4.1).
pub(super) fn names_no_client(headers: &HeaderMap, form: &Parameters) -> bool {
    let named = ["client_id", "client_assertion", "client_secret"].iter().any(|name| form.get(name).is_some());
    !named && !headers.contains_key(AUTHORIZATION)
}

fn grant(state: &ServerState, client_id: &str, account: Account, form: &Parameters) -> Result<Grant, Refusal> {
    Ok(Grant {
        client_id: client_id.to_owned(),
        account,
        scope: judged_scope(state, form.get("scope"))?,
        resource: judged_resource(state, form)?,
        at: SystemTime::now(),
        nonce: None,
        jkt: None,
    })
}

fn issued(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    grant: Grant,
    jkt: Option<String>,
) -> Result<Value, Refusal> {
    let family = records.start_family(grant.clone());
    let to_issue = Issue { family, scope: &grant.scope, grant: &grant, presented: None, is_refreshable: false, jkt };
    issue(state, records, client, &to_issue)
}
