//! Which client is chosen, which is refused, and how each proves itself.

use super::*;
use crate::settings::{PrivateKeyPlace, SecretPlace};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n-----END PRIVATE KEY-----\n";
const ISSUER: &str = "https://as.example";

fn known(client_id: Option<&str>, metadata_url: Option<&str>) -> KnownClient {
    KnownClient {
        client_id: client_id.map(str::to_owned),
        client_secret: None,
        private_key: None,
        auth: None,
        metadata_url: metadata_url.map(str::to_owned),
    }
}

fn stored(source: Source, method: TokenEndpointAuthMethod) -> Registration {
    registration(source, "stored".to_owned(), method.as_str().to_owned())
}

mod a5 {
    use super::*;

    #[test]
    fn the_order_holds_whatever_else_is_there() {
        use Source::{Document, Dynamic, Given};
        let given = || Choice::Given("id".to_owned());
        let document = || Choice::Document("url".to_owned());
        let table = [
            ("nothing at all", known(None, None), None, false, Choice::Dynamic),
            ("a given client", known(Some("id"), None), None, false, given()),
            ("both: the given one", known(Some("id"), Some("url")), None, true, given()),
            ("a document, taken", known(None, Some("url")), None, true, document()),
            ("a document, not taken", known(None, Some("url")), None, false, Choice::Dynamic),
            ("a given one over a registered one", known(Some("id"), None), Some(Dynamic), true, given()),
            ("a document over a registered one", known(None, Some("url")), Some(Dynamic), true, document()),
            ("a registered one stays", known(None, None), Some(Dynamic), true, Choice::Dynamic),
            ("one given earlier", known(None, None), Some(Given), true, Choice::Given("stored".to_owned())),
            ("another than earlier", known(Some("id"), None), Some(Given), true, given()),
            ("a document instead of one given earlier", known(None, Some("url")), Some(Given), true, document()),
            ("a document of earlier", known(None, None), Some(Document), true, Choice::Document("stored".to_owned())),
            ("a document of earlier, no longer taken", known(None, None), Some(Document), false, Choice::Dynamic),
        ];
        for (name, known, source, takes_documents, expected) in table {
            let stored = source.map(|source| stored(source, TokenEndpointAuthMethod::None));
            assert_eq!(choose(&known, stored.as_ref(), takes_documents), expected, "{name}");
        }
    }
}

mod a7 {
    use super::*;

    fn record_of(client_id: &str, source: Source) -> Record {
        let mut record = Record::new("https://mcp.example/mcp", "default");
        let known = registration(source, client_id.to_owned(), "none".to_owned());
        record.issuer_mut(ISSUER).registration = Some(known);
        record
    }

    #[test]
    fn a_given_client_is_for_the_issuer_that_it_was_first_used_with() {
        let table = [
            ("its own issuer", record_of("id", Source::Given), ISSUER, None),
            ("never used", Record::new("https://mcp.example/mcp", "default"), ISSUER, None),
            ("another client", record_of("other", Source::Given), "https://b.example", None),
            ("a registered one of the same name", record_of("id", Source::Dynamic), "https://b.example", None),
            ("another issuer", record_of("id", Source::Given), "https://b.example", Some(Code::ClientOfAnotherIssuer)),
            ("a slash more", record_of("id", Source::Given), "https://as.example/", Some(Code::ClientOfAnotherIssuer)),
        ];
        for (name, record, issuer, expected) in table {
            let refused = check_issuer(&record, "id", issuer).err();
            assert_eq!(refused.as_ref().map(|problem| problem.code), expected, "{name}");
            if let Some(problem) = refused {
                assert!(
                    problem.message.contains(ISSUER) && problem.message.contains(issuer),
                    "both are shown: {problem}"
                );
            }
        }
    }
}

mod proof {
    use super::*;
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public};

    fn with_secret(client_id: &str, place: SecretPlace) -> KnownClient {
        KnownClient { client_secret: Some(place), ..known(Some(client_id), None) }
    }

    /// The method, "another's" or "no secret".
    fn method(registration: &Registration, known: &KnownClient, listed: &[&str]) -> &'static str {
        let listed: Vec<String> = listed.iter().map(|name| (*name).to_owned()).collect();
        match authentication(registration, known, &listed, ISSUER) {
            Ok(Some(proof)) => proof.method().as_str(),
            Ok(None) => "another's",
            Err(problem) => {
                assert_eq!(problem.code, Code::InvalidSetting);
                "no secret"
            }
        }
    }

    #[test]
    fn a_given_client_proves_itself_by_what_is_given_now() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"s3cret\n").unwrap();
        let place = || SecretPlace::File(file.path().to_owned());
        let (nothing, ours, other) = (known(None, None), known(Some("stored"), None), known(Some("other"), None));
        let (ours_secret, other_secret) = (with_secret("stored", place()), with_secret("other", place()));
        let post = &["client_secret_post"][..];
        let table = [
            ("public, nothing given", Public, &nothing, post, "none"),
            ("public, given again", Public, &ours, post, "none"),
            ("public, with a secret now", Public, &ours_secret, post, "client_secret_post"),
            ("public, another given", Public, &other_secret, post, "none"),
            ("basic, its secret given", ClientSecretBasic, &ours_secret, post, "client_secret_basic"),
            ("post, its secret given", ClientSecretPost, &ours_secret, &[], "client_secret_post"),
            ("basic, given without its secret", ClientSecretBasic, &ours, post, "no secret"),
            ("basic, nothing given", ClientSecretBasic, &nothing, post, "no secret"),
            ("basic, another given", ClientSecretBasic, &other, post, "another's"),
            ("basic, another's secret given", ClientSecretBasic, &other_secret, post, "another's"),
        ];
        for (name, stored_method, known, listed, expected) in table {
            assert_eq!(method(&stored(Source::Given, stored_method), known, listed), expected, "{name}");
        }
    }

    #[test]
    fn a13_a_key_proves_where_it_is_given_or_was_said_to_count() {
        use TokenEndpointAuthMethod::PrivateKeyJwt;
        let mut files = [tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap()];
        std::io::Write::write_all(&mut files[0], b"s3cret\n").unwrap();
        std::io::Write::write_all(&mut files[1], KEY.as_bytes()).unwrap();
        let secret = || Some(SecretPlace::File(files[0].path().to_owned()));
        let key = || Some(PrivateKeyPlace { file: files[1].path().to_owned(), id: None });
        let ours = || known(Some("stored"), None);
        let with_key = KnownClient { private_key: key(), ..ours() };
        let both = |auth| KnownClient { client_secret: secret(), private_key: key(), auth: Some(auth), ..ours() };
        let forced_post =
            KnownClient { auth: Some(ClientAuth::ClientSecretPost), ..with_secret("stored", secret().unwrap()) };
        let forced_none = KnownClient { auth: Some(ClientAuth::None), ..with_secret("stored", secret().unwrap()) };
        let basic = &["client_secret_basic"][..];
        let table = [
            ("a key alone", Public, &with_key, "private_key_jwt"),
            ("a key now, a secret before", ClientSecretBasic, &with_key, "private_key_jwt"),
            ("both, the key counts", Public, &both(ClientAuth::PrivateKeyJwt), "private_key_jwt"),
            ("both, the secret counts", PrivateKeyJwt, &both(ClientAuth::ClientSecretBasic), "client_secret_basic"),
            ("post, whatever is listed", Public, &forced_post, "client_secret_post"),
            ("none, although there is a secret", Public, &forced_none, "none"),
            ("a key before, nothing now", PrivateKeyJwt, &ours(), "no secret"),
            ("a key before, not even the client now", PrivateKeyJwt, &known(None, None), "no secret"),
            ("a key before, another client now", PrivateKeyJwt, &known(Some("other"), None), "another's"),
        ];
        for (name, stored_method, known, expected) in table {
            assert_eq!(method(&stored(Source::Given, stored_method), known, basic), expected, "{name}");
        }
        let by_document = KnownClient { private_key: key(), ..known(None, Some("stored")) };
        assert_eq!(method(&stored(Source::Document, Public), &by_document, basic), "private_key_jwt");
    }

    #[test]
    fn a_client_that_registered_itself_never_gets_a_secret_that_was_given() {
        let place = SecretPlace::Variable("MCP_BRIDGE_TEST_NOT_SET".to_owned());
        let known = with_secret("stored", place);
        assert_eq!(method(&stored(Source::Dynamic, Public), &known, &[]), "none");
        assert_eq!(method(&stored(Source::Document, Public), &known, &[]), "none");
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_an_error_and_no_public_client() {
        let known = with_secret("stored", SecretPlace::Variable("MCP_BRIDGE_TEST_NOT_SET".to_owned()));
        assert_eq!(method(&stored(Source::Given, ClientSecretBasic), &known, &[]), "no secret");
    }
}
