//! Sentences that are the same in every call (greeting, apology, goodbye and the like) are spoken by the vendor
//! once and then from memory: the caller hears them at once, they cost nothing, and they are there when the
//! vendor is not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio::{Pcm, SampleRate};
use call::{Fault, FaultClass, Input, UtteranceId, Voiced};
use tokio::sync::{mpsc, watch};

use crate::{Answers, Running, Speaker, TextToSpeech, VoiceSpec};

/// How long one rendering may take: as long as a greeting may.
const RENDERING: Duration = Duration::from_secs(15);
/// How many pieces of audio may wait to be kept.
const PIECES: usize = 64;

/// Audio in memory, shared by all voices. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct VoiceCache(Arc<Mutex<Shelf>>);

struct Shelf {
    room: usize,
    taken: usize,
    /// Counts uses, so that the one that was not used for longest goes first.
    uses: u64,
    kept: BTreeMap<Key, Entry>,
}

/// What a rendering is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    voice: Arc<str>,
    language: String,
    rate: SampleRate,
    text: String,
}

struct Entry {
    made: watch::Receiver<Made>,
    used: u64,
    /// Zero while it is being made.
    bytes: usize,
}

/// A rendering as far as it has come.
#[derive(Default)]
struct Made {
    pieces: Vec<(SampleRate, Pcm)>,
    end: Option<Result<(), Fault>>,
}

impl VoiceCache {
    /// A cache of this many bytes of audio.
    pub fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Shelf { room, taken: 0, uses: 0, kept: BTreeMap::new() })))
    }

    /// How many bytes of audio it holds.
    pub fn bytes(&self) -> usize {
        self.shelf().taken
    }

    /// The rendering of a key: kept, under way, or begun now with `begin`.
    fn rendering(
        &self,
        key: &Key,
        begin: impl FnOnce(watch::Sender<Made>),
    ) -> (watch::Receiver<Made>, &'static str) {
        let mut shelf = self.shelf();
        shelf.uses += 1;
        let uses = shelf.uses;
        if let Some(entry) = shelf.kept.get_mut(key) {
            entry.used = uses;
            return (entry.made.clone(), if entry.bytes > 0 { "kept" } else { "joined" });
        }
        let (sender, made) = watch::channel(Made::default());
        shelf.kept.insert(key.clone(), Entry { made: made.clone(), used: uses, bytes: 0 });
        drop(shelf);
        begin(sender);
        (made, "rendered")
    }

    /// A rendering is complete: it is kept if there is room or room can be made.
    fn keep(&self, key: &Key, bytes: usize) {
        let mut shelf = self.shelf();
        if bytes == 0 || bytes > shelf.room {
            shelf.kept.remove(key);
            return;
        }
        while shelf.taken + bytes > shelf.room {
            let made = shelf.kept.iter().filter(|(_, entry)| entry.bytes > 0);
            let Some(oldest) = made.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else {
                break;
            };
            shelf.taken -= shelf.kept.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        let entry = shelf.kept.get_mut(key).map(|entry| entry.bytes = bytes);
        shelf.taken += entry.map_or(0, |()| bytes);
        metrics::gauge!("trunkline_voice_cache_bytes").set(shelf.taken as f64);
    }

    /// A rendering came to nothing: the next that wants it tries again.
    fn forget(&self, key: &Key) {
        self.shelf().kept.remove(key);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing that holds the lock can leave half a change behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A voice whose fixed sentences are rendered once.
#[derive(Clone)]
pub struct CachedVoice {
    voice: Arc<dyn TextToSpeech>,
    /// Vendor, voice and whatever else makes it sound as it does.
    id: Arc<str>,
    fixed: Arc<[String]>,
    /// The letters of the fixed sentences.
    letters: Arc<[String]>,
    cache: VoiceCache,
}

impl CachedVoice {
    /// `voice` with `fixed` sentences kept in `cache` under `id`, which must say all that makes the voice sound as
    /// it does: vendor, voice, model.
    pub fn new(voice: Arc<dyn TextToSpeech>, id: &str, fixed: Vec<String>, cache: VoiceCache) -> Self {
        let letters = fixed.iter().map(|text| letters(text)).collect();
        Self { voice, id: id.into(), fixed: fixed.into(), letters, cache }
    }

    /// Whether a text is one of the fixed ones or a part of one: the core may cut them into sentences.
    fn is_fixed(&self, text: &str) -> bool {
        let wanted = letters(text);
        !wanted.is_empty() && self.letters.iter().any(|fixed| fixed.contains(&wanted))
    }

    fn rendering(&self, spec: &VoiceSpec, text: &str) -> watch::Receiver<Made> {
        let key = Key {
            voice: self.id.clone(),
            language: spec.language.clone(),
            rate: spec.rate,
            text: text.to_owned(),
        };
        let begin = |sender| {
            tokio::spawn(render(self.clone(), spec.clone(), key.clone(), sender));
        };
        let (made, outcome) = self.cache.rendering(&key, begin);
        metrics::counter!("trunkline_voice_cache_total", "outcome" => outcome).increment(1);
        made
    }
}

impl TextToSpeech for CachedVoice {
    fn name(&self) -> &str {
        self.voice.name()
    }

    fn warm(&self) {
        self.voice.warm();
    }

    fn render_ahead(&self, spec: &VoiceSpec) {
        let (voice, spec) = (self.clone(), spec.clone());
        tokio::spawn(async move {
            for text in voice.fixed.iter() {
                let mut made = voice.rendering(&spec, text);
                // A rendering that ends without a word has failed; the first call tries again.
                let _ = made.wait_for(|made| made.end.is_some()).await;
            }
        });
    }

    fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
        let inner = self.voice.open(spec, answers.clone());
        Box::new(CachedSpeaker { voice: self.clone(), spec: spec.clone(), inner, answers })
    }
}

/// The voice in one call.
struct CachedSpeaker {
    voice: CachedVoice,
    spec: VoiceSpec,
    inner: Box<dyn Speaker>,
    answers: Answers,
}

impl Speaker for CachedSpeaker {
    fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
        if !self.voice.is_fixed(&text) {
            return self.inner.speak(utterance, text);
        }
        let made = self.voice.rendering(&self.spec, &text);
        Running::spawn(follow(made, utterance, self.answers.clone()))
    }
}

/// Gives a call a rendering as it is made. That the call is over is no fault of anyone's.
async fn follow(mut made: watch::Receiver<Made>, utterance: UtteranceId, answers: Answers) {
    let mut given = 0;
    loop {
        let (pieces, end) = {
            let made = made.borrow_and_update();
            (made.pieces[given..].to_vec(), made.end.clone())
        };
        given += pieces.len();
        for (rate, pcm) in pieces {
            if answers.send(Input::Voiced { utterance, what: Voiced::Audio { rate, pcm } }).await.is_err() {
                return;
            }
        }
        let what = match end {
            Some(Ok(())) => Voiced::Done,
            Some(Err(fault)) => Voiced::Failed(fault),
            None if made.changed().await.is_ok() => continue,
            None => Voiced::Failed(Fault::local("the rendering was given up")),
        };
        let _ = answers.send(Input::Voiced { utterance, what }).await;
        return;
    }
}

/// Renders a text for everyone who waits for it. It belongs to no call, so that a caller who hangs up takes it from
/// nobody.
async fn render(voice: CachedVoice, spec: VoiceSpec, key: Key, made: watch::Sender<Made>) {
    let (sender, mut inbox) = mpsc::channel(PIECES);
    let mut speaker = voice.voice.open(&spec, Answers::new(sender));
    let running = speaker.speak(UtteranceId(0), key.text.clone());
    let work = async {
        let mut bytes = 0;
        while let Some(answer) = inbox.recv().await {
            match answer {
                Input::Voiced { what: Voiced::Audio { rate, pcm }, .. } => {
                    bytes += pcm.len() * 2;
                    made.send_modify(|made| made.pieces.push((rate, pcm)));
                }
                Input::Voiced { what: Voiced::Done, .. } => return Ok(bytes),
                Input::Voiced { what: Voiced::Failed(fault), .. } => return Err(fault),
                _ => {}
            }
        }
        Err(Fault::local("the voice went away"))
    };
    let end = tokio::time::timeout(RENDERING, work).await;
    let end = end.unwrap_or_else(|_| Err(Fault::new(FaultClass::Slow, "the rendering took too long")));
    drop(running);
    match &end {
        Ok(bytes) => voice.cache.keep(&key, *bytes),
        Err(fault) => {
            tracing::warn!(voice = voice.name(), %fault, "a fixed sentence could not be rendered");
            voice.cache.forget(&key);
        }
    }
    made.send_modify(|made| made.end = Some(end.map(|_| ())));
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::fake::{FakeVoice, Manner};

    /// A voice that counts what it was asked to say.
    struct Counted {
        voice: FakeVoice,
        asked: Arc<AtomicUsize>,
    }

    struct CountedSpeaker(Box<dyn Speaker>, Arc<AtomicUsize>);

    impl TextToSpeech for Counted {
        fn name(&self) -> &str {
            "counted"
        }

        fn open(&self, spec: &VoiceSpec, answers: Answers) -> Box<dyn Speaker> {
            Box::new(CountedSpeaker(self.voice.open(spec, answers), self.asked.clone()))
        }
    }

    impl Speaker for CountedSpeaker {
        fn speak(&mut self, utterance: UtteranceId, text: String) -> Running {
            self.1.fetch_add(1, Relaxed);
            self.0.speak(utterance, text)
        }
    }

    const GREETING: &str = "Hello there. How can I help?";

    fn cached(manner: Manner, room: usize) -> (CachedVoice, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let voice = Arc::new(Counted { voice: FakeVoice::new(manner), asked: asked.clone() });
        let fixed = vec![GREETING.to_owned(), "Goodbye.".to_owned()];
        (CachedVoice::new(voice, "counted:a", fixed, VoiceCache::new(room)), asked)
    }

    /// What a call hears of a text: how many samples, and whether it ended well.
    async fn heard(voice: &CachedVoice, rate: SampleRate, text: &str) -> (usize, bool) {
        let (sender, mut inbox) = mpsc::channel(4);
        let mut speaker = voice.open(&VoiceSpec::at(rate), Answers::new(sender));
        let _running = speaker.speak(UtteranceId(3), text.to_owned());
        let mut samples = 0;
        loop {
            match inbox.recv().await {
                Some(Input::Voiced { utterance: UtteranceId(3), what }) => match what {
                    Voiced::Audio { pcm, .. } => samples += pcm.len(),
                    Voiced::Done => return (samples, true),
                    Voiced::Failed(_) => return (samples, false),
                },
                other => panic!("{other:?}"),
            }
        }
    }

    const R8: SampleRate = SampleRate::HZ_8000;

    #[tokio::test(start_paused = true)]
    async fn a_fixed_sentence_is_rendered_once_even_for_calls_that_come_together() {
        let (voice, asked) = cached(Manner::slow(Duration::from_millis(300)), 1 << 20);
        let calls = futures_util::future::join_all((0..50).map(|_| heard(&voice, R8, GREETING))).await;
        assert!(calls.iter().all(|call| *call == calls[0] && call.0 > 8_000 && call.1), "{calls:?}");
        assert_eq!(asked.load(Relaxed), 1);
        let began = tokio::time::Instant::now();
        assert_eq!(heard(&voice, R8, GREETING).await, calls[0]);
        assert_eq!((asked.load(Relaxed), began.elapsed()), (1, Duration::ZERO));
        // A part of it, another rate and another text are renderings of their own; an answer is never kept.
        heard(&voice, R8, "Hello there.").await;
        heard(&voice, SampleRate::HZ_16000, GREETING).await;
        assert_eq!(asked.load(Relaxed), 3);
        for _ in 0..2 {
            heard(&voice, R8, "Your train leaves at nine.").await;
        }
        assert_eq!(asked.load(Relaxed), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_rendering_is_told_to_all_and_kept_by_none() {
        for manner in [Manner::fails("no"), Manner::hangs(), Manner::stalls()] {
            let (voice, asked) = cached(manner, 1 << 20);
            let calls = futures_util::future::join_all((0..3).map(|_| heard(&voice, R8, GREETING))).await;
            assert!(calls.iter().all(|call| !call.1), "{calls:?}");
            assert_eq!((asked.load(Relaxed), voice.cache.bytes()), (1, 0));
            assert!(!heard(&voice, R8, GREETING).await.1);
            assert_eq!(asked.load(Relaxed), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_hangs_up_takes_the_rendering_from_nobody() {
        let (voice, asked) = cached(Manner::slow(Duration::from_millis(300)), 1 << 20);
        let (sender, inbox) = mpsc::channel(4);
        let mut speaker = voice.open(&VoiceSpec::at(R8), Answers::new(sender));
        let running = speaker.speak(UtteranceId(0), GREETING.to_owned());
        let other = heard(&voice, R8, GREETING);
        drop((running, speaker, inbox));
        assert!(other.await.1);
        assert_eq!(asked.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_bounded_and_what_was_not_used_for_longest_goes() {
        let length = {
            let (voice, _) = cached(Manner::default(), 1 << 20);
            heard(&voice, R8, GREETING).await.0 * 2
        };
        let (voice, asked) = cached(Manner::default(), length + 10);
        heard(&voice, R8, GREETING).await;
        heard(&voice, R8, GREETING).await;
        assert_eq!((asked.load(Relaxed), voice.cache.bytes()), (1, length));
        heard(&voice, R8, "Goodbye.").await;
        assert!(voice.cache.bytes() < length, "{}", voice.cache.bytes());
        heard(&voice, R8, GREETING).await;
        assert_eq!(asked.load(Relaxed), 3);
        // What is larger than all the room is spoken and not kept.
        let (voice, asked) = cached(Manner::default(), 10);
        assert!(heard(&voice, R8, GREETING).await.1 && heard(&voice, R8, GREETING).await.1);
        assert_eq!((asked.load(Relaxed), voice.cache.bytes()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_rendered_ahead_is_there() {
        let (voice, asked) = cached(Manner::slow(Duration::from_millis(300)), 1 << 20);
        voice.render_ahead(&VoiceSpec::at(R8));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(asked.load(Relaxed), 2);
        let began = tokio::time::Instant::now();
        assert!(heard(&voice, R8, GREETING).await.1 && heard(&voice, R8, "Goodbye.").await.1);
        assert_eq!((asked.load(Relaxed), began.elapsed()), (2, Duration::ZERO));
    }
}
