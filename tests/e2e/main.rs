mod conversations;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    nodefall_testbed::process::end_on_signal();
    let mut cluster = nodefall_testbed::cluster::Cluster::start(
        nodefall_testbed::profile::Profile::QUICK,
        &["node-1", "node-2", "node-3"],
    );
    cluster.install();
    let mut bad = 0;
    for (name, play) in conversations::CONVERSATIONS {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        let began = std::time::Instant::now();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&mut cluster)));
        bad += usize::from(done.is_err());
        eprintln!(
            "=== {name}: {} in {:.1?}",
            if done.is_ok() { "ok" } else { "FAILED" },
            began.elapsed()
        );
    }
    drop(cluster);
    std::process::exit(i32::from(bad > 0));
}
