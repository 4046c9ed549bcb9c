//! B6: the first restart of what had worked for ten seconds.

use crate::program::{Service, application};
use crate::runit::{self, Runit};
use crate::{Bench, floor};
use benches::{Node, Place, Times};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Who has worked this long is restarted at once.
const HEALTHY: Duration = Duration::from_millis(10_500);

pub(crate) fn measure(bench: &Bench) -> String {
    let (births, count) = (&bench.births, bench.size(20, 2));
    let mut times = Times::default();
    Place::memory().with_folder(|folder| {
        let node = Node::start(&bench.daemon, folder);
        let services: Vec<_> = (0..count).map(|n| Service::new(format!("ours-{n}"), births)).collect();
        node.apply(&[bench.program.package(0), application("app", 0, &services)]);
        let ours = births.all(count).0;
        let runit =
            runit::is_here().then(|| Runit::start(&bench.program, births, (0..count).map(|n| format!("runit-{n}"))));
        let peers = runit.as_ref().map(|_| births.all(count).0).unwrap_or_default();
        std::thread::park_timeout(if bench.full { HEALTHY } else { Duration::ZERO });
        for (n, (name, pid)) in ours.iter().enumerate() {
            times.add(
                "floor: killed, waited for, spawned",
                floor::restart(&bench.program, births),
            );
            let peer = peers.iter().nth(n).map(|(name, pid)| ("runit", name, pid));
            for (who, name, pid) in peer.into_iter().chain([("ours", name, pid)]) {
                let killed = Instant::now();
                kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
                times.add(who, births.of(name).at - killed);
            }
        }
    });
    times.compared("B6: from kill -9 until it runs again, up for ten seconds before")
}
