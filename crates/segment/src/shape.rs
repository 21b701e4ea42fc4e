//! What values a key has held. Pure, and mergeable in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Beyond this, a double no longer holds every whole number.
const EXACT_DOUBLE: u64 = 1 << 53;

/// The kind of column that holds every value of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `true` and `false`.
    Bool,
    /// Whole numbers that a double holds exactly.
    Int,
    /// Whole numbers of 64 bits.
    Wide,
    /// Numbers with a fraction, and those that are not finite.
    Fraction,
    /// Numbers written with a point or an exponent, whole ones among them.
    Float,
    /// Both [`Shape::Int`] and [`Shape::Fraction`]: what is whole was written without a point.
    Number,
    /// Both [`Shape::Int`] and [`Shape::Float`]: a column does not tell how a whole number was written.
    Mixed,
    /// Strings.
    Text,
    /// Lists whose items have one of the shapes above.
    List(Option<Box<Shape>>),
    /// Objects, by their members.
    Group(BTreeMap<String, Field>),
    /// Anything else: kept as JSON text.
    Json,
}

/// A key, or a member of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The column that holds it; none while only nulls were seen.
    pub shape: Option<Shape>,
    /// Whether it was ever null on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nulls: bool,
}

/// The shapes of all keys of a stretch of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    pub(crate) fields: BTreeMap<String, Field>,
    steps: Steps,
}

/// How `_step` goes on from row to row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Steps {
    /// No row was written.
    #[default]
    None,
    /// Never down, and the last is this.
    Ascending(i64),
    /// Down in between, or missing.
    Unordered,
}

impl Steps {
    fn then(self, row: &Map<String, Value>) -> Self {
        match (self, row.get("_step").and_then(Value::as_i64)) {
            (Self::None, Some(step)) => Self::Ascending(step),
            (Self::Ascending(last), Some(step)) if last <= step => Self::Ascending(step),
            _ => Self::Unordered,
        }
    }
}

impl Schema {
    /// Takes in a row.
    pub fn add(&mut self, row: &Map<String, Value>) {
        add_members(&mut self.fields, row);
    }

    /// Takes in the rows that another schema has seen.
    pub fn merge(&mut self, other: Self) {
        merge_fields(&mut self.fields, other.fields);
    }

    /// Takes in the step of a row as it is written to the file: those rows alone, each once, in their order.
    pub fn follow(&mut self, row: &Map<String, Value>) {
        self.steps = self.steps.then(row);
    }

    /// Whether a reader of the file gets each row back in its own shape: no key had values that only JSON text holds,
    /// and none is an object other than a media value, whose parts are asked for by dotted names. The client stops at
    /// the first step that it does not want, so steps must not go down.
    pub fn reads_back(&self) -> bool {
        self.steps != Steps::Unordered
            && self.fields.values().all(|field| match &field.shape {
                Some(Shape::Group(members)) => members.contains_key("_type") && is_typed(members),
                Some(shape) => *shape != Shape::Json,
                None => true,
            })
    }

    /// Whether a file of these rows has the columns that one of all those rows has.
    pub fn has_columns_of(&self, other: &Self) -> bool {
        self.fields == other.fields
    }

    /// The keys that were seen, those of objects joined by dots.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        list(&self.fields, &mut String::new(), &mut keys);
        keys
    }

    /// Where the values of a key are, if one column holds them all and nothing else: a key may be written out or be the
    /// path to a member of an object, and may be null.
    pub fn scalar(&self, key: &str) -> Located {
        let mut found = Located::Nowhere;
        locate(&self.fields, key, false, &mut Vec::new(), &mut found);
        found
    }

    /// Whether a key held numbers, and nothing else but nulls.
    pub fn is_number(&self, key: &str) -> bool {
        let mut found = Located::Nowhere;
        locate(&self.fields, key, true, &mut Vec::new(), &mut found);
        matches!(found, Located::Column(_, shape) if shape.is_number())
    }
}

/// Where the values of a key are.
#[derive(Clone, Debug, PartialEq)]
pub enum Located {
    /// No row has the key.
    Nowhere,
    /// In one column of scalars.
    Column(Vec<String>, Shape),
    /// Only the rows themselves can tell.
    Rows,
}

fn locate(
    fields: &BTreeMap<String, Field>,
    key: &str,
    with_nulls: bool,
    path: &mut Vec<String>,
    found: &mut Located,
) {
    let mut matched = |path: &[String], field: &Field| {
        *found = match (&*found, &field.shape) {
            (Located::Nowhere, Some(shape)) if shape.is_scalar() && (with_nulls || !field.nulls) => {
                Located::Column(path.to_vec(), shape.clone())
            }
            _ => Located::Rows,
        };
    };
    if let Some(field) = fields.get(key) {
        path.push(key.to_owned());
        matched(path, field);
        path.pop();
    }
    for (dot, _) in key.match_indices('.') {
        let Some(field) = fields.get(&key[..dot]) else { continue };
        match &field.shape {
            Some(Shape::Group(members)) => {
                path.push(key[..dot].to_owned());
                locate(members, &key[dot + 1..], with_nulls, path, found);
                path.pop();
            }
            Some(Shape::Json) => *found = Located::Rows,
            _ => {}
        }
    }
}

fn list(fields: &BTreeMap<String, Field>, path: &mut String, keys: &mut Vec<String>) {
    let base = path.len();
    for (key, field) in fields {
        if base > 0 {
            path.push('.');
        }
        path.push_str(key);
        match &field.shape {
            Some(Shape::Group(members)) => list(members, path, keys),
            _ => keys.push(path.clone()),
        }
        path.truncate(base);
    }
}

fn is_typed(members: &BTreeMap<String, Field>) -> bool {
    members.values().all(|field| match &field.shape {
        Some(Shape::Group(inner)) => !inner.is_empty() && is_typed(inner),
        Some(shape) => *shape != Shape::Json,
        None => true,
    })
}

impl Shape {
    /// Whether a column of this shape has one value a row.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Bool | Self::Text) || self.is_number()
    }

    /// Whether its values are numbers.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Wide | Self::Fraction | Self::Float | Self::Number | Self::Mixed)
    }

    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) if whole.unsigned_abs() <= EXACT_DOUBLE => Self::Int,
                (Some(_), _) => Self::Wide,
                (None, Some(_)) => Self::Json,
                (None, None) if number.as_f64().is_some_and(|value| value.fract() == 0.0) => Self::Float,
                (None, None) => Self::Fraction,
            },
            Value::String(text) if non_finite(text).is_some() => Self::Fraction,
            Value::String(_) => Self::Text,
            Value::Array(items) => Self::of_list(items),
            Value::Object(members) => {
                let mut fields = BTreeMap::new();
                add_members(&mut fields, members);
                Self::Group(fields)
            }
        })
    }

    fn of_list(items: &[Value]) -> Self {
        let mut inner: Option<Self> = None;
        for item in items {
            let shape = match Self::of(item) {
                Some(shape) if shape.is_scalar() => shape,
                _ => return Self::Json,
            };
            inner = Some(match inner {
                Some(before) => before.or(shape),
                None => shape,
            });
        }
        if inner == Some(Self::Json) { Self::Json } else { Self::List(inner.map(Box::new)) }
    }

    fn or(self, other: Self) -> Self {
        use Shape::{Float, Fraction, Group, Int, Json, List, Mixed, Number, Wide};
        match (self, other) {
            (a, b) if a == b => a,
            (Int, Wide) | (Wide, Int) => Wide,
            (Float | Fraction, Float | Fraction) => Float,
            (Int | Fraction | Number, Int | Fraction | Number) => Number,
            (Int | Fraction | Float | Number | Mixed, Int | Fraction | Float | Number | Mixed) => Mixed,
            (List(a), List(b)) => match (a, b) {
                (Some(a), Some(b)) => match a.or(*b) {
                    Json => Json,
                    inner => List(Some(Box::new(inner))),
                },
                (a, b) => List(a.or(b)),
            },
            (Group(mut a), Group(b)) => {
                merge_fields(&mut a, b);
                Group(a)
            }
            _ => Json,
        }
    }
}

fn add_members(fields: &mut BTreeMap<String, Field>, row: &Map<String, Value>) {
    for (key, value) in row {
        if !fields.contains_key(key) {
            fields.insert(key.clone(), Field { shape: None, nulls: false });
        }
        let Some(field) = fields.get_mut(key) else { continue };
        match (value, &mut field.shape) {
            (Value::Null, _) => field.nulls = true,
            // The common cases, without building a shape only to throw it away.
            (_, Some(Shape::Json)) => {}
            (Value::Object(members), Some(Shape::Group(inner))) => add_members(inner, members),
            (value, known) => {
                if let Some(seen) = Shape::of(value).filter(|seen| known.as_ref() != Some(seen)) {
                    *known = Some(match known.take() {
                        Some(before) => before.or(seen),
                        None => seen,
                    });
                }
            }
        }
    }
}

fn merge_fields(fields: &mut BTreeMap<String, Field>, other: BTreeMap<String, Field>) {
    for (key, theirs) in other {
        match fields.get_mut(&key) {
            None => {
                fields.insert(key, theirs);
            }
            Some(ours) => {
                ours.nulls |= theirs.nulls;
                ours.shape = match (ours.shape.take(), theirs.shape) {
                    (Some(a), Some(b)) => Some(a.or(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
}

/// The number that a value is, also one that is not finite.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => non_finite(text),
        _ => None,
    }
}

/// The number that such a text stands for, where bare `NaN` and the like were quoted.
pub(crate) fn non_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
