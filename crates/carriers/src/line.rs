//! The carriers that there are, and their wire without their names: who reads, writes and what was read. Nothing above
//! this crate needs to know which carrier a socket belongs to.

use audio::SampleRate;
use call::CarrierEvent;

use crate::dialect::Dialect;
use crate::{Finding, exotel, twilio};

/// A carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// Exotel.
    Exotel,
    /// Twilio.
    Twilio,
}

impl Carrier {
    /// Every carrier, in the order of the list.
    pub const ALL: [Self; 2] = [Self::Exotel, Self::Twilio];

    /// The name in records, paths, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exotel => "exotel",
            Self::Twilio => "twilio",
        }
    }

    /// The rate of a stream that names none.
    pub fn usual_rate(self) -> SampleRate {
        self.dialect().rates[0]
    }

    /// Whether it asks how a call goes on once its stream is over, so that the call can be handed on to a number. The
    /// others go on by a flow of their own.
    pub const fn asks_what_follows(self) -> bool {
        matches!(self, Self::Twilio)
    }

    /// A writer for the stream of this id, whose samples run at `rate`.
    pub fn writer(self, stream: &str, rate: SampleRate) -> Writer {
        match self {
            Self::Exotel => Writer::Exotel(exotel::Writer::new(stream, rate)),
            Self::Twilio => Writer::Twilio(twilio::Writer::new(stream)),
        }
    }

    pub(crate) const fn dialect(self) -> &'static Dialect {
        match self {
            Self::Exotel => &exotel::DIALECT,
            Self::Twilio => &twilio::DIALECT,
        }
    }
}

/// What one message gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// What it means to the call, if it means anything.
    pub event: Option<CarrierEvent>,
    /// The first thing that is odd about it. `Reader::counts` counts all.
    pub finding: Option<Finding>,
    /// Whether so many messages in a row were unreadable that the socket is best closed, with 1007.
    pub fatal: bool,
}

/// Writes one stream's messages, in its carrier's words, into a buffer that it keeps.
#[derive(Debug, Clone)]
pub enum Writer {
    /// To Exotel.
    Exotel(exotel::Writer),
    /// To Twilio.
    Twilio(twilio::Writer),
}

impl Writer {
    /// A message of audio; `None` when the carrier is best given this little together with what follows.
    pub fn media(&mut self, pcm: &[i16]) -> Option<&str> {
        match self {
            Self::Exotel(writer) => Some(writer.media(pcm)),
            Self::Twilio(writer) => writer.media(pcm),
        }
    }

    /// A message that asks to be told when everything before it was played.
    pub fn mark(&mut self, name: &str) -> &str {
        match self {
            Self::Exotel(writer) => writer.mark(name),
            Self::Twilio(writer) => writer.mark(name),
        }
    }

    /// A message that drops what was sent and not yet played.
    pub fn clear(&mut self) -> &str {
        match self {
            Self::Exotel(writer) => writer.clear(),
            Self::Twilio(writer) => writer.clear(),
        }
    }
}
