//! libFuzzer's way into `fuzz::twilio_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::twilio_decode(data));
