//! The resamplers' low-pass filters: a sinc in a Kaiser window, cut into phases, made once per ratio and shared.

use std::f64::consts::PI;
use std::sync::OnceLock;

use crate::SampleRate;

/// Zero crossings on each side at the lower of the two rates: 48 taps a phase and 3 ms of delay at 8 kHz.
const CROSSINGS: usize = 24;
/// Kaiser's shape for a stop band 68 dB down (Kaiser, "Nonrecursive digital filter design", 1974).
const BETA: f64 = 6.53;
/// The middle of the transition, as a share of the lower rate: the stop band begins at half that rate, 4 kHz for 8.
const CUTOFF: f64 = 0.4565;
/// Taps are a multiple of this, so that the inner product runs in whole vectors.
pub(crate) const LANES: usize = 8;
/// The longest filter there is: from 48 to 8 kHz.
pub(crate) const MAX_TAPS: usize = 2 * CROSSINGS * 6;

/// One ratio's filter: `phases` rows of `taps` weights, and the step from one output sample to the next.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// How many output samples there are to `step_in` input samples, in lowest terms.
    pub(crate) phases: usize,
    /// Whole input samples from one output sample to the next.
    pub(crate) step: usize,
    /// What remains of that step, in parts of `phases`.
    pub(crate) step_phase: usize,
    /// Input samples under the filter.
    pub(crate) taps: usize,
    weights: Box<[f32]>,
}

/// Every rate there is, so that a pair of them has a place in the table.
const RATES: [SampleRate; 6] = SampleRate::ALL;

static KERNELS: [OnceLock<Kernel>; RATES.len() * RATES.len()] =
    [const { OnceLock::new() }; RATES.len() * RATES.len()];
static FOLDED: OnceLock<Kernel> = OnceLock::new();

impl Kernel {
    /// The filter from one rate to another. The first to ask for a ratio makes it (up to 2 ms for those of 44.1 kHz).
    pub(crate) fn between(from: SampleRate, to: SampleRate) -> &'static Self {
        let ratio = lowest_terms(to, from);
        // Pairs of the same ratio, as 8 to 16 and 24 to 48, share the first one's place.
        let place = RATES
            .iter()
            .flat_map(|from| RATES.iter().map(|to| lowest_terms(*to, *from)))
            .position(|other| other == ratio)
            .unwrap_or(0);
        KERNELS[place].get_or_init(|| Self::low_pass(ratio.0, ratio.1))
    }

    /// Twice the rate with a quarter of the mirror image left in: `lp + 0.25 * (zero_stuffed - lp)`.
    pub(crate) fn folded() -> &'static Self {
        const IMAGE: f32 = 0.25;
        FOLDED.get_or_init(|| {
            let mut kernel = Self::low_pass(2, 1);
            for weight in &mut kernel.weights {
                *weight *= 1.0 - IMAGE;
            }
            // Zero-stuffing at unity gain: each input sample doubled on phase 0, nothing on phase 1.
            kernel.weights[kernel.taps / 2 - 1] += 2.0 * IMAGE;
            kernel
        })
    }

    /// The weights of output samples that lie `phase / phases` of an input sample behind the window's middle.
    pub(crate) fn row(&self, phase: usize) -> &[f32] {
        &self.weights[phase * self.taps..][..self.taps]
    }

    /// Input samples that must have arrived after the one an output sample stands on.
    pub(crate) fn lookahead(&self) -> usize {
        self.taps / 2
    }

    fn low_pass(up: usize, down: usize) -> Self {
        let wider = (down as f64 / up as f64).max(1.0);
        let half = ((CROSSINGS as f64 * wider).ceil() as usize).next_multiple_of(LANES / 2);
        let taps = 2 * half;
        let cutoff = 2.0 * CUTOFF / wider;
        let edge = bessel_i0(BETA);
        let mut weights = Vec::with_capacity(up * taps);
        for phase in 0..up {
            let row: Vec<f64> = (0..taps)
                .map(|tap| {
                    let distance = phase as f64 / up as f64 + (half - 1) as f64 - tap as f64;
                    let inside = (1.0 - (distance / half as f64).powi(2)).max(0.0);
                    sinc(cutoff * distance) * bessel_i0(BETA * inside.sqrt()) / edge
                })
                .collect();
            // Every phase passes a constant unchanged; else the phases' order would be heard as a tone.
            let gain: f64 = row.iter().sum();
            weights.extend(row.iter().map(|weight| (weight / gain) as f32));
        }
        Self { phases: up, step: down / up, step_phase: down % up, taps, weights: weights.into() }
    }
}

fn lowest_terms(to: SampleRate, from: SampleRate) -> (usize, usize) {
    let (mut divisor, mut rest) = (to.hz(), from.hz());
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    ((to.hz() / divisor) as usize, (from.hz() / divisor) as usize)
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of order zero, by its power series; 24 terms are exact for arguments under 8.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..24 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}
