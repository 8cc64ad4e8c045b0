//! WebSocket frames that no library would send: each closes its socket with the code that RFC 6455, 7.4.1 has
//! for it, and ends its call with a reason.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use call::AgentKind;
use futures_util::SinkExt;
use records::EndReason;
use support::{LONG, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const TEXT: u8 = 1;
const CONTINUED: u8 = 0;

/// A frame with a mask of zeros, which leaves the payload as it is.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the close frame among the server's short frames.
fn close_code(mut bytes: &[u8]) -> Option<u16> {
    while let [head, length, rest @ ..] = bytes {
        let length = usize::from(*length);
        if *head == FIN | 8 {
            return Some(u16::from_be_bytes([rest[0], rest[1]]));
        }
        bytes = &rest[length..];
    }
    None
}

/// Sends raw bytes within a call; the close code and the call's end.
async fn sent(bytes: Vec<u8>) -> (Option<u16>, Option<EndReason>) {
    let server = Server::start(AgentKind::Silent).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    let (mut read, mut write) = carrier.socket.into_inner().into_split();
    // The server may close before all of it is written.
    let writing = tokio::spawn(async move {
        let _ = write.write_all(&bytes).await;
        write
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count) = timeout(LONG, read.read(&mut buffer)).await.expect("it stays open") {
        if count == 0 {
            break;
        }
        answer.extend(&buffer[..count]);
        if close_code(&answer).is_some() {
            break;
        }
    }
    drop(read);
    writing.abort();
    (close_code(&answer), server.record().await.end_reason)
}

#[tokio::test]
async fn frames_against_the_protocol_close_with_their_code() {
    let broken = Some(EndReason::ProtocolError);
    assert_eq!(sent(frame(FIN | RSV1 | TEXT, b"compressed")).await, (Some(1002), broken), "never negotiated");
    assert_eq!(sent(vec![FIN | TEXT, 2, b'{', b'}']).await, (Some(1002), broken), "not masked");
    assert_eq!(sent(frame(FIN | 3, b"")).await, (Some(1002), broken), "a reserved opcode");
    assert_eq!(sent(frame(FIN | CONTINUED, b"x")).await, (Some(1002), broken), "goes on with nothing");
    assert_eq!(sent(frame(FIN | TEXT, b"\xff\xfe")).await, (Some(1007), broken), "not UTF-8");
}

#[tokio::test]
async fn a_message_of_too_many_fragments_closes_with_1009() {
    let broken = Some(EndReason::ProtocolError);
    let piece = vec![b'x'; 200 * 1024];
    let mut few = frame(TEXT, &piece);
    for _ in 0..6 {
        few.extend(frame(CONTINUED, &piece));
    }
    assert_eq!(sent(few).await, (Some(1009), broken));
    let mut many = frame(TEXT, b"x");
    for _ in 0..1_100_000 {
        many.extend(frame(CONTINUED, b"x"));
    }
    assert_eq!(sent(many).await, (Some(1009), broken));
}

#[tokio::test]
async fn a_binary_message_is_counted_and_the_call_goes_on() {
    let server = Server::start(AgentKind::Echo).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    carrier.socket.send(Message::binary(vec![0xFF; 100])).await.unwrap();
    carrier.socket.send(Message::Ping("are you there".into())).await.unwrap();
    carrier.media(&[4; 320]).await;
    assert_eq!(carrier.audio().await, [4; 320]);
    carrier.stop("callended").await;
    let record = server.record().await;
    assert_eq!(record.end_reason, Some(EndReason::CallerHungUp));
    assert_eq!(record.counters.findings.get("binary"), Some(&1));
}
