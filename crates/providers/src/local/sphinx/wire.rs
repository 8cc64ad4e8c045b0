//! What goes through the pipes between the server and a helper: a byte that says what, the length (32 bits,
//! little-endian), the contents. Audio is as it came, the rest is JSON.

use std::io::{self, Read, Write};

use audio::SampleRate;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest contents: more is garbage, not ours.
const MAX_LEN: usize = 8 << 20;
const AUDIO: u8 = b'A';
const ORDER: u8 = b'O';
const REPORT: u8 = b'R';

/// What a helper is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Order {
    /// What to listen for. The first order, given once.
    Setup {
        /// The folder of the model and the acoustic model in it.
        model: std::path::PathBuf,
        /// The grammar in FSG format.
        fsg: String,
        /// Its dictionary.
        dictionary: String,
    },
    /// Audio of this stretch follows, at this rate.
    Begin {
        /// The stretch.
        speech: u32,
        /// The rate of its audio.
        rate: SampleRate,
    },
    /// Give the text.
    Finish {
        /// The stretch.
        speech: u32,
    },
}

/// What a helper says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// It listens.
    Ready,
    /// It never will.
    Unusable(String),
    /// A guess.
    Partial {
        /// The stretch.
        speech: u32,
        /// What it guesses.
        text: String,
    },
    /// The text.
    Final {
        /// The stretch.
        speech: u32,
        /// Empty when nothing was understood.
        text: String,
    },
    /// No text.
    Failed {
        /// The stretch.
        speech: u32,
        /// Why.
        why: String,
    },
}

/// One message to a helper.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToHelper {
    /// An order.
    Order(Order),
    /// Samples of the stretch that is open.
    Audio(Vec<i16>),
}

/// Appends an order to `to`.
pub(super) fn write_order(order: &Order, to: &mut Vec<u8>) {
    let json = serde_json::to_vec(order).expect("an order is text and numbers, which JSON always holds");
    write_frame(ORDER, &json, to);
}

/// Appends audio to `to`.
pub(super) fn write_audio(samples: &[i16], to: &mut Vec<u8>) {
    to.push(AUDIO);
    to.extend(length(samples.len() * 2));
    to.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
}

/// Reads the next message to a helper; None at the end.
pub(super) fn read_to_helper(from: &mut impl Read) -> io::Result<Option<ToHelper>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut contents = vec![0; checked_length(head)?];
    from.read_exact(&mut contents)?;
    match head[0] {
        AUDIO => {
            let samples = contents.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair));
            Ok(Some(ToHelper::Audio(samples.collect())))
        }
        ORDER => Ok(Some(ToHelper::Order(serde_json::from_slice(&contents)?))),
        _ => Err(garbage()),
    }
}

/// Says something to the server.
pub(super) fn report(report: &Report, to: &mut impl Write) -> io::Result<()> {
    let mut frame = Vec::new();
    write_frame(REPORT, &serde_json::to_vec(report)?, &mut frame);
    to.write_all(&frame)?;
    to.flush()
}

/// Reads what a helper says.
pub(super) async fn read_report(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Report> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await?;
    if head[0] != REPORT {
        return Err(garbage());
    }
    let mut contents = vec![0; checked_length(head)?];
    from.read_exact(&mut contents).await?;
    Ok(serde_json::from_slice(&contents)?)
}

fn write_frame(kind: u8, contents: &[u8], to: &mut Vec<u8>) {
    to.push(kind);
    to.extend(length(contents.len()));
    to.extend_from_slice(contents);
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn checked_length([_, length @ ..]: [u8; 5]) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_LEN { Err(garbage()) } else { Ok(length) }
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not a message of the recogniser's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_out_as_they_went_in() {
        let mut bytes = Vec::new();
        let begin = Order::Begin { speech: 7, rate: SampleRate::HZ_8000 };
        write_order(&begin, &mut bytes);
        write_audio(&[1, -2, i16::MAX, i16::MIN], &mut bytes);
        let mut from = bytes.as_slice();
        assert_eq!(read_to_helper(&mut from).unwrap(), Some(ToHelper::Order(begin)));
        let audio = ToHelper::Audio(vec![1, -2, i16::MAX, i16::MIN]);
        assert_eq!(read_to_helper(&mut from).unwrap(), Some(audio));
        assert_eq!(read_to_helper(&mut from).unwrap(), None);
        let said = Report::Final { speech: 7, text: "yes".to_owned() };
        let mut bytes = Vec::new();
        report(&said, &mut bytes).unwrap();
        assert_eq!(read_report(&mut bytes.as_slice()).await.unwrap(), said);
    }

    #[tokio::test]
    async fn garbage_is_an_error_and_not_a_large_allocation() {
        for bytes in [&b"hello, world"[..], b"R\xff\xff\xff\xff", b"R\x02\0\0\0{}", b"R\x02\0\0\0{"] {
            assert!(read_report(&mut &bytes[..]).await.is_err(), "{bytes:?}");
            assert!(read_to_helper(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
    }
}
