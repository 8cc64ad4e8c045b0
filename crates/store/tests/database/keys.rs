//! API keys.

use store::{ApiKey, Scope};

use crate::make::at;
use crate::place::Place;

crate::on_both!(a_key_is_found_used_and_withdrawn);

fn key(n: u8, scope: Scope) -> ApiKey {
    ApiKey {
        id: format!("key_{n}"),
        name: "the shop".into(),
        prefix: "tl_ab".into(),
        digest: [n; 32],
        scope,
        created_at: at(i64::from(n)),
        used_at: None,
        revoked_at: None,
    }
}

async fn a_key_is_found_used_and_withdrawn(place: Place) {
    let database = place.open().await;
    database.add_key(&key(2, Scope::Admin)).await.unwrap();
    database.add_key(&key(1, Scope::Read)).await.unwrap();
    assert!(database.add_key(&key(1, Scope::Call)).await.is_err(), "a digest is one key's");
    let found = database.key(&[2; 32], at(100)).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.scope, found.digest), ("key_2", Scope::Admin, [2; 32]));
    assert!(database.key(&[3; 32], at(100)).await.unwrap().is_none());
    // To the minute.
    database.key(&[2; 32], at(110)).await.unwrap();
    let used: Vec<_> = database.keys().await.unwrap().into_iter().map(|key| (key.id, key.used_at)).collect();
    assert_eq!(used, [("key_1".to_owned(), None), ("key_2".to_owned(), Some(at(100)))]);
    assert!(database.revoke_key("key_2", at(200)).await.unwrap());
    assert!(database.revoke_key("key_2", at(300)).await.unwrap());
    assert!(!database.revoke_key("key_9", at(200)).await.unwrap());
    assert!(database.key(&[2; 32], at(201)).await.unwrap().is_none());
    assert_eq!(database.keys().await.unwrap()[1].revoked_at, Some(at(200)));
}
