//! `trunkline replay`: run a call's log through the core again. Unchanged, the answers must be the same; with
//! `--set`, they show which decisions another setting would have changed.

use std::path::PathBuf;

use call::Settings;
use call::log::{Difference, replay};
use clap::Args;
use serde_json::Value;

use crate::config::suggestion;
use crate::failure::{EXIT_CODES, Failure};
use crate::terminal::{bold, json, say};

/// Run a call's log through the core again and show what differs.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, before_help = "Examples:
  trunkline replay data/calls/2026-11-21/call_01.../call.jsonl
  trunkline replay call.jsonl --set turn.end_silence_ms=400 --set barge_in.min_words=1")]
pub(crate) struct Replay {
    /// The call's log.
    log: PathBuf,
    /// Change a setting first. May be given often.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let fault = |why: String| Failure::failed(format!("{}: {why}", self.log.display()));
        let log = std::fs::read_to_string(&self.log).map_err(|error| fault(error.to_string()))?;
        let sets = self.sets.iter().map(|set| pair(set)).collect::<Result<Vec<_>, _>>()?;
        let result =
            replay(&log, |settings| sets.iter().try_for_each(|(key, value)| change(settings, key, value)))
                .map_err(|error| match error {
                    call::log::LogFault::Settings(why) => Failure::usage(why),
                    other => fault(other.to_string()),
                })?;
        let decisions = result.differences.iter().filter(|difference| difference.is_decision()).count();
        if self.json {
            json(&serde_json::json!({
                "inputs": result.inputs,
                "outputs": result.outputs,
                "cut": result.cut,
                "decisions": decisions,
                "differences": result.differences,
            }));
        } else {
            say(&format!("{} inputs, {} outputs in the log", result.inputs, result.outputs));
            if result.cut {
                say("the log ends in the middle of a line; that line was left out");
            }
            result.differences.iter().for_each(show);
            say(&bold(&format!("{} differences, {decisions} of them decisions", result.differences.len())));
        }
        // A changed setting is asked for its differences; an unchanged replay must have none.
        if self.sets.is_empty() && !result.differences.is_empty() {
            return Err(Failure::silent());
        }
        Ok(())
    }
}

fn pair(set: &str) -> Result<(String, Value), Failure> {
    let (key, text) =
        set.split_once('=').ok_or_else(|| Failure::usage(format!("--set takes KEY=VALUE, not \"{set}\"")))?;
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    Ok((key.trim().to_owned(), value))
}

/// Sets one value by its path, with the types that the settings have.
fn change(settings: &mut Settings, key: &str, value: &Value) -> Result<(), String> {
    let mut tree = serde_json::to_value(&*settings).map_err(|error| error.to_string())?;
    let mut place = &mut tree;
    for part in key.split('.') {
        let Value::Object(map) = place else { return Err(format!("--set {key}: there is no such setting")) };
        let names: Vec<String> = map.keys().cloned().collect();
        place = map.get_mut(part).ok_or_else(|| {
            let hint = suggestion(part, names.iter().map(String::as_str));
            format!("--set {key}: there is no setting \"{part}\"{hint}")
        })?;
    }
    *place = value.clone();
    *settings = serde_json::from_value(tree).map_err(|error| format!("--set {key}: {error}"))?;
    Ok(())
}

fn show(difference: &Difference) {
    let at = difference.at.0 as f64 / 1e6;
    for (sign, outputs) in [("-", &difference.was), ("+", &difference.now)] {
        for output in outputs {
            say(&format!("{at:>9.3} s {sign} {output}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(set: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let (key, value) = pair(set).unwrap();
        change(&mut settings, &key, &value)?;
        Ok(settings)
    }

    #[test]
    fn a_setting_is_changed_by_its_path_and_type() {
        assert_eq!(changed("turn.end_silence_ms=400").unwrap().turn.end_silence_ms, 400);
        assert_eq!(changed("greeting=Hello there").unwrap().greeting, "Hello there");
        assert!(!changed("barge_in.enabled=false").unwrap().barge_in.enabled);
    }

    #[test]
    fn a_wrong_path_or_type_is_explained() {
        let error = changed("turn.end_silense_ms=400").unwrap_err();
        assert!(error.contains("did you mean \"end_silence_ms\"?"), "{error}");
        assert!(changed("turn.stop_ms=soon").unwrap_err().contains("invalid type"));
    }
}
