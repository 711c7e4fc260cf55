//! Go's encoding/json, with which runc and containerd read specs, takes an object
//! key for a struct field if both are equal after folding case. A key such as
//! "Linux" therefore reaches runc but not a check that asks for "linux".

/// Reports whether Go would take `key` for the field `name`, which is ASCII.
///
/// Besides ASCII letters, two more characters fold onto ASCII ones in Unicode's
/// simple folding: U+017F (long s) and U+212A (Kelvin sign).
pub fn same(key: &str, name: &str) -> bool {
    let mut names = name.bytes();
    for c in key.chars() {
        let folded = match c {
            '\u{17f}' => b's',
            '\u{212a}' => b'k',
            c if c.is_ascii() => (c as u8).to_ascii_lowercase(),
            _ => return false,
        };
        if names.next().map(|n| n.to_ascii_lowercase()) != Some(folded) {
            return false;
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn folds_as_go_does() {
        for (key, name, want) in [
            ("linux", "linux", true),
            ("Linux", "linux", true),
            ("LINUX", "linux", true),
            ("mount\u{17f}", "mounts", true),
            ("hoo\u{212a}\u{17f}", "hooks", true),
            ("cpus", "CPUs", true),
            ("linu", "linux", false),
            ("linuxx", "linux", false),
            ("l\u{131}nux", "linux", false),
            ("", "linux", false),
        ] {
            assert_eq!(same(key, name), want, "{:?} {:?}", key, name);
        }
    }
}
