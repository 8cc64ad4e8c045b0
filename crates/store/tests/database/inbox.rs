//! The inbox: how callbacks do.

use records::CallStatus;
use store::{CallbackHealth, InboxEntry};

use crate::make::{at, callback, sid, status};
use crate::place::Place;

crate::on_both!(kinds_are_counted_since_when_asked);

async fn kinds_are_counted_since_when_asked(place: Place) {
    let database = place.open().await;
    for n in 0..5 {
        let entry = callback(&format!("k{n}"), at(n * 60));
        database.apply(&sid("CA1"), vec![status(at(n), CallStatus::Ringing)], Some(entry)).await.unwrap();
    }
    let amd = InboxEntry { kind: "amd".into(), ..callback("k0", at(0)) };
    database.apply(&sid("CA1"), Vec::new(), Some(amd)).await.unwrap();
    for n in 0..3 {
        database.refused("twilio", "status", at(200 + n)).await.unwrap();
        database.refused("exotel", "status", at(10)).await.unwrap();
    }
    let health = |carrier: &str, kind: &str, last, received, refused| CallbackHealth {
        carrier: carrier.into(),
        kind: kind.into(),
        last_at: last,
        received,
        refused,
    };
    assert_eq!(
        database.callback_health(at(120)).await.unwrap(),
        [
            health("exotel", "status", None, 0, 0),
            health("twilio", "amd", Some(at(0)), 0, 0),
            health("twilio", "status", Some(at(240)), 6, 3),
        ]
    );
}
