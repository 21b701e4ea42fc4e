//! A schema as Parquet sees it: a tree of groups with leaves, each leaf a column.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::schema::types::{Type, TypePtr};

use crate::Result;
use crate::shape::{Field, Schema, Shape};

/// How a leaf's values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Double,
    Text,
    Json,
}

/// A node of the tree. What is optional adds one to the definition level of what is below it.
#[derive(Debug)]
pub(crate) enum Node {
    /// The index of its column.
    Leaf(usize),
    /// The column of its items.
    List(usize),
    Group(Vec<(String, Node)>),
}

/// The tree, and the kinds of its columns in their order.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) root: Vec<(String, Node)>,
    pub(crate) leaves: Vec<Kind>,
    pub(crate) parquet: TypePtr,
}

impl Layout {
    /// Scalars come first: some readers take the place of a key among the keys for its place among the columns, which
    /// holds until the first object.
    pub(crate) fn of(schema: &Schema) -> Result<Self> {
        let mut leaves = Vec::new();
        let mut root = Vec::new();
        let mut types = Vec::new();
        let is_group = |field: &Field| matches!(field.shape, Some(Shape::Group(_)));
        let (groups, plain): (Vec<_>, Vec<_>) = schema.fields.iter().partition(|(_, field)| is_group(field));
        for (key, field) in plain.into_iter().chain(groups) {
            let (node, parquet) = place(key, field, &mut leaves)?;
            root.push((key.clone(), node));
            types.push(parquet);
        }
        let parquet = Arc::new(Type::group_type_builder("history").with_fields(types).build()?);
        Ok(Self { root, leaves, parquet })
    }
}

fn place(name: &str, field: &Field, leaves: &mut Vec<Kind>) -> Result<(Node, TypePtr)> {
    match &field.shape {
        Some(Shape::Group(members)) if !members.is_empty() => {
            let mut nodes = Vec::new();
            let mut types = Vec::new();
            for (key, member) in members {
                let (node, parquet) = place(key, member, leaves)?;
                nodes.push((key.clone(), node));
                types.push(parquet);
            }
            let group = Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_fields(types)
                .build()?;
            Ok((Node::Group(nodes), Arc::new(group)))
        }
        Some(Shape::List(inner)) => {
            // Where no list had an item, a list of any kind holds them.
            let kind = inner.as_deref().map_or(Kind::Text, |inner| kind(Some(inner)));
            let item = leaf("element", kind, Repetition::REQUIRED)?;
            let items = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![item])
                .build()?;
            let list = Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_converted_type(ConvertedType::LIST)
                .with_logical_type(Some(LogicalType::List))
                .with_fields(vec![Arc::new(items)])
                .build()?;
            leaves.push(kind);
            Ok((Node::List(leaves.len() - 1), Arc::new(list)))
        }
        shape => {
            let kind = kind(shape.as_ref());
            leaves.push(kind);
            Ok((Node::Leaf(leaves.len() - 1), leaf(name, kind, Repetition::OPTIONAL)?))
        }
    }
}

fn kind(shape: Option<&Shape>) -> Kind {
    match shape {
        Some(Shape::Bool) => Kind::Bool,
        Some(Shape::Int | Shape::Wide) => Kind::Int,
        Some(Shape::Fraction | Shape::Float | Shape::Number | Shape::Mixed) => Kind::Double,
        Some(Shape::Text) => Kind::Text,
        // Only nulls, only empty objects, or a mixture.
        None | Some(Shape::List(_) | Shape::Group(_) | Shape::Json) => Kind::Json,
    }
}

fn leaf(name: &str, kind: Kind, repetition: Repetition) -> Result<TypePtr> {
    let (physical, logical) = match kind {
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Int => (Physical::INT64, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
    };
    let built = Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(built))
}
