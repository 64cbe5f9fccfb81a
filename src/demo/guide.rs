//! The words of the demo around its timeline.

use std::time::Duration;

use jiff::Timestamp;

use super::Constants;
use super::scenario::LOST;
use super::timeline::Timeline;
use super::world::Key;

/// Kubernetes with less patience.
pub(super) fn shortened() -> Constants {
    let seconds = Duration::from_secs;
    Constants {
        start: Timestamp::now(),
        lease_duration: seconds(4),
        renew_interval: seconds(1),
        heartbeat_interval: seconds(30),
        node_ready_delay: seconds(1),
        monitor_period: Duration::from_millis(500),
        grace_period: seconds(5),
        taint_interval: seconds(1),
        slow_taint_interval: seconds(10),
        toleration: seconds(60),
        gc_period: seconds(2),
        gc_quarantine: seconds(4),
        pod_start: Duration::from_millis(1500),
        detach_after: seconds(36),
        ..Constants::default()
    }
}

/// What the demo is, by what its timings differ from real ones, and where it is served.
pub(super) fn introduction(api: &str, receiver: &str) -> String {
    let (short, real) = (shortened(), Constants::default());
    let pairs = [
        (
            "a node's Lease lasts",
            short.lease_duration,
            real.lease_duration,
        ),
        (
            "and is renewed every",
            short.renew_interval,
            real.renew_interval,
        ),
        (
            "a silent node reads Unknown after",
            short.grace_period,
            real.grace_period,
        ),
        (
            "nodes of a zone are tainted every",
            short.taint_interval,
            real.taint_interval,
        ),
        (
            "pods on it are evicted after another",
            short.toleration,
            real.toleration,
        ),
        (
            "a deleted Node's pods are collected after",
            short.gc_quarantine,
            real.gc_quarantine,
        ),
    ];
    let mut text = "A simulated Kubernetes in this process: three nodes, kube-prometheus in the \
                    namespace monitoring.\nNothing outside is touched. Its timings are \
                    shortened, so that nobody has to wait:\n\n"
        .to_owned();
    for (what, short, real) in pairs {
        text += &format!(
            "  {what:<43}{:>3} s  instead of {:>3} s\n",
            short.as_secs(),
            real.as_secs()
        );
    }
    text + &format!("\n  API server  {api}\n  receiver    {receiver}   (a real one, over HTTP)\n")
}

/// What to try next, as lines for a shell.
pub(super) fn what_next(api: &str, receiver: &str, manual: bool) -> String {
    let cut = |node: &str| format!("curl -X POST '{api}/demo/nodes/{node}/power?on=false'");
    let alert =
        |node: &str| format!("curl -s {api}/demo/alert/{node} | curl -d @- {receiver}/webhook");
    let mut lines = match manual {
        true => vec![
            ("cut a node's power", cut(LOST)),
            ("a few seconds later, its alert", alert(LOST)),
        ],
        false => vec![("post the alert again: nothing is left to do", alert(LOST))],
    };
    lines.extend([
        (
            "give the power back",
            format!("curl -X POST '{api}/demo/nodes/{LOST}/power?on=true'"),
        ),
        (
            "cut another node (with two of three dead, the storm guard shuts)",
            cut("node-2"),
        ),
        ("a few seconds later, its alert", alert("node-2")),
        (
            "stop a kubelet while its containers go on",
            format!("curl -X POST '{api}/demo/nodes/node-3/kubelet?on=false'"),
        ),
        (
            "restart the controller manager",
            format!("curl -X POST {api}/demo/controller-manager/restart"),
        ),
        (
            "what was done, and what is held",
            format!("curl -s {receiver}/api/v1/remediations"),
        ),
        (
            "the counters",
            format!("curl -s {receiver}/metrics | grep ^nodefall_"),
        ),
        (
            "kube-state-metrics, or what stands in for it",
            format!("curl -s {api}/metrics"),
        ),
        (
            "look around",
            format!("kubectl --server={api} get pods --namespace monitoring -o wide"),
        ),
    ]);
    let mut text = "\nYour turn. What happens is told below; Ctrl-C ends it.\n".to_owned();
    for (what, how) in lines {
        text += &format!("\n  # {what}\n  {how}\n");
    }
    text
}

/// The last lines of the timeline.
pub(super) fn ending(timeline: &Timeline, lost: &[(Key, String)], took: f64) -> String {
    let mut back = Vec::new();
    let mut away = Vec::new();
    for (pod, uid) in lost {
        match timeline.replacement(pod, uid) {
            Some(node) => back.push(format!("{} on {node}", pod.1)),
            None => away.push(pod.1.clone()),
        }
    }
    match away.as_slice() {
        [] => format!(
            "\n{took:.1} s after {LOST} read Unknown everything runs again: {}.\nKubernetes alone \
             would have left these pods Terminating for ever.",
            back.join(", ")
        ),
        away => format!(
            "\n{took:.1} s have passed, and not yet Ready: {}.",
            away.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_timings_are_told_and_leave_the_alert_time_to_act() {
        let (short, real) = (shortened(), Constants::default());
        assert!(
            short.grace_period > short.lease_duration,
            "else a living node turns Unknown"
        );
        assert!(
            short.toleration > 5 * short.grace_period,
            "the alert is what acts"
        );
        let text = introduction("http://api", "http://receiver");
        for (short, real) in [
            (short.lease_duration, real.lease_duration),
            (short.grace_period, real.grace_period),
            (short.toleration, real.toleration),
        ] {
            let pair = format!(
                "{:>3} s  instead of {:>3} s",
                short.as_secs(),
                real.as_secs()
            );
            assert!(text.contains(&pair), "{pair}");
        }
    }

    #[test]
    fn what_to_try_next_fits_what_was_done() {
        let after = what_next("http://api", "http://receiver", false);
        assert!(after.contains("post the alert again"));
        let manual = what_next("http://api", "http://receiver", true);
        assert!(manual.contains("curl -X POST 'http://api/demo/nodes/node-1/power?on=false'"));
        assert!(!manual.contains("again: nothing"));
    }
}
