//! The carriers' HTTP client against small servers on the loopback: what it sends, how often, and what it makes of
//! answers that are late, lost or senseless.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use carriers::exotel::{ExotelMode, ExotelRest};
use carriers::rest::{Dial, Dialled, MachineDetection, RestFaultKind};
use carriers::twilio::TwilioRest;
use control::carrier::{CarrierAccount, Client, ClientError, HangUp, Wanted, check};
use futures_util::{StreamExt as _, stream};
use http::header;
use records::CallStatus;
use tokio::net::TcpListener;

const CREATED: &str = r#"{"sid":"CA1","status":"queued"}"#;

/// What the server was asked, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn all(&self) -> Vec<String> {
        self.0.lock().expect("nobody panicked").clone()
    }
}

/// A server that answers the nth request with `answer(n)`.
async fn server<F>(answer: F) -> (SocketAddr, Seen)
where
    F: Fn(usize) -> Response + Clone + Send + Sync + 'static,
{
    let (seen, count) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let kept = seen.clone();
    let handler = move |request: Request| {
        let (kept, count, answer) = (kept.clone(), Arc::clone(&count), answer.clone());
        async move {
            let authorization = request.headers().get(header::AUTHORIZATION).cloned();
            let authorization =
                authorization.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("nobody");
            let line = format!("{} {} {authorization}", request.method(), request.uri());
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
            kept.0
                .lock()
                .expect("nobody panicked")
                .push(format!("{line} {}", String::from_utf8_lossy(&body)));
            answer(count.fetch_add(1, Ordering::SeqCst))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
    (address, seen)
}

fn answer(status: u16, body: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(body)).expect("a whole response")
}

fn later(status: u16, after: &'static str) -> Response {
    let busy = Response::builder().status(status).header(header::RETRY_AFTER, after);
    busy.body(Body::from(r#"{"code":20429,"message":"slow down"}"#)).expect("a whole response")
}

fn account(address: SocketAddr) -> CarrierAccount {
    CarrierAccount {
        rest: Arc::new(TwilioRest::new("AC1")),
        base_url: format!("http://{address}"),
        user: "SK1".to_owned(),
        password: "canary-password".into(),
        calls_per_second: 0.0,
        dial_timeout: Duration::from_secs(10),
    }
}

fn client(address: SocketAddr) -> Client {
    Client::new(account(address)).expect("a client")
}

fn dial() -> Dial {
    Dial {
        call: "call_1".to_owned(),
        to: "+919800000001".to_owned(),
        from: "+12025550123".to_owned(),
        ring_s: 30,
        longest_s: 600,
        answer_url: "https://gw.example.com/twilio/voice".to_owned(),
        media_url: String::new(),
        status_url: "https://gw.example.com/twilio/status".to_owned(),
        machine: MachineDetection::Off,
        machine_url: String::new(),
    }
}

fn kind(dialled: &Dialled) -> Option<RestFaultKind> {
    match dialled {
        Dialled::Refused(fault) => Some(fault.kind),
        _ => None,
    }
}

fn is_unknown(dialled: &Dialled) -> bool {
    matches!(dialled, Dialled::Unknown { .. })
}

#[tokio::test]
async fn a_dial_is_a_form_with_credentials() {
    let (address, seen) = server(|_| answer(201, CREATED)).await;
    let taken = client(address).dial(&dial()).await;
    assert_eq!(taken, Dialled::Taken { id: "CA1".to_owned(), status: CallStatus::Queued });
    let [request] = &seen.all()[..] else { panic!("{:?}", seen.all()) };
    // SK1:canary-password
    let expected =
        "POST /2010-04-01/Accounts/AC1/Calls.json Basic U0sxOmNhbmFyeS1wYXNzd29yZA== To=%2B919800000001&";
    assert!(request.starts_with(expected), "{request}");
    assert!(request.contains("StatusCallbackEvent=initiated&StatusCallbackEvent=ringing"), "{request}");
}

#[tokio::test]
async fn nobody_there_means_not_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let dialled = client(address).dial(&dial()).await;
    assert_eq!(kind(&dialled), Some(RestFaultKind::Network), "{dialled:?}");
}

#[tokio::test]
async fn a_dial_whose_answer_does_not_come_is_unknown_and_not_sent_again() {
    let (address, seen) = server(|_| {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        Response::builder().status(201).body(Body::from_stream(never)).expect("a whole response")
    })
    .await;
    let account = CarrierAccount { dial_timeout: Duration::from_millis(300), ..account(address) };
    let dialled = Client::new(account).expect("a client").dial(&dial()).await;
    assert!(is_unknown(&dialled), "{dialled:?}");
    assert_eq!(seen.all().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let accepted = tokio::spawn(async move {
        let mut connections = 0;
        while let Ok(Ok((socket, _))) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            connections += 1;
            let mut bytes = [0; 64];
            socket.readable().await.expect("the request comes");
            let _ = socket.try_read(&mut bytes);
        }
        connections
    });
    let dialled = client(address).dial(&dial()).await;
    assert!(is_unknown(&dialled), "{dialled:?}");
    assert_eq!(accepted.await.expect("it ended"), 1, "it was not sent again");
}

#[tokio::test]
async fn what_the_carrier_did_not_process_is_dialled_again() {
    let (address, seen) = server(|n| if n == 0 { later(429, "1") } else { answer(201, CREATED) }).await;
    let start = std::time::Instant::now();
    let dialled = client(address).dial(&dial()).await;
    assert!(matches!(dialled, Dialled::Taken { .. }), "{dialled:?}");
    assert_eq!(seen.all().len(), 2);
    assert!(start.elapsed() >= Duration::from_secs(1), "it waited as long as it was told to");
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_handed_on() {
    let (address, seen) = server(|_| later(429, "3600")).await;
    let dialled = client(address).dial(&dial()).await;
    let Dialled::Refused(fault) = dialled else { panic!("{dialled:?}") };
    assert_eq!((fault.kind, fault.retry_after), (RestFaultKind::Busy, Some(Duration::from_secs(3600))));
    assert_eq!(seen.all().len(), 1);
}

#[tokio::test]
async fn no_other_answer_makes_it_dial_again() {
    let answers: [(u16, &str); 6] =
        [(500, ""), (503, "{}"), (502, "Bad gateway"), (201, "<html>"), (200, "\u{0}garbage"), (302, "")];
    for (status, body) in answers {
        let (address, seen) = server(move |_| answer(status, body)).await;
        let dialled = client(address).dial(&dial()).await;
        assert!(is_unknown(&dialled), "{status}: {dialled:?}");
        assert_eq!(seen.all().len(), 1, "{status}");
    }
    let (address, seen) = server(|_| answer(400, r#"{"code":21211,"message":"To 919800000001"}"#)).await;
    let dialled = client(address).dial(&dial()).await;
    assert_eq!(kind(&dialled), Some(RestFaultKind::Request));
    assert!(!format!("{dialled:?}").contains("9198"), "{dialled:?}");
    assert_eq!(seen.all().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let endless = |_| {
        let piece = Bytes::from(vec![b' '; 64 * 1024]);
        let body = stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
        Response::builder().status(200).body(Body::from_stream(body)).expect("a whole response")
    };
    let (address, seen) = server(endless).await;
    let client = client(address);
    assert!(is_unknown(&client.dial(&dial()).await));
    assert_eq!(client.look("CA1").await.unwrap_err().kind, RestFaultKind::Garbage);
    assert_eq!(seen.all().len(), 2, "neither was sent again");
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up() {
    let drip = |_| {
        let body =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b" "))).then(|piece| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                piece
            });
        Response::builder().status(201).body(Body::from_stream(body)).expect("a whole response")
    };
    let (address, seen) = server(drip).await;
    let account = CarrierAccount { dial_timeout: Duration::from_millis(500), ..account(address) };
    let dialled = Client::new(account).expect("a client").dial(&dial()).await;
    assert!(is_unknown(&dialled), "{dialled:?}");
    assert_eq!(seen.all().len(), 1);
}

#[tokio::test]
async fn what_only_asks_is_asked_again() {
    let (address, seen) = server(|n| match n {
        0 => answer(500, ""),
        1 => later(429, "0"),
        _ => answer(200, r#"{"sid":"CA1","status":"in-progress"}"#),
    })
    .await;
    let call = client(address).look("CA1").await.unwrap();
    assert_eq!(call.status, Some(CallStatus::InProgress));
    assert_eq!(seen.all().len(), 3);
    assert!(
        seen.all()[0].starts_with("GET /2010-04-01/Accounts/AC1/Calls/CA1.json Basic "),
        "{:?}",
        seen.all()
    );
}

#[tokio::test]
async fn what_can_not_get_better_is_not_asked_again() {
    for (status, expected) in
        [(401, RestFaultKind::Auth), (404, RestFaultKind::NoCall), (400, RestFaultKind::Request)]
    {
        let (address, seen) = server(move |_| answer(status, "{}")).await;
        assert_eq!(client(address).look("CA1").await.unwrap_err().kind, expected);
        assert_eq!(seen.all().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_call_that_was_perhaps_dialled_is_found() {
    let (address, seen) = server(|_| {
        answer(
            200,
            r#"{"page_size":100,"calls":[{"sid":"CA2","to":"+919800000001","from":"+12025550123",
                "direction":"outbound-api","status":"ringing"}]}"#,
        )
    })
    .await;
    let found = client(address).find(&dial(), jiff::Timestamp::now()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].status), ("CA2", Some(CallStatus::Ringing)));
    assert!(seen.all()[0].contains("To=%2B919800000001&From=%2B12025550123"), "{:?}", seen.all());
}

#[tokio::test]
async fn hanging_up_twice_is_no_fault_and_some_carriers_can_not() {
    let (address, seen) = server(|n| {
        if n == 0 {
            answer(200, CREATED)
        } else {
            answer(400, r#"{"code":21220,"message":"not in-progress"}"#)
        }
    })
    .await;
    let twilio = client(address);
    assert_eq!(twilio.hang_up("CA1").await, Ok(HangUp::Done));
    assert_eq!(twilio.hang_up("CA1").await, Ok(HangUp::Done));
    assert!(seen.all()[0].ends_with(" Status=completed"), "{:?}", seen.all());

    let exotel =
        CarrierAccount { rest: Arc::new(ExotelRest::new("acme1", ExotelMode::Bot)), ..account(address) };
    assert_eq!(Client::new(exotel).expect("a client").hang_up("c").await, Ok(HangUp::NoWay));
    assert_eq!(seen.all().len(), 2);
}

#[tokio::test]
async fn dials_keep_the_accounts_pace_and_do_not_wait_for_ever() {
    let (address, seen) = server(|_| answer(201, CREATED)).await;
    let paced = Client::new(CarrierAccount { calls_per_second: 5.0, ..account(address) }).expect("a client");
    let start = std::time::Instant::now();
    for _ in 0..3 {
        assert!(matches!(paced.dial(&dial()).await, Dialled::Taken { .. }));
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());

    let slow = Client::new(CarrierAccount { calls_per_second: 0.01, ..account(address) }).expect("a client");
    assert!(matches!(slow.dial(&dial()).await, Dialled::Taken { .. }));
    let refused = slow.dial(&dial()).await;
    assert_eq!(kind(&refused), Some(RestFaultKind::Busy), "{refused:?}");
    assert_eq!(seen.all().len(), 4, "what can't have its turn in time is not sent");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for base in
        ["", "ftp://x", "https://user:canary@api.example.com", "https://api.example.com?x=1", "no address"]
    {
        let account = CarrierAccount { base_url: base.to_owned(), ..account(address) };
        let error = Client::new(account).err().expect(base);
        assert!(matches!(error, ClientError::BaseUrl { carrier: "twilio" }), "{base}: {error}");
        assert!(!error.to_string().contains("canary"));
    }
    assert!(!format!("{:?}", account(address)).contains("canary"));
}

#[tokio::test]
async fn an_account_is_checked_and_so_is_where_its_numbers_calls_go() {
    const NUMBERS: &str = r#"{"page_size":50,"incoming_phone_numbers":[{"sid":"PN1",
        "phone_number":"+12025550123","voice_url":"https://demo.example.com/welcome?k=canary",
        "voice_method":"POST","status_callback":"https://gw.example.com/twilio/status"}]}"#;
    let (address, seen) =
        server(|n| answer(200, if n == 0 { r#"{"calls":[],"page_size":1}"# } else { NUMBERS })).await;
    let wanted = Wanted {
        number: "+12025550123".to_owned(),
        voice_url: "https://gw.example.com/twilio/voice".to_owned(),
        status_url: "https://gw.example.com/twilio/status".to_owned(),
    };
    let findings = check(&client(address), Some(&wanted)).await;
    let [credentials, number] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((credentials.name.as_str(), &credentials.problem), ("twilio's credentials", &None));
    assert_eq!(number.name, "twilio's number +12*****0123");
    assert_eq!(
        number.problem.as_deref(),
        Some(
            "its voice URL is https://demo.example.com/welcome; set it to https://gw.example.com/twilio/voice"
        )
    );
    assert!(seen.all()[0].contains("Calls.json?PageSize=1"), "{:?}", seen.all());

    let (address, seen) = server(|_| answer(401, r#"{"code":20003,"message":"Authenticate"}"#)).await;
    let findings = check(&client(address), Some(&wanted)).await;
    assert_eq!(findings.len(), 1);
    assert!(findings[0].problem.as_ref().unwrap().contains("20003"), "{findings:?}");
    assert_eq!(seen.all().len(), 1, "wrong credentials are not tried again");

    let streams =
        "<TwilioResponse><Stream><ActiveStreamCount>3</ActiveStreamCount></Stream></TwilioResponse>";
    let (address, _) = server(move |_| answer(200, streams)).await;
    let exotel =
        CarrierAccount { rest: Arc::new(ExotelRest::new("acme1", ExotelMode::Bot)), ..account(address) };
    let findings = check(&Client::new(exotel).expect("a client"), Some(&wanted)).await;
    assert_eq!(findings.len(), 1, "Exotel can't be asked after its numbers");
    assert_eq!(findings[0].name, "exotel's credentials: 3 media streams are open");
}
