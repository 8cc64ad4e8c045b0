//! What a call leaves in the metrics.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for code")]

mod support;

use call::AgentKind;
use metrics_exporter_prometheus::PrometheusBuilder;
use support::Server;

#[tokio::test]
async fn a_call_is_counted_by_its_frames_and_its_end() {
    // All tasks of this test run on its own thread, for which the recorder holds.
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let server = Server::start(AgentKind::Echo).await;
    let mut carrier = server.open("call_id=a").await.unwrap();
    carrier.connected().await;
    carrier.start("a", 8000).await;
    for _ in 0..5 {
        carrier.media(&[1; 320]).await;
        carrier.audio().await;
    }
    assert!(handle.render().contains(r#"trunkline_calls_active{carrier="exotel",direction="inbound"} 1"#));
    carrier.stop("callended").await;
    server.quiet().await;
    assert_eq!(server.open_with("", &[("upgrade", "nonsense")]).await.err(), Some(400));
    let text = handle.render();
    for line in [
        r#"trunkline_ws_frames_total{dir="in",event="media"} 5"#,
        r#"trunkline_ws_frames_total{dir="in",event="start"} 1"#,
        r#"trunkline_ws_frames_total{dir="out",event="media"} 5"#,
        r#"trunkline_calls_total{carrier="exotel",direction="inbound",end_reason="caller_hung_up"} 1"#,
        r#"trunkline_calls_active{carrier="exotel",direction="inbound"} 0"#,
        r#"trunkline_ws_rejected_total{reason="no_upgrade"} 1"#,
        "trunkline_call_setup_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
