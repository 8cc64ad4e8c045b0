//! The C side of pocketsphinx 5prealpha (Debian's libpocketsphinx3), opened at run time, in a process that may die
//! of it: started without a search it reads through a null pointer, and fed outside of an utterance it loops for
//! ever. So a decoder exists here only with a search, and audio can be given only to an utterance.
#![expect(unsafe_code, reason = "calls a C library; every call states why it is sound")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use libloading::Library;

use super::SphinxError;

/// Config that the decoder is built from.
pub(super) struct Files<'a> {
    /// The acoustic model's folder.
    pub(super) model: &'a Path,
    /// The dictionary.
    pub(super) dictionary: &'a Path,
    /// The grammar in FSG format.
    pub(super) grammar: &'a Path,
    /// The front end's parameters, in place of the model's own file, which beats all other options.
    pub(super) features: &'a Path,
}

struct Functions {
    start: unsafe extern "C" fn(*mut c_void) -> c_int,
    process: unsafe extern "C" fn(*mut c_void, *const i16, usize, c_int, c_int) -> c_int,
    end: unsafe extern "C" fn(*mut c_void) -> c_int,
    hypothesis: unsafe extern "C" fn(*mut c_void, *mut i32) -> *const c_char,
}

/// A decoder with its grammar, between two utterances. Never freed: it lives as long as its process.
pub(super) struct Decoder {
    functions: Functions,
    decoder: *mut c_void,
}

/// Checks that both libraries can be opened.
pub(super) fn check() -> Result<(), SphinxError> {
    libraries().map(|_| ())
}

impl Decoder {
    /// A decoder of these files. `Err` names what is missing or broken.
    pub(super) fn open(files: &Files<'_>) -> Result<Self, SphinxError> {
        let (base, sphinx) = libraries()?;
        let (base, sphinx): (&'static Library, &'static Library) =
            (Box::leak(Box::new(base)), Box::leak(Box::new(sphinx)));
        let text = |path: &Path| {
            CString::new(path.as_os_str().as_encoded_bytes())
                .map_err(|_| SphinxError::Broken("a path holds a zero byte".to_owned()))
        };
        let mut words = vec![c"trunkline".to_owned()];
        for (name, path) in [
            (c"-hmm", files.model),
            (c"-dict", files.dictionary),
            (c"-fsg", files.grammar),
            (c"-featparams", files.features),
            (c"-logfn", Path::new("/dev/null")),
        ] {
            words.extend([name.to_owned(), text(path)?]);
        }
        let arguments: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
        let count = c_int::try_from(arguments.len()).unwrap_or(0);
        // SAFETY: the types of the functions are those of the headers `pocketsphinx.h`, `cmd_ln.h` and `err.h` of
        // this version, whose soname was asked for; the libraries are never closed. The parser copies its
        // arguments. Each result is checked before it is used.
        unsafe {
            let silence: unsafe extern "C" fn(*mut c_void) = symbol(base, c"err_set_logfp")?;
            let definitions: unsafe extern "C" fn() -> *const c_void = symbol(sphinx, c"ps_args")?;
            let parse: unsafe extern "C" fn(
                *mut c_void,
                *const c_void,
                c_int,
                *const *const c_char,
                c_int,
            ) -> *mut c_void = symbol(base, c"cmd_ln_parse_r")?;
            let init: unsafe extern "C" fn(*mut c_void) -> *mut c_void = symbol(sphinx, c"ps_init")?;
            let search: unsafe extern "C" fn(*mut c_void) -> *const c_char =
                symbol(sphinx, c"ps_get_search")?;
            let functions = Functions {
                start: symbol(sphinx, c"ps_start_utt")?,
                process: symbol(sphinx, c"ps_process_raw")?,
                end: symbol(sphinx, c"ps_end_utt")?,
                hypothesis: symbol(sphinx, c"ps_get_hyp")?,
            };
            silence(std::ptr::null_mut());
            let config = parse(std::ptr::null_mut(), definitions(), count, arguments.as_ptr(), 1);
            if config.is_null() {
                return Err(SphinxError::Broken("it does not know its own options".to_owned()));
            }
            let decoder = init(config);
            if decoder.is_null() {
                let model = files.model.display();
                return Err(SphinxError::Broken(format!("it can't use the model in {model} or the grammar")));
            }
            if search(decoder).is_null() {
                return Err(SphinxError::Broken("it has taken no grammar".to_owned()));
            }
            Ok(Self { functions, decoder })
        }
    }

    /// Begins an utterance.
    pub(super) fn begin(&mut self) -> Result<Utterance<'_>, SphinxError> {
        // SAFETY: the decoder is live and has a search; no utterance is open, since one borrows the decoder.
        if unsafe { (self.functions.start)(self.decoder) } < 0 {
            return Err(SphinxError::Broken("it did not start an utterance".to_owned()));
        }
        Ok(Utterance { decoder: self, ended: false })
    }
}

/// An utterance under way. Dropping it ends it.
pub(super) struct Utterance<'d> {
    decoder: &'d mut Decoder,
    ended: bool,
}

impl Utterance<'_> {
    /// Takes more audio, at 16 kHz.
    pub(super) fn hear(&mut self, samples: &[i16]) -> Result<(), SphinxError> {
        let Decoder { functions, decoder } = &*self.decoder;
        // SAFETY: an utterance is open, and the samples live through the call, which keeps none of them.
        let frames = unsafe { (functions.process)(*decoder, samples.as_ptr(), samples.len(), 0, 0) };
        if frames < 0 { Err(SphinxError::Broken("it did not take audio".to_owned())) } else { Ok(()) }
    }

    /// The best guess so far.
    pub(super) fn guess(&self) -> String {
        let Decoder { functions, decoder } = &*self.decoder;
        let mut score = 0;
        // SAFETY: the text belongs to the decoder and is copied before the next call to it.
        unsafe {
            let text = (functions.hypothesis)(*decoder, &raw mut score);
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    }

    /// Ends it and gives the text.
    pub(super) fn finish(mut self) -> Result<String, SphinxError> {
        self.end()?;
        Ok(self.guess())
    }

    fn end(&mut self) -> Result<(), SphinxError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let Decoder { functions, decoder } = &*self.decoder;
        // SAFETY: an utterance is open.
        let ended = unsafe { (functions.end)(*decoder) };
        if ended < 0 { Err(SphinxError::Broken("it did not end an utterance".to_owned())) } else { Ok(()) }
    }
}

impl Drop for Utterance<'_> {
    fn drop(&mut self) {
        // Nobody waits for this one; a decoder that is beyond use says so when the next begins.
        let _ = self.end();
    }
}

fn libraries() -> Result<(Library, Library), SphinxError> {
    let open = |name: &str| {
        // SAFETY: these libraries run no code of consequence when they are opened.
        unsafe { Library::new(name) }.map_err(|error| SphinxError::Missing(error.to_string()))
    };
    Ok((open("libsphinxbase.so.3")?, open("libpocketsphinx.so.3")?))
}

/// # Safety
/// `T` must be the function's type.
unsafe fn symbol<T: Copy>(library: &'static Library, name: &CStr) -> Result<T, SphinxError> {
    // SAFETY: the caller vouches for the type.
    let found = unsafe { library.get::<T>(name.to_bytes_with_nul()) };
    found.map(|symbol| *symbol).map_err(|error| SphinxError::Missing(error.to_string()))
}
