//! The list of nodes as a Table: about 130 bytes a node.

use crate::decide::{Fleet, quoted, why_unreadable};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A `meta.k8s.io/v1` Table of Nodes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    column_definitions: Vec<Column>,
    /// As text, which is read row by row: of thousands only the names are kept.
    rows: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
}

impl Table {
    /// Which nodes are Ready.
    ///
    /// # Errors
    /// One line about a Table without names, or with a status that is not known.
    pub fn fleet(self) -> Result<Fleet, String> {
        let column = |name: &str| self.column_definitions.iter().position(|c| c.name == name);
        let (Some(name), Some(status)) = (column("Name"), column("Status")) else {
            return Err("the Table of Nodes lacks the column Name or Status".to_owned());
        };
        let mut fleet = Fleet::default();
        for row in self.rows.into_iter().flatten() {
            let row: Row = serde_json::from_str(row.get()).map_err(|e| why_unreadable(&e))?;
            let cell = |n: usize| row.cells.get(n).and_then(Value::as_str);
            let (Some(name), Some(status)) = (cell(name), cell(status)) else {
                return Err("a row of the Table of Nodes lacks its name or status".to_owned());
            };
            if fleet.ready.contains(name) || fleet.not_ready.contains(name) {
                return Err(format!("the node {} is there twice", quoted(name)));
            }
            // `Ready,SchedulingDisabled` is a cordoned node.
            let nodes = match status.split(',').next() {
                Some("Ready") => &mut fleet.ready,
                Some("NotReady" | "Unknown") => &mut fleet.not_ready,
                _ => {
                    let (name, status) = (quoted(name), quoted(status));
                    return Err(format!("the node {name} has the status {status}"));
                }
            };
            nodes.insert(name.to_owned());
        }
        Ok(fleet)
    }
}
