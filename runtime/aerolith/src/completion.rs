//! What a shell offers when TAB is pressed: commands and words as clap knows them, names as the daemon does. A daemon that does
//! not answer at once, or not at all, offers nothing and says nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use aerolith_api::NodeStatus;
use aerolith_model::ResourceKind;
use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use hyper::Method;
use serde_json::Value;
use tokio::time::timeout;

use crate::arguments::{Arguments, Kind};
use crate::asking;
use crate::target::named;

/// What a completion script sets to ask this program.
const VARIABLE: &str = "AEROLITH_COMPLETE";
/// How long a shell may be kept waiting.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers a completion script, if one asks, and ends the program then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// The script that makes a shell ask this program.
pub(crate) fn script(shell: &str) -> anyhow::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells.completer(shell);
    let shell = shell.ok_or_else(|| anyhow::anyhow!("no completions are known for this shell"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "aerolith", "aerolith", "aerolith", &mut script)?;
    Ok(script)
}

/// The names of all resources of the kind that was typed before.
pub(crate) fn resources() -> Vec<CompletionCandidate> {
    let words: Vec<String> = words().collect();
    let kind = words.iter().find_map(|word| Kind::from_str(word, true).ok());
    kind.map_or_else(Vec::new, |kind| of_kind(kind.into()))
}

/// The names of all applications.
pub(crate) fn applications() -> Vec<CompletionCandidate> {
    of_kind(ResourceKind::Application)
}

/// The names of all plugin instances.
pub(crate) fn plugins() -> Vec<CompletionCandidate> {
    candidates(ask("/v1/plugins").map(|list| names(&list)))
}

/// The names of all applications, their services and the instances of these.
pub(crate) fn targets() -> Vec<CompletionCandidate> {
    let status = ask("/v1/status").and_then(|status| serde_json::from_value(status).ok());
    candidates(status.map(|status| parts(&status)))
}

fn of_kind(kind: ResourceKind) -> Vec<CompletionCandidate> {
    candidates(ask(&format!("/v1/{kind}s")).map(|list| names(&list)))
}

fn parts(status: &NodeStatus) -> Vec<String> {
    let mut all = Vec::new();
    for application in &status.applications {
        all.push(application.name.clone());
        for service in &application.services {
            all.push(named(&application.name, &service.name));
            all.extend(service.instances.iter().map(|instance| instance.id.clone()));
        }
    }
    all
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let names = items.filter_map(|item| item["name"].as_str());
    names.map(str::to_owned).collect()
}

fn candidates(names: Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let names = names.into_iter().flatten();
    names.map(CompletionCandidate::new).collect()
}

/// The daemon's answer, if it comes in time.
fn ask(target: &str) -> Option<Value> {
    let in_time = asking(socket(), async |client| {
        Ok(timeout(PATIENCE, client.json(Method::GET, target)).await?)
    });
    in_time.ok()?.ok()
}

/// The socket of the line that is being typed, else of the environment.
fn socket() -> Option<PathBuf> {
    let words: Vec<String> = words().collect();
    let given = words.iter().position(|word| word == "--socket");
    let joined = words.iter().find_map(|word| word.strip_prefix("--socket="));
    let given = given.and_then(|at| words.get(at + 1)).map(String::as_str).or(joined);
    given.map(PathBuf::from).or_else(crate::socket_of_environment)
}

/// The words of the line that is being typed: what stands behind `--`.
fn words() -> impl Iterator<Item = String> {
    let behind = std::env::args_os().skip_while(|word| word != "--").skip(2);
    behind.filter_map(|word: OsString| word.into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_api::{Application, Instance, Service};

    #[test]
    fn everything_that_can_be_meant_is_offered_by_the_name_that_is_shown() {
        let instance = Instance {
            id: "shop.web.1".into(),
            ..Instance::default()
        };
        let web = Service {
            name: "web".into(),
            instances: vec![instance],
            ..Service::default()
        };
        let shop = Application {
            name: "shop".into(),
            services: vec![web],
            ..Application::default()
        };
        let status = NodeStatus {
            applications: vec![shop],
            ..NodeStatus::default()
        };
        assert_eq!(parts(&status), ["shop", "shop.web", "shop.web.1"]);
    }
}
