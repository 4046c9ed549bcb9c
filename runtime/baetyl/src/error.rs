//! What an import refuses, and what it only remarks on.

use std::fmt;

use aerolith_model::{Invalid, InvalidContent, InvalidSecret, InvalidText, InvalidVolume, Key, ParseError};

/// Why a text is not imported. Nothing of it is taken then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The text is no JSON or YAML, or holds a key twice; with line and column.
    #[error(transparent)]
    Text(#[from] ParseError),
    /// Something in it is wrong.
    #[error("{source_name}:{line}:{column}: {path}: {problem}")]
    Content {
        /// Where the text came from.
        source_name: String,
        /// Line in it, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// The field there, such as `[1].data[0].value`; `.` is the whole text.
        path: String,
        /// What is wrong.
        problem: Box<Problem>,
    },
}

/// What can be wrong in a Baetyl resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A field is missing, or its value is not what the field holds.
    #[error("{0}")]
    Field(String),
    /// Text against its rule.
    #[error(transparent)]
    Text(#[from] InvalidText),
    /// Neither `kind` nor the shape tells what it is.
    #[error(
        "neither an application (services), a configuration (data) nor a secret (kind: secret, label secret-type, or address, \
         username and password of a registry); found {found}"
    )]
    Shape {
        /// The keys that were found, or the type.
        found: String,
    },
    /// A `kind` that is none of ours.
    #[error("kind `{0}` is unknown: expected application, app, configuration, config or secret")]
    Kind(String),
    /// A key stands twice.
    #[error("key `{0}` stands twice: rename or remove one of them")]
    DuplicateKey(Key),
    /// A resource stands twice.
    #[error("{kind} `{name}` stands twice: keep one of them")]
    DuplicateResource {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A thing that Baetyl has and a single node cannot do.
    #[error("{what} `{found}` is not supported: {instead}")]
    Unsupported {
        /// What.
        what: &'static str,
        /// The value found.
        found: String,
        /// What to do.
        instead: &'static str,
    },
    /// A volume without exactly one source.
    #[error(transparent)]
    Volume(#[from] InvalidVolume),
    /// A secret without what its type needs.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// The parts of an application do not fit together.
    #[error(transparent)]
    Invalid(Box<Invalid>),
    /// An entry of a configuration can never be used.
    #[error(transparent)]
    Content(InvalidContent),
}

impl ImportError {
    /// What to do, where it is more than the message says.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text(error) => error.hint.clone(),
            Self::Content { problem, .. } => match problem.as_ref() {
                Problem::Invalid(invalid) => invalid.fault.hint(),
                Problem::Content(invalid) => invalid.hint(),
                _ => None,
            },
        }
    }
}

/// Something that an operator should know, though the import succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Fields that are kept and returned, but change nothing here. At most one such warning per import.
    Unused(Vec<UnusedField>),
    /// An object of a package whose key names no platform: no node will take it.
    NoPlatform {
        /// Name of the package.
        package: String,
        /// The object's key.
        key: Key,
    },
}

/// A field that is kept and not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedField {
    /// Kind and name of its resource.
    pub resource: String,
    /// Its path inside the resource.
    pub path: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unused(fields) => {
                let named: Vec<_> = fields
                    .iter()
                    .map(|field| format!("{} of {}", field.path, field.resource))
                    .collect();
                write!(f, "kept, but without effect here: {}", named.join(", "))
            }
            Self::NoPlatform { package, key } => write!(
                f,
                "key `{key}` of package `{package}` names no platform such as linux-arm64-v8, so no node will take it: \
                 put the platform into the key, or set `platform` to `any`"
            ),
        }
    }
}
