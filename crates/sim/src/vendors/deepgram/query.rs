//! Query parameters as Deepgram's references list them: what they don't know is refused.

use audio::{SampleRate, g711};

/// Why a parameter is refused, in the vendor's manner of speaking.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) String);

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `text`; each name has to be one of `known`.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Refused> {
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Refused(format!("unknown parameter {name}"))),
            None => Ok(Self(pairs)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refused(format!("{name}={other} is neither true nor false"))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let read = |text: &str| text.parse().map_err(|_| Refused(format!("{name}={text} is no number")));
        self.text(name).map(read).transpose()
    }

    /// A number between these, where there is one.
    pub(super) fn fraction(&self, name: &str, within: (f64, f64)) -> Result<Option<f64>, Refused> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number: f64 = text.parse().map_err(|_| Refused(format!("{name}={text} is no number")))?;
        if (within.0..=within.1).contains(&number) {
            Ok(Some(number))
        } else {
            Err(Refused(format!("{name}={text} is not between {} and {}", within.0, within.1)))
        }
    }

    /// The model, which has to begin with one of these.
    pub(super) fn model(&self, families: &[&str]) -> Result<String, Refused> {
        let model = self.text("model").ok_or_else(|| Refused("no model".to_owned()))?;
        if families.iter().any(|family| model.starts_with(family)) {
            Ok(model.to_owned())
        } else {
            Err(Refused(format!("no such model: {model}")))
        }
    }

    /// Encoding and rate of raw audio, both of which have to be there.
    pub(super) fn raw_audio(&self) -> Result<(Coding, SampleRate), Refused> {
        let encoding =
            self.text("encoding").ok_or_else(|| Refused("raw audio without encoding".to_owned()))?;
        let rate =
            self.number("sample_rate")?.ok_or_else(|| Refused("raw audio without sample_rate".to_owned()))?;
        Ok((Coding::of(encoding)?, rate_of(rate)?))
    }
}

pub(super) fn rate_of(hz: u64) -> Result<SampleRate, Refused> {
    let rate = u32::try_from(hz).ok().and_then(|hz| SampleRate::try_from(hz).ok());
    rate.ok_or_else(|| Refused(format!("sample_rate={hz} is not supported")))
}

/// How a sample stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Linear16,
    Mulaw,
    Alaw,
}

impl Coding {
    pub(super) fn of(name: &str) -> Result<Self, Refused> {
        match name {
            "linear16" => Ok(Self::Linear16),
            "mulaw" => Ok(Self::Mulaw),
            "alaw" => Ok(Self::Alaw),
            other => Err(Refused(format!("encoding={other} is not supported"))),
        }
    }

    /// Appends the samples as bytes.
    pub(super) fn encode(self, samples: &[i16], to: &mut Vec<u8>) {
        match self {
            Self::Linear16 => to.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
            Self::Mulaw => g711::mulaw_encode_into(samples, to),
            Self::Alaw => g711::alaw_encode_into(samples, to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused() {
        let known = ["model", "keyterm", "interim_results", "eot_threshold", "encoding", "sample_rate"];
        let query = |text: &str| Query::parse(text, &known);
        let good = query("model=nova-3&keyterm=a&keyterm=b+c&interim_results=true").unwrap();
        assert_eq!(good.all("keyterm").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!((good.flag("interim_results"), good.flag("encoding")), (Ok(true), Ok(false)));
        assert_eq!(good.model(&["nova-"]).unwrap(), "nova-3");
        assert!(good.model(&["flux-"]).is_err() && good.raw_audio().is_err());
        assert!(query("modle=nova-3").is_err());
        assert!(query("interim_results=yes").unwrap().flag("interim_results").is_err());
        assert!(query("eot_threshold=2").unwrap().fraction("eot_threshold", (0.5, 1.0)).is_err());
        assert!(query("encoding=linear16&sample_rate=11025").unwrap().raw_audio().is_err());
        let (coding, rate) = query("encoding=mulaw&sample_rate=8000").unwrap().raw_audio().unwrap();
        assert_eq!((coding, rate), (Coding::Mulaw, SampleRate::HZ_8000));
    }
}
