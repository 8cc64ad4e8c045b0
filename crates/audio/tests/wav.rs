//! WAV files as they are found: written by sox, ffmpeg, browsers, phones and crashed programs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use audio::wav::{HEADER_BYTES, Wav, WavError, header, read, repaired_header};
use audio::{SampleRate, g711};
use proptest::prelude::*;

const RATE: SampleRate = SampleRate::HZ_8000;

/// The body of a "fmt " chunk.
fn format(tag: u16, channels: u16, hz: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits.div_ceil(8);
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(hz.to_le_bytes());
    body.extend((hz * u32::from(block)).to_le_bytes());
    body.extend(block.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body
}

fn chunk(id: &[u8; 4], size: u32, body: &[u8]) -> Vec<u8> {
    [id.as_slice(), &size.to_le_bytes(), body].concat()
}

fn whole(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = chunk(id, body.len() as u32, body);
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WAVE".to_vec(), chunks.concat()].concat();
    chunk(b"RIFF", body.len() as u32, &body)
}

fn pcm16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples(file: &[u8]) -> Vec<i16> {
    read(file).unwrap().samples
}

#[test]
fn our_own_header_reads_back() {
    let sound = [1, -1, 300, i16::MIN];
    for channels in [1, 2] {
        let bytes = [header(SampleRate::HZ_24000, channels, 8).to_vec(), pcm16(&sound)].concat();
        let expected = Wav {
            rate: SampleRate::HZ_24000,
            channels: usize::from(channels),
            samples: sound.to_vec(),
            truncated: false,
        };
        assert_eq!(read(&bytes), Ok(expected));
    }
}

#[test]
fn every_encoding_gives_the_same_sound() {
    let sound = [0_i16, 256, -256, 32_512, -32_768];
    let wide = |bytes: usize| -> Vec<u8> {
        sound.iter().flat_map(|s| [vec![0; bytes - 2], s.to_le_bytes().to_vec()].concat()).collect()
    };
    let floats = sound.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect();
    let eight = sound.iter().map(|s| ((s >> 8) + 128) as u8).collect();
    for (tag, bits, data) in
        [(1, 8, eight), (1, 16, wide(2)), (1, 24, wide(3)), (1, 32, wide(4)), (3, 32, floats)]
            as [(u16, u16, Vec<u8>); 5]
    {
        let plain = file(&[whole(b"fmt ", &format(tag, 1, 8_000, bits)), whole(b"data", &data)]);
        assert_eq!(samples(&plain), sound, "{tag} {bits}");
        let guid =
            [&tag.to_le_bytes()[..], &[0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]].concat();
        let long = [format(0xFFFE, 1, 8_000, bits), vec![22, 0, bits as u8, 0, 4, 0, 0, 0], guid].concat();
        assert_eq!(
            samples(&file(&[whole(b"fmt ", &long), whole(b"data", &data)])),
            sound,
            "extensible {tag} {bits}"
        );
    }
    let codes = [0xFF, 0x80, 0x00, 0xF2];
    let mu = file(&[whole(b"fmt ", &format(7, 1, 8_000, 8)), whole(b"data", &codes)]);
    assert_eq!(samples(&mu), codes.map(g711::mulaw_decode));
    let a = file(&[whole(b"fmt ", &format(6, 1, 8_000, 8)), whole(b"data", &codes)]);
    assert_eq!(samples(&a), codes.map(g711::alaw_decode));
}

#[test]
fn floats_beyond_full_scale_clip_and_no_number_is_silence() {
    let data: Vec<u8> =
        [2.0_f32, -2.0, f32::NAN, f32::INFINITY].iter().flat_map(|f| f.to_le_bytes()).collect();
    let bytes = file(&[whole(b"fmt ", &format(3, 1, 8_000, 32)), whole(b"data", &data)]);
    assert_eq!(samples(&bytes), [i16::MAX, i16::MIN, 0, i16::MAX]);
}

#[test]
fn sizes_that_cannot_be_right_mean_the_rest() {
    let sound = [5, 6, 7];
    for size in [0, 0x7fff_f024, 0x7fff_ffff, 0xffff_ffff] {
        let bytes = file(&[whole(b"fmt ", &format(1, 1, 8_000, 16)), chunk(b"data", size, &pcm16(&sound))]);
        let wav = read(&bytes).unwrap();
        assert_eq!((wav.samples.as_slice(), wav.truncated), (&sound[..], false), "{size:#x}");
    }
    // Longer than the file: cut off, and said so.
    let bytes = file(&[whole(b"fmt ", &format(1, 1, 8_000, 16)), chunk(b"data", 4_000, &pcm16(&sound))]);
    let wav = read(&bytes).unwrap();
    assert_eq!((wav.samples.as_slice(), wav.truncated), (&sound[..], true));
    // Really empty, since another chunk follows.
    let bytes =
        file(&[whole(b"fmt ", &format(1, 1, 8_000, 16)), whole(b"data", &[]), whole(b"LIST", b"INFO")]);
    assert_eq!(samples(&bytes), []);
}

#[test]
fn other_chunks_are_passed_over_padded_or_not() {
    let sound = [5, 6, 7];
    let (fmt, data) = (whole(b"fmt ", &format(1, 1, 8_000, 16)), whole(b"data", &pcm16(&sound)));
    let odd = whole(b"LIST", b"INFO!");
    let unpadded = chunk(b"junk", 5, b"12345");
    for chunks in [
        vec![odd.clone(), fmt.clone(), odd.clone(), data.clone(), odd.clone()],
        vec![unpadded.clone(), fmt.clone(), unpadded, data.clone()],
        vec![data, fmt, odd],
    ] {
        assert_eq!(samples(&file(&chunks)), sound);
    }
}

#[test]
fn stereo_comes_apart_and_together() {
    let bytes =
        file(&[whole(b"fmt ", &format(1, 2, 8_000, 16)), whole(b"data", &pcm16(&[10, 30, -20, -40, 9]))]);
    let wav = read(&bytes).unwrap();
    assert_eq!(wav.samples, [10, 30, -20, -40]);
    assert_eq!((wav.channel(0), wav.channel(1), wav.channel(2)), (vec![10, -20], vec![30, -40], vec![]));
    assert_eq!(wav.to_mono(), [20, -30]);
}

#[test]
fn what_cannot_be_read_says_why_and_what_to_do() {
    for (bytes, expected) in [
        (&b"ID3\x04 an mp3"[..], "MP3"),
        (b"OggS....", "Ogg"),
        (b"{\"error\":\"quota\"}", "error message"),
        (b"  <html>", "error message"),
        (b"", "empty"),
        (b"RIFF\0\0\0\0AVI ", "RIFF"),
    ] {
        let message = read(bytes).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("convert"), "{message}");
    }
    let with = |format: Vec<u8>| read(&file(&[whole(b"fmt ", &format), whole(b"data", &[0; 8])]));
    assert_eq!(with(format(2, 1, 8_000, 4)), Err(WavError::Format { tag: 2, bits: 4 }));
    assert_eq!(with(format(1, 0, 8_000, 16)), Err(WavError::Channels(0)));
    assert_eq!(with(vec![1, 0, 1, 0]), Err(WavError::ShortFormat(4)));
    let message = with(format(1, 1, 11_025, 16)).unwrap_err().to_string();
    assert!(message.contains("11025") && message.contains("8000"), "{message}");
    assert_eq!(read(&file(&[whole(b"data", &[0; 8])])), Err(WavError::Missing("fmt ")));
    assert_eq!(read(&file(&[whole(b"fmt ", &format(1, 1, 8_000, 16))])), Err(WavError::Missing("data")));
}

#[test]
fn a_header_left_by_a_crash_is_repaired() {
    let unfinished = header(RATE, 2, 0);
    // Four whole frames, and half of one that was being written.
    assert_eq!(repaired_header(&unfinished, 44 + 16 + 2), Some(header(RATE, 2, 16)));
    assert_eq!(repaired_header(&header(RATE, 2, 16), 44 + 16 + 2), None);
    assert_eq!(repaired_header(&unfinished, 44), None);
    assert_eq!(repaired_header(&unfinished, 20), None);
    assert_eq!(repaired_header(&[0; HEADER_BYTES], 1_000), None);
    let mut other = unfinished;
    other[20] = 7;
    assert_eq!(repaired_header(&other, 1_000), None);
    let huge = repaired_header(&unfinished, 6_000_000_000).unwrap();
    assert!(read(&[&huge[..], &pcm16(&[1, 2])].concat()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_end_well(bytes: Vec<u8>) {
        if let Ok(wav) = read(&bytes) {
            prop_assert!(wav.samples.len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_within_a_wav_end_well(
        tag in prop::sample::select(vec![1_u16, 3, 6, 7, 0xFFFE, 85]),
        channels in 0_u16..40,
        bits in prop::sample::select(vec![8_u16, 16, 20, 24, 32, 64, 0, 65_535]),
        block: u16,
        size: u32,
        tail: Vec<u8>,
        cut in 0_usize..80,
    ) {
        let mut body = format(tag, 1, 8_000, 16);
        body[2..4].copy_from_slice(&channels.to_le_bytes());
        body[12..14].copy_from_slice(&block.to_le_bytes());
        body[14..16].copy_from_slice(&bits.to_le_bytes());
        let bytes = file(&[whole(b"fmt ", &body), whole(b"junk", &tail), chunk(b"data", size, &tail)]);
        let bytes = &bytes[..bytes.len() - cut.min(bytes.len())];
        if let Ok(wav) = read(bytes) {
            prop_assert!(wav.samples.len() <= bytes.len());
            prop_assert_eq!(wav.samples.len() % wav.channels, 0);
            prop_assert_eq!(wav.to_mono().len(), wav.samples.len() / wav.channels);
        }
    }

    #[test]
    fn any_header_and_length_end_well(mut head in prop::array::uniform32(any::<u8>()), ours: bool, length: u64) {
        let mut bytes = header(RATE, 1, 0);
        if !ours {
            head[0] |= 1;
            bytes[..32].copy_from_slice(&head);
        }
        if let Some(right) = repaired_header(&bytes, length) {
            prop_assert!(repaired_header(&right, length).is_none());
        }
    }
}
