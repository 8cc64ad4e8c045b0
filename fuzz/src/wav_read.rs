//! A WAV file of any bytes.

use audio::wav;

/// It is sound or it is refused; sound is never larger than its file, comes in whole frames, and reads the same when
/// written again.
pub fn wav_read(data: &[u8]) {
    if let Some(first) = data.first_chunk() {
        let length = data.len() as u64;
        if let Some(repaired) = wav::repaired_header(first, length) {
            assert_eq!(wav::repaired_header(&repaired, length), None, "repaired once is repaired");
        }
    }
    let sound = match wav::read(data) {
        Ok(sound) => sound,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal says why");
            return;
        }
    };
    assert!(sound.samples.len() <= data.len(), "{sound:?} out of {} bytes", data.len());
    assert_eq!(sound.samples.len() % sound.channels, 0, "whole frames");
    let frames = sound.samples.len() / sound.channels;
    assert_eq!(sound.to_mono().len(), frames);
    assert_eq!(sound.channel(sound.channels - 1).len(), frames);
    assert!(sound.channel(sound.channels).is_empty(), "there is no such channel");

    let mono = sound.to_mono();
    let mut file = wav::header(sound.rate, 1, mono.len() as u64 * 2).to_vec();
    file.extend(mono.iter().flat_map(|sample| sample.to_le_bytes()));
    let again = wav::read(&file).expect("what was written can be read");
    assert_eq!((again.rate, again.channels, again.truncated), (sound.rate, 1, false));
    assert_eq!(again.samples, mono);
}
