//! Processes that share the tables: who lives, which calls are whose, and calls that one asks another to end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::make::{id, live, sid};
use crate::place::Place;

crate::on_both!(
    a_process_is_known_by_what_it_last_told,
    a_gap_is_remembered_until_it_is_long_over,
    a_wish_is_heard_of_and_taken_once,
    a_call_has_the_ids_of_all_its_folders,
);

/// Longer than any of these tests takes.
const GAP: Duration = Duration::from_secs(600);

async fn a_process_is_known_by_what_it_last_told(place: Place) {
    let database = place.open().await;
    assert_eq!(database.nodes().await.unwrap(), []);
    let both: BTreeMap<_, _> =
        [(id(1, 1), Duration::from_millis(40)), (id(2, 2), Duration::ZERO)].into_iter().collect();
    let one: BTreeMap<_, _> = [(id(3, 3), Duration::from_secs(70))].into_iter().collect();
    database.beat("node_b", &BTreeMap::new(), GAP).await.unwrap();
    database.beat("node_a", &both, GAP).await.unwrap();
    // Another process with a connection of its own sees the same.
    let other = place.open().await;
    other.beat("node_b", &one, GAP).await.unwrap();
    let nodes = database.nodes().await.unwrap();
    let told: Vec<_> = nodes.iter().map(|node| (node.id.as_str(), &node.calls)).collect();
    assert_eq!(told, [("node_a", &both), ("node_b", &one)]);
    assert!(
        nodes.iter().all(|node| node.silent_for < GAP && node.silent_for <= node.beating_for),
        "{nodes:?}"
    );
    other.leave("node_b").await.unwrap();
    let left: Vec<_> = database.nodes().await.unwrap().into_iter().map(|node| node.id).collect();
    assert_eq!(left, ["node_a"]);
}

async fn a_gap_is_remembered_until_it_is_long_over(place: Place) {
    let database = place.open().await;
    let none = BTreeMap::new();
    let pause = Duration::from_millis(30);
    database.beat("node_a", &none, GAP).await.unwrap();
    tokio::time::sleep(pause).await;
    database.beat("node_a", &none, GAP).await.unwrap();
    let [node] = &database.nodes().await.unwrap()[..] else { panic!("one process") };
    // The clock of one of the databases shows milliseconds, cut off.
    assert!(node.beating_for >= node.silent_for + pause - Duration::from_millis(2), "{node:?}");
    tokio::time::sleep(pause).await;
    database.beat("node_a", &none, pause / 3).await.unwrap();
    let [node] = &database.nodes().await.unwrap()[..] else { panic!("one process") };
    assert_eq!(node.beating_for, node.silent_for, "it was silent for longer than the gap, and begins anew");
}

async fn a_wish_is_heard_of_and_taken_once(place: Place) {
    let database = place.open().await;
    let news = database.subscribe();
    let before = *news.borrow();
    database.wish(&[id(1, 1), id(2, 2)]).await.unwrap();
    database.wish(&[id(1, 1)]).await.unwrap();
    assert!(*news.borrow() > before, "nobody hears of it");
    assert_eq!(database.wishes().await.unwrap(), [id(1, 1), id(2, 2)]);
    assert!(database.take_wish(id(1, 1)).await.unwrap());
    assert!(!database.take_wish(id(1, 1)).await.unwrap());
    assert_eq!(database.wishes().await.unwrap(), [id(2, 2)]);
}

async fn a_call_has_the_ids_of_all_its_folders(place: Place) {
    let database = place.open().await;
    database.take_in(&live(id(1, 1), "CA1"), id(1, 1).began()).await.unwrap();
    // The process that took it over made a folder of its own.
    database.take_in(&live(id(2, 2), "CA1"), id(2, 2).began()).await.unwrap();
    let kept = database.call(&sid("CA1")).await.unwrap().unwrap();
    assert_eq!(kept.id, id(1, 1).to_string());
    assert_eq!(database.aliases(id(1, 1)).await.unwrap(), [id(2, 2)]);
    assert_eq!(database.aliases(id(2, 2)).await.unwrap(), []);
}
