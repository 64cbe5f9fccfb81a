//! The zone rule, as it was observed.

use nodefall::demo::{Layout, NodePlan};

use super::*;

fn zones(sizes: &[usize]) -> Layout {
    let mut layout = Layout::default();
    for (zone, size) in sizes.iter().enumerate() {
        for number in 0..*size {
            let plan = NodePlan::new(&format!("z{zone}-{number}"));
            layout = layout.node(plan.zone(&format!("zone-{zone}")));
        }
    }
    layout
}

async fn taints_in(cluster: &Cluster, zone: usize, size: usize) -> usize {
    let mut count = 0;
    for number in 0..size {
        count += usize::from(tainted(cluster, &format!("z{zone}-{number}")).await);
    }
    count
}

#[tokio::test(start_paused = true)]
async fn a_dead_zone_beside_a_living_one_is_tainted_ten_seconds_apart() {
    let cluster = run(&zones(&[3, 3]));
    seconds(10).await;
    for number in 0..3 {
        cluster.cut_power(&format!("z0-{number}"));
    }
    while taints_in(&cluster, 0, 3).await == 0 {
        seconds(1).await;
    }
    seconds(8).await;
    assert_eq!(taints_in(&cluster, 0, 3).await, 1);
    seconds(3).await;
    assert_eq!(taints_in(&cluster, 0, 3).await, 2);
    seconds(10).await;
    assert_eq!(taints_in(&cluster, 0, 3).await, 3);
}

#[tokio::test(start_paused = true)]
async fn three_of_five_dead_are_not_tainted_at_all() {
    let cluster = run(&zones(&[5]));
    seconds(10).await;
    for number in 0..3 {
        cluster.cut_power(&format!("z0-{number}"));
    }
    seconds(600).await;
    for number in 0..3 {
        assert_eq!(ready(&cluster, &format!("z0-{number}")).await, "Unknown");
    }
    // Their last renewals lie seconds apart, so the first may be tainted before the rule holds.
    assert!(taints_in(&cluster, 0, 5).await <= 1);
    cluster.give_power("z0-2");
    seconds(60).await;
    assert_eq!(
        taints_in(&cluster, 0, 5).await,
        2,
        "two of five is no disruption"
    );
}

#[tokio::test(start_paused = true)]
async fn a_large_disrupted_zone_is_tainted_one_per_hundred_seconds() {
    let cluster = run(&zones(&[60]));
    seconds(10).await;
    for number in 0..40 {
        cluster.cut_power(&format!("z0-{number}"));
    }
    seconds(70).await;
    let first = taints_in(&cluster, 0, 60).await;
    assert!(first <= 3, "{first}");
    seconds(300).await;
    assert_eq!(taints_in(&cluster, 0, 60).await, first + 3);
}

#[tokio::test(start_paused = true)]
async fn when_every_zone_is_dead_all_taints_are_taken_off() {
    let cluster = run(&zones(&[2, 2]));
    seconds(10).await;
    cluster.cut_power("z0-0");
    seconds(70).await;
    assert_eq!(taints_in(&cluster, 0, 2).await, 1);
    for node in ["z0-1", "z1-0", "z1-1"] {
        cluster.cut_power(node);
    }
    seconds(70).await;
    assert_eq!(ready(&cluster, "z1-1").await, "Unknown");
    assert_eq!(
        taints_in(&cluster, 0, 2).await + taints_in(&cluster, 1, 2).await,
        0
    );
    // One comes back: the others are believed dead again only after a new grace period.
    cluster.give_power("z1-1");
    seconds(120).await;
    assert_eq!(
        taints_in(&cluster, 0, 2).await + taints_in(&cluster, 1, 2).await,
        3
    );
}
