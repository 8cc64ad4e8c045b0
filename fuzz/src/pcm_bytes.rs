//! Audio bytes cut anywhere, and the base64 that carries them.

use audio::{Pcm, PcmBytes};

use super::bytes::Bytes;

/// However the bytes are cut, the samples are the same; base64 there and back changes nothing; text that is not
/// base64 is an error and nothing worse.
pub fn pcm_bytes(data: &[u8]) {
    let mut choices = Bytes(data);
    let cuts = [choices.byte(), choices.byte(), choices.byte()].map(usize::from);
    let sound = choices.0;

    let mut whole = Vec::new();
    let mut splitter = PcmBytes::new();
    splitter.push(sound, &mut whole);
    assert_eq!(
        splitter.is_odd(),
        sound.len() % 2 == 1,
        "half a sample is carried over exactly when there is one"
    );

    let mut pieces = Vec::new();
    let mut splitter = PcmBytes::new();
    let mut rest = sound;
    for cut in cuts.into_iter().cycle() {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        splitter.push(piece, &mut pieces);
        rest = after;
        if rest.is_empty() || cuts == [0; 3] {
            splitter.push(rest, &mut pieces);
            break;
        }
    }
    assert_eq!(pieces, whole, "cut by {cuts:?}");

    let pcm = Pcm::from(whole);
    let json = serde_json::to_string(&pcm).expect("samples are always JSON");
    let back: Pcm = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!(back, pcm);

    // The raw bytes as base64, good or bad.
    let text = serde_json::to_string(&String::from_utf8_lossy(sound)).expect("text is always JSON");
    if let Ok(decoded) = serde_json::from_str::<Pcm>(&text) {
        assert!(decoded.len() * 2 <= sound.len(), "base64 never grows when decoded");
    }
}
