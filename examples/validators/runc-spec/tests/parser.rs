//! The parser against serde_json, on specs and on what is left of them after random
//! changes: both read the same, or both refuse.

use runc_spec::json::Value;
use runc_spec::parse;
use serde_json::Value as Want;

const SPECS: [&str; 2] = [
    include_str!("../testdata/specs/linux-web-seccomp.json"),
    include_str!("../testdata/specs/linux-rlimits-devices.json"),
];

const EDGES: &str = r#"{"":[],"a":{},"b":[{}],"n":[0,-1,1.5,-0.0e+10,1E9,18446744073709551615,18446744073709551616,
-9223372036854775808,-9223372036854775809],"t":[true,false,null],"s":["\u0000\ud83d\ude00\"\\\/\b\f\n\r\t","é€😀","x\u00e9y"],
"long":"abcdefgh\nabcdefghijklmnopqrstuvwxyz, abcdefghijklmnopqrstuvwxyz\"abcdefg","d":[[[[[[]]]]]]} "#;

/// Whether the trees say the same. serde_json keeps the last of equal keys.
fn equal(got: &Value, want: &Want) -> bool {
    match (got, want) {
        (Value::Null, Want::Null) => true,
        (Value::Bool(a), Want::Bool(b)) => a == b,
        (Value::Unsigned(a), Want::Number(b)) => b.as_u64() == Some(*a),
        (Value::Signed(a), Want::Number(b)) => b.as_i64() == Some(*a),
        (Value::Other, Want::Number(b)) => b.is_f64(),
        (Value::Text(a), Want::String(b)) => a == b,
        (Value::List(a), Want::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Want::Object(b)) => {
            a.iter().all(|(key, _)| b.contains_key(key.as_ref()))
                && b.iter().all(|(key, b)| {
                    let last = a.iter().rev().find(|(k, _)| k == key);
                    last.map_or(false, |(_, a)| equal(a, b))
                })
        }
        _ => false,
    }
}

fn compare(text: &str) {
    match (parse::value(text), serde_json::from_str::<Want>(text)) {
        (Ok(got), Ok(want)) => assert!(equal(&got, &want), "{:?}\n{:?}\n{}", got, want, text),
        (Err(_), Err(_)) => {}
        // serde_json refuses numbers that no f64 can hold.
        (Ok(_), Err(err)) if err.to_string().starts_with("number out of range") => {}
        (got, want) => panic!("{:?}\n{:?}\n{}", got, want, text),
    }
}

/// xorshift64: the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn reads_as_serde_json_does() {
    for text in SPECS.iter().chain([&EDGES]) {
        assert!(parse::value(text).is_ok(), "{}", text);
        compare(text);
    }
}

#[test]
fn refuses_as_serde_json_does() {
    for text in [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}",
        "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\u{1}\"",
        "01", "-", "1.", "1e", ".5", "+1", "0x1", "nul", "truex", "1 1", "{} {}", "\u{feff}1", "[1}", "{\"a\":1]", "\"\\u+123\"",
    ] {
        assert!(parse::value(text).is_err(), "{:?}", text);
        compare(text);
    }
}

#[test]
fn reads_and_refuses_changed_texts_alike() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let bytes = b"{}[]\",:\\u0019eE+-. \ntfn\x01\x7f";
    for _ in 0..4000 {
        let source = if random.below(4) == 0 { SPECS[1] } else { EDGES };
        let mut text = source.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = bytes[random.below(bytes.len())],
                1 => drop(text.remove(at)),
                _ => text.insert(at, bytes[random.below(bytes.len())]),
            }
        }
        if let Ok(text) = std::str::from_utf8(&text) {
            compare(text);
        }
    }
}

#[test]
fn bounds_depth() {
    assert!(parse::value(&("[".repeat(100) + &"]".repeat(100))).is_ok());
    assert!(parse::value(&("[".repeat(101) + &"]".repeat(101))).is_err());
    assert!(parse::value(&"{\"a\":".repeat(1_000_000)).is_err());
}
