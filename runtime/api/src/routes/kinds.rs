//! `/v1/{kind}` and what is below: resources as they are desired, and as they were.

use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind, SECRET_TYPE_LABEL};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::resources::{self, text};
use super::{Params, Place, dotted, number};
use crate::control::{self, Control, Versioned};
use crate::document::{apart, read};
use crate::failure::{Failure, Reason};
use crate::redact::shown;
use crate::view::{Applied, Retried};

/// What a path calls a kind: a kind of resource, or secrets of some types alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    plural: &'static str,
    kind: ResourceKind,
    /// Values of the label `secret-type` (Baetyl v2); empty for all.
    types: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind::all("applications", ResourceKind::Application),
    Kind::all("configurations", ResourceKind::Configuration),
    Kind::all("secrets", ResourceKind::Secret),
    Kind::secrets("certificates", &["certificate", "custom-certificate"]),
    Kind::secrets("registries", &["registry"]),
];

impl Kind {
    const fn all(plural: &'static str, kind: ResourceKind) -> Self {
        Self {
            plural,
            kind,
            types: &[],
        }
    }

    const fn secrets(plural: &'static str, types: &'static [&'static str]) -> Self {
        Self {
            plural,
            kind: ResourceKind::Secret,
            types,
        }
    }

    fn named(plural: &str) -> Result<Self, Failure> {
        let found = KINDS.into_iter().find(|kind| kind.plural == plural);
        found.ok_or_else(|| {
            let all = KINDS.map(|kind| kind.plural).join(", ");
            Failure::not_found(format!("no path `/v1/{plural}`")).hint(format!("kinds: {all}"))
        })
    }

    fn takes(self, resource: &Resource) -> bool {
        let is_typed = match resource {
            Resource::Secret(secret) => secret
                .labels
                .get(SECRET_TYPE_LABEL)
                .is_some_and(|of| self.types.contains(&of.as_str())),
            _ => false,
        };
        resource.kind() == self.kind && (self.types.is_empty() || is_typed)
    }

    fn missing(self, name: &str) -> Failure {
        let all = self.kind;
        Failure::not_found(format!("no {all} `{name}` among {}", self.plural))
            .hint(format!("`aerolith get {all}s` shows what there is"))
    }

    /// The resource that a path means.
    async fn find<C: Control>(self, control: &C, name: &str, revision: Option<u64>) -> Result<Versioned, Failure> {
        let found = control.get(self.kind, name, revision).await?;
        match (found.filter(|found| self.takes(&found.resource)), revision) {
            (Some(mine), _) => Ok(mine),
            (None, None) => Err(self.missing(name)),
            (None, Some(revision)) => Err(self.without(control, name, revision).await?),
        }
    }

    /// Why there is not this version of a resource: it has others, or is not there itself.
    async fn without<C: Control>(self, control: &C, name: &str, revision: u64) -> Result<Failure, Failure> {
        let kept = control.versions(self.kind, name).await?;
        let is_mine = match self.types {
            [] => true,
            _ => control
                .get(self.kind, name, None)
                .await?
                .is_some_and(|found| self.takes(&found.resource)),
        };
        if kept.is_empty() || !is_mine {
            return Ok(self.missing(name));
        }
        let kept: Vec<String> = kept.iter().map(|kept| kept.revision.to_string()).collect();
        let what = format!("{} `{name}` has no version of revision {revision}", self.kind);
        Ok(Failure::not_found(what).hint(format!("kept are those of revision {}", kept.join(", "))))
    }
}

fn written(Versioned { revision, resource }: &Versioned) -> Result<Value, Failure> {
    let mut value = shown(resource).map_err(|error| {
        let what = format!(
            "{} `{}` cannot be written as JSON: {error}",
            resource.kind(),
            resource.name()
        );
        Failure::new(Reason::Internal, what)
    })?;
    value["revision"] = json!(revision);
    Ok(value)
}

/// All resources of a kind, by name.
pub(crate) async fn list<C: Control>(
    State(control): State<Arc<C>>,
    Place(plural): Place<String>,
) -> Result<Json<Vec<Value>>, Failure> {
    let kind = Kind::named(&plural)?;
    let all = control.list(kind.kind).await?;
    let mine = all.iter().filter(|one| kind.takes(&one.resource));
    Ok(Json(mine.map(written).collect::<Result<_, _>>()?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// An earlier version; the one in force unless said.
    #[serde(default, deserialize_with = "number")]
    revision: Option<u64>,
}

/// One resource.
pub(crate) async fn get<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name)): Place<(String, String)>,
    Params(which): Params<Which>,
) -> Result<Json<Value>, Failure> {
    let kind = Kind::named(&plural)?;
    Ok(Json(written(
        &kind.find(control.as_ref(), &name, which.revision).await?,
    )?))
}

/// Makes one desired as the text says, in our YAML or in Baetyl's form.
pub(crate) async fn put<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name)): Place<(String, String)>,
    Params(wanted): Params<resources::One>,
    request: Request,
) -> Result<Json<Applied>, Failure> {
    let kind = Kind::named(&plural)?;
    let source = wanted.source.as_deref().unwrap_or("body");
    let document = apart(source, text(source, request).await?, read).await?;
    let is_it = |resource: &Resource| kind.takes(resource) && resource.name() == name;
    if !matches!(document.resources.as_slice(), [one] if is_it(one)) {
        let found: Vec<String> = document
            .resources
            .iter()
            .map(|one| format!("{} `{}`", one.kind(), one.name()))
            .collect();
        let what = format!(
            "{source}: expected {} `{name}` and nothing else, found {}",
            kind.kind,
            found.join(", ")
        );
        let types = kind.types.join(" or ");
        return Err(match kind.types {
            [] => Failure::invalid(what),
            _ => Failure::invalid(what).hint(format!("among {plural} its label `{SECRET_TYPE_LABEL}` is {types}")),
        });
    }
    let meant = control::Wanted {
        dry_run: wanted.dry_run,
        prune: false,
    };
    let mut applied = control.apply(document.resources, meant).await?;
    applied.warnings.splice(0..0, document.warnings);
    Ok(Json(applied))
}

/// Makes one desired no more.
pub(crate) async fn delete<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name)): Place<(String, String)>,
) -> Result<Json<Applied>, Failure> {
    let kind = Kind::named(&plural)?;
    if !kind.types.is_empty() {
        kind.find(control.as_ref(), &name, None).await?;
    }
    Ok(Json(control.delete(kind.kind, &name).await?))
}

/// What there is to know of one beside itself.
pub(crate) async fn look<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name, what)): Place<(String, String, String)>,
) -> Result<Response, Failure> {
    let kind = Kind::named(&plural)?;
    let control = control.as_ref();
    match (what.as_str(), kind.kind) {
        ("versions", _) => {
            kind.find(control, &name, None).await?;
            Ok(Json(control.versions(kind.kind, &name).await?).into_response())
        }
        // It is told of what is not there too: who names it is waiting for it.
        ("usage", ResourceKind::Configuration | ResourceKind::Secret) => {
            Ok(Json(control.usage(kind.kind, &name).await?).into_response())
        }
        ("history", ResourceKind::Application) => Ok(Json(control.history(&name).await?).into_response()),
        _ => Err(unknown(&plural, &what)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    /// The revision to go back to; the good one before unless said.
    #[serde(default, deserialize_with = "number")]
    to: Option<u64>,
}

/// Something done with an application.
pub(crate) async fn act<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name, what)): Place<(String, String, String)>,
    Params(back): Params<Back>,
) -> Result<Response, Failure> {
    match (plural.as_str(), what.as_str(), back.to) {
        ("applications", "rollback", to) => Ok(Json(control.restore(&name, to).await?).into_response()),
        ("applications" | "instances", "retry", None) => {
            let retried = control.retry(&dotted(&name)).await?;
            Ok(Json(Retried { retried }).into_response())
        }
        _ => Err(unknown(&plural, &what)),
    }
}

fn unknown(plural: &str, what: &str) -> Failure {
    let hint =
        "versions and usage of resources; history, rollback and retry of applications; logs and retry of instances";
    Failure::not_found(format!("nothing called `{what}` among {plural}")).hint(hint)
}
