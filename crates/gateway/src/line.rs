//! The carrier's language on one socket: the reader that came with it, and the writer that the stream's start
//! makes possible.

use audio::SampleRate;
use call::CarrierEvent;
use carriers::exotel::SocketQuery;
use carriers::{Carrier, Read, Reader, Writer};

use crate::metrics::In;
use crate::socket::Received;

/// One socket's reader, and what its URL said.
pub(crate) struct Line {
    pub(crate) carrier: Carrier,
    reader: Reader,
    /// The rate that holds when there is no `start`.
    pub(crate) fallback_rate: SampleRate,
    stream: String,
    /// The token that opened the socket, if one did.
    pub(crate) token: Option<Box<str>>,
}

impl Line {
    pub(crate) fn new(query: &SocketQuery) -> Self {
        Self {
            carrier: Carrier::Exotel,
            reader: Reader::new(Carrier::Exotel, query.rate),
            fallback_rate: query.rate.unwrap_or(Carrier::Exotel.usual_rate()),
            stream: query.stream_sid.clone().unwrap_or_default(),
            token: query.token.as_deref().map(Into::into),
        }
    }

    /// For a carrier whose URL says nothing.
    pub(crate) fn of(carrier: Carrier) -> Self {
        Self {
            carrier,
            reader: Reader::new(carrier, None),
            fallback_rate: carrier.usual_rate(),
            stream: String::new(),
            token: None,
        }
    }

    /// The stream's id where there was no `start`: as its messages say, else as the URL says.
    pub(crate) fn fallback_stream(&self) -> String {
        let seen = self.reader.stream();
        if seen.is_empty() { self.stream.clone() } else { seen.to_owned() }
    }

    /// Whether the carrier can't be given what a placed call brings along, so that its stream does not say it either.
    pub(crate) const fn brings_nothing(&self) -> bool {
        !self.carrier.asks_what_follows()
    }

    /// Reads a message; `None` when it carries nothing for the call.
    pub(crate) fn read(&mut self, received: &Received) -> Option<Read> {
        match received {
            Received::Text(text) => Some(self.reader.read(text.as_str())),
            Received::Binary(bytes) => Some(self.reader.binary(bytes)),
            Received::Sign | Received::Gone { .. } | Received::Broken { .. } => None,
        }
    }

    /// A writer for a stream.
    pub(crate) fn writer(&self, stream: &str, rate: SampleRate) -> Box<Writer> {
        Box::new(self.carrier.writer(stream, rate))
    }
}

/// How a message is counted.
pub(crate) const fn kind(event: Option<&CarrierEvent>) -> In {
    match event {
        Some(CarrierEvent::Connected) => In::Connected,
        Some(CarrierEvent::Start(_)) => In::Start,
        Some(CarrierEvent::Audio(_)) => In::Media,
        Some(CarrierEvent::Dtmf { .. }) => In::Dtmf,
        Some(CarrierEvent::Mark { .. }) => In::Mark,
        Some(CarrierEvent::Clear) => In::Clear,
        Some(CarrierEvent::Stop { .. }) => In::Stop,
        None => In::Other,
    }
}
