//! Bad inputs made from good ones by chance, the same for the same seed.

/// Pieces that have broken parsers before.
const PIECES: &[&[u8]] = &[
    b"null",
    b"{}",
    b"[]",
    b"\"\"",
    b"-0",
    b"1e999",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xf0\x9f\x92\xa9",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
    b"/",
    b"~1",
    b"~0",
    b"-",
    b",",
    b"$patch",
    b"\"$patch\":\"delete\",",
    b"\"$setElementOrder/containers\":[],",
    b"\"$retainKeys\":[\"a\"],",
    b" in (",
    b" notin ",
    b"!",
    b"==",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff\x0f",
    b"k8s\x00",
    b"((((((((((((((((((((((((",
    b"a.b.c.d",
    b"?:",
    b".all(x, x)",
    b"'\\x",
    b"r'''",
    b"999999999999999999999999u",
];

/// Small numbers by chance.
pub struct Dice(u64);

impl Dice {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 up to but without `sides`, which is not 0.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap_or(0)
    }
}

/// One of the seeds after one to eight changes.
pub fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(8) {
        change(&mut bytes, seeds, dice);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.roll(bytes.len() + 1);
    let until = at + dice.roll((bytes.len() - at).min(64) + 1);
    match dice.roll(8) {
        0 => drop(bytes.drain(at..until)),
        1 => {
            let part = bytes[at..until].to_vec();
            bytes.splice(at..at, part);
        }
        2 => bytes.truncate(at),
        3 | 4 => drop(bytes.splice(at..until, PIECES[dice.roll(PIECES.len())].iter().copied())),
        5 => {
            let other = &seeds[dice.roll(seeds.len())];
            let from = dice.roll(other.len() + 1);
            let to = from + dice.roll((other.len() - from).min(256) + 1);
            bytes.splice(at..until, other[from..to].iter().copied());
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.roll(8);
            }
        }
    }
}
