//! How a stand-in behaves towards one key.

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Refuses with this status, in the vendor's own error shape (`fail-429`).
    Status(u16),
    /// The same, and then works: so many refusals first (`fail-500-twice` is 2).
    StatusTimes(u16, u32),
    /// 429 for want of credit, as the vendor words it (`no-credit`).
    NoCredit,
    /// Takes the connection and never answers (`hang`): no status, no upgrade.
    Hang,
    /// Answers the request or the upgrade, and then nothing more (`mute`).
    Mute,
    /// Stops in the middle of the answer and leaves the connection open (`stall`).
    Stall,
    /// Breaks the TCP connection in the middle of the answer (`cut`).
    Cut,
    /// Answers a byte a second (`drip`).
    Drip,
    /// Answers with a body or frames that mean nothing (`garbage`).
    Garbage,
    /// HTML with status 200 (`html`).
    Html,
    /// Sends silence for audio, and empty texts (`silence`).
    Silence,
    /// Reports a failure inside an answer that began well, in the vendor's own shape (`in-stream-error`).
    InStream,
    /// Refuses WebSockets with 403 as a proxy does; HTTP works (`no-websocket`).
    NoWebsocket,
    /// Takes WebSockets and never answers their upgrade; HTTP works (`hang-websocket`).
    HangWebsocket,
    /// Closes a WebSocket in the middle of what it is doing; HTTP works (`cut-websocket`).
    CutWebsocket,
    /// A fault of one vendor only, by the word in the key (`x-late-audio`: `late-audio`).
    Own(String),
}

/// How a stand-in behaves towards one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// What goes wrong, if anything does.
    pub fault: Option<Fault>,
}

/// Keys with a meaning, each with what comes of it, for people.
pub const KEYS: [(&str, &str); 17] = [
    ("fail-401", "refused with this status, in the vendor's own error shape; any other works too"),
    ("fail-500-twice", "refused twice with this status, then answered"),
    ("no-credit", "429 for want of credit"),
    ("hang", "the connection is taken and never answered"),
    ("mute", "the request or the upgrade is answered, and then nothing more comes"),
    ("stall", "it stops in the middle of the answer and leaves the connection open"),
    ("cut", "the connection breaks in the middle of the answer"),
    ("drip", "a byte a second"),
    ("garbage", "bytes that mean nothing"),
    ("html", "a page of HTML with status 200"),
    ("silence", "silence for audio, empty texts"),
    ("in-stream-error", "a failure inside an answer that began well"),
    ("no-websocket", "WebSockets are refused with 403; HTTP works"),
    ("hang-websocket", "WebSockets' upgrades are never answered; HTTP works"),
    ("cut-websocket", "WebSockets are closed in the middle; HTTP works"),
    ("x-WORD", "a fault of one vendor only"),
    ("any other", "works"),
];

impl Manner {
    /// What this key asks for. A key that means nothing works.
    pub fn of_key(key: &str) -> Self {
        let fault = match key {
            "no-credit" => Fault::NoCredit,
            "hang" => Fault::Hang,
            "mute" => Fault::Mute,
            "stall" => Fault::Stall,
            "cut" => Fault::Cut,
            "drip" => Fault::Drip,
            "garbage" => Fault::Garbage,
            "html" => Fault::Html,
            "silence" => Fault::Silence,
            "in-stream-error" => Fault::InStream,
            "no-websocket" => Fault::NoWebsocket,
            "hang-websocket" => Fault::HangWebsocket,
            "cut-websocket" => Fault::CutWebsocket,
            other => match (other.strip_prefix("fail-"), other.strip_prefix("x-")) {
                (Some(status), _) => match (status.strip_suffix("-twice"), status.parse()) {
                    (Some(status), _) => match status.parse() {
                        Ok(status) => Fault::StatusTimes(status, 2),
                        Err(_) => return Self::default(),
                    },
                    (None, Ok(status)) => Fault::Status(status),
                    (None, Err(_)) => return Self::default(),
                },
                (None, Some(own)) => Fault::Own(own.to_owned()),
                (None, None) => return Self::default(),
            },
        };
        Self { fault: Some(fault) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_how_the_vendor_behaves() {
        assert_eq!(Manner::of_key("test").fault, None);
        assert_eq!(Manner::of_key("fail-429").fault, Some(Fault::Status(429)));
        assert_eq!(Manner::of_key("fail-500-twice").fault, Some(Fault::StatusTimes(500, 2)));
        assert_eq!(Manner::of_key("x-late-audio").fault, Some(Fault::Own("late-audio".to_owned())));
        assert_eq!(Manner::of_key("fail-often").fault, None);
        for (key, what) in KEYS {
            assert_eq!(Manner::of_key(key).fault.is_none(), what == "works", "{key}");
        }
    }
}
