#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sampan_fuzz::run("json_patch", bytes));
