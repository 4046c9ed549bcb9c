//! Why an object is not there.

use std::time::Duration;

use aerolith_packages::StoreError;
use aerolith_plugin_wire::Error;

use crate::blocking::LostThread;
use crate::plugins::NoProvider;
use crate::policy::Forbidden;

/// Why an object is not there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody fetches such URLs.
    #[error(transparent)]
    NoFetcher(#[from] NoProvider),
    /// The node's policy does not take what came.
    #[error("{url}: {error}")]
    Forbidden {
        /// From where, without user and query.
        url: String,
        /// Which rule.
        error: Forbidden,
    },
    /// The secret that it names is not there or cannot be used.
    #[error("{url}: {reason}")]
    Credentials {
        /// From where, without user and query.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The fetcher failed.
    #[error("{}{}", at(.url, .error), tries(*.count))]
    Fetch {
        /// From where, without user and query.
        url: String,
        /// What the fetcher answered.
        error: Error,
        /// How often it was tried.
        count: u32,
    },
    /// The store refused what arrived.
    #[error("{url}: {error}")]
    Refused {
        /// From where, without user and query.
        url: String,
        /// Why.
        error: StoreError,
    },
    /// What was fetched without a digest before is something else now.
    #[error(
        "{url}: the bytes have changed since this version of the configuration was first fetched: {error}; apply the \
         configuration with the sha256 that is meant"
    )]
    Repinned {
        /// From where, without user and query.
        url: String,
        /// Both digests.
        error: StoreError,
    },
    /// What came could not be pinned.
    #[error(transparent)]
    Pin(crate::durable::FileError),
    /// What is promised of the object cannot be read, or the store cannot be looked into.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It came to its end and is not in the store: a fault of the program.
    #[error("{url}: the download ended, and nothing was stored")]
    Nothing {
        /// From where, without user and query.
        url: String,
    },
    /// A thread was lost.
    #[error(transparent)]
    Thread(#[from] LostThread),
}

impl FetchError {
    /// Whether the object is not what was promised, or what this node takes.
    pub(crate) fn is_of_the_object(&self) -> bool {
        match self {
            Self::Forbidden { .. } | Self::Repinned { .. } => true,
            Self::Refused { error, .. } | Self::Store(error) => error.is_of_the_content(),
            _ => false,
        }
    }

    /// Whether it is this node's own disk that refuses.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Refused { error, .. } | Self::Store(error) => error.is_of_the_disk(),
            Self::Pin(_) => true,
            _ => false,
        }
    }

    /// How long the place asked to be left alone.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Fetch { error, .. } => error.wait(),
            _ => None,
        }
    }
}

/// The error with where it was; once, since a fetcher may have said it.
fn at(url: &str, error: &Error) -> String {
    let told = error.to_string();
    match told.contains(url) {
        true => told,
        false => format!("{url}: {told}"),
    }
}

fn tries(count: u32) -> String {
    if count > 1 {
        format!(" (tried {count} times)")
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_once_whoever_tells_it() {
        let told = |message: &str| {
            let failed = FetchError::Fetch {
                url: "http://h/a".into(),
                error: Error::io(message),
                count: 2,
            };
            failed.to_string()
        };
        for message in ["GET http://h/a: cannot connect", "cannot connect"] {
            let told = told(message);
            assert!(
                told.matches("http://h/a").count() == 1 && told.ends_with("(tried 2 times)"),
                "{told}"
            );
        }
    }
}
