//! Every fault does what its name says, and nothing else.

use std::time::Duration;

use kube::Error;
use nodefall::demo::faults::{Effect, Fault};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::*;

const POD: &str = "prometheus-k8s-0";

async fn delete(cluster: &Cluster) -> (Result<(), Error>, bool) {
    let pod = pods(cluster).get(POD).await.unwrap();
    let answer = pods(cluster).delete(POD, &now_with(&uid(&pod))).await;
    let gone = cluster.edit(|world| {
        world
            .pods
            .get(&("monitoring".into(), POD.into()))
            .is_none_or(|now| uid(now) != uid(&pod))
    });
    (answer.map(|_| ()), gone)
}

fn once(effect: Effect) -> Fault {
    Fault::new(effect)
        .verb("delete")
        .resource("pods")
        .name(POD)
        .times(1)
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_an_error_before_or_after_the_effect() {
    let cluster = start();
    cluster.inject(once(Effect::Reset));
    let (answer, gone) = delete(&cluster).await;
    assert!(matches!(answer, Err(Error::Service(_))), "{answer:?}");
    assert!(!gone);
    cluster.inject(once(Effect::ResetAfter));
    let (answer, gone) = delete(&cluster).await;
    assert!(matches!(answer, Err(Error::Service(_))), "{answer:?}");
    assert!(gone);
    let statuses: Vec<u16> = cluster
        .audit()
        .iter()
        .filter(|entry| entry.verb == "delete" && entry.user_agent == "nodefall")
        .map(|entry| entry.status)
        .collect();
    assert_eq!(statuses, [0, 200], "0: it never took effect");
}

#[tokio::test(start_paused = true)]
async fn a_hang_never_answers() {
    let cluster = start();
    for (effect, happened) in [(Effect::Hang, false), (Effect::HangAfter, true)] {
        cluster.inject(once(effect));
        let pod = pods(&cluster).get(POD).await.unwrap();
        let (api, params) = (pods(&cluster), now_with(&uid(&pod)));
        let call = api.delete(POD, &params);
        assert!(timeout(Duration::from_secs(3600), call).await.is_err());
        assert_eq!(
            uid(&pods(&cluster).get(POD).await.unwrap()) != uid(&pod),
            happened
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_is_an_error_too() {
    let cluster = start();
    cluster.inject(once(Effect::Truncate));
    let (answer, gone) = delete(&cluster).await;
    assert!(answer.is_err());
    assert!(gone);
}

#[tokio::test(start_paused = true)]
async fn latency_delays_the_effect_or_the_answer() {
    let cluster = start();
    let (before, after) = (Duration::from_secs(2), Duration::from_secs(3));
    cluster.inject(once(Effect::Latency { before, after }));
    let start = Instant::now();
    let (answer, gone) = delete(&cluster).await;
    assert!(answer.is_ok() && gone);
    assert_eq!(start.elapsed(), before + after);
    let entry = cluster
        .audit()
        .into_iter()
        .find(|entry| entry.verb == "delete")
        .unwrap();
    assert_eq!(entry.at, Constants::default().start + before);
}

#[tokio::test(start_paused = true)]
async fn status_codes_come_with_a_status() {
    let cluster = start();
    for (code, reason) in [
        (403, "Forbidden"),
        (409, "Conflict"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
    ] {
        cluster.inject(once(Effect::Status {
            code,
            retry_after: Some(7),
        }));
        let (answer, gone) = delete(&cluster).await;
        let Err(Error::Api(status)) = answer else {
            panic!("{code}: {answer:?}")
        };
        assert_eq!((status.code, status.reason.as_str()), (code, reason));
        assert!(!gone);
    }
    cluster.inject(once(Effect::Status {
        code: 429,
        retry_after: Some(7),
    }));
    let path = format!("/api/v1/namespaces/monitoring/pods/{POD}");
    let response = send(
        &cluster,
        axum::http::Method::DELETE,
        &path,
        &[],
        serde_json::Value::Null,
    )
    .await;
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test(start_paused = true)]
async fn an_odd_body_is_what_was_given() {
    let cluster = start();
    cluster.inject(
        Fault::new(Effect::Body("{\"kind\":\"Node\",\"spec\":7}".to_owned())).resource("nodes"),
    );
    let (status, body) = get(&cluster, "/api/v1/nodes/node-1").await;
    assert_eq!((status, body), (200, json!({ "kind": "Node", "spec": 7 })));
    cluster.clear_faults();
    assert_eq!(ready(&cluster, "node-1").await, "True");
}

#[tokio::test(start_paused = true)]
async fn a_replica_can_be_cut_off_after_its_call_k() {
    let cluster = start();
    cluster.inject(Fault::new(Effect::Hang).user_agent("replica-a").after(2));
    let one: Api<Pod> = Api::namespaced(cluster.client_as("replica-a"), "monitoring");
    let two: Api<Pod> = Api::namespaced(cluster.client_as("replica-b"), "monitoring");
    for _ in 0..2 {
        one.get(POD).await.unwrap();
    }
    assert!(
        timeout(Duration::from_secs(60), one.get(POD))
            .await
            .is_err()
    );
    two.get(POD).await.unwrap();
}

#[tokio::test]
async fn over_tcp_a_reset_is_a_closed_connection() {
    let cluster = start();
    cluster.inject(once(Effect::ResetAfter));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = cluster.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let api: Api<Pod> = Api::namespaced(client, "monitoring");
    let pod = api.get(POD).await.unwrap();
    let answer = api.delete(POD, &now_with(&uid(&pod))).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_ne!(
        api.get_opt(POD).await.unwrap().map(|pod| uid(&pod)),
        Some(uid(&pod))
    );
    server.abort();
}
