//! JSON as the client writes it: bare `NaN`, `Infinity` and `-Infinity` may stand where a value stands.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Reads such JSON; the non-finite numbers become the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, which is
/// how the client expects them wherever a result is decoded JSON (protocol reference 5.7).
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&quote_non_finite(text))
}

/// The same of some members of an object; the others are passed over. An error for what is not an object.
pub(crate) fn parse_some(text: &str, wanted: &HashSet<&str>) -> serde_json::Result<Map<String, Value>> {
    let text = quote_non_finite(text);
    let mut source = serde_json::Deserializer::from_str(&text);
    let members = source.deserialize_map(Members(wanted))?;
    source.end().map(|()| members)
}

/// Of an object's members those with these names.
struct Members<'a>(&'a HashSet<&'a str>);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = object.next_key_seed(Name(self.0))? {
            match name {
                Some(name) => _ = found.insert(name, object.next_value()?),
                None => _ = object.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

/// A member's name, if it is one of these.
struct Name<'a>(&'a HashSet<&'a str>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.contains(name).then(|| name.to_owned()))
    }
}

/// Puts quotes around bare non-finite numbers. Text without any is handed back as it is.
pub(crate) fn quote_non_finite(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 16);
    let mut in_string = false;
    let mut rest = text;
    while !rest.is_empty() {
        if !in_string
            && let Some(token) = ["NaN", "Infinity", "-Infinity"].iter().find(|t| rest.starts_with(**t))
        {
            quoted.push('"');
            quoted.push_str(token);
            quoted.push('"');
            rest = &rest[token.len()..];
            continue;
        }
        let mut characters = rest.chars();
        let Some(character) = characters.next() else { break };
        quoted.push(character);
        match character {
            '"' => in_string = !in_string,
            '\\' if in_string => quoted.extend(characters.next()),
            _ => {}
        }
        rest = characters.as_str();
    }
    Cow::Owned(quoted)
}

/// The members of an object, each value in its own text; none of what is not an object.
pub fn members(object: &str) -> Vec<(String, &str)> {
    let inside = object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let read = |member| {
        let (key, value) = split_once(member, b':')?;
        Some((serde_json::from_str(key).ok()?, value.trim()))
    };
    let mut found = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (member, after) = split_once(rest, b',').unwrap_or((rest, ""));
        found.extend(read(member));
        rest = after;
    }
    found
}

/// The text of an object with these members.
pub fn object<'a>(members: impl IntoIterator<Item = (String, &'a str)>) -> String {
    let members = members.into_iter().map(|(key, value)| format!("{}:{value}", Value::from(key)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Splits at the first `separator` that is not inside of a string, a list or an object.
fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let at = text.bytes().position(|byte| {
        let found = byte == separator && depth == 0 && !in_string;
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
        found
    })?;
    Some((&text[..at], &text[at + 1..]))
}

/// Walks the leaves of an object: nested keys joined by dots. An object that carries `_type` is a media value and
/// counts as one leaf.
pub(crate) fn for_each_leaf<'a>(object: &'a Map<String, Value>, visit: &mut impl FnMut(&str, &'a Value)) {
    fn walk<'a>(object: &'a Map<String, Value>, path: &mut String, visit: &mut impl FnMut(&str, &'a Value)) {
        let base = path.len();
        for (key, value) in object {
            if base > 0 {
                path.push('.');
            }
            path.push_str(key);
            match value {
                Value::Object(inner) if !inner.contains_key("_type") => walk(inner, path, visit),
                leaf => visit(path, leaf),
            }
            path.truncate(base);
        }
    }
    walk(object, &mut String::new(), visit);
}

/// The value at a dotted key: the literal key first, then the path.
pub(crate) fn lookup<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(key) {
        return Some(value);
    }
    key.match_indices('.').find_map(|(dot, _)| lookup(object.get(&key[..dot])?.as_object()?, &key[dot + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_non_finite_numbers_become_strings_and_strings_stay() {
        let text = r#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" Infinity","NaN":1}"#;
        let value = parse(text).unwrap();
        assert_eq!(value["a"], "NaN");
        assert_eq!(value["b"][0], "-Infinity");
        assert_eq!(value["b"][1], "Infinity");
        assert_eq!(value["c"], "NaN \" Infinity");
        assert_eq!(value["NaN"], 1);
    }

    #[test]
    fn text_without_them_is_not_copied() {
        assert!(matches!(quote_non_finite(r#"{"a":1}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn some_members_are_read_as_from_the_whole() {
        let text = r#"{"a":1,"b":{"c":[NaN]},"a":2,"\u00e9":"x\ny","d":[{"a":3}],"e":null}"#;
        let whole = parse(text).unwrap();
        let some = parse_some(text, &HashSet::from(["a", "b", "é", "e", "x"])).unwrap();
        assert_eq!(some.keys().collect::<Vec<_>>(), ["a", "b", "e", "é"]);
        assert!(some.iter().all(|(key, value)| whole[key] == *value));
        for broken in ["[1]", "3", "", "{", r#"{"z":}"#, r#"{"z":1} x"#] {
            assert!(parse_some(broken, &HashSet::from(["a"])).is_err(), "{broken}");
        }
    }

    #[test]
    fn members_keep_their_text() {
        let text = r#" {"a" : NaN, "b,\"}:" :{"c":[1,{"d":"]}\\"}],"e":-Infinity} , "é":"NaN"} "#;
        let found = members(text);
        let value = r#"{"c":[1,{"d":"]}\\"}],"e":-Infinity}"#;
        assert_eq!(found, [("a".into(), "NaN"), ("b,\"}:".into(), value), ("é".into(), r#""NaN""#)]);
        assert_eq!(members(&object(found.clone())), found);
        for empty in ["{}", "", "[1,2]", "3", "{"] {
            assert!(members(empty).is_empty(), "{empty}");
        }
    }

    #[test]
    fn a_dotted_key_finds_the_literal_key_before_the_path() {
        let value = parse(r#"{"a.b":1,"a":{"b":2,"c.d":3}}"#).unwrap();
        let object = value.as_object().unwrap();
        assert_eq!(lookup(object, "a.b"), Some(&Value::from(1)));
        assert_eq!(lookup(object, "a.c.d"), Some(&Value::from(3)));
        assert_eq!(lookup(object, "a.x"), None);
    }

    #[test]
    fn leaves_are_named_by_their_path_and_media_is_one_leaf() {
        let value = parse(r#"{"a":{"b":1},"m":{"_type":"image-file","path":"x"}}"#).unwrap();
        let mut leaves = Vec::new();
        for_each_leaf(value.as_object().unwrap(), &mut |path, _| leaves.push(path.to_owned()));
        assert_eq!(leaves, ["a.b", "m"]);
    }
}
