//! `engine/1`: an engine that runs programs (kind `process`), with small shell scripts as programs.

mod script;

use crate::Report;
use crate::expect::{done, ensure, equal};
use crate::instance::Shared;
use crate::report::Outcome;
use aerolith_plugin_wire::engine::{Client, Exit, Fingerprint, Handle, Recover, Stop, Workload};
use aerolith_plugin_wire::stream;
use script::Workspace;
use std::path::Path;

/// Time between asking and killing of those that end when asked, milliseconds.
const PATIENT: u64 = 5_000;
/// The same of those that do not.
const BRIEF: u64 = 200;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// A script that tells that it runs, then waits to be ended; `exec` makes the shell itself the one that waits.
const WAITS: &str = "echo begun; exec sleep 1000";

/// Runs the suite on an instance that was started. In `workspace`, an existing directory, it makes folders of its own.
pub async fn run(service: &Shared, workspace: &Path) -> Report {
    let (client, space) = (Client(service.clone()), Workspace::of(workspace));
    let mut report = Report::default();
    report.check("it runs programs", runs_programs(&client)).await;
    report
        .check("its first fingerprint says whether it is ready", fingerprint(&client))
        .await;
    report
        .check("the exit status comes back", exit_status(&client, &space))
        .await;
    report
        .check("a signal that ended it comes back", exit_signal(&client, &space))
        .await;
    report
        .check("waiting again answers the same", waited_twice(&client, &space))
        .await;
    report
        .check(
            "the program gets its arguments, environment and directory",
            surroundings(&client, &space),
        )
        .await;
    report
        .check("output is appended, both kinds of it", output(&client, &space))
        .await;
    report
        .check(
            "a program that is not there is refused by name",
            missing_program(&client, &space),
        )
        .await;
    report
        .check("one that ends when asked is not killed", asked(&client, &space))
        .await;
    report
        .check("one that does not end when asked is killed", killed(&client, &space))
        .await;
    report
        .check("what it started ends with it", children(&client, &space))
        .await;
    report
        .check("status tells whether it runs, and its process", status(&client, &space))
        .await;
    report.check("a signal is delivered", signalled(&client, &space)).await;
    report
        .check("it is found again by its handle", recovered(&client, &space, true))
        .await;
    report
        .check("it is found again by its mark alone", recovered(&client, &space, false))
        .await;
    report
        .check("one that has ended is not found again", not_recovered(&client, &space))
        .await;
    report
}

type Engine = Client<Shared>;

async fn start(engine: &Engine, workload: &Workload) -> std::result::Result<Handle, String> {
    done("prepare", engine.prepare(workload).await)?;
    let handle = done("start", engine.start(workload).await)?;
    equal("the handle's instance", &handle.instance, &workload.instance)?;
    equal("the handle's token", &handle.token, &workload.token)?;
    Ok(handle)
}

async fn wait(engine: &Engine, handle: &Handle) -> std::result::Result<Exit, String> {
    done("wait", engine.wait(handle).await)
}

async fn stop(engine: &Engine, handle: &Handle, grace_ms: u64) -> std::result::Result<Exit, String> {
    let exit = done(
        "stop",
        engine
            .stop(&Stop {
                handle: handle.clone(),
                grace_ms,
            })
            .await,
    )?;
    remove(engine, handle).await?;
    Ok(exit)
}

async fn remove(engine: &Engine, handle: &Handle) -> Outcome {
    done("remove", engine.remove(handle).await)
}

/// Runs a script to its end.
async fn ran(engine: &Engine, workload: &Workload) -> std::result::Result<Exit, String> {
    let handle = start(engine, workload).await?;
    let exit = wait(engine, &handle).await?;
    remove(engine, &handle).await?;
    Ok(exit)
}

fn exited(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}

fn ended_by(signal: i32) -> Exit {
    Exit {
        signal: Some(signal),
        ..Exit::default()
    }
}

async fn runs_programs(engine: &Engine) -> Outcome {
    equal(
        "the kind",
        &done("capabilities", engine.capabilities().await)?.kind,
        &"process".to_owned(),
    )
}

async fn fingerprint(engine: &Engine) -> Outcome {
    let (sink, mut items) = stream::channel::<Fingerprint>(1);
    let engine = engine.clone();
    let watching = tokio::spawn(async move { engine.fingerprint(sink).await });
    let first = done("fingerprint", items.next().await);
    watching.abort();
    let first = first?.ok_or("fingerprint ended without an item")?;
    ensure!(first.ready, "it is not ready: {}", first.message);
    Ok(())
}

async fn exit_status(engine: &Engine, space: &Workspace) -> Outcome {
    for code in [0, 7] {
        let workload = space.script("exits", &format!("exit {code}"))?;
        equal("the exit", &ran(engine, &workload).await?, &exited(code))?;
    }
    Ok(())
}

async fn exit_signal(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script("kills-itself", "kill -KILL $$")?;
    equal("the exit", &ran(engine, &workload).await?, &ended_by(SIGKILL))
}

async fn waited_twice(engine: &Engine, space: &Workspace) -> Outcome {
    let handle = start(engine, &space.script("waited-twice", "exit 3")?).await?;
    let first = wait(engine, &handle).await?;
    equal("the second answer", &wait(engine, &handle).await?, &first)?;
    remove(engine, &handle).await
}

async fn surroundings(engine: &Engine, space: &Workspace) -> Outcome {
    let hidden = hidden();
    let script = format!("echo \"$#:$1:$2\"; echo \"$TESTKIT:${{{hidden}-none}}\"; pwd -P");
    let mut workload = space.script("surroundings", &script)?;
    workload.arguments = vec!["one two".into(), "$three".into()];
    workload.environment.insert("TESTKIT".into(), "a b".into());
    workload.environment.remove(&hidden);
    equal("the exit", &ran(engine, &workload).await?, &exited(0))?;
    let directory = space.canonical(&workload)?;
    equal(
        "the output",
        &space.output(&workload)?,
        &format!("2:one two:$three\na b:none\n{directory}\n"),
    )
}

/// A variable of this process that an instance must not see: none of those that every program expects, and none that a shell
/// sets itself.
fn hidden() -> String {
    const SEEN: [&str; 8] = ["PATH", "HOME", "LANG", "TZ", "PWD", "OLDPWD", "SHLVL", "_"];
    let is_plain = |name: &String| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let mut names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let found = names.find(|name| is_plain(name) && !SEEN.contains(&name.as_str()) && !name.starts_with("LC_"));
    found.unwrap_or_else(|| "NOTHING_TO_HIDE".to_owned())
}

async fn output(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script("output", "echo out; echo err >&2")?;
    std::fs::write(&workload.output, "before\n").map_err(|e| e.to_string())?;
    ran(engine, &workload).await?;
    equal(
        "the output",
        &space.output(&workload)?,
        &"before\nout\nerr\n".to_owned(),
    )
}

async fn missing_program(engine: &Engine, space: &Workspace) -> Outcome {
    let mut workload = space.script("missing", "exit 0")?;
    if let Some(program) = &mut workload.program {
        program.entry = "no-such-program".into();
    }
    let error = match engine.start(&workload).await {
        Ok(handle) => return Err(format!("start answered {handle:?}")),
        Err(error) => error,
    };
    ensure!(
        error.message.contains("no-such-program"),
        "`{error}` does not name no-such-program"
    );
    Ok(())
}

async fn asked(engine: &Engine, space: &Workspace) -> Outcome {
    let polite = "trap 'exit 5' TERM; echo begun; while :; do sleep 0.01; done";
    let workload = space.script("polite", polite)?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    equal("the exit", &stop(engine, &handle, PATIENT).await?, &exited(5))
}

async fn killed(engine: &Engine, space: &Workspace) -> Outcome {
    let stubborn = "trap '' TERM; echo begun; while :; do sleep 0.01; done";
    let workload = space.script("stubborn", stubborn)?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    equal("the exit", &stop(engine, &handle, BRIEF).await?, &ended_by(SIGKILL))
}

async fn children(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script("parent", "sleep 1000 & echo $! > child; echo begun; wait")?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    let child = space.number(&workload, "child")?;
    stop(engine, &handle, BRIEF).await?;
    space.vanished(child).await
}

async fn status(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script("status", &format!("echo $$ > pid; {WAITS}"))?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    let alive = done("status", engine.status(&handle).await)?;
    equal("running", &alive.running, &true)?;
    equal("the process id", &alive.pid, &Some(space.number(&workload, "pid")?))?;
    done("stats", engine.stats(&handle).await)?;
    equal(
        "the exit",
        &done(
            "stop",
            engine
                .stop(&Stop {
                    handle: handle.clone(),
                    grace_ms: PATIENT,
                })
                .await,
        )?,
        &ended_by(SIGTERM),
    )?;
    equal(
        "running",
        &done("status", engine.status(&handle).await)?.running,
        &false,
    )?;
    remove(engine, &handle).await
}

async fn signalled(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script(
        "signalled",
        "trap 'exit 9' USR1; echo begun; while :; do sleep 0.01; done",
    )?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    let signal = aerolith_plugin_wire::engine::Signal {
        handle: handle.clone(),
        number: 10,
    };
    done("signal", engine.signal(&signal).await)?;
    equal("the exit", &wait(engine, &handle).await?, &exited(9))?;
    remove(engine, &handle).await
}

async fn recover(engine: &Engine, handle: &Handle, told: bool) -> std::result::Result<Option<Handle>, String> {
    let (instance, token) = (handle.instance.clone(), handle.token.clone());
    let request = Recover {
        instance,
        token,
        handle: told.then(|| handle.clone()),
    };
    Ok(done("recover", engine.recover(&request).await)?.handle)
}

async fn recovered(engine: &Engine, space: &Workspace, told: bool) -> Outcome {
    let workload = space.script("recovered", WAITS)?;
    let handle = start(engine, &workload).await?;
    space.begun(&workload).await?;
    let found = recover(engine, &handle, told).await?;
    // Ended by the handle that `start` gave where none was found, so that nothing is left running.
    let exit = stop(engine, found.as_ref().unwrap_or(&handle), PATIENT).await?;
    ensure!(found.is_some(), "it was not found although it ran");
    ensure!(
        exit.unknown || exit == ended_by(SIGTERM),
        "the exit is {exit:?}: expected signal {SIGTERM} or unknown"
    );
    Ok(())
}

async fn not_recovered(engine: &Engine, space: &Workspace) -> Outcome {
    let workload = space.script("gone", "exit 0")?;
    let handle = start(engine, &workload).await?;
    wait(engine, &handle).await?;
    for told in [true, false] {
        equal("what was found", &recover(engine, &handle, told).await?, &None)?;
    }
    remove(engine, &handle).await
}
