//! The tools that a person would try first: weather, files, profile. All made up; the same question has the same answer.

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authorization::jwt::Claims;
use crate::mcp::tools::{content, failure, tool, understood};

const SKIES: [&str; 5] = ["clear", "cloudy", "rain", "snow", "fog"];

/// Folders and what is in them; a name that ends in `/` is a folder.
const TREE: &[(&str, &[&str])] = &[
    ("/", &["README.md", "notes/", "photos/"]),
    ("/notes", &["2025-11.txt", "ideas.md", "old/"]),
    ("/notes/old", &["2024-12.txt"]),
    ("/photos", &["harbour.jpg", "mountain.jpg"]),
];

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    vec![
        tool(
            "get_weather",
            "Weather",
            "The weather of a city, made up but always the same",
            &json!({
                "type": "object",
                "properties": { "city": { "type": "string", "description": "The name of a city" } },
                "required": ["city"],
            }),
        ),
        tool(
            "list_files",
            "Files",
            "What is in a folder of a made-up file tree",
            &json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "A folder; without one the top", "x-mcp-header": "Path" },
                },
            }),
        ),
        tool(
            "get_user_profile",
            "Profile",
            "Who the access token says that you are",
            &json!({
                "type": "object", "properties": {}, "additionalProperties": false,
            }),
        ),
    ]
}

pub(crate) fn get_weather(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        city: String,
    }
    let Arguments { city } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    let hash = digest::digest(&digest::SHA256, city.to_lowercase().as_bytes());
    let bytes = hash.as_ref();
    let sky = SKIES[usize::from(bytes[0]) % SKIES.len()];
    let celsius = i16::from(bytes[1] % 45) - 10;
    let structure = json!({ "city": city, "sky": sky, "temperature_celsius": celsius, "wind_kmh": bytes[2] % 60 });
    content(&format!("{city}: {sky}, {celsius} °C"), &structure.to_string())
}

pub(crate) fn list_files(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        path: Option<String>,
    }
    let Arguments { path } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    let path = format!("/{}", path.unwrap_or_default().trim_matches('/'));
    match TREE.iter().find(|(folder, _)| *folder == path) {
        Some((_, files)) => content(&files.join("\n"), &json!({ "path": path, "files": files }).to_string()),
        None => failure(&format!("there is no folder {path}")),
    }
}

pub(super) fn get_user_profile(claims: Option<&Claims>) -> String {
    let Some(claims) = claims else {
        let structure = json!({ "sub": "guest", "name": "Guest" });
        return content("Guest: this server is not protected", &structure.to_string());
    };
    let structure = json!({
        "sub": claims.sub,
        "name": claims.name,
        "email": claims.email,
        "client_id": claims.client_id,
        "scope": claims.scope,
    });
    content(&format!("{} <{}>", claims.name, claims.email), &structure.to_string())
}

#[cfg(test)]
mod tests {
    use super::{get_weather, list_files};

    #[test]
    fn the_weather_of_a_city_is_always_the_same() {
        assert_eq!(get_weather(r#"{"city":"Oslo"}"#), get_weather(r#"{"city":"Oslo"}"#));
        assert_ne!(get_weather(r#"{"city":"Oslo"}"#), get_weather(r#"{"city":"Rome"}"#));
    }

    #[test]
    fn a_wrong_argument_and_a_missing_folder_are_failures_of_the_tool() {
        assert!(get_weather("{}").contains("\"isError\":true"));
        assert!(list_files(r#"{"path":"/nowhere"}"#).contains("\"isError\":true"));
        assert!(list_files(r#"{"path":"notes/"}"#).contains("ideas.md"));
    }
}
