//! What `kubectl get` prints: the columns and cells of a `meta.k8s.io/v1` Table.

use serde::Serialize;

/// The definition of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The heading, for example `Ready`; kubectl prints it in capitals.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `name` marks the column that holds the object's name; empty otherwise.
    pub format: String,
    /// What the column shows, for people.
    pub description: String,
    /// 0 is always shown; columns above 0 appear with `-o wide` only.
    pub priority: i32,
}

/// One cell; its JSON type follows the column's.
pub type Cell = serde_json::Value;

impl Column {
    /// A column that is always shown.
    pub fn new(name: &str, type_: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            type_: type_.to_owned(),
            format: String::new(),
            description: description.to_owned(),
            priority: 0,
        }
    }

    /// The column every table begins with: the object's name.
    pub fn name() -> Self {
        Self { format: "name".to_owned(), ..Self::new("Name", "string", "Unique within its namespace.") }
    }

    /// Shows the column with `-o wide` only.
    pub fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }
}
