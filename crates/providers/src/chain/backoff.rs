//! How long to wait before the same vendor is asked again: exponential with full jitter, within what the caller
//! puts up with. Pure: chance comes in.

use call::Micros;

/// The longest first wait; each later one may be twice as long.
const FIRST: Micros = Micros::from_ms(200);
/// No wait is longer unless the vendor asks for it.
const LONGEST: Micros = Micros::from_ms(2_000);

/// How long to wait before retry number `retry`, from 0; `None` when the vendor wants to be left alone for longer
/// than is left. `chance` is from 0 to 1.
pub fn backoff(retry: u32, chance: f64, retry_after: Option<Micros>, left: Micros) -> Option<Micros> {
    let most = LONGEST.0.min(FIRST.0 << retry.min(16));
    let wait = Micros((chance.clamp(0.0, 1.0) * most as f64) as u64).max(retry_after.unwrap_or_default());
    (wait < left).then_some(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_grows_and_the_vendors_wish_counts() {
        let ms = |length| Some(Micros::from_ms(length));
        let patient = Micros::from_ms(60_000);
        let longest: Vec<_> = (0..6).map(|retry| backoff(retry, 1.0, None, patient)).collect();
        assert_eq!(longest, [ms(200), ms(400), ms(800), ms(1_600), ms(2_000), ms(2_000)]);
        assert_eq!(backoff(3, 0.0, None, patient), ms(0));
        assert_eq!(backoff(0, 1.0, ms(5_000), patient), ms(5_000));
        assert_eq!(backoff(0, 1.0, ms(5_000), Micros::from_ms(4_999)), None);
        assert_eq!(backoff(0, 1.0, None, Micros(0)), None);
    }

    proptest! {
        #[test]
        fn it_never_waits_longer_than_the_caller(
            retry: u32, chance in -1.0f64..2.0, after in prop::option::of(0u64..1 << 40), left in 0u64..1 << 40,
        ) {
            let wait = backoff(retry, chance, after.map(Micros), Micros(left));
            prop_assert!(wait.is_none_or(|wait| wait.0 < left && wait.0 >= after.unwrap_or(0)));
            if after.is_none() && left > LONGEST.0 {
                prop_assert!(wait.is_some());
            }
        }
    }
}
