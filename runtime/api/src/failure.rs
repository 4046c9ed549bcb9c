//! How the API says no.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Why a request was not done. On the wire it is `{"error": {"code", "message", "hint"?, "faults"?}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind.
    pub code: Reason,
    /// What was wanted and what was found.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where it is wrong, where it is so in resources that were given: all that is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// One thing that is wrong in a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which, as in `application/weather`.
    pub resource: String,
    /// The field of it, such as `services[0].programConfig`; empty where it is all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What was wanted and what was found.
    pub message: String,
}

/// Kind of a failure; each has one HTTP status (RFC 9110).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// 400: the request or what it carries is wrong.
    Invalid,
    /// 404: no such thing.
    NotFound,
    /// 405: the thing is there, the method is not for it.
    MethodNotAllowed,
    /// 408: the request came too slowly.
    TooSlow,
    /// 409: the present state forbids it.
    Conflict,
    /// 413: too many bytes.
    TooLarge,
    /// 500: the node failed.
    Internal,
    /// 503: not now.
    Unavailable,
}

impl Reason {
    /// The status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: Reason, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            faults: Vec::new(),
        }
    }

    /// The same, saying what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Something that the client named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Reason::NotFound, message)
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }
}

/// What stands around a failure on the wire.
#[derive(Serialize)]
struct Envelope {
    error: Failure,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.code.status(), Json(Envelope { error: self })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_written_with_its_code_and_only_the_hint_it_has() {
        let failure = Failure::not_found("no application `weather`");
        let json = serde_json::to_string(&Envelope { error: failure.clone() }).unwrap();
        assert_eq!(
            json,
            r#"{"error":{"code":"notFound","message":"no application `weather`"}}"#
        );
        let json = serde_json::to_value(failure.hint("`aerolith get applications`")).unwrap();
        assert_eq!(json["hint"], "`aerolith get applications`");
        assert_eq!(Reason::NotFound.status(), 404);
    }
}
