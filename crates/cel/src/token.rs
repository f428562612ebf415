//! From text to words.

use std::sync::Arc;

/// One word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// Without a sign: `-9223372036854775808` is a number too.
    Int(u64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    Ident(Arc<str>),
    Sign(&'static str),
    End,
}

/// A word and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

/// Longer ones first.
const SIGNS: [&str; 27] = [
    "&&", "||", "==", "!=", "<=", ">=", "[?", ".?", "{?", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "+", "-",
    "*", "/", "%", "!", "<", ">",
];

pub(crate) struct Lexer {
    text: Vec<char>,
    at: usize,
}

type Wrong = (usize, String);

/// All words of a text, the last of which is [`Token::End`].
pub(crate) fn tokens(source: &str) -> Result<Vec<Placed>, Wrong> {
    let mut lexer = Lexer { text: source.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip();
        let at = lexer.at;
        let token = lexer.next()?;
        let ends = token == Token::End;
        tokens.push(Placed { token, at });
        if ends {
            return Ok(tokens);
        }
    }
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    /// White space and comments.
    fn skip(&mut self) {
        while let Some(letter) = self.peek(0) {
            if letter == '/' && self.peek(1) == Some('/') {
                while self.peek(0).is_some_and(|letter| letter != '\n') {
                    self.at += 1;
                }
            } else if matches!(letter, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Token, Wrong> {
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        if let Some(string) = self.string()? {
            return Ok(string);
        }
        if first.is_ascii_digit() || first == '.' && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Ident(self.take(|letter| letter.is_ascii_alphanumeric() || letter == '_').into()));
        }
        if first == '`' {
            return self.quoted_name();
        }
        for sign in SIGNS {
            if sign.chars().enumerate().all(|(index, letter)| self.peek(index) == Some(letter)) {
                self.at += sign.len();
                return Ok(Token::Sign(sign));
            }
        }
        Err((self.at, format!("Syntax error: token recognition error at: '{first}'")))
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let begin = self.at;
        while self.peek(0).is_some_and(&belongs) {
            self.at += 1;
        }
        self.text[begin..self.at].iter().collect()
    }

    /// A field whose name is no word: `` self.`my-field` ``.
    fn quoted_name(&mut self) -> Result<Token, Wrong> {
        let begin = self.at;
        self.at += 1;
        let name = self.take(|letter| letter.is_ascii_alphanumeric() || "_.-/ ".contains(letter));
        if self.peek(0) != Some('`') || name.is_empty() {
            return Err((begin, "Syntax error: token recognition error at: '`'".to_owned()));
        }
        self.at += 1;
        Ok(Token::Ident(name.into()))
    }

    fn number(&mut self) -> Result<Token, Wrong> {
        let begin = self.at;
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            self.at += 2;
            let digits = self.take(|letter| letter.is_ascii_hexdigit());
            let value = u64::from_str_radix(&digits, 16);
            return self.whole(value.map_err(|_| (begin, "invalid int literal".to_owned()))?);
        }
        let mut text = self.take(|letter| letter.is_ascii_digit());
        let mut is_double = false;
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
            text = format!("{text}.{}", self.take(|letter| letter.is_ascii_digit()));
            is_double = true;
        }
        let signed = usize::from(matches!(self.peek(1), Some('+' | '-')));
        if matches!(self.peek(0), Some('e' | 'E')) && self.peek(1 + signed).is_some_and(|next| next.is_ascii_digit()) {
            let sign: String = self.text[self.at..=self.at + signed].iter().collect();
            self.at += 1 + signed;
            text = format!("{text}{sign}{}", self.take(|letter| letter.is_ascii_digit()));
            is_double = true;
        }
        match is_double {
            true => text.parse().map(Token::Double).map_err(|_| (begin, "invalid double literal".to_owned())),
            false => {
                let value = text.parse::<u64>();
                self.whole(value.map_err(|_| (begin, "invalid int literal".to_owned()))?)
            }
        }
    }

    fn whole(&mut self, value: u64) -> Result<Token, Wrong> {
        if matches!(self.peek(0), Some('u' | 'U')) {
            self.at += 1;
            return Ok(Token::Uint(value));
        }
        Ok(Token::Int(value))
    }

    /// A text or bytes in quotes, if one begins here: `'a'`, `"""a"""`, `r"\d"`, `b'\xff'`.
    fn string(&mut self) -> Result<Option<Token>, Wrong> {
        let begin = self.at;
        let (mut raw, mut bytes, mut length) = (false, false, 0);
        while let Some(letter) = self.peek(length).filter(|_| length < 2) {
            match letter.to_ascii_lowercase() {
                'r' if !raw => raw = true,
                'b' if !bytes => bytes = true,
                _ => break,
            }
            length += 1;
        }
        let Some(quote) = self.peek(length).filter(|quote| matches!(quote, '\'' | '"')) else { return Ok(None) };
        let triple = self.peek(length + 1) == Some(quote) && self.peek(length + 2) == Some(quote);
        self.at += length + if triple { 3 } else { 1 };
        let mut out = Vec::new();
        loop {
            let unended = || (begin, "Syntax error: token recognition error at: unterminated string".to_owned());
            let letter = self.peek(0).ok_or_else(unended)?;
            let closes = letter == quote && (!triple || self.peek(1) == Some(quote) && self.peek(2) == Some(quote));
            if closes {
                self.at += if triple { 3 } else { 1 };
                break;
            }
            if letter == '\n' && !triple {
                return Err(unended());
            }
            self.at += 1;
            match letter == '\\' && !raw {
                true => self.escape(bytes, &mut out)?,
                false => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if bytes {
            return Ok(Some(Token::Bytes(out.into())));
        }
        let text = String::from_utf8(out).map_err(|_| (begin, "string is not UTF-8".to_owned()))?;
        Ok(Some(Token::String(text.into())))
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let begin = self.at;
        let wrong = || (begin, "unable to unescape string".to_owned());
        let letter = self.peek(0).ok_or_else(wrong)?;
        self.at += 1;
        let plain = match letter {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '?' | '"' | '\'' | '`' => letter,
            'x' | 'X' => return self.code(2, 16, bytes, out),
            'u' if !bytes => return self.code(4, 16, bytes, out),
            'U' if !bytes => return self.code(8, 16, bytes, out),
            '0'..='3' => {
                self.at -= 1;
                return self.code(3, 8, bytes, out);
            }
            _ => return Err(wrong()),
        };
        out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// So many digits that name a letter, or a byte.
    fn code(&mut self, digits: usize, radix: u32, bytes: bool, out: &mut Vec<u8>) -> Result<(), Wrong> {
        let wrong = (self.at, "unable to unescape string".to_owned());
        let end = (self.at + digits).min(self.text.len());
        let text: String = self.text[self.at..end].iter().collect();
        let known = text.len() == digits && text.chars().all(|letter| letter.is_digit(radix));
        let value = u32::from_str_radix(&text, radix).ok().filter(|_| known).ok_or_else(|| wrong.clone())?;
        self.at = end;
        if bytes {
            out.push(u8::try_from(value).map_err(|_| wrong)?);
            return Ok(());
        }
        let letter = char::from_u32(value).ok_or(wrong)?;
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}
