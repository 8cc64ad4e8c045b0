//! API keys. A key itself is never kept, only its digest.

use std::fmt::Write as _;

use super::{Connection, Db, Result, moment};
use crate::database::error::DatabaseError;
use crate::database::operation::{AddKey, FindKey, ListKeys, On, RevokeKey, UseKey};
use crate::database::values::{ApiKey, Scope};

type Row = (String, String, String, String, String, i64, Option<i64>, Option<i64>);

impl On<Db> for AddKey {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        let key = &self.key;
        sqlx::query(
            "INSERT INTO api_keys (id, name, prefix, digest, scope, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&key.id)
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(hex(&key.digest))
        .bind(key.scope.as_str())
        .bind(key.created_at.as_microsecond())
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl On<Db> for ListKeys {
    async fn run(&self, connection: &mut Connection) -> Result<Vec<ApiKey>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, name, prefix, digest, scope, created_at, used_at, revoked_at FROM api_keys
             ORDER BY created_at, id",
        )
        .fetch_all(connection)
        .await?;
        rows.into_iter().map(api_key).collect()
    }
}

impl On<Db> for FindKey {
    async fn run(&self, connection: &mut Connection) -> Result<Option<ApiKey>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, name, prefix, digest, scope, created_at, used_at, revoked_at FROM api_keys
             WHERE digest = $1 AND revoked_at IS NULL",
        )
        .bind(hex(&self.digest))
        .fetch_optional(connection)
        .await?;
        row.map(api_key).transpose()
    }
}

impl On<Db> for UseKey {
    async fn run(&self, connection: &mut Connection) -> Result<()> {
        sqlx::query("UPDATE api_keys SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $2)")
            .bind(&self.id)
            .bind(self.at.as_microsecond())
            .execute(connection)
            .await?;
        Ok(())
    }
}

impl On<Db> for RevokeKey {
    async fn run(&self, connection: &mut Connection) -> Result<bool> {
        sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(&self.id)
            .bind(self.at.as_microsecond())
            .execute(&mut *connection)
            .await?;
        let known: Option<String> = sqlx::query_scalar("SELECT id FROM api_keys WHERE id = $1")
            .bind(&self.id)
            .fetch_optional(connection)
            .await?;
        Ok(known.is_some())
    }
}

fn api_key(row: Row) -> Result<ApiKey> {
    let (id, name, prefix, digest, scope, created_at, used_at, revoked_at) = row;
    let unreadable = |what| DatabaseError::unreadable(what, "it is of a newer version, or damaged");
    Ok(ApiKey {
        id,
        name,
        prefix,
        digest: bytes(&digest).ok_or_else(|| unreadable("a key's digest"))?,
        scope: Scope::of_name(&scope).ok_or_else(|| unreadable("a key's scope"))?,
        created_at: moment(created_at)?,
        used_at: used_at.map(moment).transpose()?,
        revoked_at: revoked_at.map(moment).transpose()?,
    })
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(digest)
}
