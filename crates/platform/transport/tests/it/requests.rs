//! What clients get wrong is told with its place.

use crate::client::{start, usual};

#[test]
fn a_good_request_is_answered_and_named() {
    let server = start(usual());
    let reply = server.post("/echo", r#"{"word":"衡","times":3}"#);
    assert_eq!((reply.status, reply.body.as_str()), (200, "衡 3"));
    assert!(reply.head.contains("x-request-id: "));
    let named = server.send("GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: my-7\r\n\r\n");
    assert_eq!(named.status, 404);
    assert_eq!(named.problem()["instance"], "urn:heng:request:my-7");
    let long = "y".repeat(65);
    let named =
        server.send(&format!("GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-id: {long}\r\n\r\n"));
    assert!(!named.body.contains(&long), "an id that is too long is replaced");
}

#[test]
fn malformed_bodies_are_refused_with_the_place() {
    let server = start(usual());
    let check = |body: &str, expected: &str| {
        let reply = server.post("/echo", body);
        let problem = reply.problem();
        assert_eq!((reply.status, problem["code"].as_u64()), (400, Some(901)), "{body}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(expected), "{body}: {detail}");
    };
    check("{\"word\":\"a\",", "line 1, column 12");
    check("", "not valid JSON");
    check("[]", "must be a JSON object, not a list");
    check("{\"word\":\"a\",\"word\":\"b\"}", "the field \"word\" stands twice");
    check("{\"word\":\"a\",\"colour\":1}", "/colour unknown field; known are: word, times");
    check("{\"times\":1}", "/word is missing");
    check("{\"word\":\"a\",\"times\":10}", "/times expected a whole number from 1 to 9");
    check(&format!("{{\"word\":{}1{}}}", "[".repeat(40), "]".repeat(40)), "nested deeper than 16 levels");
    check("\u{0}", "not valid JSON");
}

#[test]
fn other_media_methods_and_paths_are_refused() {
    let server = start(usual());
    let reply = server.send("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
    assert_eq!(reply.problem()["status"], 415);
    assert_eq!(server.get("/echo").problem()["status"], 405);
    assert_eq!(server.post("/healthz", "{}").problem()["status"], 405);
    assert_eq!(server.post("/metrics", "{}").problem()["status"], 405);
    let missing = server.get("/nothing").problem();
    assert_eq!(
        (missing["status"].as_u64(), missing["detail"].as_str()),
        (Some(404), Some("there is nothing at /nothing"))
    );
    assert_eq!(missing["title_zh"], "请求无法解析");
}

#[test]
fn a_panic_costs_one_request() {
    let server = start(usual());
    let reply = server.get("/panic");
    assert_eq!(reply.problem()["status"], 500);
    assert!(!reply.body.contains("a bug in a handler"), "what failed inside is not told");
    assert_eq!(server.post("/echo", r#"{"word":"a"}"#).status, 200);
}

#[test]
fn operators_see_health_and_metrics() {
    let server = start(usual());
    let health = server.get("/healthz");
    assert_eq!(health.status, 200);
    let told: serde_json::Value = serde_json::from_str(&health.body).expect("JSON");
    assert_eq!(
        (told["status"].as_str(), told["parts"]["store"]["detail"].as_str()),
        (Some("degraded"), Some("parked"))
    );
    assert_eq!(server.get("/nothing").status, 404);
    let metrics = server.get("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", metrics.head);
    let metrics = metrics.body;
    assert!(metrics.contains("heng_http_requests_total{class=\"4xx\",status=\"404\"} 1\n"), "{metrics}");
    assert!(metrics.contains("heng_http_request_seconds_count 2\n"), "{metrics}");
}
