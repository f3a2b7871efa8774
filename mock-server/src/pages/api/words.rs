//! A few words in which endpoints and schemas are described shortly. They know OpenAPI and no endpoint.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ArrayItems, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, HttpMethod, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Server};

/// An endpoint, ready for the document.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) method: HttpMethod,
    pub(super) operation: Operation,
}

impl Described {
    pub(super) fn below(self, path: &str) -> Self {
        Described { path: format!("{path}{}", self.path), ..self }
    }

    /// On another server than that of the document, if one is given.
    pub(super) fn at(mut self, origin: Option<&str>) -> Self {
        self.operation.servers = origin.map(|origin| vec![Server::new(origin)]);
        self
    }
}

/// An endpoint while it is described; made by [`endpoint`].
pub(super) struct Endpoint {
    path: String,
    method: HttpMethod,
    operation: OperationBuilder,
}

/// Begins with what an endpoint is; the summary names it, the description cites its source.
pub(super) fn endpoint(
    method: HttpMethod,
    path: impl Into<String>,
    tag: &str,
    summary: &str,
    description: &str,
) -> Endpoint {
    let path = path.into();
    let verb = match method {
        HttpMethod::Get => "get",
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        HttpMethod::Delete => "delete",
        _ => "other",
    };
    let place = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let id = format!("{verb}_{}", if place.is_empty() { "start".to_owned() } else { place.join("_") });
    let operation =
        OperationBuilder::new().tag(tag).summary(Some(summary)).description(Some(description)).operation_id(Some(id));
    Endpoint { path, method, operation }
}

impl Endpoint {
    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        for parameter in parameters {
            self.operation = self.operation.parameter(parameter);
        }
        self
    }

    pub(super) fn body(mut self, media_type: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.operation = self.operation.request_body(Some(body(media_type, schema)));
        self
    }

    /// Each of these ways alone is enough; an empty name is none at all.
    pub(super) fn secured_by(mut self, ways: &[&str]) -> Self {
        for way in ways {
            let need = match *way {
                "" => SecurityRequirement::default(),
                name => SecurityRequirement::new(name, [] as [&str; 0]),
            };
            self.operation = self.operation.security(need);
        }
        self
    }

    pub(super) fn answers(mut self, code: u16, response: impl Into<Response>) -> Self {
        self.operation = self.operation.response(code.to_string(), response.into());
        self
    }

    pub(super) fn done(self) -> Described {
        Described { path: self.path, method: self.method, operation: self.operation.build() }
    }
}

fn body(media_type: &str, schema: impl Into<RefOr<Schema>>) -> RequestBody {
    RequestBodyBuilder::new().required(Some(Required::True)).content(media_type, content(schema)).build()
}

fn content(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// An answer without a body.
pub(super) fn empty(description: &str) -> Response {
    ResponseBuilder::new().description(description).build()
}

/// An answer with a body of this media type.
pub(super) fn with(description: &str, media_type: &str, schema: impl Into<RefOr<Schema>>) -> Response {
    ResponseBuilder::new().description(description).content(media_type, content(schema)).build()
}

pub(super) fn json(description: &str, schema: &str) -> Response {
    with(description, "application/json", named(schema))
}

pub(super) fn text(description: &str) -> Response {
    with(description, "text/plain; charset=utf-8", string(""))
}

pub(super) fn html(description: &str) -> Response {
    with(description, "text/html; charset=utf-8", string(""))
}

/// The answer with a header that holds text.
pub(super) fn headed(response: Response, name: &str, description: &str) -> Response {
    let header = HeaderBuilder::new().description(Some(description)).schema(Some(string(""))).build();
    let mut response = response;
    response.headers.insert(name.to_owned(), RefOr::T(header));
    response
}

pub(super) fn query(name: &str, needed: Required, description: &str) -> Parameter {
    parameter(ParameterIn::Query, name, needed, description)
}

pub(super) fn header(name: &str, needed: Required, description: &str) -> Parameter {
    parameter(ParameterIn::Header, name, needed, description)
}

pub(super) fn in_path(name: &str, description: &str) -> Parameter {
    parameter(ParameterIn::Path, name, Required::True, description)
}

fn parameter(place: ParameterIn, name: &str, needed: Required, description: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(needed);
    parameter.description(Some(description)).schema(Some(string(""))).build()
}

/// A schema of the document's components.
pub(super) fn named(schema: &str) -> RefOr<Schema> {
    Ref::from_schema_name(schema).into()
}

pub(super) fn string(description: &str) -> ObjectBuilder {
    plain(Type::String, description)
}

pub(super) fn integer(description: &str) -> ObjectBuilder {
    plain(Type::Integer, description)
}

pub(super) fn boolean(description: &str) -> ObjectBuilder {
    plain(Type::Boolean, description)
}

fn plain(kind: Type, description: &str) -> ObjectBuilder {
    let described = (!description.is_empty()).then_some(description);
    ObjectBuilder::new().schema_type(kind).description(described)
}

/// Any JSON at all.
pub(super) fn anything(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(description))
}

pub(super) fn list(of: impl Into<RefOr<Schema>>, description: &str) -> ArrayBuilder {
    let described = (!description.is_empty()).then_some(description);
    ArrayBuilder::new().items(ArrayItems::RefOrSchema(Box::new(of.into()))).description(described)
}

pub(super) fn strings(description: &str) -> ArrayBuilder {
    list(string(""), description)
}

/// One of these schemas, at least.
pub(super) fn either(schemas: impl IntoIterator<Item = RefOr<Schema>>) -> AnyOfBuilder {
    schemas.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item)
}

/// An object of these members; those whose name ends in `!` must be there.
pub(super) fn object(
    description: &str,
    members: impl IntoIterator<Item = (&'static str, RefOr<Schema>)>,
) -> ObjectBuilder {
    let start = ObjectBuilder::new().schema_type(Type::Object).description(Some(description));
    members.into_iter().fold(start, |object, (name, schema)| match name.strip_suffix('!') {
        Some(name) => object.property(name, schema).required(name),
        None => object.property(name, schema),
    })
}
