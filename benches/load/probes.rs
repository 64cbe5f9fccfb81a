//! Asks, all the while, what must be answered whatever else goes on: two pages, and genuine alerts.

use nodefall_testbed::gauge::open_files;
use nodefall_testbed::http::{self, Answer};
use nodefall_testbed::receiver::Receiver;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// What is asked, in this order.
pub const PROBES: [&str; 3] = ["/metrics", "/-/healthy", "alert"];

const BETWEEN: Duration = Duration::from_millis(100);

/// A genuine alert for one more node is sent so often, until there is none left.
const NEXT_NODE: Duration = Duration::from_secs(1);

/// What the probes met.
#[derive(Default)]
pub struct Met {
    /// The slowest answer of each probe.
    pub slowest: BTreeMap<&'static str, Duration>,
    /// Answers that are not what they should be, and how often.
    pub wrong: BTreeMap<String, usize>,
    /// The nodes whose alert was taken.
    pub taken: BTreeSet<String>,
    /// The most files that the program had open.
    pub files: usize,
    /// How often each was asked.
    pub rounds: usize,
}

/// Probes that go on until they are stopped.
pub struct Probes {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Met>,
}

impl Probes {
    /// Starts them; `nodes` are those whose genuine alerts are sent.
    pub fn start(receiver: &Receiver, nodes: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address, process) = (stop.clone(), receiver.address, receiver.process.id());
        let thread = spawn(move || {
            let began = Instant::now();
            let mut met = Met::default();
            while !stopped.load(Ordering::Relaxed) {
                let known = began.elapsed().as_secs() / NEXT_NODE.as_secs() + 1;
                let known = nodes.len().min(known as usize);
                for probe in PROBES {
                    let node = &nodes[met.rounds % known];
                    met.ask(address, probe, node);
                    met.files = met.files.max(open_files(process));
                }
                met.rounds += 1;
                sleep(BETWEEN);
            }
            met
        });
        Self { stop, thread }
    }

    /// Stops them and says what they met.
    pub fn stop(self) -> Met {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("probes do not panic")
    }
}

impl Met {
    fn ask(&mut self, address: SocketAddr, probe: &'static str, node: &str) {
        let asked = Instant::now();
        let (answer, wanted) = match probe {
            "alert" => {
                let body = http::notification("firing", node);
                (http::post(address, "application/json", &body), 202)
            }
            page => (http::get(address, page), 200),
        };
        let took = asked.elapsed();
        let slowest = self.slowest.entry(probe).or_default();
        *slowest = took.max(*slowest);
        match wrong(answer, wanted) {
            Some(wrong) => *self.wrong.entry(format!("{probe}: {wrong}")).or_default() += 1,
            None if probe == "alert" => {
                self.taken.insert(node.to_owned());
            }
            None => {}
        }
    }
}

fn wrong(answer: io::Result<Answer>, wanted: u16) -> Option<String> {
    match answer {
        Ok(answer) if answer.status == wanted => None,
        Ok(answer) => Some(answer.status.to_string()),
        Err(error) => Some(error.kind().to_string()),
    }
}
