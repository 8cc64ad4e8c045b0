//! Carriers' callbacks at a steady rate, as they come: each on a connection of its own, whether those before it have
//! been answered or not. Times count from when one was due.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Asked, LoadError};
use crate::carriers::multipart;
use crate::twilio::signature;
use crate::wire::form_body;

/// The longest that is waited for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A callback as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Post(Vec<u8>);

impl Post {
    /// A form that is signed with the account's token, as Twilio sends it to this URL.
    pub fn twilio(token: &str, url: &str, form: &[(String, String)]) -> Self {
        let body = form_body(form);
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let signature = signature(token, url, form);
        Self::to(url, &format!("Content-Type: {kind}\r\nX-Twilio-Signature: {signature}"), &body)
    }

    /// A form in parts, not signed, as Exotel sends it to this URL.
    pub fn exotel(url: &str, form: &[(String, String)]) -> Self {
        let (kind, body) = multipart(form);
        Self::to(url, &format!("Content-Type: {kind}"), &body)
    }

    fn to(url: &str, headers: &str, body: &str) -> Self {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let length = body.len();
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        Self([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// Sends these to `address`, so many a second. Blocks the thread.
///
/// # Errors
/// When no runtime can be had.
pub fn post_at_rate(address: SocketAddr, posts: Vec<Post>, per_second: u32) -> Result<Asked, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let begin = Instant::now();
        let mut sent = JoinSet::new();
        for (post, number) in posts.into_iter().zip(0u32..) {
            let due = begin + Duration::from_secs(1) * number / per_second.max(1);
            sleep_until(due).await;
            sent.spawn(async move { (answered(address, &post).await, due.elapsed()) });
        }
        let mut asked = Asked::default();
        for (is_taken, took) in sent.join_all().await {
            if is_taken { asked.answers.push(took) } else { asked.failed += 1 }
        }
        asked
    }))
}

/// Whether the answer is of the kind that lets a carrier rest.
async fn answered(address: SocketAddr, Post(request): &Post) -> bool {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(request).await?;
        let mut answer = Vec::with_capacity(512);
        socket.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 2"))
    };
    matches!(timeout(PATIENCE, exchange).await, Ok(Ok(true)))
}
