//! What the server tells anybody who asks: its challenge and its two metadata documents, read by the demo itself before
//! the bridge starts. The log holds no answers; with these the bridge's steps can be compared.

use std::error::Error;

use mcp_mock_server::MockServer;
use serde_json::Value;
use url::Url;

use super::{Failure, unexpected};
use crate::browser;

/// The public answers of a server.
pub(super) struct Published {
    /// The value of `WWW-Authenticate` (RFC 9110 §11.6.1).
    pub(super) challenge: String,
    /// Where the challenge says that the resource's metadata is (RFC 9728 §5.1).
    pub(super) resource_metadata_url: String,
    /// RFC 9728 §2.
    pub(super) resource_metadata: Value,
    /// Where the first authorization server's metadata is (RFC 8414 §3.1).
    pub(super) server_metadata_url: String,
    /// RFC 8414 §2.
    pub(super) server_metadata: Value,
}

impl Published {
    /// Reads them.
    pub(super) async fn read(server: &MockServer) -> Result<Self, Failure> {
        let client = browser::client().build()?;
        let answer = client.post(server.mcp_url()).send().await?;
        let challenge = answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let challenge = challenge.unwrap_or_default().to_owned();
        let url = challenge.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next());
        let Some(url) = url else { return Err(unexpected("a challenge that names resource_metadata", challenge)) };
        let resource_metadata = document(&client, url).await?;
        let issuer = resource_metadata["authorization_servers"][0].as_str().unwrap_or_default();
        let server_metadata_url = well_known(issuer).map_err(|error| unexpected("an issuer", error.to_string()))?;
        let server_metadata = document(&client, &server_metadata_url).await?;
        let resource_metadata_url = url.to_owned();
        Ok(Published { challenge, resource_metadata_url, resource_metadata, server_metadata_url, server_metadata })
    }

    /// A text of the authorization server's metadata.
    pub(super) fn of_server(&self, name: &str) -> &str {
        self.server_metadata[name].as_str().unwrap_or_default()
    }

    /// A text of the resource's metadata.
    pub(super) fn of_resource(&self, name: &str) -> &str {
        self.resource_metadata[name].as_str().unwrap_or_default()
    }
}

async fn document(client: &reqwest::Client, url: &str) -> Result<Value, Failure> {
    let text = client.get(url).send().await?.text().await?;
    serde_json::from_str(&text).map_err(|error| unexpected(format!("JSON at {url}"), error.to_string()))
}

/// The well-known part goes between host and path (RFC 8414 §3.1).
fn well_known(issuer: &str) -> Result<String, Box<dyn Error>> {
    let mut url = Url::parse(issuer)?;
    let path = format!("/.well-known/oauth-authorization-server{}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url.to_string())
}
