//! What a server can do wrong in what it sends: a closed list, each with its rule and the document that asks it.

use crate::breach::breaches;

const APPLET: &str = "Exotel, \"Working with the Stream and Voicebot applet\"";
const CHUNKS: &str = "Exotel, support article 3000108630, chunk size";
const PROTOCOL: &str = "Exotel, \"WebSocket protocol\"";
const PACING: &str = "Exotel, sample code exotel/Agent-Stream, pacing of a greeting";
const LIMITS: &str = "Exotel, \"Updated Extension Guide\"; a caller takes longer silence for a dead line";
const CAPTURE: &str = "Exotel, captured traffic: numbers are strings";

breaches! {
    /// A message that is not one JSON object.
    BadJson, "EXO-101", Error, PROTOCOL, "every message is one JSON object with an event";
    /// A binary message.
    Binary, "EXO-102", Error, PROTOCOL, "messages are text frames";
    /// An event that does not exist.
    UnknownEvent, "EXO-103", Error, APPLET, "only media, mark and clear are sent";
    /// An event that only the carrier sends.
    CarrierEvent, "EXO-104", Error, APPLET, "connected, start, dtmf and stop are the carrier's to send";
    /// `streamSid` for `stream_sid`.
    CamelCase, "EXO-105", Error, APPLET, "keys are snake_case";
    /// Another stream's id, or none.
    WrongStream, "EXO-106", Error, APPLET, "stream_sid is the one of the start";
    /// A number that is not a decimal string.
    NumberType, "EXO-107", Error, CAPTURE, "sequence_number, chunk and timestamp, where sent, are strings";
    /// A sequence number that does not grow.
    Sequence, "EXO-108", Error, PROTOCOL, "sequence_number, where sent, counts up";
    /// Audio that is not padded base64 of the standard alphabet.
    BadBase64, "EXO-109", Error, APPLET, "payload is base64";
    /// Half a sample.
    OddBytes, "EXO-110", Error, APPLET, "audio is whole 16-bit samples";
    /// A length that is not a multiple of 320 bytes.
    ChunkMultiple, "EXO-111", Error, CHUNKS, "chunks are multiples of 320 bytes";
    /// Under 320 bytes.
    ChunkTiny, "EXO-112", Error, CHUNKS, "chunks have at least 320 bytes";
    /// Under 3200 bytes.
    ChunkSmall, "EXO-113", Warning, CHUNKS, "chunks should have at least 3200 bytes";
    /// Over 100,000 bytes.
    ChunkLarge, "EXO-114", Error, CHUNKS, "chunks have at most 100000 bytes";
    /// A mark without a name.
    MarkName, "EXO-115", Error, APPLET, "a mark has a name";
    /// Audio before the start.
    BeforeStart, "EXO-116", Error, APPLET, "no audio before the start";
    /// Audio after the stop.
    AfterStop, "EXO-117", Error, APPLET, "no audio after the stop";
    /// Too much audio waits with the carrier.
    Burst, "EXO-118", Error, PACING, "audio is paced: no more than 3 s wait with the carrier";
    /// No sound soon after the start.
    LateGreeting, "EXO-119", Error, LIMITS, "the greeting begins within 2 s of the start";
    /// The greeting came again.
    TwoGreetings, "EXO-120", Error, APPLET, "the caller is greeted once";
    /// No mark behind the greeting.
    NoGreetingMark, "EXO-121", Error, APPLET, "a mark follows the greeting";
    greeting without a mark: Some(Self::NoGreetingMark)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::breach::Breaches as _;

    #[test]
    fn ids_are_unique_and_sources_are_named() {
        let ids: BTreeSet<_> = Breach::ALL.iter().map(|breach| breach.id()).collect();
        assert_eq!(ids.len(), Breach::ALL.len());
        assert!(
            Breach::ALL.iter().all(|breach| breach.source().contains("Exotel") && !breach.title().is_empty())
        );
    }
}
