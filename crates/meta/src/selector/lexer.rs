//! The words of a label selector's text.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `= == != ! > < ( ) ,`
    Symbol(&'a str),
    /// Anything else, keywords included.
    Word(&'a str),
    End,
}

impl<'a> Token<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Self::Symbol(text) | Self::Word(text) => text,
            Self::End => "",
        }
    }
}

const SPECIAL: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];

/// Splits a selector into its words, without the final [`Token::End`].
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = symbol_length(rest);
        let word_end = || rest.find(|c: char| c.is_whitespace() || SPECIAL.contains(&c)).unwrap_or(rest.len());
        let (token, after) = match length {
            0 => {
                let (word, after) = rest.split_at(word_end());
                (Token::Word(word), after)
            }
            length => {
                let (symbol, after) = rest.split_at(length);
                (Token::Symbol(symbol), after)
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn symbol_length(text: &str) -> usize {
    if text.starts_with("==") || text.starts_with("!=") {
        return 2;
    }
    usize::from(text.starts_with(SPECIAL))
}
