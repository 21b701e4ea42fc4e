use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    Columns, ColumnsWriter, Located, Point, Rollup, RollupBuilder, Scalar, Schema, Shape, bucket_lines,
};

fn row(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(row) => row,
        other => panic!("{other} is not a row"),
    }
}

fn schema(rows: &[Map<String, Value>]) -> Schema {
    let mut schema = Schema::default();
    for row in rows {
        schema.add(row);
    }
    schema
}

fn write(rows: &[Map<String, Value>]) -> (Vec<u8>, usize) {
    let mut writer = ColumnsWriter::new(&schema(rows), Vec::new()).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    let (bytes, written) = writer.finish().unwrap();
    let footer = bytes.len() - usize::try_from(written.footer_bytes).unwrap();
    (bytes, footer)
}

fn column(file: &[u8], footer: usize, path: &[&str]) -> Vec<Option<Scalar>> {
    let columns = Columns::parse(&file[footer..]).unwrap();
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    let column = columns.column(&path).unwrap();
    let mut values = Vec::new();
    for (group, rows) in columns.group_rows().enumerate() {
        let range = columns.byte_range(group, column).unwrap();
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        let bytes = Bytes::copy_from_slice(&file[start..end]);
        let rows = usize::try_from(rows).unwrap();
        let half = rows / 2;
        values.extend(columns.decode(group, column, bytes.clone(), 0..half).unwrap());
        values.extend(columns.decode(group, column, bytes, half..rows).unwrap());
    }
    values
}

fn located(schema: &Schema, key: &str) -> Located {
    schema.scalar(key)
}

#[test]
fn every_kind_of_value_comes_back_from_its_column() {
    let rows = [
        row(json!({"_step": 0, "loss": 0.5, "ok": true, "name": "a", "nested": {"x": 1}, "wide": i64::MAX})),
        row(json!({"_step": 1, "loss": "NaN", "list": [1, 2], "img": {"_type": "image-file", "path": "p"}})),
        row(json!({"_step": 2, "loss": 1, "nested": {"x": 2, "y": {"z": "deep"}}, "list": []})),
    ];
    let (file, footer) = write(&rows);
    assert_eq!(
        column(&file, footer, &["_step"]),
        [Some(Scalar::Int(0)), Some(Scalar::Int(1)), Some(Scalar::Int(2))]
    );
    let loss = column(&file, footer, &["loss"]);
    assert_eq!(loss[0], Some(Scalar::Double(0.5)));
    assert!(matches!(loss[1], Some(Scalar::Double(nan)) if nan.is_nan()));
    assert_eq!(loss[2], Some(Scalar::Double(1.0)));
    assert_eq!(column(&file, footer, &["ok"]), [Some(Scalar::Bool(true)), None, None]);
    assert_eq!(column(&file, footer, &["wide"]), [Some(Scalar::Int(i64::MAX)), None, None]);
    assert_eq!(column(&file, footer, &["nested", "x"]), [Some(Scalar::Int(1)), None, Some(Scalar::Int(2))]);
    let deep = [None, None, Some(Scalar::Text("deep".to_owned()))];
    assert_eq!(column(&file, footer, &["nested", "y", "z"]), deep);
    assert_eq!(column(&file, footer, &["img", "path"])[1], Some(Scalar::Text("p".to_owned())));
}

#[test]
fn a_key_is_answered_from_a_column_only_where_that_is_the_whole_truth() {
    let rows = [
        row(json!({"plain": 1, "a.b": 1, "a": {"b": 2}, "mixed": 1, "null": null, "dict": {"v": 1.5}})),
        row(json!({"mixed": "x", "null": 1, "media": {"_type": "t", "path": "p"}, "list": [1]})),
    ];
    let schema = schema(&rows);
    assert_eq!(located(&schema, "plain"), Located::Column(vec!["plain".to_owned()], Shape::Int));
    let nested = vec!["dict".to_owned(), "v".to_owned()];
    assert_eq!(located(&schema, "dict.v"), Located::Column(nested, Shape::Fraction));
    assert_eq!(located(&schema, "missing"), Located::Nowhere);
    assert_eq!(located(&schema, "dict.missing"), Located::Nowhere);
    for key in ["a.b", "mixed", "mixed.x", "null", "dict", "media", "list"] {
        assert_eq!(located(&schema, key), Located::Rows, "{key}");
    }
}

#[test]
fn a_file_that_reads_back_has_no_text_in_place_of_values() {
    let reads_back = |value| schema(&[row(value)]).reads_back();
    assert!(reads_back(
        json!({"a": 1, "b": "x", "c": [1.5, 2], "d": null, "i": {"_type": "t", "bins": [1]}})
    ));
    assert!(!reads_back(json!({"a": {"b": 1}})));
    assert!(!reads_back(json!({"a": [[1]]})));
    assert!(!reads_back(json!({"a": u64::MAX})));
    assert!(!reads_back(json!({"i": {"_type": "t", "inner": [{"x": 1}]}})));
    assert!(!reads_back(json!({"i": {"_type": "t", "inner": {}}})));
}

#[test]
fn a_file_reads_back_only_where_its_steps_go_up() {
    let reads_back = |steps: &[Value]| {
        let mut schema = Schema::default();
        for step in steps {
            schema.follow(&row(json!({"_step": step})));
        }
        schema.reads_back()
    };
    assert!(reads_back(&[json!(-1), json!(0), json!(0), json!(7)]));
    assert!(!reads_back(&[json!(0), json!(2), json!(1)]));
    assert!(!reads_back(&[json!(0), json!(null), json!(1)]), "a row without a step is not found by one");
}

#[test]
fn lists_without_items_are_lists_in_the_file() {
    let rows = [row(json!({"_step": 0, "always": [], "i": {"_type": "t", "boxes": []}}))];
    let schema = schema(&rows);
    assert!(schema.reads_back());
    let (file, footer) = write(&rows);
    let columns = Columns::parse(&file[footer..]).unwrap();
    for path in [&["always", "list", "element"][..], &["i", "boxes", "list", "element"]] {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        assert!(columns.column(&path).is_some(), "{path:?}");
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..5).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-5.0..5.0).prop_map(Value::from),
        Just(json!("NaN")),
        "[a-c]{0,3}".prop_map(Value::from),
        proptest::collection::vec(-3_i64..3, 0..3).prop_map(Value::from),
        Just(json!({})),
    ]
}

fn any_row() -> impl Strategy<Value = Map<String, Value>> {
    let member = prop_oneof![
        4 => leaf(),
        1 => proptest::collection::btree_map("[ab]", leaf(), 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect())),
    ];
    proptest::collection::btree_map("[a-d](\\.[ab])?", member, 0..5)
        .prop_map(|members| members.into_iter().collect())
}

/// A key's value as the client finds it: written out, or on the path.
fn lookup<'a>(row: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    row.get(key).or_else(|| {
        key.match_indices('.')
            .find_map(|(dot, _)| lookup(row.get(&key[..dot])?.as_object()?, &key[dot + 1..]))
    })
}

fn shown(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => json!(value),
        Scalar::Int(value) => json!(value),
        Scalar::Double(value) if value.is_finite() => json!(value),
        Scalar::Double(_) => json!("NaN"),
        Scalar::Text(value) => json!(value),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

proptest! {
    #[test]
    fn columns_say_what_the_rows_say(rows in proptest::collection::vec(any_row(), 1..40), cut in 0_usize..40) {
        let whole = schema(&rows);
        let cut = cut.min(rows.len());
        let mut merged = schema(&rows[..cut]);
        merged.merge(schema(&rows[cut..]));
        prop_assert_eq!(&merged, &whole);
        let (file, footer) = write(&rows);
        let mut keys: Vec<String> = rows.iter().flat_map(|row| row.keys().cloned()).collect();
        keys.extend(["a.a", "a.b", "b.a", "zz"].map(str::to_owned));
        for key in keys {
            match whole.scalar(&key) {
                Located::Nowhere => {
                    for row in &rows {
                        prop_assert!(lookup(row, &key).is_none(), "{key}");
                    }
                }
                Located::Column(path, _) => {
                    let path: Vec<&str> = path.iter().map(String::as_str).collect();
                    let values = column(&file, footer, &path);
                    prop_assert_eq!(values.len(), rows.len());
                    for (row, value) in rows.iter().zip(&values) {
                        match (lookup(row, &key), value) {
                            (None, None) => {}
                            (Some(said), Some(scalar)) => prop_assert!(same(said, &shown(scalar)), "{said} {scalar:?}"),
                            other => prop_assert!(false, "{key}: {other:?}"),
                        }
                    }
                }
                Located::Rows => {}
            }
        }
    }

    #[test]
    fn rollups_of_parts_are_the_rollup_of_the_whole(values in proptest::collection::vec(-10..10_i32, 1..3000), cut in 0_usize..3000) {
        let points: Vec<Point> = values.iter().enumerate().filter(|(_, value)| **value != 0).map(|(line, value)| Point {
            line: line as u64,
            step: i64::try_from(line).unwrap() * 2,
            value: if *value == 1 { f64::NAN } else { f64::from(*value) },
        }).collect();
        let build = |points: &[Point]| {
            let mut builder = RollupBuilder::new(0);
            for point in points {
                builder.push("k", *point);
            }
            builder.finish().map(|(_, level, rollup)| (level, rollup)).collect::<Vec<_>>()
        };
        let cut = cut.min(points.len());
        let whole = build(&points);
        let (early, late) = (build(&points[..cut]), build(&points[cut..]));
        for (level, rollup) in &whole {
            let mut joined = Rollup::default();
            for part in [&early, &late] {
                if let Some((_, part)) = part.iter().find(|(known, _)| known == level) {
                    joined.append(part.clone());
                }
            }
            prop_assert_eq!(joined.encode(), rollup.encode());
            prop_assert_eq!(Rollup::decode(&rollup.encode()).unwrap().encode(), rollup.encode());
            let count: u32 = rollup.buckets.iter().map(|bucket| bucket.count).sum();
            prop_assert_eq!(count as usize, points.len());
            for bucket in &rollup.buckets {
                let inside: Vec<f64> = points.iter()
                    .filter(|point| point.line / bucket_lines(*level) == bucket.number)
                    .map(|point| point.value).filter(|value| value.is_finite()).collect();
                prop_assert_eq!(bucket.finite as usize, inside.len());
                if !inside.is_empty() {
                    prop_assert_eq!(bucket.min.to_bits(), inside.iter().copied().fold(f64::INFINITY, f64::min).to_bits());
                    prop_assert!((bucket.sum - inside.iter().sum::<f64>()).abs() < 1e-9);
                }
            }
        }
    }
}
