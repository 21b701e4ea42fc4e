//! Regular expressions that mean the same on both databases. Pure.
//!
//! `SQLite` runs them with the `regex` crate. `PostgreSQL` has its own dialect, in which `\b` is a backspace, `.`
//! takes a line break and `\w` depends on the locale; so the parsed expression is written anew in the few forms that
//! both understand. Only word boundaries next to letters beyond ASCII are left to `PostgreSQL`'s locale.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

const LONGEST: usize = 1000;

/// `\w` alone takes 5 kB as ranges of characters.
const LONGEST_FOR_POSTGRES: usize = 64 * 1024;

/// The most that `PostgreSQL` repeats.
const MOST_REPEATS: u32 = 255;

/// Matches nothing: there is no character after the end.
const NOTHING: &str = r"(?:\Z.)";

/// Why a pattern is refused.
type Refusal = String;

/// A regular expression, searched for anywhere in a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    rust: String,
    postgres: String,
}

impl Pattern {
    /// Checks and translates.
    pub(super) fn new(pattern: &str) -> Result<Self, Refusal> {
        if pattern.len() > LONGEST {
            return Err(format!("a pattern has at most {LONGEST} bytes"));
        }
        Self::translate(pattern.to_owned())
    }

    /// Finds `text` itself.
    pub(super) fn containing(text: &str) -> Result<Self, Refusal> {
        if text.len() > LONGEST {
            return Err(format!("a text to look for has at most {LONGEST} bytes"));
        }
        Self::translate(regex::escape(text))
    }

    fn translate(rust: String) -> Result<Self, Refusal> {
        regex::Regex::new(&rust).map_err(|error| error.to_string())?;
        let parsed = regex_syntax::parse(&rust).map_err(|error| error.to_string())?;
        let mut postgres = String::new();
        write_expression(&parsed, &mut postgres)?;
        if postgres.len() > LONGEST_FOR_POSTGRES {
            return Err("the pattern is too large".to_owned());
        }
        Ok(Self { rust, postgres })
    }

    /// For the `regex` crate.
    pub(crate) fn rust(&self) -> &str {
        &self.rust
    }

    /// For `PostgreSQL`'s `~`.
    pub(crate) fn postgres(&self) -> &str {
        &self.postgres
    }
}

fn write_expression(expression: &Hir, out: &mut String) -> Result<(), Refusal> {
    match expression.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "the pattern is not text".to_owned())?;
            text.chars().for_each(|character| write_character(character, out));
        }
        HirKind::Class(class) => write_class(class, out),
        HirKind::Look(look) => out.push_str(match look {
            Look::Start => r"\A",
            Look::End => r"\Z",
            Look::StartLF => r"(?:\A|(?<=\n))",
            Look::EndLF => r"(?:\Z|(?=\n))",
            Look::WordAscii | Look::WordUnicode => r"\y",
            Look::WordAsciiNegate | Look::WordUnicodeNegate => r"\Y",
            Look::WordStartAscii | Look::WordStartUnicode => r"\m",
            Look::WordEndAscii | Look::WordEndUnicode => r"\M",
            _ => return Err("this kind of boundary is not supported".to_owned()),
        }),
        HirKind::Repetition(repetition) => write_repetition(repetition, out)?,
        HirKind::Capture(capture) => write_group(&[&capture.sub], "", out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write_expression(part, out)?;
            }
        }
        HirKind::Alternation(parts) => write_group(&parts.iter().collect::<Vec<_>>(), "|", out)?,
    }
    Ok(())
}

fn write_group(parts: &[&Hir], separator: &str, out: &mut String) -> Result<(), Refusal> {
    out.push_str("(?:");
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            out.push_str(separator);
        }
        write_expression(part, out)?;
    }
    out.push(')');
    Ok(())
}

fn write_repetition(repetition: &Repetition, out: &mut String) -> Result<(), Refusal> {
    let Repetition { min, max, sub, .. } = repetition;
    if sub.properties().maximum_len() == Some(0) {
        return if *min == 0 { Ok(()) } else { write_expression(sub, out) };
    }
    if *min > MOST_REPEATS || max.is_some_and(|max| max > MOST_REPEATS) {
        return Err(format!("a part is repeated at most {MOST_REPEATS} times"));
    }
    write_group(&[sub], "", out)?;
    let quantifier = match (min, max) {
        (0, None) => "*".to_owned(),
        (1, None) => "+".to_owned(),
        (0, Some(1)) => "?".to_owned(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    };
    out.push_str(&quantifier);
    Ok(())
}

fn write_class(class: &Class, out: &mut String) {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
    };
    let mut body = String::new();
    for (start, end) in ranges {
        // Stored text has no NUL, and neither may the pattern.
        let start = start.max('\u{1}');
        if start > end {
            continue;
        }
        write_character(start, &mut body);
        if start < end {
            body.push('-');
            write_character(end, &mut body);
        }
    }
    if body.is_empty() {
        out.push_str(NOTHING);
    } else {
        out.push('[');
        out.push_str(&body);
        out.push(']');
    }
}

fn write_character(character: char, out: &mut String) {
    if character == '\0' {
        out.push_str(NOTHING);
        return;
    }
    if character.is_ascii() && !character.is_ascii_alphanumeric() {
        out.push('\\');
    }
    out.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_written_in_the_other_dialect() {
        for (rust, postgres) in [
            ("^foo.*", "\\Afoo(?:[\\\u{1}-\\\t\\\u{b}-\u{10ffff}])*".to_owned()),
            (r"a\.b", r"a\.b".to_owned()),
            (r"\bab\b", r"\yab\y".to_owned()),
            ("(a|b)+?", r"(?:(?:[a-b]))+".to_owned()),
            ("(?i)x", "[Xx]".to_owned()),
            ("ab{2,5}", r"a(?:b){2,5}".to_owned()),
            ("foo|bar|", r"(?:foo|bar|(?:))".to_owned()),
        ] {
            assert_eq!(Pattern::new(rust).unwrap().postgres(), postgres, "{rust}");
        }
    }

    #[test]
    fn what_either_engine_cannot_run_is_refused() {
        for pattern in ["(", "*", "(?=a)", r"(a)\1", "a{256}", &"x".repeat(1001)] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_text_to_look_for_is_taken_literally() {
        let pattern = Pattern::containing("a.b[").unwrap();
        assert_eq!(pattern.rust(), r"a\.b\[");
        assert_eq!(pattern.postgres(), r"a\.b\[");
    }
}
