//! From one sample rate to another, frame by frame: carriers, vendors and recognisers each want their own.

use crate::SampleRate;
use crate::kernel::{Kernel, LANES, MAX_TAPS};

/// Input samples worked on at once: bounds the stack, not the frame.
const BLOCK: usize = 512;

/// A streaming polyphase resampler. What is pushed as one frame or as many gives the same samples. The output is in
/// time with the input (its first sample stands on the first input sample) and lags by [`Resampler::delay`].
#[derive(Debug, Clone)]
pub struct Resampler {
    /// None when the rates are equal and samples pass unchanged.
    kernel: Option<&'static Kernel>,
    /// Input from the next output sample's window on, that is still needed; shorter than the filter.
    history: Vec<i16>,
    /// Where the next output sample lies between two input samples, in parts of the kernel's phases.
    phase: usize,
    /// Input samples still to come that no window needs (only when going down by more than a window).
    skip: usize,
}

impl Resampler {
    /// From `from` to `to`. The first of each ratio in the process computes its filter (up to 2 ms).
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        Self::with((from != to).then(|| Kernel::between(from, to)))
    }

    /// Appends to `output` every sample that `input` completes.
    pub fn push(&mut self, input: &[i16], output: &mut Vec<i16>) {
        let Some(kernel) = self.kernel else {
            output.extend_from_slice(input);
            return;
        };
        output.reserve(
            (input.len() + 1) * kernel.phases / (kernel.step * kernel.phases + kernel.step_phase) + 1,
        );
        for block in input.chunks(BLOCK) {
            self.push_block(kernel, block, output);
        }
    }

    /// Appends what the filter still holds, as if silence followed, and starts anew. In all, `n` input samples give
    /// `n * to / from` output samples, rounded up.
    pub fn flush(&mut self, output: &mut Vec<i16>) {
        if let Some(kernel) = self.kernel {
            self.push(&[0; MAX_TAPS / 2][..kernel.lookahead()], output);
        }
        self.reset();
    }

    /// Forgets all input so far.
    pub fn reset(&mut self) {
        self.history.clear();
        if let Some(kernel) = self.kernel {
            self.history.resize(kernel.lookahead() - 1, 0);
        }
        self.phase = 0;
        self.skip = 0;
    }

    /// How far the output lags behind the input, in output samples, rounded up: 48 at 16 kHz out of 8 kHz (3 ms).
    pub fn delay(&self) -> usize {
        self.kernel.map_or(0, |kernel| {
            (kernel.lookahead() * kernel.phases).div_ceil(kernel.step * kernel.phases + kernel.step_phase)
        })
    }

    fn with(kernel: Option<&'static Kernel>) -> Self {
        let history = Vec::with_capacity(kernel.map_or(0, |kernel| kernel.taps));
        let mut new = Self { kernel, history, phase: 0, skip: 0 };
        new.reset();
        new
    }

    fn push_block(&mut self, kernel: &Kernel, block: &[i16], output: &mut Vec<i16>) {
        let skipped = self.skip.min(block.len());
        self.skip -= skipped;
        let block = &block[skipped..];
        let mut buffer = [0.0_f32; MAX_TAPS + BLOCK];
        let filled = self.history.len() + block.len();
        let work = &mut buffer[..filled];
        for (to, from) in work.iter_mut().zip(self.history.iter().chain(block)) {
            *to = f32::from(*from);
        }
        let mut start = 0;
        while let Some(window) = work.get(start..start + kernel.taps) {
            output.push(to_sample(inner_product(window, kernel.row(self.phase))));
            start += kernel.step;
            self.phase += kernel.step_phase;
            if self.phase >= kernel.phases {
                self.phase -= kernel.phases;
                start += 1;
            }
        }
        self.skip += start.saturating_sub(filled);
        self.history.clear();
        self.history.extend(work.iter().skip(start).map(|sample| *sample as i16));
    }
}

/// To 16 kHz for the recogniser. Telephone audio (8 kHz) is "folded" up: a quarter of the mirror image stays between
/// 4 and 8 kHz, without which a wideband model finds that band emptier than any speech and hears far worse. Other
/// rates are resampled plainly.
#[derive(Debug, Clone)]
pub struct Folded(Resampler);

impl Folded {
    /// From `from` to 16 kHz.
    pub fn new(from: SampleRate) -> Self {
        if from == SampleRate::HZ_8000 {
            Self(Resampler::with(Some(Kernel::folded())))
        } else {
            Self(Resampler::new(from, SampleRate::HZ_16000))
        }
    }

    /// Appends to `output` every sample that `input` completes.
    pub fn push(&mut self, input: &[i16], output: &mut Vec<i16>) {
        self.0.push(input, output);
    }

    /// Appends what the filter still holds and starts anew, as [`Resampler::flush`].
    pub fn flush(&mut self, output: &mut Vec<i16>) {
        self.0.flush(output);
    }

    /// Forgets all input so far.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// In lanes, so that the compiler may use vectors: it does not reorder a plain sum of floats.
fn inner_product(samples: &[f32], weights: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (samples, weights) in samples.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
        for ((sum, sample), weight) in sums.iter_mut().zip(samples).zip(weights) {
            *sum += sample * weight;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h))
}

/// Rounded to the nearest; a cast saturates.
fn to_sample(value: f32) -> i16 {
    (value + 0.5_f32.copysign(value)) as i16
}
