//! Connections that are opened before they are needed: name, TCP and TLS cost a caller 100 ms and more when they
//! are done between the question and the answer.

use std::sync::PoisonError;
use std::time::Duration;

use http::Method;
use tokio::time::{Instant, timeout};
use url::Url;

use super::Net;

/// For this long after one was opened another is taken for open: shorter than idle connections are kept.
const WARM: Duration = Duration::from_secs(30);
/// How many servers are remembered; an operator has a handful.
const SERVERS: usize = 64;

impl Net {
    /// Opens a connection to this URL's server in the background, unless that was done a moment ago. It is opened
    /// with a `HEAD` of the server's root, without a key; what it answers is of no interest.
    pub(super) fn warm(&self, url: &Url) {
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        if !self.is_cold(&root) {
            return;
        }
        let (request, limit) = (self.requests.request(Method::HEAD, root), self.connect * 2);
        tokio::spawn(async move {
            // A vendor that can't be reached is found out by the first request, which says so.
            let _ = timeout(limit, request.send()).await;
        });
    }

    /// Whether nothing was opened to this server lately, and notes that something is now.
    fn is_cold(&self, root: &Url) -> bool {
        let now = Instant::now();
        let mut opened = self.warmed.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|_, at| now - *at < WARM);
        if opened.len() >= SERVERS || opened.contains_key(root.as_str()) {
            return false;
        }
        opened.insert(root.to_string(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::driver::NetOptions;

    #[tokio::test]
    async fn one_connection_is_opened_to_a_server_and_carries_no_path() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/v1/secret?k=1", listener.local_addr().unwrap()).parse().unwrap();
        let net = Net::new(&NetOptions::default()).unwrap();
        for _ in 0..10 {
            net.warm(&url);
        }
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 512];
        let length = socket.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        assert!(head.starts_with("HEAD / HTTP/1.1\r\n"), "{head}");
        let root = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        assert!(!net.is_cold(&root));
        assert!(net.is_cold(&"http://other.example/".parse().unwrap()));
    }
}
