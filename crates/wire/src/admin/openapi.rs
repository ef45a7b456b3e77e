//! The description of the admin API (OpenAPI 3.1) is written from the table of commands, so that it cannot say anything else.

use jeton_core::admin::{AREAS, Answer, Command, Effect, Field, FieldKind, Param, ParamKind, ParamNeed, commands};
use serde_json::{Map, Value, json};

/// The whole description.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for command in commands() {
        let place = paths.entry(command.path).or_insert_with(|| json!({}));
        place[command.method.to_ascii_lowercase()] = operation(command);
    }
    let scopes: Map<String, Value> = AREAS.iter().map(|(scope, sentence)| ((*scope).to_owned(), (*sentence).into())).collect();
    let client_credentials = json!({ "tokenUrl": "/token", "scopes": scopes });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jeton admin API",
            "version": "1",
            "summary": "Every command of the command line, over HTTP.",
            "description": "Tokens come from the admin realm, which answers beside this API, by client credentials. \
                            Make a client for it on the machine itself: `jeton client create admin NAME --scope admin:clients:read --secret main`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "security": [],
        "paths": paths,
        "components": {
            "securitySchemes": { "admin": { "type": "oauth2", "flows": { "clientCredentials": client_credentials } } },
            "schemas": { "Error": error(), "Plan": plan() },
            "responses": responses(),
        },
    })
}

fn tags() -> Vec<Value> {
    let mut nouns: Vec<&str> = Vec::new();
    for (noun, _) in commands().map(Command::words) {
        if !nouns.contains(&noun) {
            nouns.push(noun);
        }
    }
    nouns.into_iter().map(|noun| json!({ "name": noun })).collect()
}

fn operation(command: &Command) -> Value {
    let in_path = |param: &&Param| command.path.contains(&format!("{{{}}}", param.name));
    let has_body = !matches!(command.method, "GET" | "DELETE");
    let mut parameters: Vec<Value> = command.params.iter().filter(in_path).map(|param| parameter(param, "path")).collect();
    let rest: Vec<&Param> = command.params.iter().filter(|param| !in_path(param)).collect();
    if !has_body {
        parameters.extend(rest.iter().map(|param| parameter(param, "query")));
    }
    let samples = command.examples.iter().map(|(line, about)| json!({ "lang": "Shell", "label": about, "source": line }));
    let mut operation = json!({
        "operationId": command.name,
        "tags": [command.words().0],
        "summary": command.summary,
        "parameters": parameters,
        "responses": answers(command),
        "security": [{ "admin": [command.scope] }],
        "x-codeSamples": samples.collect::<Vec<_>>(),
    });
    if has_body && !rest.is_empty() {
        let required: Vec<&str> = rest.iter().filter(|param| param.need == ParamNeed::Required).map(|param| param.name).collect();
        let properties: Map<String, Value> = rest.iter().map(|param| (param.name.to_owned(), param_schema(param))).collect();
        let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.clone().into();
        }
        operation["requestBody"] =
            json!({ "required": !required.is_empty(), "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn parameter(param: &Param, place: &str) -> Value {
    let mut schema = param_schema(param);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("description");
    }
    // A list in a query is one text with spaces between its words, as everywhere in OAuth.
    if param.kind == ParamKind::List {
        schema = json!({ "type": "string" });
    }
    json!({
        "name": param.name, "in": place, "required": place == "path" || param.need == ParamNeed::Required,
        "description": param.sentence, "schema": schema,
    })
}

fn param_schema(param: &Param) -> Value {
    let mut schema = match param.kind {
        ParamKind::Text | ParamKind::Token | ParamKind::Time => json!({ "type": "string" }),
        ParamKind::Secret => json!({ "type": "string", "format": "password", "writeOnly": true }),
        ParamKind::Integer => json!({ "type": "integer" }),
        ParamKind::Boolean => json!({ "type": "boolean", "default": false }),
        ParamKind::List => json!({ "type": "array", "items": { "type": "string" } }),
        ParamKind::Choice(words) => json!({ "type": "string", "enum": words }),
        ParamKind::Document | ParamKind::Realms => json!({ "type": "object" }),
        ParamKind::Clients => json!({ "type": "array", "items": { "type": "object" } }),
    };
    schema["description"] = param.sentence.into();
    schema
}

fn answers(command: &Command) -> Value {
    let (status, about) = if command.name.ends_with(".create") { ("201", "Made.") } else { ("200", "Done.") };
    let schema = match command.answer {
        Answer::One(fields) => object(fields),
        Answer::List(fields) | Answer::Lines(fields) => json!({
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": { "type": "array", "items": object(fields) },
                "next": { "type": "string", "description": "Give it as `after` to read on; absent at the end." },
            },
        }),
        Answer::Plan => json!({ "$ref": "#/components/schemas/Plan" }),
    };
    let mut answers = json!({
        status: { "description": about, "content": { "application/json": { "schema": schema } } },
        "400": { "$ref": "#/components/responses/Invalid" },
        "401": { "$ref": "#/components/responses/Unauthorized" },
        "403": { "$ref": "#/components/responses/Forbidden" },
        "404": { "$ref": "#/components/responses/NotFound" },
        "503": { "$ref": "#/components/responses/Unavailable" },
    });
    if matches!(command.effect, Effect::Changes | Effect::Destroys(_)) {
        answers["409"] = json!({ "$ref": "#/components/responses/Conflict" });
    }
    answers
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    json!({ "type": "object", "properties": properties })
}

fn field_schema(field: &Field) -> Value {
    let mut schema = match field.kind {
        FieldKind::Text => json!({ "type": ["string", "null"] }),
        FieldKind::Integer => json!({ "type": ["integer", "null"] }),
        FieldKind::Time => json!({ "type": ["string", "null"], "format": "date-time" }),
        FieldKind::List => json!({ "type": ["array", "null"], "items": { "type": "string" } }),
        FieldKind::Object => json!({ "type": ["object", "null"] }),
        FieldKind::Rows => json!({ "type": ["array", "null"], "items": { "type": "object" } }),
    };
    schema["description"] = field.sentence.into();
    schema
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {
            "error": { "type": "string", "description": "What software reads." },
            "error_description": { "type": "string", "description": "One sentence that says what to change." },
            "needs": {
                "type": "array",
                "description": "The permissions that must be accepted by name, with `acceptance_needed`.",
                "items": {
                    "type": "object",
                    "properties": { "permission": { "type": "string" }, "sentence": { "type": "string" } },
                },
            },
        },
    })
}

fn plan() -> Value {
    let change = json!({
        "type": "object",
        "required": ["change", "target"],
        "properties": {
            "change": { "type": "string", "enum": ["create", "change", "delete"] },
            "target": { "type": "string", "description": "What it is about, for example acme/client/build-7." },
            "about": { "type": "object", "description": "What is made." },
            "fields": {
                "type": "array",
                "description": "What is changed; never the value of a secret.",
                "items": {
                    "type": "object",
                    "required": ["field"],
                    "properties": { "field": { "type": "string" }, "from": {}, "to": {} },
                },
            },
        },
    });
    json!({
        "type": "object",
        "required": ["changes", "unchanged", "applied", "warnings"],
        "properties": {
            "changes": { "type": "array", "items": change },
            "unchanged": { "type": "integer", "description": "How many things are as they should be." },
            "applied": { "type": "boolean", "description": "Whether the changes were made, or only planned." },
            "warnings": { "type": "array", "items": { "type": "string" } },
        },
    })
}

fn responses() -> Value {
    let response = |about: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        json!({ "description": about, "content": { "application/json": { "schema": schema } } })
    };
    let mut unauthorized = response("No usable access token (RFC 6750).");
    let challenge = json!({ "description": "The challenge of RFC 6750 section 3.", "schema": { "type": "string" } });
    unauthorized["headers"] = json!({ "WWW-Authenticate": challenge });
    json!({
        "Invalid": response("What was given cannot be right."),
        "Unauthorized": unauthorized,
        "Forbidden": response("The token lacks the scope of this command, or the caller may not do this."),
        "NotFound": response("What was named does not exist."),
        "Conflict": response("What should be made exists or existed, or something must be accepted first."),
        "Unavailable": response("The store does not answer; trying later may help."),
    })
}
