//! What both of the stand-in's sockets share: messages that leave at their time, in one loop with what comes.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

/// What leaves.
#[derive(Debug)]
pub(super) enum Act {
    /// A message.
    Say(Value),
    /// A message that means nothing.
    Garbage,
    /// A close with this code and reason.
    Close(u16, &'static str),
    /// The end of the TCP connection, without a word.
    Cut,
    /// Nothing leaves: the machine is called.
    Wake,
}

/// What leaves, and when.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    acts: BTreeMap<(Instant, u64), Act>,
    next: u64,
    is_shut: bool,
}

impl Outbox {
    /// Lets `act` leave at this time, behind what leaves at the same.
    pub(super) fn at(&mut self, time: Instant, act: Act) {
        if !self.is_shut {
            self.next += 1;
            self.acts.insert((time, self.next), act);
        }
    }

    /// Lets it leave now.
    pub(super) fn now(&mut self, act: Act) {
        self.at(Instant::now(), act);
    }

    /// From now on nothing new leaves.
    pub(super) const fn shut(&mut self) {
        self.is_shut = true;
    }

    /// Drops all that has not left.
    pub(super) fn clear(&mut self) {
        self.acts.clear();
    }

    /// Drops the messages that are not to leave any more.
    pub(super) fn keep(&mut self, keeps: impl Fn(&Value) -> bool) {
        self.acts.retain(|_, act| !matches!(act, Act::Say(message) if !keeps(message)));
    }
}

/// One side of what is said on a socket.
pub(super) trait Machine: Send {
    /// The socket is open.
    fn opened(&mut self, out: &mut Outbox);

    /// A message came; None when it was no JSON.
    fn message(&mut self, message: Option<Value>, out: &mut Outbox);

    /// This is about to leave.
    fn leaves(&mut self, _message: &Value) {}

    /// It wanted to be called now.
    fn woken(&mut self, _out: &mut Outbox) {}

    /// How long nothing may come and nothing may leave.
    fn idle(&self) -> Duration;

    /// Nothing did for that long.
    fn too_idle(&mut self, out: &mut Outbox);
}

/// Runs the machine until either side closes.
pub(super) async fn run(mut socket: WebSocket, mut machine: impl Machine) {
    let mut out = Outbox::default();
    machine.opened(&mut out);
    let mut last = Instant::now();
    loop {
        let idle_at = last + machine.idle();
        let due = out.acts.first_key_value().map_or(idle_at, |((at, _), _)| *at);
        tokio::select! {
            biased;
            () = sleep_until(due) => {
                last = Instant::now();
                let Some((_, act)) = out.acts.pop_first() else {
                    machine.too_idle(&mut out);
                    continue;
                };
                if matches!(act, Act::Wake) {
                    machine.woken(&mut out);
                    continue;
                }
                if !perform(&mut socket, &mut machine, act).await {
                    return;
                }
            }
            message = socket.recv() => {
                last = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        machine.message(serde_json::from_str(&text).ok(), &mut out);
                    }
                    Some(Ok(Message::Binary(_))) => machine.message(None, &mut out),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
        }
    }
}

/// Whether the socket is still open after it.
async fn perform(socket: &mut WebSocket, machine: &mut impl Machine, act: Act) -> bool {
    let text = match act {
        Act::Say(message) => {
            machine.leaves(&message);
            message.to_string()
        }
        Act::Garbage => "\u{1}{this is no message".to_owned(),
        Act::Close(code, reason) => {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            if socket.send(close).await.is_ok() {
                // The client's answer, or its end.
                while let Some(Ok(_)) = socket.recv().await {}
            }
            return false;
        }
        Act::Cut => return false,
        Act::Wake => return true,
    };
    socket.send(Message::Text(text.into())).await.is_ok()
}
