//! Comparing short texts, which is most of what this validator does. Wasm has no
//! instruction for it, and the library's loop takes a byte at a time.

/// Whether two texts are equal. Their ends are looked at first: names of one kind
/// begin alike.
#[inline]
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let n = a.len();
    if n != b.len() {
        return false;
    }
    if n < 8 {
        return if n < 4 { a.iter().eq(b) } else { four(a, n - 4) == four(b, n - 4) && four(a, 0) == four(b, 0) };
    }
    let mut at = n - 8;
    loop {
        if eight(a, at) != eight(b, at) {
            return false;
        }
        if at == 0 {
            return true;
        }
        at = at.saturating_sub(8);
    }
}

/// Whether `text` begins with `start`.
#[inline]
pub fn starts(text: &str, start: &str) -> bool {
    // Cut where a character begins; otherwise they differ anyway.
    text.get(..start.len()).map_or(false, |head| same(head, start))
}

/// The place of a text in a list.
#[inline]
pub fn position(list: &[&str], text: &str) -> Option<usize> {
    list.iter().position(|item| same(item, text))
}

#[inline]
fn four(text: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&text[at..at + 4]);
    u32::from_le_bytes(word)
}

#[inline]
fn eight(text: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&text[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_library() {
        let texts = ["", "a", "ab", "abc", "abcd", "abcde", "abcdefgh", "abcdefghi", "xbcdefghi", "abcdefghijklmnopq"];
        for a in texts {
            for b in texts {
                assert_eq!(same(a, b), a == b, "{:?} {:?}", a, b);
                assert_eq!(starts(a, b), a.starts_with(b), "{:?} {:?}", a, b);
            }
            for n in 0..a.len() {
                let mut other = a.to_owned().into_bytes();
                other[n] ^= 1;
                assert!(!same(a, std::str::from_utf8(&other).unwrap()), "{:?} at {}", a, n);
            }
        }
        assert!(!starts("é", "\u{c3}"));
    }
}
