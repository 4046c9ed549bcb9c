//! One module per group of paths, and what they share: reading a request's parts with errors that speak our way.

pub(crate) mod images;
pub(crate) mod kinds;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod packages;
pub(crate) mod plugins;
pub(crate) mod resources;

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};

use crate::failure::Failure;

/// Query parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|error| {
            let text = error.body_text();
            let why = text
                .strip_prefix("Failed to deserialize query string: ")
                .unwrap_or(&text);
            Failure::invalid(format!("query: {why}"))
        })
    }
}

/// A whole number in a query.
pub(crate) fn number<'de, D: Deserializer<'de>>(text: D) -> Result<Option<u64>, D::Error> {
    read(text, "a whole number").map(Some)
}

/// A yes or no in a query.
pub(crate) fn flag<'de, D: Deserializer<'de>>(text: D) -> Result<bool, D::Error> {
    read(text, "true or false")
}

fn read<'de, D: Deserializer<'de>, T: FromStr>(text: D, expected: &str) -> Result<T, D::Error> {
    let text = String::deserialize(text)?;
    let wrong = |_| D::Error::custom(format!("expected {expected}, found `{text}`"));
    text.parse().map_err(wrong)
}

/// The name of an instance or a service, whose parts are parted by `.` or, as the names of parts, by `/`.
pub(crate) fn dotted(name: &str) -> String {
    name.replace('/', ".")
}

/// The variable parts of a path.
pub(crate) struct Place<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Place<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|error| Failure::invalid(error.body_text()))
    }
}
