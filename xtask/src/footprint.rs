//! Measures what a node costs that does nothing: bytes on disk, time to start, memory. Writes `docs/records/footprint.md`.

use crate::demo::Node;
use crate::{plugins, root};
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a node is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(20);

/// Measures so many starts.
pub(crate) fn run(starts: usize) -> Result<()> {
    let folder = root().join("target/dist");
    let aerolith = plugins::release(&folder)?;
    let mut record =
        String::from("# Footprint of an idle node\n\nDaemon and the plugins that ship, built as they ship; ");
    writeln!(
        record,
        "x86-64, {} cores. Written by `cargo xtask campaign footprint {starts}`.\n",
        cores()
    )?;
    sizes(&mut record, &folder)?;
    let floor = median((0..starts).map(|_| true_takes()).collect::<Result<_>>()?);
    let (mut first, mut ready, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..starts {
        let folder = tempfile::Builder::new().prefix("aerolith-footprint-").tempdir()?;
        // The first start of a folder makes it; the second is what every further boot costs.
        for boot in 0..2 {
            let mut node = Node::spawn(&aerolith, folder.path())?;
            let answer = answered(&folder.path().join("aerolith.sock"), node.began())?;
            node.wait_until_ready()?;
            if boot == 1 {
                first.push(answer);
                ready.push(node.began().elapsed());
            }
            if boot == 1 && n < 3 {
                std::thread::park_timeout(SETTLE);
                memory.push(pss(node.pid())?);
            }
            node.stop()?;
        }
    }
    writeln!(
        record,
        "\n| figure | floor: spawn and wait for `true` | median of {starts} starts | pass | lead |"
    )?;
    writeln!(record, "|---|---|---|---|---|")?;
    writeln!(
        record,
        "| B4 start to first answer of the API | {floor:.1?} | {:.1?} | 60 ms | 25 ms |",
        median(first)
    )?;
    writeln!(
        record,
        "| start to every plugin running | {floor:.1?} | {:.1?} | – | – |",
        median(ready)
    )?;
    memory.sort_unstable();
    let middle = memory.get(memory.len() / 2).copied().unwrap_or(0);
    writeln!(
        record,
        "\n| figure | kB, median of {} | pass | lead |\n|---|---|---|---|",
        memory.len()
    )?;
    writeln!(
        record,
        "| B1 idle PSS {SETTLE:?} after the start | {middle} | 12288 | 8192 |"
    )?;
    print!("{record}");
    fs::create_dir_all(root().join("docs/records"))?;
    fs::write(root().join("docs/records/footprint.md"), record)?;
    Ok(())
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn sizes(record: &mut String, folder: &Path) -> Result<()> {
    writeln!(record, "| B15 file | bytes | pass | lead |\n|---|---|---|---|")?;
    writeln!(
        record,
        "| aerolith | {} | 8 MB | 4 MB |",
        fs::metadata(folder.join("aerolith"))?.len()
    )?;
    let mut files: Vec<_> = fs::read_dir(folder.join("plugins"))?.collect::<std::io::Result<_>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let lead = if name.contains("http") || name.contains("s3") {
            "3 MB"
        } else {
            "1.5 MB"
        };
        writeln!(record, "| {name} | {} | 4 MB | {lead} |", file.metadata()?.len())?;
    }
    Ok(())
}

/// The floor: how long the machine takes to start and end the smallest program.
fn true_takes() -> Result<Duration> {
    let began = Instant::now();
    Command::new("true").stdin(Stdio::null()).status().context("true")?;
    Ok(began.elapsed())
}

/// Time until the API answers for the first time.
fn answered(socket: &Path, began: Instant) -> Result<Duration> {
    loop {
        if let Ok(mut stream) = UnixStream::connect(socket) {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            return Ok(began.elapsed());
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "the API does not answer");
        std::thread::yield_now();
    }
}

/// Proportional set size of a process in kB.
fn pss(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Pss:"))
        .context("no Pss line")?;
    line.split_whitespace()
        .nth(1)
        .context("no figure")?
        .parse()
        .context("no number")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
