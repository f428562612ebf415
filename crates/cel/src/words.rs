//! The words of the language. Upstream: `celReservedSymbols` in `apiserver/pkg/cel/escaping.go`.

/// Words that are values.
const CONSTANTS: [&str; 3] = ["true", "false", "null"];

/// Words that name nothing.
const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Whether the word can stand nowhere by itself.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Whether the word belongs to the language, so that nothing can be called it.
#[must_use]
pub fn is_word(name: &str) -> bool {
    CONSTANTS.contains(&name) || is_reserved(name)
}
