//! Vendors that cost nothing: for benchmarks of everything else, and for tests that need a vendor to be quick,
//! slow, silent or broken on demand. They have no threads and share what they play.

mod model;
mod recogniser;
mod voice;

use std::time::Duration;

pub use model::FakeModel;
pub use recogniser::FakeRecogniser;
pub use voice::FakeVoice;

/// How a stand-in behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// How long until its first answer.
    pub delay: Duration,
    /// What happens then.
    pub fate: Fate,
}

/// What becomes of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    #[default]
    Answers,
    /// It is answered in part and then no more.
    Stalls,
    /// It is never answered.
    Hangs,
    /// It fails, with this text.
    Fails(String),
}

impl Manner {
    /// Answers after `delay`.
    pub const fn slow(delay: Duration) -> Self {
        Self { delay, fate: Fate::Answers }
    }

    /// Never answers.
    pub const fn hangs() -> Self {
        Self { delay: Duration::ZERO, fate: Fate::Hangs }
    }

    /// Answers in part and then no more.
    pub const fn stalls() -> Self {
        Self { delay: Duration::ZERO, fate: Fate::Stalls }
    }

    /// Fails at once with this text.
    pub fn fails(why: impl Into<String>) -> Self {
        Self { delay: Duration::ZERO, fate: Fate::Fails(why.into()) }
    }

    /// Waits as long as this manner wants.
    async fn pause(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}
