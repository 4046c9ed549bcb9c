//! What people call an application, one of its services or an instance of that: `shop`, `shop.web`, `shop.web.1`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use aerolith_api::Instance;

/// A name with its parts. Names of applications may have dots themselves, so that only what there is tells what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(String);

impl FromStr for Target {
    type Err = Infallible;

    /// Parts may be parted by `/` too.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.replace('/', ".")))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// Whether it means an application.
    pub(crate) fn is_application(&self, application: &str) -> bool {
        self.0 == application
    }

    /// Whether it means a service, or its application.
    pub(crate) fn takes_service(&self, application: &str, service: &str) -> bool {
        self.is_application(application) || self.0 == named(application, service)
    }

    /// Whether it means an instance, its service or its application.
    pub(crate) fn takes(&self, instance: &Instance) -> bool {
        self.takes_service(&instance.application, &instance.service) || self.0 == instance.id
    }
}

/// A service as it is shown everywhere.
pub(crate) fn named(application: &str, service: &str) -> String {
    format!("{application}.{service}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(application: &str, service: &str, index: u32) -> Instance {
        Instance {
            id: format!("{application}.{service}.{index}"),
            application: application.into(),
            service: service.into(),
            index,
            ..Instance::default()
        }
    }

    #[test]
    fn a_target_takes_what_it_names_however_its_parts_are_parted() {
        let all = [
            instance("a", "b", 1),
            instance("a", "b", 2),
            instance("a", "c", 1),
            instance("d", "b", 1),
            instance("com.example", "b", 1),
        ];
        let count = |text: &str| {
            let target: Target = text.parse().unwrap_or_else(|never| match never {});
            all.iter().filter(|instance| target.takes(instance)).count()
        };
        for (text, expected) in [
            ("a", 3),
            ("a.b", 2),
            ("a/b", 2),
            ("a.b.2", 1),
            ("a/b/2", 1),
            ("com.example", 1),
            ("com.example/b", 1),
            ("com.example.b.1", 1),
            ("a.x", 0),
            ("com", 0),
            ("", 0),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
    }
}
