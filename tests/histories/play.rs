//! Plays a history: a simulated cluster and replicas of Nodefall on one paused clock, and everything
//! that is asked, answered and done written down.

mod settle;

use crate::act::Act;
use crate::draw::{History, TROUBLE};
use crate::oracle::loss::Left;
use crate::panics;
use crate::record::{Record, Rest};
use crate::replica::{self, Replica};
use crate::sender::{self, Sender, labels, payload};
use crate::stage;
use crate::wire::{Life, Wire};
use fastrand::Rng;
use jiff::Timestamp;
use nodefall::demo::audit::Entry;
use nodefall::demo::timeline::{Line, Timeline};
use nodefall::demo::{Cluster, Constants};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

/// Until everything is scheduled and Ready.
const WARM_UP: Duration = Duration::from_secs(30);

/// How long Nodefall is watched at rest.
const REST: Duration = Duration::from_secs(180);

/// Plays it on a clock of its own.
pub fn play(history: &History, tells: bool) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    panics::note();
    let mut record = runtime.block_on(async { Play::new(history, tells).run().await });
    record.broken.extend(panics::noted());
    record
}

enum Task {
    Act(Act),
    /// The alerts' sender looks.
    Look,
    /// To a replica, for a node.
    Notify(String, bool),
    /// A replica starts anew.
    Start(usize),
}

struct Play<'h> {
    history: &'h History,
    cluster: Cluster,
    wire: Wire,
    replicas: Vec<Option<Replica>>,
    /// How often each was started, and how long it is away after its death.
    lives: Vec<(usize, Duration)>,
    /// When a replica was started last, after the beginning.
    last_start: Duration,
    deaths: (UnboundedSender<Arc<str>>, UnboundedReceiver<Arc<str>>),
    sender: Sender,
    rng: Rng,
    began: Instant,
    queue: BTreeMap<(Duration, usize), Task>,
    queued: usize,
    speaks: BTreeMap<String, Vec<(Timestamp, bool)>>,
    timeline: Option<(Timeline, Vec<Line>)>,
}

impl<'h> Play<'h> {
    fn new(history: &'h History, tells: bool) -> Self {
        let cluster = Cluster::new(Constants::default(), &history.layout);
        let wire = Wire::new(&cluster);
        let timeline = tells.then(|| (cluster.read(Timeline::new), Vec::new()));
        Self {
            history,
            wire,
            replicas: (0..history.replicas).map(|_| None).collect(),
            lives: vec![(0, Duration::ZERO); history.replicas],
            last_start: Duration::ZERO,
            deaths: unbounded_channel(),
            sender: Sender::new(history.alerting),
            rng: Rng::with_seed(history.seed ^ 0x5eed),
            began: Instant::now() + WARM_UP,
            queue: BTreeMap::new(),
            queued: 0,
            speaks: BTreeMap::new(),
            timeline,
            cluster,
        }
    }

    async fn run(mut self) -> Record {
        let cluster = self.cluster.clone();
        tokio::spawn(async move { cluster.run().await });
        sleep_until(self.began).await;
        for place in 0..self.history.replicas {
            self.start(place);
        }
        for (at, act) in &self.history.acts {
            self.queue(*at, Task::Act(act.clone()));
        }
        self.queue(Duration::ZERO, Task::Look);
        self.until(TROUBLE).await;
        stage::calm(&self.cluster);
        self.note_speech();
        let mut left = self.settle().await;
        let mut rest = None;
        if left.is_empty() && self.history.idles {
            let began = self.cluster.now();
            let mut troubled = self.troubled().await;
            self.until(self.began.elapsed() + REST).await;
            troubled.extend(self.troubled().await);
            rest = Some(Rest { began, troubled });
            left = self.left();
        }
        self.record(left, rest).await
    }

    fn queue(&mut self, at: Duration, task: Task) {
        self.queued += 1;
        self.queue.insert((at, self.queued), task);
    }

    /// Does what is due until `end`, after the start.
    async fn until(&mut self, end: Duration) {
        loop {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = next.filter(|at| *at <= end);
            tokio::select! {
                biased;
                Some(name) = self.deaths.1.recv() => self.died(&name),
                () = sleep_until(self.began + due.unwrap_or(end)) => {
                    match self.queue.pop_first() {
                        Some((_, task)) if due.is_some() => self.perform(task).await,
                        Some((key, task)) => {
                            self.queue.insert(key, task);
                            break;
                        }
                        None => break,
                    }
                }
            }
            self.observe();
        }
        self.observe();
    }

    async fn perform(&mut self, task: Task) {
        match task {
            Task::Act(act) => self.act(act).await,
            Task::Start(place) => self.start(place),
            Task::Look => {
                let due = {
                    let (sender, rng) = (&mut self.sender, &mut self.rng);
                    self.cluster.read(|world| sender.look(world, rng))
                };
                let now = self.began.elapsed();
                for it in due {
                    self.queue(now + it.delay, Task::Notify(it.node, it.firing));
                }
                self.queue(now + sender::EVERY, Task::Look);
            }
            Task::Notify(node, firing) => {
                let body = payload(&labels(&self.history.config, &node), firing);
                let all = self.history.config.period.is_none();
                let chosen = self.rng.usize(..self.replicas.len());
                for place in 0..self.replicas.len() {
                    if all || place == chosen {
                        self.post(place, body.clone()).await;
                    }
                }
            }
        }
    }

    async fn act(&mut self, act: Act) {
        self.say(format!("* {act}"));
        match act {
            Act::Crash {
                replica,
                after,
                effective,
                back,
            } => {
                self.lives[replica].1 = back;
                if let Some(replica) = &self.replicas[replica] {
                    replica.life.ends(after, effective);
                }
            }
            Act::Restart(place) => {
                if let Some(replica) = self.replicas[place].take() {
                    tokio::spawn(replica.stop());
                    self.start(place);
                }
            }
            Act::Alert {
                replica,
                firing,
                labels,
            } => self.post(replica, payload(&labels, firing)).await,
            Act::Forged(replica, count) => {
                let forged = |number| labels(&self.history.config, &format!("forged-{number}"));
                let alerts: Vec<_> = (0..count).map(forged).collect();
                self.post(replica, sender::notification(&alerts, true))
                    .await;
            }
            Act::Garbage(replica, body) => self.post(replica, body.to_owned()).await,
            act => {
                stage::perform(&self.cluster, &act).await;
                self.note_speech();
            }
        }
    }

    async fn post(&mut self, place: usize, body: String) {
        if let Some(replica) = &self.replicas[place] {
            let (status, answer) = replica.post(body.clone()).await;
            self.say(format!(
                "  {place} is sent {body}: {status} {}",
                answer.trim()
            ));
        }
    }

    fn start(&mut self, place: usize) {
        let name = replica::name(place, self.lives[place].0);
        self.lives[place].0 += 1;
        self.last_start = self.began.elapsed();
        self.say(format!("* {name} starts"));
        let life = Life::new(&name, self.deaths.0.clone());
        let (history, now) = (self.history, self.cluster.now());
        let replica = Replica::start(&history.config, &self.wire, life, name, now, history.skew);
        self.replicas[place] = Some(replica);
    }

    fn died(&mut self, name: &str) {
        let is_it = |replica: &Option<Replica>| replica.as_ref().is_some_and(|it| it.name == name);
        let Some(place) = self.replicas.iter().position(is_it) else {
            return;
        };
        self.say(format!("* {name} is dead"));
        if let Some(replica) = self.replicas[place].take() {
            replica.kill();
        }
        let back = self.began.elapsed() + self.lives[place].1;
        self.queue(back, Task::Start(place));
    }

    /// Notes which kubelets speak now.
    fn note_speech(&mut self) {
        let speaks = &mut self.speaks;
        self.cluster.read(|world| {
            for (node, machine) in &world.machines {
                let log = speaks.entry(node.clone()).or_default();
                if log.last().is_none_or(|(_, last)| *last != machine.speaks()) {
                    log.push((world.now, machine.speaks()));
                }
            }
        });
    }

    fn observe(&mut self) {
        if let Some((timeline, lines)) = &mut self.timeline {
            lines.extend(self.cluster.read(|world| timeline.look(world)));
        }
    }

    fn say(&mut self, text: String) {
        if let Some((_, lines)) = &mut self.timeline {
            let at = self.cluster.now();
            lines.push(Line { at, text });
        }
    }

    async fn record(mut self, left: Vec<Left>, rest: Option<Rest>) -> Record {
        let mut told = BTreeMap::new();
        let mut suspected = 0.0;
        let mut broken = Vec::new();
        for replica in self.replicas.iter().flatten() {
            if replica.is_over() {
                broken.push(format!("the work of {} ended by itself", replica.name));
            }
            told.insert(replica.name.clone(), replica.status().await);
            suspected += replica.metric("nodefall_suspected_nodes").await;
        }
        self.observe();
        let about_pods = |entry: &&Entry| entry.truth.is_some() && entry.is_write();
        let audit = self.cluster.read(|world| {
            let entries = world.audit.iter().filter(about_pods);
            entries.cloned().collect()
        });
        Record {
            history: self.history.clone(),
            calls: std::mem::take(&mut *self.wire.calls()),
            audit,
            speaks: self.speaks,
            left,
            told,
            suspected,
            rest,
            broken,
            tasks: (
                tokio::runtime::Handle::current()
                    .metrics()
                    .num_alive_tasks(),
                self.lives.iter().map(|(starts, _)| starts).sum(),
            ),
            end: self.cluster.now(),
            lines: self.timeline.map(|(_, lines)| lines).unwrap_or_default(),
        }
    }
}
