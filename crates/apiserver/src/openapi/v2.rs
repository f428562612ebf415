//! The one document of OpenAPI v2: every group version's paths and schemas, turned from v3 into what v2 can say.

use sampan_api::openapi::v2;
use serde_json::{Map, Value, json};

/// Makes a v2 document of paths and components in the form of v3.
pub(super) fn document(paths: Map<String, Value>, components: Map<String, Value>, server_version: &str) -> Value {
    let paths: Map<String, Value> = paths.into_iter().map(|(path, item)| (path, path_item(item))).collect();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": server_version },
        "paths": paths,
        "definitions": v2::definitions(components),
        "securityDefinitions": {
            "BearerToken": { "type": "apiKey", "in": "header", "name": "authorization", "description": "Bearer token" },
        },
        "security": [{ "BearerToken": [] }],
    })
}

fn path_item(item: Value) -> Value {
    let Value::Object(members) = item else { return item };
    let turned = members.into_iter().map(|(name, member)| match &*name {
        "parameters" => (name, parameters(member)),
        _ => (name, operation(member)),
    });
    turned.collect()
}

fn operation(mut operation: Value) -> Value {
    let Some(members) = operation.as_object_mut() else { return operation };
    let mut own = match members.remove("parameters").map(parameters) {
        Some(Value::Array(own)) => own,
        _ => Vec::new(),
    };
    if let Some(body) = members.remove("requestBody") {
        members.insert("consumes".to_owned(), media_of(&body["content"]));
        own.insert(0, body_parameter(&body));
    }
    if !own.is_empty() {
        members.insert("parameters".to_owned(), own.into());
    }
    let mut produces = Value::Array(Vec::new());
    if let Some(Value::Object(responses)) = members.get_mut("responses") {
        for response in responses.values_mut().filter(|response| response.get("content").is_some()) {
            produces = media_of(&response["content"]);
            *response = json!({ "description": response["description"], "schema": schema_of(&response["content"]) });
        }
    }
    members.insert("produces".to_owned(), produces);
    members.insert("schemes".to_owned(), json!(["https"]));
    operation
}

/// v2 puts the type of a parameter beside its name.
fn parameters(parameters: Value) -> Value {
    let Value::Array(parameters) = parameters else { return parameters };
    let flat = parameters.into_iter().map(|mut parameter| {
        let schema = parameter.as_object_mut().and_then(|members| members.remove("schema"));
        if let (Some(Value::Object(schema)), Some(members)) = (schema, parameter.as_object_mut()) {
            members.extend(schema);
        }
        parameter
    });
    flat.collect()
}

fn body_parameter(body: &Value) -> Value {
    let mut parameter = json!({ "name": "body", "in": "body", "schema": schema_of(&body["content"]) });
    if body["required"] == true {
        parameter["required"] = true.into();
    }
    parameter
}

/// Every media type of a body has the same schema.
fn schema_of(content: &Value) -> Value {
    let first = content.as_object().and_then(|media| media.values().next());
    first.map_or_else(|| json!({ "type": "object" }), |media| v2::schema(media["schema"].clone()))
}

fn media_of(content: &Value) -> Value {
    content.as_object().into_iter().flat_map(Map::keys).cloned().map(Value::String).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn an_operation_takes_its_body_as_a_parameter() {
        let reference = json!({ "$ref": "#/components/schemas/io.k8s.api.core.v1.Pod" });
        let turned = operation(json!({
            "operationId": "createPod",
            "parameters": [{ "name": "dryRun", "in": "query", "schema": { "type": "string", "uniqueItems": true } }],
            "requestBody": { "content": { "*/*": { "schema": reference } }, "required": true },
            "responses": {
                "201": { "description": "OK", "content": { "application/json": { "schema": reference } } },
                "401": { "description": "Unauthorized" },
            },
        }));
        expect![[r##"{"consumes":["*/*"],"operationId":"createPod","parameters":[{"in":"body","name":"body","required":true,"schema":{"$ref":"#/definitions/io.k8s.api.core.v1.Pod"}},{"in":"query","name":"dryRun","type":"string","uniqueItems":true}],"produces":["application/json"],"responses":{"201":{"description":"OK","schema":{"$ref":"#/definitions/io.k8s.api.core.v1.Pod"}},"401":{"description":"Unauthorized"}},"schemes":["https"]}"##]]
            .assert_eq(&turned.to_string());
    }
}
