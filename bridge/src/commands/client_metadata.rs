//! `mcp-bridge client-metadata`: prints the client metadata document that fits the settings (A20), for a person to put on the
//! web at the URL that `--client-metadata-url` names. It asks nobody and stores nothing.

use std::process::ExitCode;

use crate::oauth::client_metadata_document::ClientMetadataDocument;
use crate::oauth::grant::device_code;
use crate::oauth::registration::AUTHORIZATION_CODE;
use crate::settings::{ClientMetadataSettings, GrantType, RedirectHost};
use crate::terminal;

/// Prints the document.
pub fn run(settings: &ClientMetadataSettings) -> ExitCode {
    terminal::print(&format!("{:#}", document(settings).to_json()));
    ExitCode::SUCCESS
}

fn document(settings: &ClientMetadataSettings) -> ClientMetadataDocument {
    let redirect = &settings.redirect;
    let hosts = RedirectHost::ALL.into_iter().filter(|host| redirect.host.is_none_or(|only| only == *host));
    let mut grant_types = vec![AUTHORIZATION_CODE];
    if settings.grant == Some(GrantType::DeviceCode) {
        grant_types.push(device_code::GRANT_TYPE);
    }
    ClientMetadataDocument {
        client_id: settings.url.clone(),
        client_name: settings.client_name.clone(),
        redirect_uris: hosts.map(|host| redirect.uri(host, settings.callback_port)).collect(),
        grant_types,
        scope: settings.scope.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::RedirectSettings;

    fn settings() -> ClientMetadataSettings {
        ClientMetadataSettings {
            url: "https://app.example.com/mcp-bridge/client.json".to_owned(),
            client_name: "mcp-bridge".to_owned(),
            redirect: RedirectSettings::default(),
            callback_port: None,
            grant: None,
            scope: None,
        }
    }

    #[test]
    fn a20_the_document_without_other_settings_is_the_one_to_copy() {
        let copied: Value = serde_json::from_str(include_str!("../../../config/client-metadata.json")).unwrap();
        assert_eq!(document(&settings()).to_json(), copied);
    }

    #[test]
    fn a20_the_document_follows_the_settings() {
        let redirect = RedirectSettings { host: Some(RedirectHost::Name), path: "/cb".to_owned() };
        let grant = Some(GrantType::DeviceCode);
        let settings = ClientMetadataSettings {
            redirect,
            callback_port: Some(8976),
            grant,
            scope: Some("a b".to_owned()),
            ..settings()
        };
        let json = document(&settings).to_json();
        assert_eq!(json["redirect_uris"], json!(["http://localhost:8976/cb"]));
        assert_eq!(json["grant_types"], json!([AUTHORIZATION_CODE, device_code::GRANT_TYPE, "refresh_token"]));
        assert_eq!(json["scope"], "a b");
    }
}
