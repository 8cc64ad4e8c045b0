//! One request at a stand-in: its line in the ledger, what its key asks for, and whether the client stays for the
//! answer.

use axum::http::Uri;
use axum::response::Response;

use super::{Fault, Ledger, Manner, Seen, World};

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) world: World,
    /// Its line in the ledger.
    pub(super) place: usize,
    pub(super) fault: Option<Fault>,
}

/// Notes that the client went away, unless the answer is complete before.
#[derive(Debug)]
pub(super) struct Watch {
    ledger: Ledger,
    place: usize,
    is_complete: bool,
}

impl Visit {
    /// Writes the request down.
    pub(super) fn begin(world: &World, api: &'static str, uri: &Uri, key: &str) -> Self {
        let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let seen = Seen { api, target, key: key.to_owned(), ..Seen::default() };
        let Manner { fault } = world.manner(key);
        Self { world: world.clone(), place: world.ledger.begin(seen), fault }
    }

    /// Whether the key asks for this fault of the vendor's own.
    pub(super) fn has(&self, own: &str) -> bool {
        matches!(&self.fault, Some(Fault::Own(word)) if word == own)
    }

    /// Notes what the documents forbid.
    pub(super) fn breach(&self, what: &str) {
        self.world.ledger.note(self.place, |seen| seen.breaches.push(what.to_owned()));
    }

    /// Notes the body.
    pub(super) fn body(&self, body: &[u8]) {
        const MOST: usize = 64 * 1024;
        let text = String::from_utf8_lossy(&body[..body.len().min(MOST)]).into_owned();
        self.world.ledger.note(self.place, |seen| seen.body = text);
    }

    /// From here on it is noted when the client goes away.
    pub(super) fn watch(&self) -> Watch {
        Watch { ledger: self.world.ledger.clone(), place: self.place, is_complete: false }
    }

    /// What happens before anything is answered: nothing for ever, or a refusal as `refuse` words it for a status,
    /// and for want of credit where there is none.
    pub(super) async fn by_key(&self, refuse: impl Fn(Option<u16>) -> Response) -> Result<(), Response> {
        match self.fault {
            Some(Fault::Hang) => {
                let _watch = self.watch();
                std::future::pending().await
            }
            Some(Fault::Status(status)) => Err(refuse(Some(status))),
            Some(Fault::NoCredit) => Err(refuse(None)),
            _ => Ok(()),
        }
    }
}

impl Watch {
    /// The answer is complete.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.is_complete {
            self.ledger.note(self.place, |seen| seen.withdrawn = true);
        }
    }
}
