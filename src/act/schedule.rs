//! The loop: first looks at once, repeated looks at a steady rate, the sweep, and the way out.

use super::desk::Desk;
use super::entry::Order;
use super::{access, pass, sweep};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// How many nodes are looked at at the same time.
const LOOKS: usize = 16;

/// What is in the middle when the process is stopped gets so long to come to a safe point; with the
/// 3 s that HTTP gets after it, the process ends within 20 s.
const DRAIN: Duration = Duration::from_secs(17);

/// How often it is asked whether the guard's turn has come.
const TICK: Duration = Duration::from_millis(500);

/// How often alerts that were not repeated are let go.
const EXPIRY: Duration = Duration::from_secs(60);

/// Works until `draining` turns true and what had begun has come to rest, 17 s at most.
pub async fn run(desk: Desk, mut draining: watch::Receiver<bool>) {
    let (alive, mut done) = mpsc::channel::<()>(1);
    let work = async {
        access::earn(&desk).await;
        tokio::join!(
            firsts(&desk, &alive),
            agains(&desk, &alive),
            storms(&desk),
            sweeps(&desk),
            access::review_rights_to_act(&desk),
        );
    };
    tokio::select! {
        biased;
        _ = draining.wait_for(|draining| *draining) => {}
        () = work => {}
    }
    // The channel closes when the last pass has dropped its end.
    drop(alive);
    if tokio::time::timeout(DRAIN, done.recv()).await.is_err() {
        tracing::warn!("work was left unfinished; a later alert or sweep goes on with it");
    }
}

async fn firsts(desk: &Desk, alive: &mpsc::Sender<()>) {
    let looks = Arc::new(Semaphore::new(LOOKS));
    while let Ok(permit) = looks.clone().acquire_owned().await {
        let order = desk.next_first().await;
        launch(desk, order, permit, alive.clone());
    }
}

async fn agains(desk: &Desk, alive: &mpsc::Sender<()>) {
    let looks = Arc::new(Semaphore::new(LOOKS));
    let context = desk.context();
    // The Node, its Lease, the fleet, and a list for each namespace.
    let cost = u32::try_from(3 + context.settings.namespaces().len()).unwrap_or(u32::MAX);
    while let Ok(permit) = looks.clone().acquire_owned().await {
        let node = desk.next_again().await;
        context.pacer.take(cost).await;
        if let Some(order) = desk.take_again(&node) {
            launch(desk, order, permit, alive.clone());
        }
    }
}

/// Asks the guard once for all the nodes that it holds, and lets old alerts go.
async fn storms(desk: &Desk) {
    let context = desk.context();
    let mut expired = context.clock.running();
    loop {
        tokio::time::sleep(TICK).await;
        let now = context.clock.running();
        if now.saturating_sub(expired) >= EXPIRY {
            desk.expire();
            expired = now;
        }
        if desk.storm_due().is_none_or(|due| due > now) {
            continue;
        }
        context.pacer.take(1).await;
        let asked = context.fleet.read(Duration::ZERO).await;
        let bound = context.settings.max_unreachable;
        desk.storm_asked(asked.is_ok_and(|reading| reading.fleet.is_calm(bound).is_ok()));
    }
}

async fn sweeps(desk: &Desk) {
    match desk.context().settings.period {
        Some(period) => sweep::run(desk, period).await,
        None => std::future::pending().await,
    }
}

/// Runs a pass on a task of its own: a panic in it harms no other node.
fn launch(desk: &Desk, order: Order, permit: OwnedSemaphorePermit, alive: mpsc::Sender<()>) {
    let (desk, node) = (desk.clone(), order.node.clone());
    let pass = tokio::spawn(pass::run(desk.context().clone(), order, permit));
    tokio::spawn(async move {
        let findings = pass.await;
        if let Err(error) = &findings {
            tracing::error!(%node, %error, "a look broke off");
        }
        desk.finish(&node, findings.ok());
        drop(alive);
    });
}
