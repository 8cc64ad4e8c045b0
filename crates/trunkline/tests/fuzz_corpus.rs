//! The committed fuzz corpora, run through their targets on stable Rust: what was once found stays fixed.

// The targets are a library of their own for libFuzzer, whose package needs a nightly toolchain.
#[expect(unreachable_pub, reason = "it is a library where it is at home")]
#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

use fuzz::Target;

fn run(name: &str) {
    let target: Target = fuzz::TARGETS
        .into_iter()
        .find_map(|(target, run)| (target == name).then_some(run))
        .expect("the test names a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}; commit a corpus", folder.display()))
        .map(|entry| entry.expect("a folder that opens can be read").path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{} holds {} files; a corpus has more", folder.display(), files.len());
    for file in files {
        let bytes = std::fs::read(&file).expect("a corpus file can be read");
        // The panic's own message does not say which file; this line does, and is shown when the test fails.
        println!("{}", file.display());
        target(&bytes);
    }
    target(&[]);
}

#[test]
fn agent_messages() {
    run("agent_messages");
}

#[test]
fn call_core() {
    run("call_core");
}

#[test]
fn carrier_rest() {
    run("carrier_rest");
}

#[test]
fn config_file() {
    run("config_file");
}

#[test]
fn exotel_decode() {
    run("exotel_decode");
}

#[test]
fn pcm_bytes() {
    run("pcm_bytes");
}

#[test]
fn twilio_decode() {
    run("twilio_decode");
}

#[test]
fn vendor_answers() {
    run("vendor_answers");
}

#[test]
fn wav_read() {
    run("wav_read");
}
