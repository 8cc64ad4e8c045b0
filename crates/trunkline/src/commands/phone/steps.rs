//! The steps of a call on the command line. Their order matters, across options, so they are read by position.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audio::SampleRate;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};
use providers::TextToSpeech;
use sim::phone::{Speech, Step};

use crate::failure::Failure;
use crate::speech;

/// How far into the agent's speech an interruption comes.
const BARGE_IN_AFTER: Duration = Duration::from_millis(1_200);

/// The steps, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Steps(Vec<Raw>);

#[derive(Debug, Clone, PartialEq)]
enum Raw {
    Say(String),
    Wav(PathBuf),
    Dtmf(String),
    BargeIn,
    Wait(f64),
}

impl Steps {
    /// The steps as the phone takes them. The voice is opened only when something is to be said.
    pub(super) async fn spoken(
        &self,
        open: impl Fn() -> Result<Arc<dyn TextToSpeech>, Failure>,
        rate: SampleRate,
    ) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        let mut voice = None;
        let mut is_barge_in = false;
        for raw in &self.0 {
            match raw {
                Raw::BargeIn => is_barge_in = true,
                Raw::Dtmf(digits) => steps.extend(digits.chars().map(Step::Dtmf)),
                Raw::Wait(seconds) => steps.push(Step::Wait(Duration::from_secs_f64(*seconds))),
                Raw::Say(text) => {
                    let voice = match &mut voice {
                        Some(voice) => voice,
                        none => none.insert(open()?),
                    };
                    let pcm = speech::render(&**voice, text, rate).await?;
                    let label = text.clone();
                    steps.push(speak(Speech { label, pcm }, std::mem::take(&mut is_barge_in)));
                }
                Raw::Wav(file) => {
                    let label = file.display().to_string();
                    let pcm = speech::read_wav(file, rate)?;
                    steps.push(speak(Speech { label, pcm }, std::mem::take(&mut is_barge_in)));
                }
            }
        }
        if is_barge_in {
            return Err(Failure::usage("--barge-in stands before the --say or --wav that interrupts"));
        }
        Ok(steps)
    }
}

fn speak(speech: Speech, is_barge_in: bool) -> Step {
    if is_barge_in { Step::BargeIn { speech, after: BARGE_IN_AFTER } } else { Step::Say(speech) }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut found: Vec<(usize, Raw)> = Vec::new();
        let mut add = |id: &str, raws: Vec<Raw>| {
            found.extend(matches.indices_of(id).into_iter().flatten().zip(raws));
        };
        add("say", all::<String>(matches, "say").map(Raw::Say).collect());
        add("wav", all::<PathBuf>(matches, "wav").map(Raw::Wav).collect());
        add("dtmf", all::<String>(matches, "dtmf").map(Raw::Dtmf).collect());
        add("wait", all::<f64>(matches, "wait").map(Raw::Wait).collect());
        add("barge_in", all::<bool>(matches, "barge_in").map(|_| Raw::BargeIn).collect());
        found.sort_by_key(|(index, _)| *index);
        Ok(Self(found.into_iter().map(|(_, raw)| raw).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn all<'a, T: Clone + Send + Sync + 'static>(
    matches: &'a ArgMatches,
    id: &str,
) -> impl Iterator<Item = T> + use<'a, T> {
    matches.get_many::<T>(id).into_iter().flatten().cloned()
}

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let step = |id: &'static str, name: &'static str| {
            Arg::new(id).long(id).value_name(name).action(ArgAction::Append)
        };
        command
            .arg(step("say", "TEXT").help("Say this, with the caller's voice"))
            .arg(
                step("wav", "FILE").value_parser(value_parser!(PathBuf)).help("Play this WAV file as speech"),
            )
            .arg(step("dtmf", "KEYS").value_parser(keys).help("Press these keys"))
            .arg(step("wait", "SECONDS").value_parser(seconds).help("Do nothing for a while"))
            .arg(
                Arg::new("barge_in")
                    .long("barge-in")
                    .action(ArgAction::Append)
                    .num_args(0)
                    .default_missing_value("true")
                    .value_parser(value_parser!(bool))
                    .help("Interrupt the agent with the --say or --wav that follows"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn keys(text: &str) -> Result<String, String> {
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    if !text.is_empty() && text.chars().all(is_key) {
        return Ok(text.to_owned());
    }
    Err("keys are 0-9, *, # and A-D".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let fault = || "seconds are a number from 0 to 3600".to_owned();
    let seconds: f64 = text.parse().map_err(|_| fault())?;
    if (0.0..=3600.0).contains(&seconds) { Ok(seconds) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Steps {
        let command = Steps::augment_args(Command::new("phone"));
        let matches = command.try_get_matches_from([&["phone"], arguments].concat()).unwrap();
        Steps::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn the_order_of_steps_is_kept_across_options() {
        let steps = parse(&[
            "--say",
            "a",
            "--dtmf",
            "1#",
            "--barge-in",
            "--wav",
            "b.wav",
            "--wait",
            "0.5",
            "--say",
            "c",
        ]);
        let wanted = [
            Raw::Say("a".to_owned()),
            Raw::Dtmf("1#".to_owned()),
            Raw::BargeIn,
            Raw::Wav("b.wav".into()),
            Raw::Wait(0.5),
            Raw::Say("c".to_owned()),
        ];
        assert_eq!(steps.0, wanted);
    }

    #[test]
    fn keys_that_no_phone_has_are_refused() {
        assert!(keys("12x").is_err() && keys("").is_err() && keys("0*#A").is_ok());
        assert!(seconds("-1").is_err() && seconds("nan").is_err());
    }
}
