//! The C side of flite 2.2: opened at run time, with only the functions that are needed. Layouts are from its
//! headers `cst_wave.h`, `cst_audio.h` and `cst_utterance.h`.
#![expect(unsafe_code, reason = "calls a C library; every call states why it is sound")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use audio::SampleRate;
use libloading::Library;

use super::VoiceName;

/// How many samples flite collects before it hands them over.
const MIN_SAMPLES: c_int = 160;
const CONTINUE: c_int = 0;
const STOP: c_int = -1;

/// Why nothing was spoken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FliteError {
    /// The library is not installed, or not this one.
    #[error("the built-in voice is not installed ({0}); on Debian: apt-get install libflite1")]
    Missing(String),
    /// The text holds nothing that can be spoken.
    #[error("there is nothing in the text that the built-in voice can speak; it speaks English only")]
    NothingToSay,
    /// The library refused.
    #[error("flite failed: {0}")]
    Broken(&'static str),
}

/// `cst_wave`.
#[repr(C)]
struct Wave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *const i16,
}

type OnAudio = unsafe extern "C" fn(*const Wave, c_int, c_int, c_int, *mut Streaming) -> c_int;

/// `cst_audio_streaming_info`.
#[repr(C)]
struct Streaming {
    min_buffsize: c_int,
    on_audio: Option<OnAudio>,
    utterance: *const c_void,
    item: *const c_void,
    user: *mut c_void,
}

/// `cst_utterance`, of which only the first field is used.
#[repr(C)]
struct Utterance {
    features: *mut c_void,
}

/// The functions of libflite.
#[derive(Clone, Copy)]
struct Functions {
    new_utterance: unsafe extern "C" fn() -> *mut Utterance,
    set_text: unsafe extern "C" fn(*mut Utterance, *const c_char) -> c_int,
    init: unsafe extern "C" fn(*mut Utterance, *mut c_void) -> c_int,
    synthesise: unsafe extern "C" fn(*mut Utterance) -> *mut Utterance,
    delete_utterance: unsafe extern "C" fn(*mut Utterance),
    new_streaming: unsafe extern "C" fn() -> *mut Streaming,
    streaming_value: unsafe extern "C" fn(*mut Streaming) -> *mut c_void,
    set_feature: unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void),
}

/// A voice that is loaded. Never unloaded: flite keeps its voices in static memory.
#[derive(Clone, Copy)]
pub(super) struct Voice {
    functions: Functions,
    voice: *mut c_void,
}

// SAFETY: the pointer is to a voice that is never freed and that synthesis only reads; flite keeps all that
// changes in the utterance. 1920 utterances on 16 threads came out as on one thread.
unsafe impl Send for Voice {}

/// What the callback is given.
struct Sink<'a> {
    take: &'a mut dyn FnMut(SampleRate, &[i16]) -> ControlFlow<()>,
    bad_rate: bool,
}

/// The voices that were opened. Opening changes flite's own tables, so it is done by one thread at a time.
static OPEN: Mutex<BTreeMap<VoiceName, Voice>> = Mutex::new(BTreeMap::new());

impl Voice {
    /// Opens `name` unless it is open.
    pub(super) fn open(name: VoiceName) -> Result<Self, FliteError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(voice) = open.get(&name) {
            return Ok(*voice);
        }
        let voice = Self::load(name)?;
        open.insert(name, voice);
        Ok(voice)
    }

    fn load(name: VoiceName) -> Result<Self, FliteError> {
        let flite = library("libflite.so.1")?;
        let voices = library(&format!("libflite_cmu_us_{name}.so.1"))?;
        // SAFETY: the types of the functions are those of flite 2.2's headers, and neither library is ever
        // unloaded. `flite_init` may be called more than once; registering a voice gives its static address.
        unsafe {
            let functions = Functions {
                new_utterance: symbol(flite, c"new_utterance")?,
                set_text: symbol(flite, c"utt_set_input_text")?,
                init: symbol(flite, c"utt_init")?,
                synthesise: symbol(flite, c"utt_synth")?,
                delete_utterance: symbol(flite, c"delete_utterance")?,
                new_streaming: symbol(flite, c"new_audio_streaming_info")?,
                streaming_value: symbol(flite, c"audio_streaming_info_val")?,
                set_feature: symbol(flite, c"feat_set")?,
            };
            let init: unsafe extern "C" fn() -> c_int = symbol(flite, c"flite_init")?;
            let register = CString::new(format!("register_cmu_us_{name}"))
                .map_err(|_| FliteError::Broken("a voice's name holds a zero byte"))?;
            let register: unsafe extern "C" fn(*const c_char) -> *mut c_void = symbol(voices, &register)?;
            init();
            let voice = register(std::ptr::null());
            if voice.is_null() {
                return Err(FliteError::Broken("it has no voice of this name"));
            }
            Ok(Self { functions, voice })
        }
    }

    /// Speaks ASCII text, handing over audio as it is made until `take` breaks. Text without words gives nothing.
    pub(super) fn speak(
        &self,
        text: &str,
        take: &mut dyn FnMut(SampleRate, &[i16]) -> ControlFlow<()>,
    ) -> Result<(), FliteError> {
        let text = CString::new(text).map_err(|_| FliteError::NothingToSay)?;
        let mut sink = Sink { take, bad_rate: false };
        let call = &self.functions;
        // SAFETY: the utterance is used by this thread only and deleted on every way out; the streaming value
        // belongs to the utterance's features once set and is deleted with them. `text` is copied by
        // `utt_set_input_text`. `sink` outlives `utt_synth`, which alone runs the callback.
        unsafe {
            let utterance = (call.new_utterance)();
            if utterance.is_null() {
                return Err(FliteError::Broken("it is out of memory"));
            }
            let streaming = (call.new_streaming)();
            if streaming.is_null() {
                (call.delete_utterance)(utterance);
                return Err(FliteError::Broken("it is out of memory"));
            }
            (call.set_text)(utterance, text.as_ptr());
            (*streaming).min_buffsize = MIN_SAMPLES;
            (*streaming).on_audio = Some(on_audio);
            (*streaming).user = (&raw mut sink).cast();
            // On the utterance, not on the voice, which all threads share.
            let value = (call.streaming_value)(streaming);
            (call.set_feature)((*utterance).features, c"streaming_info".as_ptr(), value);
            (call.init)(utterance, self.voice);
            (call.synthesise)(utterance);
            (call.delete_utterance)(utterance);
        }
        if sink.bad_rate {
            return Err(FliteError::Broken("its voice has a sample rate that is not handled here"));
        }
        Ok(())
    }
}

/// Takes audio from flite. `start` and `size` are in samples of `wave`.
unsafe extern "C" fn on_audio(
    wave: *const Wave,
    start: c_int,
    size: c_int,
    _last: c_int,
    streaming: *mut Streaming,
) -> c_int {
    // SAFETY: flite gives a wave that lives through this call and the streaming value that `speak` set up, whose
    // `user` is a `Sink` that nothing else uses meanwhile.
    let (wave, sink) = unsafe { (&*wave, &mut *(*streaming).user.cast::<Sink<'_>>()) };
    let (Ok(start), Ok(size)) = (usize::try_from(start), usize::try_from(size)) else { return CONTINUE };
    let total = usize::try_from(wave.num_samples).unwrap_or(0);
    let size = size.min(total.saturating_sub(start));
    if wave.samples.is_null() || size == 0 {
        return CONTINUE;
    }
    let rate = u32::try_from(wave.sample_rate).ok().and_then(|hz| SampleRate::try_from(hz).ok());
    let Some(rate) = rate else {
        sink.bad_rate = true;
        return STOP;
    };
    // SAFETY: the wave holds `num_samples` samples (all voices are mono), and the slice ends within them.
    let samples = unsafe { std::slice::from_raw_parts(wave.samples.add(start), size) };
    if (sink.take)(rate, samples).is_break() { STOP } else { CONTINUE }
}

/// Opens a library for the rest of the process.
fn library(name: &str) -> Result<&'static Library, FliteError> {
    // SAFETY: flite's libraries run no code of consequence when they are opened, and are never closed.
    let library = unsafe { Library::new(name) }.map_err(|error| FliteError::Missing(error.to_string()))?;
    Ok(Box::leak(Box::new(library)))
}

/// # Safety
/// `T` must be the function's type.
unsafe fn symbol<T: Copy>(library: &'static Library, name: &CStr) -> Result<T, FliteError> {
    // SAFETY: the caller vouches for the type.
    let found = unsafe { library.get::<T>(name.to_bytes_with_nul()) };
    found.map(|symbol| *symbol).map_err(|error| FliteError::Missing(error.to_string()))
}
