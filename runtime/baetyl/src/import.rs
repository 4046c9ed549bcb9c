//! From a text to resources.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{Resource, ResourceKind, locate, read_yaml};
use serde_json::Value;

use crate::application::application;
use crate::configuration::{configuration, warnings};
use crate::envelope::{Found, kind_of_shape, resources};
use crate::error::{ImportError, Problem, UnusedField, Warning};
use crate::secret::secret;

/// What a text held.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// In the order of the text; a configuration stands behind the secrets that its keys became.
    pub resources: Vec<Resource>,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

/// Whether a text is in one of Baetyl's forms rather than in our own YAML, whose every document is a map with `kind`
/// and without the envelope's `value`. A text that is not one well-formed document, or of whose keys none tells what it is,
/// is taken for ours, whose reader says what is wrong with it.
#[must_use]
pub fn is_baetyl(text: &str) -> bool {
    match read_yaml::<Value>("", text) {
        Ok(Value::Object(fields)) => match fields.contains_key("kind") {
            true => fields.contains_key("value"),
            false => fields.contains_key("values") || kind_of_shape(&fields).is_some(),
        },
        Ok(Value::Array(_)) => true,
        _ => false,
    }
}

/// Reads one of Baetyl's texts: an application, configuration or secret as its cloud API shows it, a list of them, or
/// the `values` of a desire message. `source_name` is what errors call the text.
///
/// # Errors
/// [`ImportError`] for the first thing that is wrong; nothing is imported then.
pub fn import(source_name: &str, text: &str) -> Result<Import, ImportError> {
    let value: Value = read_yaml(source_name, text)?;
    let located = |(path, problem): (String, Problem)| {
        let (line, column) = locate(text, &path);
        let path = if path.is_empty() { ".".to_owned() } else { path };
        ImportError::Content {
            source_name: source_name.to_owned(),
            line,
            column,
            path,
            problem: Box::new(problem),
        }
    };
    let mut imported = Vec::new();
    let mut seen = BTreeSet::new();
    for found in resources(value).map_err(located)? {
        let path = found.path.clone();
        for resource in convert(found).map_err(located)? {
            if !seen.insert((resource.kind(), resource.name().to_owned())) {
                let (kind, name) = (resource.kind().as_str(), resource.name().to_owned());
                return Err(located((path, Problem::DuplicateResource { kind, name })));
            }
            imported.push(resource);
        }
    }
    let warnings = unused(&imported)
        .into_iter()
        .chain(imported.iter().flat_map(no_platform))
        .collect();
    Ok(Import {
        resources: imported,
        warnings,
    })
}

/// The resource, behind those that it needs and brings along.
fn convert(Found { path, kind, fields }: Found) -> Result<Vec<Resource>, (String, Problem)> {
    match kind {
        ResourceKind::Application => Ok(vec![Resource::Application(application(&path, fields)?)]),
        ResourceKind::Secret => Ok(vec![Resource::Secret(secret(&path, fields)?)]),
        ResourceKind::Configuration => {
            let (configuration, secrets) = configuration(&path, fields)?;
            let secrets = secrets.into_iter().map(Resource::Secret);
            Ok(secrets.chain([Resource::Configuration(configuration)]).collect())
        }
    }
}

fn extra(resource: &Resource) -> &BTreeMap<String, Value> {
    match resource {
        Resource::Application(application) => &application.extra,
        Resource::Configuration(configuration) => &configuration.extra,
        Resource::Secret(secret) => &secret.extra,
    }
}

fn unused(resources: &[Resource]) -> Option<Warning> {
    let fields: Vec<UnusedField> = resources.iter().flat_map(unused_of).collect();
    (!fields.is_empty()).then_some(Warning::Unused(fields))
}

fn unused_of(resource: &Resource) -> impl Iterator<Item = UnusedField> {
    let name = format!("{} `{}`", resource.kind(), resource.name());
    extra(resource).keys().map(move |path| UnusedField {
        resource: name.clone(),
        path: path.clone(),
    })
}

fn no_platform(resource: &Resource) -> Vec<Warning> {
    match resource {
        Resource::Configuration(configuration) => warnings(configuration).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
