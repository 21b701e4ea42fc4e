use axum::http::StatusCode;

use crate::problem::Problem;

/// The longest document of the client has about 700 tokens.
const MOST_TOKENS: usize = 10_000;

/// Refuses a document that is out of proportion, before anything parses it.
pub(super) fn check(document: &str) -> Result<(), Problem> {
    if count(document, MOST_TOKENS) <= MOST_TOKENS {
        return Ok(());
    }
    let message = format!("the document has more than {MOST_TOKENS} tokens");
    Err(Problem::new(StatusCode::BAD_REQUEST, "DOCUMENT_TOO_LARGE", message))
}

/// Names, numbers, punctuation and strings; stops counting beyond `most`.
fn count(document: &str, most: usize) -> usize {
    let mut rest = document.as_bytes();
    let mut tokens = 0;
    while let Some(first) = rest.first() {
        let (length, is_token) = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => (1, false),
            b'#' => (span(rest, |byte| !ends_line(byte)), false),
            b'"' => (string(rest), true),
            first if is_in_name(*first) => (span(rest, is_in_name), true),
            _ => (1, true),
        };
        rest = &rest[length..];
        tokens += usize::from(is_token);
        if tokens > most {
            break;
        }
    }
    tokens
}

/// The length of the string that `rest` begins with. What opens like a block string and never ends is an empty string
/// with another one after it, to the parser too.
fn string(rest: &[u8]) -> usize {
    if let Some(block) = rest.strip_prefix(br#"""""#).and_then(block_string) {
        return block + 3;
    }
    let mut escaped = false;
    let inside = span(&rest[1..], |byte| {
        let goes_on = escaped || byte != b'"';
        escaped = !escaped && byte == b'\\';
        goes_on && !ends_line(byte)
    });
    (inside + 2).min(rest.len())
}

/// How far it is to the end of a block string, where `\"""` does not end it.
fn block_string(inside: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match &inside[at..] {
            [b'"', b'"', b'"', ..] => return Some(at + 3),
            [b'\\', b'"', b'"', b'"', ..] => at += 4,
            [_, ..] => at += 1,
            [] => return None,
        }
    }
}

fn span(bytes: &[u8], mut belongs: impl FnMut(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_as_the_specification_splits_them() {
        for (document, tokens) in [
            ("query Q($a: Int!) { f(x: \"a b \\\" c\") } # comment\n", 17),
            ("# comment\ra b", 2),
            (r#""" "" a"#, 3),
            (r#""a\\" b"#, 2),
            (r#""""a "b" c""" d"#, 2),
            (r#""""a \""" b""" c"#, 2),
            (r#""""a "b c"#, 4),
            (r#""" "a " b"#, 3),
            ("\"a\nb c", 3),
            ("\"", 1),
            ("\"\\", 1),
            ("", 0),
        ] {
            assert_eq!(count(document, 100), tokens, "{document}");
        }
        assert_eq!(count(&"{".repeat(50), 10), 11);
    }

    #[test]
    fn nothing_hides_behind_a_block_string() {
        for string in [r#""""a"b""""#, r#""""a"b"#, r#""""""" "#, "#\r"] {
            let document = format!("{string} {}", "a ".repeat(MOST_TOKENS + 1));
            assert_eq!(check(&document).unwrap_err().code(), "DOCUMENT_TOO_LARGE", "{string}");
        }
    }
}
