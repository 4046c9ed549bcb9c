//! What is to be seen of a node from outside, beside what must be seen.

use super::conditions;
use super::world::{Fate, Picture, Wanted, World};
use crate::support::node::{Node, service_of};
use crate::support::processes::Process;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The status and the processes at one moment.
pub(super) struct Observed {
    pub(super) status: Value,
    processes: BTreeMap<String, Vec<Process>>,
}

impl Observed {
    pub(super) fn of(node: &Node) -> Self {
        let mut processes: BTreeMap<String, Vec<Process>> = BTreeMap::new();
        for process in node.processes() {
            processes
                .entry(process.instance().unwrap().to_owned())
                .or_default()
                .push(process);
        }
        Self {
            status: node.status(),
            processes,
        }
    }

    /// What is seen of each application, if that may be; else the first thing that is not as it is desired.
    pub(super) fn pictures(&self, world: &World) -> Result<BTreeMap<&'static str, Picture>, String> {
        let named = self.status["applications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["name"].as_str().unwrap());
        if !named.clone().eq(world.applications.keys().copied()) {
            return Err(format!("applications {:?}", named.collect::<Vec<_>>()));
        }
        let mut pictures = BTreeMap::new();
        for name in world.applications.keys() {
            pictures.insert(*name, self.picture(name, world)?);
        }
        let known: BTreeSet<String> = pictures.iter().flat_map(|(name, picture)| ids(name, picture)).collect();
        conditions::of_node(&self.status)?;
        match self.processes.keys().find(|instance| !known.contains(*instance)) {
            Some(instance) => Err(format!("an orphan of {instance}: {:?}", self.processes[instance])),
            None => Ok(pictures),
        }
    }

    /// The first of the alternatives that an application is; if it is none, what is wrong with the first.
    fn picture(&self, application: &str, world: &World) -> Result<Picture, String> {
        let mut wrong = Vec::new();
        for picture in world.alternatives(application) {
            match self.is(application, &picture, world.is_newest(application, &picture)) {
                Ok(()) => return Ok(picture),
                Err(what) => wrong.push(what),
            }
        }
        Err(wrong.join("; nor: "))
    }

    fn is(&self, application: &str, picture: &Picture, is_newest: bool) -> Result<(), String> {
        let all = self.status["applications"].as_array().unwrap();
        let shown = all
            .iter()
            .find(|it| it["name"] == application)
            .ok_or("no application")?;
        conditions::of_application(shown, picture, is_newest)?;
        for (service, wanted) in picture {
            let shown = service_of(&self.status, application, service).ok_or("no service")?;
            let ids: Vec<String> = ids_of(application, service, wanted).collect();
            self.service(shown, &ids, wanted, is_newest)
                .map_err(|what| format!("{application}.{service} {wanted:?}: {what}"))?;
        }
        Ok(())
    }

    fn service(&self, shown: &Value, ids: &[String], wanted: &Wanted, is_newest: bool) -> Result<(), String> {
        if wanted.fate == Fate::Runs {
            self.runs(shown, ids, wanted)?;
            // What cannot be had of the newest version is told though the one before runs.
            if is_newest && shown["state"] != "running" {
                return Err(format!("{shown}"));
            }
            return conditions::of_running(shown, is_newest);
        }
        let fails = wanted.replicas > 0 && wanted.fate == Fate::Fails;
        if fails {
            conditions::of_failing(shown)?;
        }
        for id in ids {
            let tokens: BTreeSet<_> = self.of_instance(id).iter().map(token).collect();
            if tokens.len() > 1 {
                return Err(format!("{id} runs more than once: {tokens:?}"));
            }
        }
        match shown["reason"].as_str() {
            Some("") if fails => Err("no reason is shown".into()),
            _ => Ok(()),
        }
    }

    fn runs(&self, shown: &Value, ids: &[String], wanted: &Wanted) -> Result<(), String> {
        let instances = shown["instances"].as_array().unwrap();
        if instances.len() != ids.len() {
            return Err(format!("{shown}"));
        }
        for (instance, id) in instances.iter().zip(ids) {
            let processes = self.of_instance(id);
            let wrong = processes.iter().find(|process| self::shown(process) != wanted.shown);
            if let Some(wrong) = wrong {
                return Err(format!("{id} runs `{}`", self::shown(wrong)));
            }
            let tokens: BTreeSet<_> = processes.iter().map(token).collect();
            if processes.len() != wanted.processes || tokens.len() != 1 {
                return Err(format!("{id} has {processes:?}"));
            }
            let is_first = |process: &Process| instance["pid"] == process.pid;
            if instance["id"] != **id || instance["state"] != "running" || !processes.iter().any(is_first) {
                return Err(format!("{id} has {processes:?}, and is said to be {instance}"));
            }
        }
        Ok(())
    }

    pub(super) fn of_instance(&self, id: &str) -> &[Process] {
        self.processes.get(id).map_or(&[], Vec::as_slice)
    }
}

fn ids(application: &str, picture: &Picture) -> Vec<String> {
    let ids = picture
        .iter()
        .flat_map(|(service, wanted)| ids_of(application, service, wanted));
    ids.collect()
}

fn ids_of(application: &str, service: &str, wanted: &Wanted) -> impl Iterator<Item = String> {
    (1..=wanted.replicas).map(move |n| format!("{application}.{service}.{n}"))
}

fn token(process: &Process) -> &str {
    process.environment.get("AEROLITH_TOKEN").map_or("", String::as_str)
}

/// What a process was given, as [`Wanted::shown`] has it.
fn shown(process: &Process) -> String {
    let of = |name: &str| process.environment.get(name).map_or("", String::as_str);
    format!(
        "{} {} {} {}",
        of("PACKAGE"),
        of("VARIABLE"),
        of("CONFIGURATION"),
        of("SECRET")
    )
}
