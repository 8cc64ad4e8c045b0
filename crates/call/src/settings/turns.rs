//! What can be set about turn-taking: when the caller speaks, when they have finished, when they interrupt.

use serde::{Deserialize, Serialize};

/// Who says that the caller's turn is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEnd {
    /// Whoever is first: our own silence or the recogniser's sign.
    #[default]
    Auto,
    /// Our own silence; the recogniser's signs are only texts.
    Own,
    /// The recogniser's sign; our own silence counts only after `vendor_silence_ms`.
    Vendor,
}

/// When the model is asked before the turn is surely over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speculate {
    /// Never.
    #[default]
    Off,
    /// When the recogniser finds the end likely.
    Likely,
    /// When it has been quiet for `speculate_after_ms` and the words so far stay the same.
    Pause,
}

/// When the caller speaks, and when their turn is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// Voice activity's score, 0 to 1, at which a frame counts as the start of speech on a noisy line: one whose
    /// noise floor is -42 dB below full scale or louder.
    pub start_threshold: f32,
    /// The same on a quiet line, whose floor is -55 dB or lower. Between the two it slides.
    pub quiet_threshold: f32,
    /// The score above which a frame goes on being speech. Lower, and each turn ends later.
    pub stay_threshold: f32,
    /// Frames quieter than the noise floor plus this many dB are not speech, whatever their score.
    pub gate_db: f32,
    /// How much speech makes the caller count as speaking.
    pub min_speech_ms: u64,
    /// How much silence ends a stretch of speech, and asks the recogniser for its final text.
    pub stop_ms: u64,
    /// How much silence after speech ends the turn, where the words look finished or there is no telling.
    pub end_silence_ms: u64,
    /// How much silence ends the turn where the words look unfinished (a trailing "and", a comma).
    pub unfinished_silence_ms: u64,
    /// The longest stretch of speech: after it the recogniser is asked for its text even though nobody paused, so
    /// that a radio in the background can't hold a call open.
    pub longest_ms: u64,
    /// How much speech without a word that the recogniser knows makes the agent ask again. Shorter is noise.
    pub unclear_ms: u64,
    /// Who says that the turn is over: `auto` (whoever is first), `own` (our own silence) or `vendor` (the
    /// recogniser's sign).
    pub end: TurnEnd,
    /// With `end = "vendor"`: how much silence ends the turn when the recogniser gives no sign.
    pub vendor_silence_ms: u64,
    /// Whether the silence that ends a turn follows how long this caller pauses in the middle of one.
    pub adaptive: bool,
    /// The least that it may become. 0: `end_silence_ms`, so that it only grows more patient.
    pub adaptive_min_ms: u64,
    /// The most that it may become.
    pub adaptive_max_ms: u64,
    /// When the model is asked before the turn is surely over: `off`, `likely` (the recogniser finds the end likely)
    /// or `pause`. Costs requests whose answers are thrown away.
    pub speculate: Speculate,
    /// With `speculate = "pause"`: after how much silence.
    pub speculate_after_ms: u64,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            start_threshold: 0.8,
            quiet_threshold: 0.6,
            stay_threshold: 0.6,
            gate_db: 9.0,
            min_speech_ms: 120,
            stop_ms: 500,
            end_silence_ms: 600,
            unfinished_silence_ms: 1500,
            longest_ms: 30_000,
            unclear_ms: 400,
            end: TurnEnd::Auto,
            vendor_silence_ms: 3_000,
            adaptive: true,
            adaptive_min_ms: 0,
            adaptive_max_ms: 1_500,
            speculate: Speculate::Off,
            speculate_after_ms: 250,
        }
    }
}

/// When the caller may interrupt the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BargeIn {
    /// Whether the caller can interrupt at all.
    pub enabled: bool,
    /// How much speech interrupts.
    pub min_speech_ms: u64,
    /// How many recognised words interrupt before that much speech. 0: words alone never do.
    pub min_words: usize,
    /// The first moments of a reply in which the caller's speech does not interrupt it.
    pub protect_ms: u64,
    /// After an interruption without words, how long to wait before the agent goes on where it stopped.
    pub resume_ms: u64,
    /// Words that are listening, not interrupting: compared in lower case without punctuation.
    pub back_channel: Vec<String>,
    /// How far below what we are playing, in dB, the caller's line must stay for it to be taken for our echo.
    pub echo_margin_db: f32,
    /// For how long after playing something its echo may come back.
    pub echo_window_ms: u64,
}

impl Default for BargeIn {
    fn default() -> Self {
        let words = [
            "mm",
            "mhm",
            "mmhm",
            "hmm",
            "uh huh",
            "uhhuh",
            "aha",
            "ah",
            "oh",
            "okay",
            "ok",
            "yeah",
            "yes",
            "yep",
            "right",
            "sure",
            "i see",
            "haan",
            "ha",
            "haan ji",
            "ji",
            "ji haan",
            "accha",
            "achha",
            "theek hai",
            "thik hai",
            "हाँ",
            "हां",
            "जी",
            "जी हाँ",
            "अच्छा",
            "ठीक है",
        ];
        Self {
            enabled: true,
            min_speech_ms: 500,
            min_words: 2,
            protect_ms: 800,
            resume_ms: 2000,
            back_channel: words.map(str::to_owned).to_vec(),
            echo_margin_db: 18.0,
            echo_window_ms: 400,
        }
    }
}
