//! What applications are, as far as chance says.

use super::world::{CONFIGURATIONS, PACKAGES, SECRETS};
use crate::support::random::Random;
use std::process::Command;

/// Seconds from an order to the time that it is put off to, at most.
const SOON: u64 = 3;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) package: &'static str,
    pub(super) replicas: u64,
    /// Earlier services.
    pub(super) depends_on: Vec<String>,
    pub(super) variable: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Application {
    pub(super) services: Vec<Service>,
    pub(super) configuration: Option<&'static str>,
    pub(super) secret: Option<&'static str>,
    /// Whether its first service declares the application's port.
    pub(super) has_port: bool,
    /// A time of day before which it is not deployed.
    pub(super) start_at: Option<String>,
    /// Whether new versions of what it uses wait until it is changed itself.
    pub(super) preserves: bool,
}

impl Application {
    pub(super) fn any(random: &mut Random) -> Self {
        let mut services: Vec<Service> = Vec::new();
        for number in 0..=random.below(4) {
            let earlier = services.iter().map(|service| service.name.clone());
            let depends_on = earlier.filter(|_| random.percent(25)).collect();
            services.push(Service {
                name: format!("s{number}"),
                package: random.pick(&PACKAGES).unwrap(),
                replicas: [0, 1, 1, 1, 2, 3][usize::try_from(random.below(6)).unwrap()],
                depends_on,
                variable: random.below(3),
            });
        }
        Self {
            services,
            configuration: random.pick(&CONFIGURATIONS).filter(|_| random.percent(50)),
            secret: random.pick(&SECRETS).filter(|_| random.percent(50)),
            has_port: random.percent(40),
            start_at: random.percent(10).then(|| in_seconds(1 + random.below(SOON))),
            preserves: random.percent(20),
        }
    }

    pub(super) fn uses(&self, content: &str) -> bool {
        let mounted = [self.configuration, self.secret];
        mounted.contains(&Some(content)) || self.services.iter().any(|service| service.package == content)
    }
}

/// A time of day from now, as it is written (RFC 3339).
fn in_seconds(seconds: u64) -> String {
    let from_now = format!("+{seconds} seconds");
    let told = Command::new("date")
        .args(["-u", "-d", &from_now, "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .unwrap();
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}
