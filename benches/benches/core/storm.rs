//! B7: many services that end at once, and a good one among them that is killed.

use crate::Bench;
use crate::program::{Service, application};
use benches::{Node, Place, Times};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Who has worked this long is restarted at once; the storm has abated by then.
const HEALTHY: Duration = Duration::from_millis(10_500);

pub(crate) fn measure(bench: &Bench) -> String {
    let (mut times, crashing) = (Times::default(), bench.size(100, 5));
    let (healthy, births) = (if bench.full { HEALTHY } else { Duration::ZERO }, &bench.births);
    let told = Place::memory().with_folder(|folder| {
        let node = Node::start(&bench.daemon, folder);
        let good = application("good", 0, &[Service::new("good", births)]);
        let crash = |n| Service::new(format!("crash-{n}"), births).env("CRASH", &1);
        let storm = application("storm", 0, &(0..crashing).map(crash).collect::<Vec<_>>());
        node.apply(&[bench.program.package(0), good]);
        let mut pid = births.next().pid;
        node.apply(&[storm]);
        let first = births.count_until(Instant::now() + healthy);
        let (begun, before, mut starts) = (Instant::now(), node.work(), 0);
        for _ in 0..bench.rounds {
            let killed = Instant::now();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            let again = births.of("good");
            pid = again.pid;
            times.add("from its kill until it runs again", again.at - killed);
            starts += births.count_until(Instant::now() + healthy);
        }
        let (wall, work) = (begun.elapsed().as_secs_f64(), (node.work() - before).as_secs_f64());
        let per_second = starts as f64 / wall;
        let per_minute = work / wall * 60.0;
        let percent = work / wall * 100.0;
        format!(
            "\n{first} starts in the first ten seconds, then {per_second:.1} a second. The daemon works {per_minute:.2} s a \
             minute ({percent:.1} %).\n"
        )
    });
    // Some may have been told late, whom nobody else expects.
    births.count_until(Instant::now() + Duration::from_millis(100));
    let title = format!("B7: the good service among {crashing} that end at once");
    times.table(&title) + &told
}
