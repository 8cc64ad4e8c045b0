//! What Twilio is told to do with a call: TwiML, written (Twilio, "TwiML Voice: Connect, Stream, Dial, Say, Reject, Hangup").

use quick_xml::escape::escape;

use crate::Address;

/// A `<Parameter>`'s name and value must be shorter than this together.
const PARAMETER_CHARS: usize = 500;
const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// Languages that every voice of `<Say>` by default speaks ("TwiML Voice: Say", languages).
const SPOKEN: [&str; 12] = [
    "en-US", "en-GB", "en-AU", "en-IN", "hi-IN", "de-DE", "es-ES", "es-MX", "fr-FR", "it-IT", "ja-JP",
    "pt-BR",
];

/// The type of a TwiML answer.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// A call's audio, both ways, over a socket of ours.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// The socket's URL: `wss`, without a query.
    pub url: &'a str,
    /// Where Twilio tells how the stream goes.
    pub status_url: &'a str,
    /// What Twilio asks when the socket was closed while the call goes on.
    pub after_url: &'a str,
    /// What comes back in the stream's start.
    pub parameters: &'a [(&'a str, &'a str)],
}

/// Why a stream can't be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TwimlFault {
    /// The socket's URL is not `wss` (on the loopback, `ws`).
    #[error("Twilio opens wss:// URLs only: server.public_url must be an https address")]
    NotWss,
    /// The socket's URL has a query or a fragment.
    #[error("Twilio's stream URLs can't have a query")]
    Query,
    /// A parameter is too long.
    #[error("a stream's parameter has less than {PARAMETER_CHARS} characters, name and value together")]
    TooLong,
}

/// Connects the call to a socket. When the socket is closed and the call goes on, Twilio asks `after_url`.
///
/// # Errors
/// When the stream breaks one of Twilio's limits.
pub fn connect(stream: &Stream<'_>) -> Result<String, TwimlFault> {
    let is_local = || Address::parse(stream.url).is_ok_and(|address| address.is_loopback());
    let may_be_asked = stream.url.starts_with("wss://") || stream.url.starts_with("ws://") && is_local();
    if !may_be_asked {
        return Err(TwimlFault::NotWss);
    }
    if stream.url.contains(['?', '#']) {
        return Err(TwimlFault::Query);
    }
    let mut text = format!(
        r#"{HEAD}<Response><Connect action="{}" method="POST"><Stream url="{}" statusCallback="{}" statusCallbackMethod="POST">"#,
        escape(stream.after_url),
        escape(stream.url),
        escape(stream.status_url),
    );
    for (name, value) in stream.parameters {
        if name.chars().count() + value.chars().count() >= PARAMETER_CHARS {
            return Err(TwimlFault::TooLong);
        }
        text.push_str(&format!(r#"<Parameter name="{}" value="{}"/>"#, escape(*name), escape(*value)));
    }
    text.push_str("</Stream></Connect></Response>");
    Ok(text)
}

/// Somebody whom a call is handed on to.
#[derive(Debug, Clone, Copy)]
pub struct Dial<'a> {
    /// A number (E.164), or a SIP address (`sip:`, `sips:`).
    pub to: &'a str,
    /// The number that is shown to them: one of the account's; `None`: the caller's own.
    pub caller_id: Option<&'a str>,
    /// How long they may be rung, in seconds: 5 to 600 (`timeout`).
    pub ring_s: u32,
    /// What Twilio asks once that leg is over, or never was.
    pub action_url: &'a str,
}

/// Hands the call on.
pub fn dial(dial: &Dial<'_>) -> String {
    let noun = if is_sip(dial.to) { "Sip" } else { "Number" };
    let shown = dial.caller_id.map(|id| format!(" callerId=\"{}\"", escape(id))).unwrap_or_default();
    format!(
        r#"{HEAD}<Response><Dial action="{}" method="POST" timeout="{}"{shown}><{noun}>{}</{noun}></Dial></Response>"#,
        escape(dial.action_url),
        dial.ring_s.clamp(5, 600),
        escape(dial.to),
    )
}

/// Says something in Twilio's own voice and ends the call. A language that Twilio does not speak would end it without
/// a word, so only those that it is known to speak are named; else its usual English is heard.
pub fn say_and_hang_up(language: &str, words: &str) -> String {
    let known = SPOKEN.iter().find(|known| known.eq_ignore_ascii_case(language));
    let language = known.map(|known| format!(" language=\"{known}\"")).unwrap_or_default();
    format!("{HEAD}<Response><Say{language}>{}</Say><Hangup/></Response>", escape(words))
}

/// Whether this is a SIP address and no number.
pub fn is_sip(to: &str) -> bool {
    let scheme = to.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
}

/// Ends the call.
pub fn hang_up() -> String {
    format!("{HEAD}<Response><Hangup/></Response>")
}

/// Turns a call down that was not answered yet: the caller hears that the line is busy, and nothing is billed.
pub fn busy() -> String {
    format!(r#"{HEAD}<Response><Reject reason="busy"/></Response>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream<'_> = Stream {
        url: "wss://gw.example.com/twilio/media",
        status_url: "https://gw.example.com/twilio/stream-status?call=call_1&x=2",
        after_url: "https://gw.example.com/twilio/after?call=call_1",
        parameters: &[("call_ref", "c-42"), ("from", "+12025550123")],
    };

    #[test]
    fn a_stream_is_written_to_the_letter() {
        let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
            <Connect action=\"https://gw.example.com/twilio/after?call=call_1\" method=\"POST\">\
            <Stream url=\"wss://gw.example.com/twilio/media\" \
            statusCallback=\"https://gw.example.com/twilio/stream-status?call=call_1&amp;x=2\" \
            statusCallbackMethod=\"POST\"><Parameter name=\"call_ref\" value=\"c-42\"/>\
            <Parameter name=\"from\" value=\"+12025550123\"/></Stream></Connect></Response>";
        assert_eq!(connect(&STREAM).as_deref(), Ok(wanted));
    }

    #[test]
    fn values_can_not_break_out() {
        let parameters = [("a\"<b", "'&>\"/><Dial>+1</Dial>")];
        let text = connect(&Stream { parameters: &parameters, ..STREAM }).unwrap();
        let safe = "<Parameter name=\"a&quot;&lt;b\" \
                    value=\"&apos;&amp;&gt;&quot;/&gt;&lt;Dial&gt;+1&lt;/Dial&gt;\"/>";
        assert!(text.contains(safe), "{text}");
        let sly = Dial { to: "<+1&", caller_id: Some("\"/>"), ring_s: 25, action_url: "https://h/d?a=1&b=2" };
        let wanted = "<Response><Dial action=\"https://h/d?a=1&amp;b=2\" method=\"POST\" timeout=\"25\" \
                      callerId=\"&quot;/&gt;\"><Number>&lt;+1&amp;</Number></Dial></Response>";
        assert_eq!(dial(&sly), format!("{HEAD}{wanted}"));
        assert!(
            say_and_hang_up("hi-IN", "<Hangup/>").contains("<Say language=\"hi-IN\">&lt;Hangup/&gt;</Say>")
        );
    }

    #[test]
    fn a_call_is_handed_on_to_a_number_or_to_a_sip_address() {
        let to = |to, ring_s| dial(&Dial { to, caller_id: None, ring_s, action_url: "https://h/d" });
        assert_eq!(
            to("+12025550123", 2),
            format!(
                "{HEAD}<Response><Dial action=\"https://h/d\" method=\"POST\" timeout=\"5\">\
                 <Number>+12025550123</Number></Dial></Response>"
            )
        );
        assert!(to("sip:desk@pbx.example.com", 30).contains("<Sip>sip:desk@pbx.example.com</Sip>"));
        assert!(to("SIPS:desk@pbx.example.com", 30).contains("<Sip>"));
        // A language that Twilio may not speak is not named.
        assert!(say_and_hang_up("kok-IN", "Sorry.").contains("<Say>Sorry.</Say><Hangup/>"));
    }

    #[test]
    fn twilios_limits_are_kept() {
        let with = |url: &'static str| connect(&Stream { url, ..STREAM });
        assert_eq!(with("https://gw.example.com/m"), Err(TwimlFault::NotWss));
        assert_eq!(with("ws://gw.example.com/m"), Err(TwimlFault::NotWss));
        assert_eq!(with("wss://gw.example.com/m?call=1"), Err(TwimlFault::Query));
        assert!(with("ws://127.0.0.1:8080/m").is_ok());
        let (fits, long) = ("x".repeat(497), "x".repeat(498));
        assert!(connect(&Stream { parameters: &[("ab", &fits)], ..STREAM }).is_ok());
        assert_eq!(connect(&Stream { parameters: &[("ab", &long)], ..STREAM }), Err(TwimlFault::TooLong));
    }
}
