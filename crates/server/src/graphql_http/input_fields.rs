use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, OperationDefinition, ServiceDocument, Type, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::{Name, Positioned, Request, Value};

/// The fields of the schema's input objects, with the type of each.
///
/// The client sends fields that only some servers have. The executor would refuse them, so
/// [`InputFields::mend_variables`] takes them out of the variables first.
#[derive(Debug)]
pub struct InputFields(HashMap<String, HashMap<String, String>>);

impl InputFields {
    /// Reads them from the schema definition language.
    pub fn from_sdl(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let ServiceDocument { definitions } = async_graphql::parser::parse_schema(sdl)?;
        let inputs = definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => match definition.node.kind {
                TypeKind::InputObject(input) => {
                    let fields = input.fields.into_iter().map(|field| field.node);
                    let fields = fields.map(|field| (field.name.node.to_string(), innermost(&field.ty.node)));
                    Some((definition.node.name.node.to_string(), fields.collect()))
                }
                _ => None,
            },
            _ => None,
        });
        Ok(Self(inputs.collect()))
    }

    /// Takes out of the request's variables every field that the declared type does not have, and gives those that were
    /// not sent their defaults, which the executor forgets in `@include` and `@skip`.
    pub fn mend_variables(&self, request: &mut Request) {
        let operation_name = request.operation_name.clone();
        // What does not parse is the executor's to explain.
        let Ok(document) = request.parsed_query() else { return };
        let Some(operation) = selected(document, operation_name.as_deref()) else { return };
        let declared: Vec<(Name, String, Option<Value>)> = operation
            .variable_definitions
            .iter()
            .map(|Positioned { node, .. }| {
                let default = node.default_value.as_ref().map(|default| default.node.clone());
                (node.name.node.clone(), innermost(&node.var_type.node), default)
            })
            .collect();
        for (name, type_name, default) in declared {
            if let Some(value) = request.variables.get_mut(&name) {
                self.prune(value, &type_name);
            } else if let Some(default) = default {
                request.variables.insert(name, default);
            }
        }
    }

    fn prune(&self, value: &mut Value, type_name: &str) {
        let Some(fields) = self.0.get(type_name) else { return };
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.prune(item, type_name)),
            Value::Object(object) => {
                object.retain(|name, _| fields.contains_key(name.as_str()));
                for (name, value) in object {
                    if let Some(type_name) = fields.get(name.as_str()) {
                        self.prune(value, type_name);
                    }
                }
            }
            _ => {}
        }
    }
}

/// `[RunInput!]!` is `RunInput`.
fn innermost(mut ty: &Type) -> String {
    loop {
        match &ty.base {
            BaseType::Named(name) => return name.to_string(),
            BaseType::List(inner) => ty = inner,
        }
    }
}

fn selected<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    let operation: &Positioned<OperationDefinition> = match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => operation,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name)?,
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next()?
        }
        (DocumentOperations::Multiple(_), None) => return None,
    };
    Some(&operation.node)
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, InputObject, Object, Schema, Variables};
    use serde_json::json;

    use super::*;

    #[derive(InputObject)]
    struct Inner {
        a: i32,
    }

    #[derive(InputObject)]
    struct Outer {
        one: Option<Inner>,
        many: Option<Vec<Vec<Inner>>>,
    }

    struct Query;

    #[Object]
    impl Query {
        async fn sum(&self, outer: Outer, inner: Option<Vec<Inner>>) -> i32 {
            let many = outer.many.into_iter().flatten().flatten();
            outer.one.into_iter().chain(many).chain(inner.into_iter().flatten()).map(|inner| inner.a).sum()
        }
    }

    async fn sum(query: &str, variables: serde_json::Value) -> serde_json::Value {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let fields = InputFields::from_sdl(&schema.sdl()).unwrap();
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        fields.mend_variables(&mut request);
        serde_json::to_value(schema.execute(request).await).unwrap()
    }

    const SUM: &str = "query Sum($outer: Outer!, $inner: [Inner!]) { sum(outer: $outer, inner: $inner) }";

    #[tokio::test]
    async fn fields_that_only_other_servers_have_are_ignored() {
        let outer = json!({ "one": { "a": 1, "x": 1 }, "many": [[{ "a": 2, "x": {} }], []], "x": [] });
        let variables = json!({ "outer": outer, "inner": { "a": 4, "x": null }, "undeclared": { "a": 1 } });
        assert_eq!(sum(SUM, variables).await, json!({ "data": { "sum": 7 } }));
    }

    #[tokio::test]
    async fn a_variable_that_was_not_sent_has_its_default_everywhere() {
        let query = "query($with: Boolean = true, $inner: [Inner!] = [{a: 3}]) {
            sum(outer: {}, inner: $inner) @include(if: $with) __typename @skip(if: $with)
        }";
        assert_eq!(sum(query, json!({})).await, json!({ "data": { "sum": 3 } }));
        assert_eq!(sum(query, json!({ "with": false })).await, json!({ "data": { "__typename": "Query" } }));
    }

    #[tokio::test]
    async fn what_is_wrong_for_another_reason_is_still_refused() {
        let answer = sum(SUM, json!({ "outer": { "one": { "x": 1 } } })).await;
        assert!(answer["errors"][0]["message"].as_str().unwrap().contains("\"a\""), "{answer}");
    }

    #[tokio::test]
    async fn a_document_that_does_not_parse_is_left_to_the_executor() {
        assert!(sum("{", json!({})).await["errors"].is_array());
    }
}
