//! Telling a tone from a voice: ringing, busy and key tones are sums of a few sines, which a short linear predictor
//! forecasts almost wholly, while speech, even a humming one, changes too fast for it.

/// Coefficients of the predictor: two for each sine, so three sines at once.
const ORDER: usize = 6;

/// How much of `frame` a linear predictor explains, in dB of its energy over the error's (least squares over the frame
/// itself, the "covariance method"). Tones through mu-law are at 26 and more; speech is seldom over 25. Only every
/// second sample of the 16 kHz is looked at, since a narrow-band voice is forecast too easily from closer ones.
pub(crate) fn prediction_gain_db(frame: &[i16; 256]) -> f32 {
    let mut samples = [0.0_f64; 128];
    for (to, from) in samples.iter_mut().zip(frame.iter().step_by(2)) {
        *to = f64::from(*from);
    }
    let products = lagged_products(&samples);
    let energy = products[0][0];
    let error = energy - explained(&products);
    // An error this small is rounding: one step of a sample's last bit.
    (10.0 * (energy / error.max(128.0)).log10()) as f32
}

/// `products[i][j]`: the sum over the frame of the sample `i` back times the sample `j` back.
fn lagged_products(samples: &[f64; 128]) -> [[f64; ORDER + 1]; ORDER + 1] {
    let mut products = [[0.0; ORDER + 1]; ORDER + 1];
    let present = &samples[ORDER..];
    for (lag, product) in products[0].iter_mut().enumerate() {
        let past = &samples[ORDER - lag..][..present.len()];
        let mut sums = [0.0; 4];
        // 122 samples: what is left over the lanes is taken on its own.
        let ((now, now_rest), (then, then_rest)) = (present.as_chunks::<4>(), past.as_chunks::<4>());
        for (now, then) in now.iter().zip(then) {
            for ((sum, now), then) in sums.iter_mut().zip(now).zip(then) {
                *sum += now * then;
            }
        }
        let rest: f64 = now_rest.iter().zip(then_rest).map(|(now, then)| now * then).sum();
        *product = sums.iter().sum::<f64>() + rest;
    }
    // One further back on both sides is the same sum, one sample earlier.
    for i in 0..ORDER {
        for j in i..ORDER {
            let enters = samples[ORDER - 1 - i] * samples[ORDER - 1 - j];
            let leaves = samples[127 - i] * samples[127 - j];
            products[i + 1][j + 1] = products[i][j] + enters - leaves;
        }
    }
    products
}

/// The energy that the best predictor accounts for, by Cholesky's decomposition of the products (upper half given).
fn explained(products: &[[f64; ORDER + 1]; ORDER + 1]) -> f64 {
    let mut root = [[0.0_f64; ORDER]; ORDER];
    let mut projected = [0.0_f64; ORDER];
    // Keeps the decomposition defined when two coefficients would do.
    let ridge = 1e-7 * products[0][0] + 1.0;
    for i in 0..ORDER {
        for j in 0..=i {
            let done: f64 = (0..j).map(|k| root[i][k] * root[j][k]).sum();
            let value = products[j + 1][i + 1] - done;
            root[i][j] = if i == j { (value + ridge).max(1.0).sqrt() } else { value / root[j][j] };
        }
        let done: f64 = (0..i).map(|k| root[i][k] * projected[k]).sum();
        projected[i] = (products[0][i + 1] - done) / root[i][i];
    }
    projected.iter().map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SampleRate, tone};

    fn sines(hz: [f32; 2]) -> [i16; 256] {
        let [a, b] = hz.map(|hz| tone(SampleRate::HZ_16000, hz, 20, -12.0));
        std::array::from_fn(|at| a[at + 40] + b[at + 40])
    }

    #[test]
    fn tones_are_foretold_and_hiss_is_not() {
        for hz in [[400.0, 425.0], [440.0, 480.0], [350.0, 440.0], [697.0, 1209.0], [1_000.0, 1_000.0]] {
            let gain = prediction_gain_db(&sines(hz));
            assert!(gain > 35.0, "{hz:?}: {gain}");
        }
        let mut state = 1_u32;
        let hiss = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 / 8
        });
        assert!(prediction_gain_db(&hiss) < 2.0);
        assert!(prediction_gain_db(&[0; 256]) <= 0.0);
        assert!(prediction_gain_db(&[i16::MIN; 256]).is_finite());
    }
}
