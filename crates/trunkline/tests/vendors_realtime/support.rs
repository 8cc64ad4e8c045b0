//! The stand-ins on a port of their own, and what a call would do with a vendor.

use std::sync::Arc;
use std::time::Duration;

use audio::{Pcm, SampleRate, tone};
use call::{Converse, Conversed, FaultClass, Heard, Input, ItemId, Listen, SpeechId, Tool};
use providers::driver::{Net, NetOptions, SocketAgent, SocketEar};
use providers::elevenlabs::ElevenAgent;
use providers::openai::{Realtime, RealtimeTranscription};
use providers::{
    Answers, CallFacts, ConverseSpec, Converser, DialectOptions, LinkId, ListenSpec, Recogniser, Role,
    RoleOptions, SpeechToSpeech as _, SpeechToText as _, Transport,
};
use serde_json::Value;
use sim::vendors::{Delays, Seen, VendorServer, World};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes; reached only when a test fails.
pub(crate) const LONG: Duration = Duration::from_secs(20);
const FRAME_MICROS: u64 = 20_000;

/// The stand-ins, and the network to them.
pub(crate) struct Bench {
    pub(crate) server: VendorServer,
    net: Arc<Net>,
}

impl Bench {
    /// Vendors without delays, whose model gives these answers.
    pub(crate) async fn new(answers: &[&str]) -> Self {
        Self::with(Delays::none(), answers).await
    }

    pub(crate) async fn with(delays: Delays, answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let hears = vec!["what are your hours".to_owned(), "and on sunday".to_owned()];
        let server = VendorServer::start(World::new(delays, hears, answers)).await.expect("a port is free");
        let net = Arc::new(Net::new(&NetOptions::default()).expect("nothing is asked for"));
        Self { server, net }
    }

    fn options(&self, key: &str, body: &str) -> DialectOptions {
        let base = format!("{}/v1", self.server.url());
        DialectOptions {
            base: base.parse().expect("an address of our own"),
            key: Some(key.to_owned().into()),
            headers: std::collections::BTreeMap::new(),
            role: RoleOptions {
                body: serde_json::from_str(body).expect("the test writes JSON"),
                ..RoleOptions::default()
            },
        }
    }

    /// A speech-to-speech vendor with this key, and these fields in its session.
    pub(crate) fn vendor(&self, key: &str, body: &str) -> SocketAgent {
        let link = LinkId::new("openai", Role::SpeechToSpeech, Transport::Websocket);
        SocketAgent::new(link, Arc::new(Realtime::new(self.options(key, body))), self.net.clone())
    }

    /// A conversation with it, at 8 kHz.
    pub(crate) fn talk(&self, key: &str, body: &str) -> Talking {
        self.talk_at(SampleRate::HZ_8000, key, body)
    }

    pub(crate) fn talk_at(&self, rate: SampleRate, key: &str, body: &str) -> Talking {
        Self::talk_to(&self.vendor(key, body), rate)
    }

    /// ElevenLabs' agent with this key and these options; a key of `public:ID` is a public agent.
    pub(crate) fn eleven(&self, key: &str, role: RoleOptions) -> SocketAgent {
        let public = key.strip_prefix("public:");
        let model = Some(public.unwrap_or("agent_1").to_owned());
        let base = self.server.url().parse().expect("an address of our own");
        let options = DialectOptions {
            base,
            key: public.is_none().then(|| key.to_owned().into()),
            headers: std::collections::BTreeMap::new(),
            role: RoleOptions { model, ..role },
        };
        let link = LinkId::new("elevenlabs", Role::SpeechToSpeech, Transport::Websocket);
        SocketAgent::new(link, Arc::new(ElevenAgent::new(options)), self.net.clone())
    }

    /// A conversation with this vendor.
    pub(crate) fn talk_to(vendor: &SocketAgent, rate: SampleRate) -> Talking {
        let (to, inbox) = mpsc::channel(64);
        let lookup = Tool {
            name: "lookup".to_owned(),
            description: "Looks an order up.".to_owned(),
            parameters: serde_json::json!({ "type": "object", "properties": {} }),
            side_effects: false,
        };
        let call = CallFacts {
            id: "call_7".to_owned(),
            from: Some("+911".to_owned()),
            to: None,
            custom: [("candidate_name".to_owned(), "Ana".to_owned())].into(),
        };
        let spec = ConverseSpec {
            call,
            rate,
            language: "en-IN".to_owned(),
            system: "You answer for a clinic.".to_owned(),
            greeting: "Hello, this is the clinic.".to_owned(),
            tools: [lookup].into(),
        };
        let partner = vendor.open(&spec, Answers::new(to)).expect("it can be opened");
        Talking { partner, inbox, gave: Vec::new(), rate }
    }

    /// A recogniser with this key, and these fields in its session.
    pub(crate) fn listen(&self, rate: SampleRate, key: &str, body: &str) -> Listening {
        let link = LinkId::new("openai", Role::SpeechToText, Transport::Websocket);
        let dialect = Arc::new(RealtimeTranscription::new(self.options(key, body)));
        let ear = SocketEar::new(link, dialect, self.net.clone());
        let (to, inbox) = mpsc::channel(64);
        let spec = ListenSpec { rate, language: "en-IN".to_owned(), phrases: Vec::new() };
        let ear = ear.open(&spec, Answers::new(to)).expect("it can be opened");
        Listening { ear, inbox, rate }
    }

    /// What the stand-in saw of its only socket.
    pub(crate) fn seen(&self) -> Seen {
        self.server.ledger().all().pop().expect("a socket was opened")
    }

    /// Waits until the stand-in has noted a text that begins so on any socket.
    pub(crate) async fn noted_anywhere(&self, beginning: &str) -> String {
        let is_it = |text: &&String| text.starts_with(beginning);
        let found = |seen: &[Seen]| seen.iter().flat_map(|line| &line.texts).find(is_it).cloned();
        let waiting = self.server.ledger().until(|seen| found(seen).is_some());
        timeout(LONG, waiting)
            .await
            .unwrap_or_else(|_| panic!("no {beginning:?} in {:?}", self.server.ledger().all()));
        found(&self.server.ledger().all()).expect("it was waited for")
    }

    /// Waits until the stand-in has noted a text that begins so.
    pub(crate) async fn noted(&self, beginning: &str) -> String {
        let looking = async {
            loop {
                let texts = self.seen().texts;
                if let Some(found) = texts.into_iter().find(|text| text.starts_with(beginning)) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = timeout(LONG, looking).await;
        found.unwrap_or_else(|_| panic!("no {beginning:?} in {:?}", self.seen()))
    }

    pub(crate) fn is_without_breaches(&self) {
        assert_eq!(self.server.ledger().breaches(), Vec::<String>::new());
    }
}

/// A conversation with a speech-to-speech agent.
pub(crate) struct Talking {
    partner: Box<dyn Converser>,
    inbox: mpsc::Receiver<Input>,
    /// All that it gave so far.
    pub(crate) gave: Vec<Conversed>,
    rate: SampleRate,
}

impl Talking {
    pub(crate) fn tell(&mut self, what: Converse) {
        self.partner.take(what).expect("the queue has room");
    }

    /// The caller speaks for as long, and is quiet for long enough.
    pub(crate) fn speak(&mut self, for_ms: u32) {
        for frame in voice_then_quiet(self.rate, for_ms) {
            self.tell(Converse::Audio(frame));
        }
    }

    /// What it gives next.
    pub(crate) async fn next(&mut self) -> Conversed {
        let next = timeout(LONG, self.inbox.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing more came after {:?}", self.summary()));
        let Some(Input::Conversed(what)) = next else { panic!("{next:?} is nothing of an agent's") };
        self.gave.push(what.clone());
        what
    }

    /// Reads on until `wanted`.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Conversed) -> bool) -> Conversed {
        loop {
            let what = self.next().await;
            if wanted(&what) {
                return what;
            }
            if let Conversed::Failed(fault) = what {
                panic!("{fault}, after {:?}", self.summary());
            }
        }
    }

    pub(crate) async fn done(&mut self) {
        self.until(|what| matches!(what, Conversed::Done(_))).await;
    }

    pub(crate) async fn fails(&mut self) -> FaultClass {
        let failed = self.until(|what| matches!(what, Conversed::Failed(_))).await;
        let Conversed::Failed(fault) = failed else { unreachable!("it was waited for") };
        fault.class
    }

    /// Each kind of thing that it gave, without what lies between two of the same.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut words: Vec<String> = self
            .gave
            .iter()
            .map(|what| match what {
                Conversed::Audio { item, .. } => format!("audio {}", item.0),
                Conversed::Text { item, .. } => format!("text {}", item.0),
                Conversed::ItemDone(item) => format!("done {}", item.0),
                Conversed::CallerSaid(text) => format!("caller: {text}"),
                Conversed::Tool(call) => format!("tool {} {}", call.name, call.arguments),
                Conversed::Done(_) => "done".to_owned(),
                Conversed::Failed(fault) => format!("failed: {fault}"),
                Conversed::Ready => "ready".to_owned(),
                Conversed::NeverDone => "never done".to_owned(),
                Conversed::Interrupted => "interrupted".to_owned(),
                Conversed::Corrected(text) => format!("corrected: {text}"),
                Conversed::Ending => "ending".to_owned(),
                Conversed::Over => "over".to_owned(),
                Conversed::Reopened => "reopened".to_owned(),
                Conversed::Step { step, .. } => format!("step {step}"),
                Conversed::Fact { name, value } => format!("{name} = {value}"),
                Conversed::SpeechStarted => "speaks".to_owned(),
                Conversed::SpeechStopped => "stops".to_owned(),
            })
            .collect();
        words.dedup();
        words
    }

    /// The words of an item, and its audio with its rate.
    pub(crate) fn item(&self, wanted: u32) -> (String, SampleRate, Vec<i16>) {
        let (mut words, mut rate, mut samples) = (String::new(), self.rate, Vec::new());
        for what in &self.gave {
            match what {
                Conversed::Text { item: ItemId(item), text } if *item == wanted => words.push_str(text),
                Conversed::Audio { item: ItemId(item), rate: at, pcm } if *item == wanted => {
                    rate = *at;
                    samples.extend_from_slice(pcm);
                }
                _ => {}
            }
        }
        (words, rate, samples)
    }
}

/// A recogniser under test.
pub(crate) struct Listening {
    ear: Box<dyn Recogniser>,
    inbox: mpsc::Receiver<Input>,
    rate: SampleRate,
}

impl Listening {
    pub(crate) fn frame(&mut self, frame: Pcm) {
        self.ear.listen(Listen::Audio(frame)).expect("the queue has room");
    }

    /// A stretch of speech with a second of silence before it, as our ears would cut it: noticed late, ended late.
    pub(crate) fn stretch(&mut self, speech: u32, for_ms: u32) {
        let frame = self.rate.samples(FRAME_MICROS);
        for _ in 0..50 {
            self.frame(Pcm::silence(frame));
        }
        for (index, frame) in voice_then_quiet(self.rate, for_ms).into_iter().enumerate() {
            self.frame(frame);
            if index == 5 {
                self.ear.listen(Listen::Began(SpeechId(speech))).expect("the queue has room");
            }
        }
        self.ear.listen(Listen::Finish(SpeechId(speech))).expect("the queue has room");
    }

    /// A stretch that is over before anything of it came.
    pub(crate) fn nothing(&mut self, speech: u32) {
        for sign in [Listen::Began(SpeechId(speech)), Listen::Finish(SpeechId(speech))] {
            self.ear.listen(sign).expect("the queue has room");
        }
    }

    /// What settles the next stretch, and the partial texts before it.
    pub(crate) async fn settled(&mut self) -> (u32, Heard, Vec<String>) {
        let mut partials = Vec::new();
        loop {
            let next = timeout(LONG, self.inbox.recv()).await.expect("each stretch is settled");
            match next {
                Some(Input::Heard { what: Heard::Partial(text), .. }) => partials.push(text),
                Some(Input::Heard { speech, what }) => return (speech.0, what, partials),
                other => panic!("{other:?} is nothing of a recogniser's"),
            }
        }
    }
}

/// A voice for as long, and 800 ms of silence, in frames.
fn voice_then_quiet(rate: SampleRate, for_ms: u32) -> Vec<Pcm> {
    let voice = tone(rate, 300.0, for_ms, -12.0);
    let line = [&voice[..], &Pcm::silence(rate.samples(800_000))].concat();
    line.chunks(rate.samples(FRAME_MICROS)).map(Pcm::from).collect()
}

/// The session that the stand-in was asked for.
pub(crate) fn session(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).expect("the session's setup was noted")
}
