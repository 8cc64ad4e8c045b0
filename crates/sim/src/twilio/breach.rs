//! What a server can do wrong in what it sends to Twilio: a closed list, each with its rule, Twilio's number for it
//! where there is one, and the document that asks it.

use crate::breach::breaches;

const MESSAGES: &str = "Twilio, \"Media Streams WebSocket messages\"";
const E31951: &str = "Twilio, warning 31951 \"Stream: invalid message\"";
const E31924: &str = "Twilio, error 31924 \"Stream: WebSocket protocol error\"";
const E31921: &str = "Twilio, warning 31921 \"Stream: the server closed the socket\"";
const SIZES: &str = "Twilio's SDK maintainers: odd sizes are heard as jitter";
const PACING: &str = "Twilio buffers what it is sent, so what is not paced can't be taken back in time";
const GREETING: &str = "a caller takes longer silence for a dead line";

breaches! {
    /// A message that is not one JSON object with an event.
    BadJson, "TWI-101", Error(31951), E31951, "every message is one JSON object with an event";
    /// A binary message.
    Binary, "TWI-102", Error(31924), E31924, "messages are text frames";
    /// An event that does not exist.
    UnknownEvent, "TWI-103", Error(31951), E31951, "only media, mark and clear are sent";
    /// An event that only Twilio sends.
    CarrierEvent, "TWI-104", Error(31951), E31951, "connected, start, dtmf and stop are Twilio's to send";
    /// Another stream's id, or none.
    WrongStream, "TWI-105", Error(31951), E31951, "streamSid is the one of the start";
    /// A key that the message does not have.
    ExtraStructure, "TWI-106", Error(31951), E31951, "messages have the documented keys and no others";
    /// Audio that is not padded base64 of the standard alphabet.
    BadBase64, "TWI-107", Error(31951), MESSAGES, "payload is base64";
    /// Audio with the header of a sound file.
    FileHeader, "TWI-108", Error, MESSAGES, "audio is raw mu-law, with no file's header";
    /// A mark without a name.
    MarkName, "TWI-109", Error(31951), MESSAGES, "a mark has a name";
    /// Audio before the start.
    BeforeStart, "TWI-110", Error(31951), MESSAGES, "nothing is sent before the start";
    /// Audio after the stop.
    AfterStop, "TWI-111", Error, MESSAGES, "no audio after the stop";
    /// A length that is no multiple of 160 bytes.
    OddSize, "TWI-112", Warning, SIZES, "audio comes in multiples of 160 bytes";
    /// Too much audio waits with the carrier.
    Burst, "TWI-113", Warning, PACING, "no more than 3 s of audio wait with Twilio";
    /// No sound soon after the start.
    LateGreeting, "TWI-114", Error, GREETING, "the greeting begins within 2 s of the start";
    /// The greeting came again.
    TwoGreetings, "TWI-115", Error, GREETING, "the caller is greeted once";
    /// The server closed the socket.
    Closed, "TWI-116", Warning(31921), E31921, "the server leaves the closing to Twilio";
    greeting without a mark: None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::breach::Breaches as _;

    #[test]
    fn ids_are_unique_and_numbers_are_twilios() {
        let ids: BTreeSet<_> = Breach::ALL.iter().map(|breach| breach.id()).collect();
        assert_eq!(ids.len(), Breach::ALL.len());
        assert!(Breach::ALL.iter().filter_map(|breach| breach.number()).all(|number| number / 100 == 319));
        assert!(Breach::ALL.iter().all(|breach| !breach.source().is_empty() && !breach.title().is_empty()));
    }
}
