//! What was odd about a message: a closed list, so that each can be counted and looked up.

/// Something odd in what the carrier sent. None of them ends a call; twenty unreadable messages in a row do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The text is not JSON. The message is lost.
    BadJson,
    /// It is JSON but not a message: no object, no event, or an event without its own part.
    BadShape,
    /// It is longer than a message can be. The message is lost.
    TooLong,
    /// It came as a binary frame. Taken when it holds JSON, else lost.
    Binary,
    /// An event that is not known. Given once for each name; the message is ignored.
    UnknownEvent,
    /// A key is spelled `streamSid` where Exotel writes `stream_sid`. Taken.
    CamelCase,
    /// The audio is not base64 by any reading. The frame is lost.
    BadBase64,
    /// The audio is base64 only by a lenient reading: white space, the URL alphabet, no padding. Taken.
    LenientBase64,
    /// The audio ends in half a sample, which is kept for the next frame.
    OddByte,
    /// A frame without audio.
    EmptyAudio,
    /// Audio came before the stream's start. Given on to the call, which may start on it.
    MediaBeforeStart,
    /// The stream started again under the same id. Ignored.
    RepeatedStart,
    /// A message names another stream than the one that started. A start is ignored, anything else taken.
    OtherStream,
    /// The start names no stream.
    NoStreamId,
    /// The start names a rate that no stream has. The URL's or 8000 is used.
    UnsupportedRate,
    /// The audio runs at another speed than the stream's rate allows.
    RateMismatch,
    /// Sequence numbers are missing: messages were lost on the carrier's side.
    SequenceGap,
    /// A sequence number did not grow.
    SequenceRepeat,
    /// A message came after the stream's end. Ignored.
    AfterStop,
    /// A key that no telephone has. Ignored.
    BadDigit,
    /// More than twenty keys within a second. Ignored.
    DtmfFlood,
    /// A text was too long or held control characters, and was cut to what is safe.
    TextCut,
    /// A key is spelled `stream_sid` where Twilio writes `streamSid`. Taken.
    SnakeCase,
    /// The start names an encoding that the carrier does not have. The carrier's own is taken.
    UnsupportedEncoding,
    /// Audio of another track than the caller's. Ignored.
    OtherTrack,
}

impl Finding {
    /// Every finding, in the order of the list.
    pub const ALL: [Self; 25] = [
        Self::BadJson,
        Self::BadShape,
        Self::TooLong,
        Self::Binary,
        Self::UnknownEvent,
        Self::CamelCase,
        Self::BadBase64,
        Self::LenientBase64,
        Self::OddByte,
        Self::EmptyAudio,
        Self::MediaBeforeStart,
        Self::RepeatedStart,
        Self::OtherStream,
        Self::NoStreamId,
        Self::UnsupportedRate,
        Self::RateMismatch,
        Self::SequenceGap,
        Self::SequenceRepeat,
        Self::AfterStop,
        Self::BadDigit,
        Self::DtmfFlood,
        Self::TextCut,
        Self::SnakeCase,
        Self::UnsupportedEncoding,
        Self::OtherTrack,
    ];

    /// The code in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadShape => "bad_shape",
            Self::TooLong => "too_long",
            Self::Binary => "binary",
            Self::UnknownEvent => "unknown_event",
            Self::CamelCase => "camel_case",
            Self::BadBase64 => "bad_base64",
            Self::LenientBase64 => "lenient_base64",
            Self::OddByte => "odd_byte",
            Self::EmptyAudio => "empty_audio",
            Self::MediaBeforeStart => "media_before_start",
            Self::RepeatedStart => "repeated_start",
            Self::OtherStream => "other_stream",
            Self::NoStreamId => "no_stream_id",
            Self::UnsupportedRate => "unsupported_rate",
            Self::RateMismatch => "rate_mismatch",
            Self::SequenceGap => "sequence_gap",
            Self::SequenceRepeat => "sequence_repeat",
            Self::AfterStop => "after_stop",
            Self::BadDigit => "bad_digit",
            Self::DtmfFlood => "dtmf_flood",
            Self::TextCut => "text_cut",
            Self::SnakeCase => "snake_case",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::OtherTrack => "other_track",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_finding_has_a_code_of_its_own_at_its_own_place() {
        let codes: BTreeSet<_> = Finding::ALL.iter().map(|finding| finding.as_str()).collect();
        assert_eq!(codes.len(), Finding::ALL.len());
        for (place, finding) in Finding::ALL.into_iter().enumerate() {
            assert_eq!(finding as usize, place);
        }
    }
}
