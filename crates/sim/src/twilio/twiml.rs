//! TwiML as Twilio reads it (Twilio, "TwiML Voice"): the verbs that a stand-in can follow, in order, and what it would
//! refuse about a `<Stream>`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// A parameter's name and value together are shorter than this.
pub const LONGEST_PARAMETER: usize = 500;

/// A document's verbs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// In order.
    pub verbs: VecDeque<Verb>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// `<Connect><Stream>`: a media socket both ways, until the server closes it.
    Connect {
        /// The stream.
        stream: Stream,
        /// Where the call goes on afterwards, instead of the next verb, and whether by `GET`.
        action: Option<Next>,
    },
    /// `<Hangup>`.
    Hangup,
    /// `<Reject>`, with its reason: `rejected` or `busy`.
    Reject(String),
    /// `<Pause>`.
    Pause(Duration),
    /// `<Redirect>`.
    Redirect(Next),
    /// `<Dial>`: somebody else joins the call.
    Dial(Dial),
    /// A verb that a stand-in passes over: `Say`, `Play`, `Start` and so on.
    Other(String),
}

/// A `<Dial>` of one number or SIP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Whom.
    pub to: String,
    /// `callerId`; empty where it has none.
    pub caller_id: String,
    /// `timeout`: how long it may ring.
    pub rings: Duration,
    /// Where the call goes on afterwards, instead of the next verb.
    pub action: Option<Next>,
}

/// Another document to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Where; may be relative. Empty means the same document again.
    pub url: String,
    /// By `GET` instead of `POST`.
    pub is_get: bool,
}

/// A `<Stream>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// `url`.
    pub url: String,
    /// `name`; empty where it has none.
    pub name: String,
    /// `track`.
    pub track: String,
    /// `statusCallback`, if it has one, and whether by `GET`.
    pub status: Option<Next>,
    /// The `<Parameter>`s.
    pub parameters: BTreeMap<String, String>,
}

/// Why a `<Stream>` is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", .number.map(|number| format!("{number}: ")).unwrap_or_default())]
pub struct StreamFault {
    /// Twilio's number for it.
    pub number: Option<u32>,
    /// In words.
    pub why: String,
}

/// Why a document can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    /// Twilio's error 12100: it is no XML.
    #[error("12100: the document can't be read as XML: {0}")]
    NoXml(String),
    /// Twilio's error 12200: it is XML, and no TwiML.
    #[error("12200: {0}")]
    NoTwiml(String),
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// Where Twilio would end the call with an application error.
    pub fn parse(text: &str) -> Result<Self, TwimlError> {
        let root = element(text)?;
        if root.name != "Response" {
            return Err(TwimlError::NoTwiml(format!("the root is <{}>, not <Response>", root.name)));
        }
        let verbs = root.children.iter().map(verb).collect::<Result<_, _>>()?;
        Ok(Self { verbs })
    }
}

impl Stream {
    /// Whether Twilio would open it. `loopback_ws` lets `ws://` to the loopback interface pass, where no certificate
    /// can be had.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, loopback_ws: bool) -> Result<(), StreamFault> {
        let fault = |number, why: String| Err(StreamFault { number, why });
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("", &self.url));
        let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        if scheme != "wss" && !(scheme == "ws" && loopback_ws && is_loopback(host)) {
            return fault(Some(31922), format!("the scheme is \"{scheme}\", not wss"));
        }
        if rest.contains('?') {
            return fault(Some(31920), "the URL has a query string".to_owned());
        }
        if !matches!(self.track.as_str(), "" | "inbound_track") {
            return fault(
                None,
                format!("the track is \"{}\"; <Connect> takes inbound_track only", self.track),
            );
        }
        let long = self.parameters.iter().find(|(name, value)| name.len() + value.len() >= LONGEST_PARAMETER);
        match long {
            Some((name, value)) => {
                let length = name.len() + value.len();
                fault(None, format!("the parameter \"{name}\" has {length} characters, not under 500"))
            }
            None => Ok(()),
        }
    }
}

/// Whether host and port are of the loopback interface.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Self>,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Result<Self, TwimlError> {
        let bad = |error: &dyn std::fmt::Display| TwimlError::NoXml(error.to_string());
        let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
        let mut attributes = BTreeMap::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| bad(&error))?;
            let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| bad(&error))?;
            attributes.insert(key, value.into_owned());
        }
        Ok(Self { name, attributes, ..Self::default() })
    }

    fn attribute(&self, name: &str) -> String {
        self.attributes.get(name).cloned().unwrap_or_default()
    }

    /// The attribute as another document, with the method that stands beside it.
    fn next(&self, url: &str, method: &str) -> Option<Next> {
        let url = self.attributes.get(url)?.clone();
        Some(Next { url, is_get: self.attribute(method).eq_ignore_ascii_case("GET") })
    }
}

/// The document's root.
fn element(text: &str) -> Result<Element, TwimlError> {
    let bad = |error: &dyn std::fmt::Display| TwimlError::NoXml(error.to_string());
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| bad(&error))? {
            Event::Start(start) => open.push(Element::of(&start)?),
            Event::Empty(start) => {
                let element = Element::of(&start)?;
                parent(&mut open).children.push(element);
            }
            Event::End(_) => {
                let done = open.pop().unwrap_or_default();
                parent(&mut open).children.push(done);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| bad(&error))?;
                parent(&mut open).text.push_str(text.trim());
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| bad(&error))?;
                let resolved = match reference.resolve_char_ref().map_err(|error| bad(&error))? {
                    Some(letter) => letter.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name)
                        .ok_or_else(|| TwimlError::NoXml(format!("&{name}; is not defined")))?
                        .to_owned(),
                };
                parent(&mut open).text.push_str(&resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let whole = open.len() == 1;
    let mut roots = open.swap_remove(0).children;
    match (whole, roots.len()) {
        (true, 1) => Ok(roots.swap_remove(0)),
        (false, _) => Err(TwimlError::NoXml("an element is not closed".to_owned())),
        (true, count) => Err(TwimlError::NoXml(format!("there are {count} roots"))),
    }
}

fn parent(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the document itself is never closed: the reader refuses an end without a start")
}

fn verb(element: &Element) -> Result<Verb, TwimlError> {
    let missing = |what: &str| TwimlError::NoTwiml(format!("<{}> has no {what}", element.name));
    Ok(match element.name.as_str() {
        "Connect" => match element.children.iter().find(|child| child.name == "Stream") {
            Some(child) => Verb::Connect { stream: stream(child)?, action: element.next("action", "method") },
            None => Verb::Other("Connect".to_owned()),
        },
        "Hangup" => Verb::Hangup,
        "Reject" => {
            let reason = element.attribute("reason");
            Verb::Reject(if reason.is_empty() { "rejected".to_owned() } else { reason })
        }
        "Pause" => {
            let length = element.attribute("length");
            let seconds = if length.is_empty() { Ok(1) } else { length.parse() };
            Verb::Pause(Duration::from_secs(seconds.map_err(|_| missing("length that is a number"))?))
        }
        "Redirect" => {
            let is_get = element.attribute("method").eq_ignore_ascii_case("GET");
            Verb::Redirect(Next { url: element.text.clone(), is_get })
        }
        "Dial" => Verb::Dial(dial(element)?),
        other => Verb::Other(other.to_owned()),
    })
}

/// The attributes of `<Dial>` and those of its nouns that a stand-in follows; others would be passed over without a word,
/// and whoever wrote them would believe that they hold.
const DIAL: [&str; 4] = ["action", "method", "timeout", "callerId"];

fn dial(element: &Element) -> Result<Dial, TwimlError> {
    let wrong = |why: String| Err(TwimlError::NoTwiml(why));
    if let Some(other) = element.attributes.keys().find(|name| !DIAL.contains(&name.as_str())) {
        return wrong(format!("<Dial> has \"{other}\", which is not followed here"));
    }
    let (noun, to) = match element.children.as_slice() {
        [] => ("Number", element.text.clone()),
        [noun] => (noun.name.as_str(), noun.text.clone()),
        several => return wrong(format!("<Dial> has {} nouns; one is followed here", several.len())),
    };
    let number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match noun {
        "Number" if number(&to) => {}
        "Number" => return wrong("13223: <Dial> names no number in E.164 format".to_owned()),
        "Sip" if to.starts_with("sip:") || to.starts_with("sips:") => {}
        "Sip" => return wrong("13223: <Sip> names no SIP address".to_owned()),
        other => return wrong(format!("<{other}> in <Dial> is not followed here")),
    }
    let caller_id = element.attribute("callerId");
    if !caller_id.is_empty() && !number(&caller_id) {
        return wrong("13214: callerId is no number in E.164 format".to_owned());
    }
    let timeout = element.attribute("timeout");
    let seconds = if timeout.is_empty() { Some(30) } else { timeout.parse().ok() };
    let Some(seconds) = seconds.filter(|seconds| (5..=600).contains(seconds)) else {
        return wrong(format!("13212: timeout is \"{timeout}\", not 5 to 600 seconds"));
    };
    let rings = Duration::from_secs(seconds);
    Ok(Dial { to, caller_id, rings, action: element.next("action", "method") })
}

fn stream(element: &Element) -> Result<Stream, TwimlError> {
    let url = element.attribute("url");
    if url.is_empty() {
        return Err(TwimlError::NoTwiml("<Stream> has no url".to_owned()));
    }
    let parameters = element.children.iter().filter(|child| child.name == "Parameter");
    Ok(Stream {
        url,
        name: element.attribute("name"),
        track: element.attribute("track"),
        status: element.next("statusCallback", "statusCallbackMethod"),
        parameters: parameters.map(|child| (child.attribute("name"), child.attribute("value"))).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's own example.
    const EXAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Connect>
    <Stream url="wss://gw.example.com/twilio/media" statusCallback="https://gw.example.com/twilio/stream-status" statusCallbackMethod="POST">
      <Parameter name="call_ref" value="c-42"/>
      <Parameter name="who" value="A &amp; B &lt;&#x2B;1&gt;"/>
    </Stream>
  </Connect>
</Response>"#;

    fn only(text: &str) -> Verb {
        let mut verbs = Document::parse(&format!("<Response>{text}</Response>")).unwrap().verbs;
        assert_eq!(verbs.len(), 1);
        verbs.remove(0).unwrap()
    }

    #[test]
    fn the_documents_example_is_read() {
        let mut document = Document::parse(EXAMPLE).unwrap();
        let Some(Verb::Connect { stream, action: None }) = document.verbs.pop_front() else { panic!() };
        assert_eq!(stream.url, "wss://gw.example.com/twilio/media");
        assert_eq!(stream.status.as_ref().unwrap().url, "https://gw.example.com/twilio/stream-status");
        assert_eq!(stream.parameters["call_ref"], "c-42");
        assert_eq!(stream.parameters["who"], "A & B <+1>");
        assert_eq!(stream.check(false), Ok(()));
    }

    #[test]
    fn verbs_are_told_apart() {
        assert_eq!(only("<Hangup/>"), Verb::Hangup);
        assert_eq!(only("<Reject/>"), Verb::Reject("rejected".to_owned()));
        assert_eq!(only(r#"<Reject reason="busy"/>"#), Verb::Reject("busy".to_owned()));
        assert_eq!(only("<Pause/>"), Verb::Pause(Duration::from_secs(1)));
        assert_eq!(only(r#"<Pause length="3"></Pause>"#), Verb::Pause(Duration::from_secs(3)));
        let dial = |to: &str, rings| Dial {
            to: to.to_owned(),
            caller_id: String::new(),
            rings: Duration::from_secs(rings),
            action: None,
        };
        assert_eq!(only("<Dial>+12025550124</Dial>"), Verb::Dial(dial("+12025550124", 30)));
        let text = r#"<Dial action="/d?a=1&amp;b=2" timeout="25" callerId="+12025550199"><Number>+12025550123</Number></Dial>"#;
        let action = Some(Next { url: "/d?a=1&b=2".to_owned(), is_get: false });
        let caller_id = "+12025550199".to_owned();
        assert_eq!(only(text), Verb::Dial(Dial { caller_id, action, ..dial("+12025550123", 25) }));
        assert_eq!(only("<Dial><Sip>sip:a@b.example</Sip></Dial>"), Verb::Dial(dial("sip:a@b.example", 30)));
        let next = Next { url: "/next?a=1&b=2".to_owned(), is_get: true };
        assert_eq!(only(r#"<Redirect method="GET">/next?a=1&amp;b=2</Redirect>"#), Verb::Redirect(next));
        assert_eq!(only("<Say>hello</Say>"), Verb::Other("Say".to_owned()));
    }

    #[test]
    fn what_is_no_twiml_is_refused_with_twilios_number() {
        for (text, number) in [
            ("", "12100"),
            ("{\"url\":1}", "12100"),
            ("<Response><Connect></Response>", "12100"),
            ("<Response>", "12100"),
            ("<Response/><Response/>", "12100"),
            ("<Response><Say>&nbsp;</Say></Response>", "12100"),
            ("<html></html>", "12200"),
            ("<Response><Connect><Stream/></Connect></Response>", "12200"),
            ("<Response><Dial>0124</Dial></Response>", "12200"),
            ("<Response><Dial><Sip>+12025550124</Sip></Dial></Response>", "12200"),
            ("<Response><Dial><Queue>a</Queue></Dial></Response>", "12200"),
            ("<Response><Dial timeout=\"4\">+12025550124</Dial></Response>", "12200"),
            ("<Response><Dial callerId=\"desk\">+12025550124</Dial></Response>", "12200"),
            ("<Response><Dial record=\"true\">+12025550124</Dial></Response>", "12200"),
        ] {
            let error = Document::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(number), "{text}: {error}");
        }
        assert_eq!(Document::parse("<Response/>").unwrap(), Document::default());
    }

    #[test]
    fn a_stream_that_twilio_would_not_open_is_refused() {
        let with = |url: &str| Stream { url: url.to_owned(), ..Stream::default() };
        let number = |stream: &Stream, loopback| stream.check(loopback).unwrap_err().number;
        assert_eq!(number(&with("ws://gw.example.com/m"), true), Some(31922));
        assert_eq!(number(&with("ws://127.0.0.1:8080/m"), false), Some(31922));
        assert_eq!(with("ws://127.0.0.1:8080/m").check(true), Ok(()));
        assert_eq!(with("ws://[::1]:8080/m").check(true), Ok(()));
        assert_eq!(number(&with("https://gw.example.com/m"), false), Some(31922));
        assert_eq!(number(&with("wss://gw.example.com/m?call=1"), false), Some(31920));
        let mut long = with("wss://gw.example.com/m");
        long.parameters.insert("ref".to_owned(), "x".repeat(497));
        assert!(long.check(false).unwrap_err().to_string().contains("500 characters"));
        long.parameters.insert("ref".to_owned(), "x".repeat(496));
        assert_eq!(long.check(false), Ok(()));
        let both = Stream { track: "both_tracks".to_owned(), ..with("wss://gw.example.com/m") };
        assert!(both.check(false).is_err());
    }
}
