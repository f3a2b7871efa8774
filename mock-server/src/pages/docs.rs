//! `/docs`: the description of `/openapi.json`, to be read by people. It is made of that document alone, so that the two
//! cannot tell different things; it fetches nothing and needs no script.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::pages::api;
use crate::pages::layout::{Needs, Page};
use crate::pages::markup::{Markup, markup};
use crate::state::Shared;

/// How deep the members of schemas are followed.
const DEPTH: usize = 3;

/// The methods, in the order in which they are shown.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// `GET /docs`.
pub(crate) async fn docs(State(state): State<Shared>) -> Response {
    // It was made by us: it has a JSON form.
    let description = api::document(&state);
    let document = serde_json::to_value(&description).unwrap_or_default();
    // The value has its members in alphabetical order, the description in the order in which it is to be read.
    let paths = description.paths.paths.keys().map(String::as_str).collect::<Vec<_>>();
    let sections = items(&document["tags"]).map(|tag| section(&document, &paths, tag));
    let lead = markup!(
        "{} The same for machines: <a href=\"/openapi.json\">/openapi.json</a>.",
        text(&document["info"]["description"])
    );
    let body = Markup::joined(sections);
    Page { title: "Endpoints", lead, body, path: Some("/docs"), needs: Needs::Nothing }.response(StatusCode::OK)
}

fn section(document: &Value, paths: &[&str], tag: &Value) -> Markup {
    let mut entries = Vec::new();
    for path in paths {
        let item = &document["paths"][path];
        for method in METHODS {
            let operation = &item[method];
            if items(&operation["tags"]).any(|name| name == &tag["name"]) {
                entries.push(entry(document, path, method, operation));
            }
        }
    }
    markup!(
        "<h2>{}</h2>\n<p class=\"faint\">{}</p>\n{}",
        text(&tag["name"]),
        text(&tag["description"]),
        Markup::joined(entries)
    )
}

fn entry(document: &Value, path: &str, method: &str, operation: &Value) -> Markup {
    markup!(
        "<details><summary><span class=\"tag\">{}</span> <code>{}</code> <span class=\"faint\">{}</span></summary>\n\
         <div class=\"inside\">\n<p>{}</p>\n{}{}{}{}</div></details>\n",
        method.to_uppercase(),
        path,
        text(&operation["summary"]),
        text(&operation["description"]),
        security(operation),
        parameters(operation),
        body(document, operation),
        answers(document, operation)
    )
}

fn security(operation: &Value) -> Markup {
    let ways = items(&operation["security"]).map(|way| {
        let names = members(way).map(|(name, _)| name.replace('_', " ")).collect::<Vec<_>>();
        if names.is_empty() { "none".to_owned() } else { names.join(" and ") }
    });
    let ways = ways.collect::<Vec<_>>();
    if ways.is_empty() {
        Markup::default()
    } else {
        markup!("<p class=\"faint\">Credentials: {}.</p>\n", ways.join(", or "))
    }
}

fn parameters(operation: &Value) -> Markup {
    let rows = items(&operation["parameters"]).map(|parameter| {
        let needed = if parameter["required"] == true { "must" } else { "may" };
        markup!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"long\">{}</td></tr>\n",
            text(&parameter["name"]),
            text(&parameter["in"]),
            needed,
            text(&parameter["description"])
        )
    });
    table("Parameters", ["Name", "In", "Needed", "Meaning"], rows.collect())
}

fn body(document: &Value, operation: &Value) -> Markup {
    let bodies = members(&operation["requestBody"]["content"]).map(|(media_type, content)| {
        markup!(
            "<h3>Body <span class=\"faint\">{}</span></h3>\n{}",
            media_type,
            schema(document, &content["schema"], 0)
        )
    });
    Markup::joined(bodies)
}

fn answers(document: &Value, operation: &Value) -> Markup {
    let rows = members(&operation["responses"]).map(|(code, response)| {
        let kind = if code.starts_with(['2', '3']) { markup!("good") } else { markup!("bad") };
        let types = members(&response["content"]).map(|(media_type, _)| media_type.as_str()).collect::<Vec<_>>();
        let headers = members(&response["headers"]).map(|(name, header)| {
            markup!("<br><small class=\"faint\"><code>{}</code>: {}</small>", name, text(&header["description"]))
        });
        markup!(
            "<tr><td><span class=\"tag {}\">{}</span></td><td class=\"long\">{}{}</td><td>{}</td></tr>\n",
            kind,
            code,
            text(&response["description"]),
            Markup::joined(headers),
            types.join(", ")
        )
    });
    let table = table("Answers", ["Status", "Meaning", "Media type"], rows.collect());
    let good = members(&operation["responses"]).filter(|(code, _)| code.starts_with('2'));
    let schemas = good.flat_map(|(_, response)| members(&response["content"])).filter_map(|(_, content)| {
        let reference = content["schema"]["$ref"].as_str()?;
        let name = reference.rsplit('/').next().unwrap_or_default();
        Some(markup!("<h3>{}</h3>\n{}", name, schema(document, &content["schema"], 0)))
    });
    markup!("{}{}", table, Markup::joined(schemas))
}

fn table<const N: usize>(heading: &str, columns: [&str; N], rows: Vec<Markup>) -> Markup {
    if rows.is_empty() {
        return Markup::default();
    }
    markup!(
        "<h3>{}</h3>\n<div class=\"table\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        heading,
        heads(columns),
        Markup::joined(rows)
    )
}

fn heads<const N: usize>(columns: [&str; N]) -> Markup {
    Markup::joined(columns.iter().map(|column| markup!("<th scope=\"col\">{}</th>", column)))
}

/// A schema with its members, those that must be there marked.
fn schema(document: &Value, schema: &Value, depth: usize) -> Markup {
    let schema = resolved(document, schema);
    let about = text(&schema["description"]);
    let about = if about.is_empty() { Markup::default() } else { markup!("<p class=\"faint\">{}</p>\n", about) };
    if depth >= DEPTH {
        return about;
    }
    let choices = items(&schema["anyOf"]).map(|choice| self::schema(document, choice, depth + 1));
    let of = &schema["items"];
    let of = if of.is_object() && depth == 0 { self::schema(document, of, depth + 1) } else { Markup::default() };
    let must = |name: &str| items(&schema["required"]).any(|required| required == name);
    let needed = members(&schema["properties"]).filter(|(name, _)| must(name));
    let others = members(&schema["properties"]).filter(|(name, _)| !must(name));
    let rows = needed.chain(others).map(|(name, member)| {
        let member = resolved(document, member);
        markup!(
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"long\">{}</td></tr>\n",
            name,
            kind(document, member),
            if must(name) { "must" } else { "may" },
            text(&member["description"])
        )
    });
    let rows = rows.collect::<Vec<_>>();
    let rows = if rows.is_empty() {
        Markup::default()
    } else {
        markup!(
            "<div class=\"table\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
            heads(["Member", "Type", "Needed", "Meaning"]),
            Markup::joined(rows)
        )
    };
    markup!("{}{}{}{}", about, rows, of, Markup::joined(choices))
}

fn kind(document: &Value, schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(document, resolved(document, &schema["items"]))),
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(&Value::Null),
        None => schema,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
