//! What carriers ask, asked through the public address with calls made up here. Nothing is dialled, and no call comes of
//! it: both webhooks only tell where the media socket is, and a call begins with the socket's `start`, which is not sent.

use carriers::Address;
use carriers::twilio::signature;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use sim::twilio::{Document, Verb};

use super::finding::Finding;
use super::http::{Answer, Request, ms, one_line};
use super::public::{Way, is_same_place, mend};
use super::socket::{self, Opened, finding};

/// An answer that is slower than this is heard as silence.
const SLOW_MS: u128 = 1_000;
/// The numbers of calls that are made up: one of those that are kept for stories.
const NOBODY: &str = "+12025550123";

/// Asks all of it.
pub(super) async fn findings(way: &Way<'_>) -> Vec<Finding> {
    let mut findings = vec![bare_socket(way).await];
    findings.extend(exotel(way).await);
    match &way.config.twilio.auth_token {
        Some(token) => findings.extend(twilio(way, token.expose_secret()).await),
        None => {
            let why = "twilio.auth_token is not set, so no call of Twilio is answered";
            findings.push(Finding::left_out("twilio.webhook", "Twilio's voice webhook", why));
        }
    }
    findings
}

/// The media socket by its path alone, as a static URL in an applet names it.
async fn bare_socket(way: &Way<'_>) -> Finding {
    let path = &way.config.server.ws_path;
    let name = format!("media socket {path}");
    let url = match way.address.socket(path) {
        Ok(url) => way.reached(&url),
        Err(fault) => return Finding::fail("public.socket", name, fault.to_string()),
    };
    let headers: Vec<_> = way.authority().into_iter().collect();
    let opened = socket::open(&url, &headers, &way.tls).await;
    finding("public.socket", &name, opened, |status| {
        (status == 401).then(|| {
            (
                "the server refuses the configured token: it runs with another one, or a proxy takes `Authorization` out"
                    .to_owned(),
                "sudo systemctl restart trunkline".to_owned(),
            )
        })
    })
}

/// The connect webhook, and whether the URL that it gives lets one in.
async fn exotel(way: &Way<'_>) -> Vec<Finding> {
    let name = "Exotel's connect webhook".to_owned();
    let query = format!(
        "CallSid=doctor-{}&CallFrom=0&CallTo=0&Direction=incoming&DialWhomNumber=&From=0&To=0",
        way.once
    );
    let url = way.url(&format!("/api/v1/exotel/voice/connect?{query}"));
    let answer = match way.http.ask(Request::get(&url)).await {
        Ok(answer) => answer,
        Err(why) => return vec![Finding::fail("exotel.webhook", name, why)],
    };
    let name = format!("{name}, {}", ms(answer.took));
    if answer.status != 200 {
        let problem = format!("{}, and Exotel takes nothing but 200", answer.told());
        return vec![Finding::fail("exotel.webhook", name, problem)];
    }
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let Some(socket) = body["url"].as_str().map(str::to_owned) else {
        return vec![Finding::fail("exotel.webhook", name, "the answer is no JSON with a `url`")];
    };
    if let Some(fault) = elsewhere(way, &socket) {
        return vec![Finding::fail("exotel.webhook", name, fault.0).fix(fault.1)];
    }
    let answered = if answer.took.as_millis() > SLOW_MS {
        Finding::warn("exotel.webhook", name, "callers hear silence for that long")
    } else {
        Finding::ok("exotel.webhook", name)
    };
    vec![answered, let_in(way, &socket).await]
}

/// Whether the server lets in who comes with the webhook's URL. It is asked without an upgrade, which it refuses after
/// that: the socket of a URL that names a call would begin one.
async fn let_in(way: &Way<'_>, socket: &str) -> Finding {
    let name = "the URL that it gives";
    let url = way.reached(socket).replacen("ws", "http", 1);
    match way.http.ask(Request::get(&url)).await {
        Err(why) => Finding::fail("exotel.token", name, why),
        Ok(answer) if answer.status == 401 => {
            let problem = "its token is refused: several servers share the name and have not the same server.token, or \
                           a proxy changes the query";
            Finding::fail("exotel.token", name, problem).fix("server.token_file = \"/etc/trunkline/token\"")
        }
        Ok(answer) if matches!(answer.status, 400 | 426) => {
            Finding::ok("exotel.token", format!("{name} lets one in"))
        }
        Ok(answer) => Finding::fail("exotel.token", name, answer.told()),
    }
}

/// Why a socket's URL leads somewhere else, and what to set.
fn elsewhere(way: &Way<'_>, socket: &str) -> Option<(String, String)> {
    let shown = socket.split('?').next().unwrap_or_default();
    let configured = way.config.server.public_url.as_deref().and_then(|url| Address::parse(url).ok());
    let known = [Some(&way.address), configured.as_ref()].into_iter().flatten();
    let leads_here = known.filter_map(|address| address.socket("/").ok()).any(|base| {
        let host =
            |url: &str| Url::parse(url).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port())));
        host(&base).is_some() && host(&base) == host(shown)
    });
    if !leads_here {
        let problem = format!("it sends callers to {}, which is not this address", one_line(shown));
        return Some((problem, format!("server.public_url = \"{}\"   # and restart the server", way.base)));
    }
    (!shown.starts_with("wss://") && !way.address.is_loopback()).then(|| {
        let problem = format!("it gives {}, and carriers open wss:// only", one_line(shown));
        (problem, format!("server.public_url = \"{}\"", way.base.replacen("http://", "https://", 1)))
    })
}

/// Twilio's voice webhook, signed as Twilio signs; the stream that it is told of; and a call of somebody else.
async fn twilio(way: &Way<'_>, token: &str) -> Vec<Finding> {
    let name = "Twilio's voice webhook, signed".to_owned();
    let url = way.url("/twilio/voice");
    let form = call(way);
    let signed = signature::sign(token.as_bytes(), &url, &form);
    let answer = match way.post(&url, &form, &signed).await {
        Ok(answer) => answer,
        Err(why) => return vec![Finding::fail("twilio.webhook", name, why)],
    };
    let name = format!("{name}, {}", ms(answer.took));
    if let Some(refused) = refusal(way, &name, &answer) {
        return vec![refused];
    }
    let mut findings = stream(way, token, name, &answer).await;
    findings.push(forged(way, &url, &form).await);
    findings
}

/// A call of which nobody has heard, ringing.
fn call(way: &Way<'_>) -> Vec<(String, String)> {
    let account = way.config.twilio.account_sid.clone().unwrap_or_else(|| format!("AC{:032x}", 0));
    let to = way.config.twilio.from.clone().unwrap_or_else(|| NOBODY.to_owned());
    [
        ("CallSid", format!("CA{:0>32}", way.once)),
        ("AccountSid", account),
        ("From", NOBODY.to_owned()),
        ("To", to.clone()),
        ("Caller", NOBODY.to_owned()),
        ("Called", to),
        ("CallStatus", "ringing".to_owned()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Direction", "inbound".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn refusal(way: &Way<'_>, name: &str, answer: &Answer) -> Option<Finding> {
    let fail = |problem: String| Finding::fail("twilio.webhook", name, problem);
    match answer.status {
        200 => None,
        403 => {
            let mend = way.seen.as_ref().and_then(|seen| mend(seen, way));
            let (problem, fix) = mend.unwrap_or_else(|| {
                (
                    "the server runs with another twilio.auth_token, or a proxy changes the path".to_owned(),
                    "sudo systemctl restart trunkline".to_owned(),
                )
            });
            Some(fail(format!("the right signature is refused: {problem}")).fix(fix))
        }
        400 => Some(fail("the signature does not arrive: a proxy takes `X-Twilio-Signature` out".to_owned())),
        404 if answer.problem().is_some() => Some(
            fail("the server runs without twilio.auth_token".to_owned())
                .fix("sudo systemctl restart trunkline"),
        ),
        _ => Some(fail(format!("{}: does the proxy pass /twilio/ on?", answer.told()))),
    }
}

/// The TwiML, and the socket that it names.
async fn stream(way: &Way<'_>, token: &str, name: String, answer: &Answer) -> Vec<Finding> {
    let fail = |problem: String| vec![Finding::fail("twilio.webhook", name.clone(), problem)];
    let document = match Document::parse(&answer.body) {
        Ok(document) => document,
        Err(fault) => return fail(format!("the answer is no TwiML: {fault}")),
    };
    let stream = match document.verbs.front() {
        Some(Verb::Connect { stream, .. }) => stream,
        Some(Verb::Reject(_)) => {
            return fail("all places are taken, or the server is about to stop".to_owned());
        }
        _ => {
            let problem = "the call is hung up: no stream can be asked for at this address".to_owned();
            let fix = format!("server.public_url = \"{}\"", way.base.replacen("http://", "https://", 1));
            return fail(problem).into_iter().map(|found| found.fix(fix.clone())).collect();
        }
    };
    if let Err(fault) = stream.check(way.address.is_loopback()) {
        return fail(format!("Twilio would not open the stream: {fault}"));
    }
    if let Some((problem, fix)) = elsewhere(way, &stream.url) {
        return fail(problem).into_iter().map(|found| found.fix(fix.clone())).collect();
    }
    let answered = if answer.took.as_millis() > SLOW_MS {
        Finding::warn("twilio.webhook", name.clone(), "callers hear ringing or silence for that long")
    } else {
        Finding::ok("twilio.webhook", name.clone())
    };
    let signed = signature::sign(token.as_bytes(), &stream.url, &[]);
    let headers = [("x-twilio-signature", signed)];
    let opened: Opened = socket::open(&way.reached(&stream.url), &headers, &way.tls).await;
    let socket = finding("twilio.socket", "the stream that it names", opened, |status| {
        (status == 403).then(|| {
            let mend = way.seen.as_ref().and_then(|seen| mend(seen, way));
            mend.unwrap_or_else(|| {
                let why = "the right signature is refused: a proxy changes the path";
                (
                    why.to_owned(),
                    "proxy_pass http://127.0.0.1:8080;   # without a path behind the port".to_owned(),
                )
            })
        })
    });
    vec![answered, socket]
}

/// The same call with a signature of somebody who has not the token: it must be refused.
async fn forged(way: &Way<'_>, url: &str, form: &[(String, String)]) -> Finding {
    let name = "the same with a wrong signature";
    let signed = signature::sign(way.once.as_bytes(), url, form);
    match way.post(url, form, &signed).await {
        Err(why) => Finding::fail("twilio.forged", name, why),
        Ok(answer) if answer.status == 403 => {
            Finding::ok("twilio.forged", format!("{name}: refused, as it must be"))
        }
        Ok(answer) if answer.status == 200 => {
            let problem = "it is taken: what answers does not check signatures, and anyone may make calls up";
            Finding::fail("twilio.forged", name, problem)
        }
        Ok(answer) => Finding::warn("twilio.forged", name, format!("{} instead of 403", answer.told())),
    }
}

impl Way<'_> {
    async fn post(&self, url: &str, form: &[(String, String)], signed: &str) -> Result<Answer, String> {
        let request = Request { form: Some(form), ..Request::get(url) };
        self.http.ask(request.header("x-twilio-signature", signed)).await
    }

    /// A socket's URL at the address that is looked at, where the server names itself by its first one.
    fn reached(&self, socket: &str) -> String {
        let configured = self.config.server.public_url.as_deref().and_then(|url| Address::parse(url).ok());
        let first = configured.filter(|address| !is_same_place(&address.http(""), &self.base));
        let bases = first.and_then(|first| Some((first.socket("/").ok()?, self.address.socket("/").ok()?)));
        match bases {
            Some((first, here)) if socket.starts_with(&first) => socket.replacen(&first, &here, 1),
            _ => socket.to_owned(),
        }
    }
}
