//! The server on this machine, if one runs: who it is, and whether it would take a call. What is asked through the public
//! address is compared with it.

use std::net::TcpListener;

use control::INSTANCE;

use super::finding::Finding;
use super::http::{Http, Request, ms, one_line, shown};
use super::tls;
use crate::config::Config;

/// The server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Here {
    /// One runs, and goes by this.
    Runs(String),
    /// None does.
    Nobody,
    /// Something else has its address.
    Stranger,
}

/// Looks for it.
pub(super) async fn findings(config: &Config) -> (Here, Vec<Finding>) {
    let listen = config.server.listen;
    let name = format!("address {listen}");
    let scheme = if config.server.tls.cert.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}", shown(listen));
    // The certificate is for the public name; nothing secret is sent.
    let http = match tls::any().and_then(Http::new) {
        Ok(http) => http,
        Err(why) => return (Here::Nobody, vec![Finding::fail("server.address", name, why)]),
    };
    if listen.port() == 0 {
        let problem = "port 0 is another one at each start, so no server can be looked for here";
        return (Here::Nobody, vec![Finding::left_out("server.running", name, problem)]);
    }
    let answer = match http.ask(Request::get(&format!("{base}/livez"))).await {
        Ok(answer) => answer,
        Err(why) => return nobody(config, &name, &why),
    };
    let Some(instance) = answer.header(INSTANCE).map(str::to_owned) else {
        let problem = format!("something that is no trunkline of this version has it ({})", answer.told());
        let fix = format!("ss -ltnp 'sport = :{}'", listen.port());
        return (Here::Stranger, vec![Finding::fail("server.address", name, problem).fix(fix)]);
    };
    let running = format!("the server on {listen}, {}", ms(answer.took));
    let mut findings = vec![if answer.status == 200 {
        Finding::ok("server.running", running)
    } else {
        Finding::fail("server.running", running, one_line(&answer.body))
            .fix("sudo systemctl restart trunkline")
    }];
    findings.push(ready(&http, &base).await);
    (Here::Runs(instance), findings)
}

async fn ready(http: &Http, base: &str) -> Finding {
    let name = "whether it takes calls";
    match http.ask(Request::get(&format!("{base}/readyz"))).await {
        Err(why) => Finding::fail("server.ready", name, why),
        Ok(answer) if answer.status == 200 && answer.body.contains("degraded") => {
            Finding::warn("server.ready", name, told(&answer.body))
                .fix(format!("curl -s '{base}/readyz?verbose'"))
        }
        Ok(answer) if answer.status == 200 => Finding::ok("server.ready", name),
        Ok(answer) => Finding::fail("server.ready", name, told(&answer.body))
            .fix(format!("curl -s '{base}/readyz?verbose'")),
    }
}

/// The lines of a readiness check that say what is wrong.
fn told(body: &str) -> String {
    let wrong = body.lines().filter_map(|line| line.strip_prefix("[-]").or_else(|| line.strip_prefix("[~]")));
    wrong.map(one_line).collect::<Vec<_>>().join("; ")
}

fn nobody(config: &Config, name: &str, why: &str) -> (Here, Vec<Finding>) {
    match TcpListener::bind(config.server.listen) {
        Ok(_) => {
            let missing = "no server runs here, so what asks one is left out";
            let left_out = Finding::left_out("server.running", name, missing).fix("trunkline serve");
            (Here::Nobody, vec![left_out])
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let problem = format!("something that is no trunkline has it: {why}");
            let fix = format!("ss -ltnp 'sport = :{}'", config.server.listen.port());
            (Here::Stranger, vec![Finding::fail("server.address", name, problem).fix(fix)])
        }
        Err(error) => {
            let problem = format!("it can't be listened on: {error}");
            let found =
                Finding::fail("server.address", name, problem).fix("server.listen = \"0.0.0.0:8080\"");
            (Here::Nobody, vec![found])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_picked_out_of_a_readiness_check() {
        let body =
            "[+]runtime ok\n[-]capacity all 5 places are taken\n[~]database does not answer\nnot ready\n";
        assert_eq!(told(body), "capacity all 5 places are taken; database does not answer");
    }
}
