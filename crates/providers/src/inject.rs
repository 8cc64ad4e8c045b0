//! Faults on purpose: what a development server does to its own links to vendors, to see how calls take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::{LinkId, Role, Transport};

/// `[faults]` of a development configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultPlan {
    /// What happens to which links. For each request the first rule that matches and whose chance comes true
    /// counts.
    pub links: Vec<FaultRule>,
}

/// What happens to some links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The vendor's name in the configuration; absent or `*`: all.
    #[serde(default)]
    pub vendor: Option<String>,
    /// The role; absent: all.
    #[serde(default)]
    pub role: Option<Role>,
    /// The way; absent: all.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// What happens.
    pub fault: FaultAction,
    /// `delay`: how long, in milliseconds.
    #[serde(default = "usual_delay_ms")]
    pub delay_ms: u64,
    /// `status`: which, from 400 to 599.
    #[serde(default = "usual_status")]
    pub status: u16,
    /// How often, from 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
}

/// What is done to a request or a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAction {
    /// It starts later.
    Delay,
    /// It is refused with a status.
    Status,
    /// It is never answered.
    Hang,
    /// The connection breaks within the answer.
    Cut,
    /// The answer is no answer: bytes that nobody understands.
    Garbage,
    /// The answer has nothing in it: no words, no text, samples that are all zero.
    Silence,
}

const fn usual_delay_ms() -> u64 {
    1_000
}

const fn usual_status() -> u16 {
    429
}

const fn always() -> f64 {
    1.0
}

/// What is to be done to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Injected {
    Delay(Duration),
    Status(u16),
    Hang,
    Cut,
    Garbage,
    Silence,
}

impl FaultRule {
    fn is_about(&self, link: &LinkId) -> bool {
        let vendor = self.vendor.as_deref().unwrap_or("*");
        (vendor == "*" || vendor == &*link.vendor)
            && self.role.is_none_or(|role| role == link.role)
            && self.transport.is_none_or(|transport| transport == link.transport)
    }

    const fn injected(&self) -> Injected {
        match self.fault {
            FaultAction::Delay => Injected::Delay(Duration::from_millis(self.delay_ms)),
            FaultAction::Status => Injected::Status(self.status),
            FaultAction::Hang => Injected::Hang,
            FaultAction::Cut => Injected::Cut,
            FaultAction::Garbage => Injected::Garbage,
            FaultAction::Silence => Injected::Silence,
        }
    }
}

impl FaultPlan {
    /// What is wrong with it, in words for an operator; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        self.links.iter().enumerate().find_map(|(at, rule)| {
            if !(0.0..=1.0).contains(&rule.probability) {
                return Some(format!("faults.links[{at}].probability must be from 0 to 1"));
            }
            (!(400..=599).contains(&rule.status))
                .then(|| format!("faults.links[{at}].status must be from 400 to 599"))
        })
    }

    /// What happens to a request of `link`. `chance` gives numbers from 0 up to 1.
    pub(crate) fn draw(&self, link: &LinkId, mut chance: impl FnMut() -> f64) -> Option<Injected> {
        self.links
            .iter()
            .find(|rule| rule.is_about(link) && (rule.probability >= 1.0 || chance() < rule.probability))
            .map(FaultRule::injected)
    }
}

/// The plan of this process, which can be swapped while calls run.
pub(crate) struct Injector {
    plan: ArcSwap<FaultPlan>,
    dice: Dice,
}

impl Injector {
    pub(crate) fn new() -> Self {
        Self { plan: ArcSwap::default(), dice: Dice::new() }
    }

    pub(crate) fn set(&self, plan: FaultPlan) {
        self.plan.store(Arc::new(plan));
    }

    pub(crate) fn plan(&self) -> Arc<FaultPlan> {
        self.plan.load_full()
    }

    pub(crate) fn draw(&self, link: &LinkId) -> Option<Injected> {
        let plan = self.plan.load();
        if plan.links.is_empty() {
            return None;
        }
        let injected = plan.draw(link, || self.dice.roll())?;
        tracing::info!(
            vendor = &*link.vendor,
            role = link.role.as_str(),
            transport = link.transport.as_str(),
            ?injected,
            "a fault is injected"
        );
        Some(injected)
    }
}

/// Chance for the shell: not for secrets.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new() -> Self {
        // Where the system gives no randomness, all processes jitter alike: bad, but no reason to stop.
        Self(AtomicU64::new(getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15)))
    }

    /// From 0 up to 1.
    pub(crate) fn roll(&self) -> f64 {
        // SplitMix64, as published by its authors.
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> FaultPlan {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn rules_match_by_vendor_role_and_transport() {
        let plan = plan(
            "[[links]]\nvendor = 'deepgram'\ntransport = 'websocket'\nfault = 'hang'\n\
             [[links]]\nrole = 'language_model'\nfault = 'status'\nprobability = 0.5\n\
             [[links]]\nvendor = '*'\nrole = 'language_model'\nfault = 'delay'\ndelay_ms = 20\n",
        );
        let ear = |transport| LinkId::new("deepgram", Role::SpeechToText, transport);
        let model = LinkId::new("openai", Role::LanguageModel, Transport::Http);
        assert_eq!(plan.draw(&ear(Transport::Websocket), || 0.9), Some(Injected::Hang));
        assert_eq!(plan.draw(&ear(Transport::Http), || 0.0), None);
        assert_eq!(plan.draw(&model, || 0.4), Some(Injected::Status(429)));
        assert_eq!(plan.draw(&model, || 0.6), Some(Injected::Delay(Duration::from_millis(20))));
        assert_eq!(plan.problem(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let odd = plan("[[links]]\nfault = 'cut'\nprobability = 1.5\n");
        assert!(odd.problem().unwrap().contains("links[0].probability"));
        let odd = plan("[[links]]\nfault = 'status'\nstatus = 200\n");
        assert!(odd.problem().unwrap().contains("links[0].status"));
        assert!(toml::from_str::<FaultPlan>("[[links]]\nfault = 'explode'").is_err());
    }

    #[test]
    fn chance_is_spread_evenly_enough() {
        let dice = Dice(AtomicU64::new(7));
        let rolls: Vec<f64> = (0..10_000).map(|_| dice.roll()).collect();
        assert!(rolls.iter().all(|roll| (0.0..1.0).contains(roll)));
        let below = rolls.iter().filter(|roll| **roll < 0.1).count();
        assert!((800..1200).contains(&below), "{below}");
    }
}
