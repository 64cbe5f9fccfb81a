#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| nodefall_fuzz::answers::check(input));
