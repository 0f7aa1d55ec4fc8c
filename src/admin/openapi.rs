//! The OpenAPI document, printed from the table of routes.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::actor::Needs;
use super::body::Problem;
use super::query::{Param, ParamKind};
use super::route::Route;
use super::table;

/// The whole document.
#[derive(Debug, Serialize)]
pub(super) struct Document<S> {
    openapi: &'static str,
    info: Info,
    paths: BTreeMap<&'static str, BTreeMap<String, Operation>>,
    components: Components<S>,
}

#[derive(Debug, Serialize)]
struct Info {
    title: &'static str,
    version: &'static str,
    description: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Components<S> {
    schemas: S,
    security_schemes: BTreeMap<&'static str, SecurityScheme>,
}

#[derive(Debug, Serialize)]
struct SecurityScheme {
    r#type: &'static str,
    scheme: &'static str,
    description: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: String,
    summary: &'static str,
    tags: [String; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<RequestBody>,
    responses: BTreeMap<String, Response>,
    security: Vec<BTreeMap<&'static str, [String; 0]>>,
}

#[derive(Debug, Serialize)]
struct Parameter {
    name: &'static str,
    r#in: &'static str,
    required: bool,
    description: &'static str,
    schema: Schema,
}

#[derive(Debug, Serialize)]
struct RequestBody {
    required: bool,
    content: Content,
}

#[derive(Debug, Serialize)]
struct Response {
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

type Content = BTreeMap<&'static str, Media>;

#[derive(Debug, Serialize)]
struct Media {
    schema: Schema,
}

/// An error's body, for the document: `error`, or `detail`, or both.
#[derive(Debug, Serialize, JsonSchema)]
struct Error {
    error: Option<ErrorBody>,
    detail: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorBody")]
struct ErrorBody {
    message: String,
    r#type: Option<String>,
    param: Option<String>,
    code: String,
}

/// What is wrong with the types of a request, for the document.
#[derive(Debug, Serialize, JsonSchema)]
struct ValidationError {
    detail: Vec<Problem>,
}

/// Prints the document.
pub(super) fn document() -> impl Serialize {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let mut paths: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for route in table::all() {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route, &mut generator));
    }
    let key = SecurityScheme {
        r#type: "http",
        scheme: "bearer",
        description: "The master key, or a virtual key of a user whose role allows the route.",
    };
    Document {
        openapi: "3.1.0",
        info: Info {
            title: "Tollgate management API",
            version: env!("CARGO_PKG_VERSION"),
            description: "Keys, teams, users and the rest, with the fields of LiteLLM's proxy.",
        },
        paths,
        components: Components {
            schemas: generator.take_definitions(true),
            security_schemes: BTreeMap::from([("key", key)]),
        },
    }
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Operation {
    let body = route.takes.map(|takes| RequestBody { required: true, content: json(takes(generator)) });
    let words: Vec<_> = route.path.split(['/', '{', '}', '.', '-', '_']).filter(|word| !word.is_empty()).collect();
    Operation {
        operation_id: format!("{}_{}", route.method.as_str().to_ascii_lowercase(), words.join("_")),
        summary: route.summary,
        tags: [(*words.first().unwrap_or(&"root")).to_owned()],
        parameters: parameters(route),
        request_body: body,
        responses: responses(route, generator),
        security: match route.needs {
            Needs::Nothing => Vec::new(),
            // Open to loopback, unless the configuration says otherwise.
            _ if route.path == "/metrics" => vec![BTreeMap::new(), BTreeMap::from([("key", [])])],
            _ => vec![BTreeMap::from([("key", [])])],
        },
    }
}

fn parameters(route: &Route) -> Vec<Parameter> {
    let in_path = route.names().map(|name| Parameter {
        name,
        r#in: "path",
        required: true,
        description: "Which one; percent-encoded.",
        schema: json_schema!({ "type": "string", "minLength": 1 }),
    });
    let in_query = route.query.iter().map(|param| Parameter {
        name: param.name,
        r#in: "query",
        required: param.required,
        description: param.meaning,
        schema: schema(param),
    });
    in_path.chain(in_query).collect()
}

fn schema(param: &Param) -> Schema {
    match param.kind {
        ParamKind::Text => json_schema!({ "type": "string" }),
        ParamKind::Count { min, max, default } => {
            json_schema!({ "type": "integer", "minimum": min, "maximum": max, "default": default })
        }
        ParamKind::Truth => json_schema!({ "type": "boolean" }),
        // Dashboards send an empty one where nothing is chosen.
        ParamKind::Moment => json_schema!({ "type": "string", "anyOf": [
            { "format": "date-time" }, { "format": "date" }, { "maxLength": 0 }
        ] }),
        ParamKind::Choice(words) => json_schema!({ "type": "string", "enum": words }),
    }
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> BTreeMap<String, Response> {
    let content = match route.path {
        "/metrics" => BTreeMap::from([("text/plain", Media { schema: json_schema!({ "type": "string" }) })]),
        _ => json((route.gives)(generator)),
    };
    let mut all = BTreeMap::from([(route.status, Response { description: "Done", content: Some(content) })]);
    let mut add = |status, description, schema| {
        all.insert(status, Response { description, content: Some(json(schema)) });
    };
    let error = generator.subschema_for::<Error>();
    if route.needs != Needs::Nothing {
        add(401, "No valid key, or one that may not ask for this", error.clone());
        add(403, "The key or its user may not do this", error.clone());
    }
    add(400, "What was asked for makes no sense", error.clone());
    add(404, "There is no such thing", error.clone());
    add(405, "The path takes other methods", error.clone());
    add(409, "It is there already", error.clone());
    add(413, "The body is too large", error.clone());
    add(415, "The body is compressed", error.clone());
    add(422, "A value has the wrong type", generator.subschema_for::<ValidationError>());
    add(500, "The gateway failed", error.clone());
    add(503, "It cannot be kept or read just now", error);
    all.into_iter().map(|(status, response)| (status.to_string(), response)).collect()
}

fn json(schema: Schema) -> Content {
    BTreeMap::from([("application/json", Media { schema })])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_row_and_every_schema_that_it_names() {
        let text = serde_json::to_string(&document()).unwrap();
        for route in table::all() {
            assert!(text.contains(&format!("\"{}\":{{", route.path)), "{}", route.path);
        }
        for (at, start) in text.match_indices("#/components/schemas/") {
            let name = text[at + start.len()..].split('"').next().unwrap();
            assert!(text.contains(&format!("\"{name}\":{{")), "{name} is named and not there");
        }
        let ids = text.matches("\"operationId\":").count();
        assert_eq!(ids, table::all().count());
    }
    #[derive(serde::Deserialize)]
    struct Read {
        components: ReadComponents,
    }

    #[derive(serde::Deserialize)]
    struct ReadComponents {
        schemas: BTreeMap<String, ReadSchema>,
    }

    #[derive(serde::Deserialize)]
    struct ReadSchema {
        #[serde(default)]
        required: Vec<String>,
    }

    #[test]
    fn what_an_answer_may_lack_is_not_required_of_it() {
        let text = serde_json::to_string(&document()).unwrap();
        let read: Read = serde_json::from_str(&text).unwrap();
        for name in ["Generated", "Updated"] {
            let required = &read.components.schemas[name].required;
            assert!(required.contains(&"token".to_owned()) && !required.contains(&"warnings".to_owned()), "{name}");
        }
    }
}
