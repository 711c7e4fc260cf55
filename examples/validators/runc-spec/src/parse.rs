//! A JSON parser (RFC 8259) that is strict, bounded in depth, and quick on what specs
//! are made of: short strings without escapes. It reads UTF-8 text, in one pass.

use std::borrow::Cow;
use std::fmt;

use crate::json::{Member, Value};

/// How deep arrays and objects may be nested. A spec has some eight levels.
const DEPTH: usize = 100;

/// Why and where a text is not JSON.
#[derive(Debug, PartialEq)]
pub struct Error {
    why: &'static str,
    /// In bytes.
    at: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} at byte {}", self.why, self.at)
    }
}

/// Parses a whole text.
pub fn value(text: &str) -> Result<Value, Error> {
    let mut parser = Parser::new(text);
    let value = parser.value()?;
    parser.end()?;
    Ok(value)
}

pub struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, depth: 0 }
    }

    /// Reads an object, giving each key to `member`, which has to read the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.space();
        self.take(b'{', "an object is wanted")?;
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail("nested too deep");
        }
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.space();
                let key = self.string()?;
                self.space();
                self.take(b':', "a colon is wanted")?;
                member(self, key)?;
                if self.last(b'}')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads any value.
    pub fn value(&mut self) -> Result<Value<'a>, Error> {
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'{') => {
                let mut members: Vec<Member<'a>> = Vec::new();
                self.object(|parser, key| {
                    let value = parser.value()?;
                    members.push((key, value));
                    Ok(())
                })?;
                Ok(Value::Object(members))
            }
            Some(b'[') => self.list(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.fail("a value is wanted"),
        }
    }

    /// Reads past any value, without looking at more of it than where it ends: for what
    /// whoever wrote the document vouches for.
    pub fn ignore(&mut self) -> Result<(), Error> {
        let mut open = 0usize;
        loop {
            match self.peek() {
                Some(b'"') => drop(self.string()?),
                Some(b'{' | b'[') => {
                    open += 1;
                    self.at += 1;
                }
                Some(b'}' | b']' | b',') if open == 0 => return Ok(()),
                Some(b'}' | b']') => {
                    open -= 1;
                    self.at += 1;
                }
                Some(_) => self.at += 1,
                None => return self.fail("a value without end"),
            }
        }
    }

    /// Only space may be left.
    pub fn end(&mut self) -> Result<(), Error> {
        self.space();
        if self.at < self.text.len() {
            return self.fail("more text after the value");
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Value<'a>, Error> {
        self.take(b'[', "an array is wanted")?;
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail("nested too deep");
        }
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                items.push(self.value()?);
                if self.last(b']')? {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(Value::List(items))
    }

    /// After a member: whether `close` follows, and not a comma.
    #[inline]
    fn last(&mut self, close: u8) -> Result<bool, Error> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(true)
            }
            _ => self.fail("a comma or the end of the array or object is wanted"),
        }
    }

    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        self.take(b'"', "a string is wanted")?;
        let start = self.at;
        self.plain();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.escaped(start).map(Cow::Owned)
    }

    /// Moves to the first byte that ends a string, begins an escape or is not allowed.
    #[inline]
    fn plain(&mut self) {
        let bytes = self.text.as_bytes();
        // Eight bytes at a time. Each term has the top bit of a byte set, at the
        // latest, from the first byte that is ", \ or below a space; a borrow can set
        // it for later bytes only.
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x8080_8080_8080_8080;
        while let Some(eight) = bytes.get(self.at..self.at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            let word = u64::from_le_bytes(word);
            let is = |b: u8| {
                let differs = word ^ (ONES * u64::from(b));
                differs.wrapping_sub(ONES) & !differs
            };
            let stops = (is(b'"') | is(b'\\') | (word.wrapping_sub(ONES * 0x20) & !word)) & TOPS;
            if stops != 0 {
                self.at += (stops.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while matches!(bytes.get(self.at), Some(&b) if b != b'"' && b != b'\\' && b >= 0x20) {
            self.at += 1;
        }
    }

    /// The rest of a string that began at `start` and is plain so far.
    #[cold]
    fn escaped(&mut self, start: usize) -> Result<String, Error> {
        let mut out = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return self.fail("a control character in a string"),
                None => return self.fail("a string without end"),
            }
            let from = self.at;
            self.plain();
            out.push_str(&self.text[from..self.at]);
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut code = self.hex4()?;
                if (0xd800..0xdc00).contains(&code) {
                    self.take(b'\\', "half a surrogate pair")?;
                    self.take(b'u', "half a surrogate pair")?;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return self.fail("half a surrogate pair");
                    }
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                match char::from_u32(code) {
                    Some(c) => c,
                    None => return self.fail("half a surrogate pair"),
                }
            }
            _ => return self.fail("an unknown escape"),
        })
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let mut code = 0;
        for digit in digits {
            match char::from(*digit).to_digit(16) {
                Some(digit) => code = code << 4 | digit,
                None => return self.fail("an escape without four hexadecimal digits"),
            }
        }
        if digits.is_empty() {
            return self.fail("an escape without four hexadecimal digits");
        }
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value<'a>, Error> {
        let start = self.at;
        let negative = self.skip(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let digits = &self.text[start + usize::from(negative)..self.at];
        let mut integer = true;
        if self.skip(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            integer = false;
            if !self.skip(b'-') {
                self.skip(b'+');
            }
            self.digits()?;
        }
        Ok(match digits.parse::<u64>() {
            Ok(n) if integer && !negative => Value::Unsigned(n),
            // Go has no unsigned -0, so it is no integer here.
            Ok(n) if integer && (1..=1 << 63).contains(&n) => Value::Signed((n as i64).wrapping_neg()),
            _ => Value::Other,
        })
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return self.fail("a digit is wanted");
        }
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Error> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.fail("a value is wanted");
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn take(&mut self, byte: u8, why: &'static str) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return self.fail(why);
        }
        self.at += 1;
        Ok(())
    }

    #[cold]
    fn fail<T>(&self, why: &'static str) -> Result<T, Error> {
        Err(Error { why, at: self.at })
    }
}
