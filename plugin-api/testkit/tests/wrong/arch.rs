//! A resolver for one imagined machine, with one fault.

use crate::fails_only;
use aerolith_plugin_testkit::arch;
use aerolith_plugin_wire::arch::{ArchResolver, Choice, Dispatch, Object, Objects, PassedOver, Platform};
use aerolith_plugin_wire::{Error, Result, Service};
use std::sync::Arc;

const CHAIN: [&str; 2] = ["linux-arm64-v8", "linux-arm-v7"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NameNotInChain,
    NoReason,
    FirstOffered,
    AnyUnknown,
    SilentlyPassedOver,
    NothingNamed,
    OwnPlatformOnly,
}

struct Resolver(Fault);

impl Resolver {
    fn chain(&self, asked: Option<&str>) -> Vec<String> {
        match asked {
            Some(asked) if self.0 != Fault::OwnPlatformOnly => vec![asked.replace('/', "-")],
            _ => CHAIN.map(str::to_owned).into(),
        }
    }

    /// Where in the chain an object stands; behind it when it is for any platform.
    fn level(&self, chain: &[String], object: &Object) -> Option<usize> {
        let platform = object.platform.as_deref()?;
        match platform {
            "any" => (self.0 != Fault::AnyUnknown).then_some(chain.len()),
            _ => chain.iter().position(|link| link == platform),
        }
    }
}

impl ArchResolver for Resolver {
    async fn platform(&self) -> Result<Platform> {
        let name = if self.0 == Fault::NameNotInChain {
            "linux-amd64"
        } else {
            CHAIN[0]
        };
        Ok(Platform {
            name: name.into(),
            chain: self.chain(None),
            reason: "imagined".into(),
        })
    }

    async fn resolve(&self, request: Objects) -> Result<Choice> {
        let chain = self.chain(request.platform.as_deref());
        let levels = request.objects.iter().filter_map(|object| self.level(&chain, object));
        let best = if self.0 == Fault::FirstOffered {
            levels.take(1).min()
        } else {
            levels.min()
        };
        let Some(best) = best else {
            let names: Vec<_> = request.objects.iter().map(|o| &*o.name).collect();
            let told = if self.0 == Fault::NothingNamed {
                String::new()
            } else {
                format!("{} {names:?}", chain[0])
            };
            return Err(Error::not_found(format!("nothing fits {told}")));
        };
        let (ours, others): (Vec<_>, Vec<_>) = request
            .objects
            .into_iter()
            .partition(|object| self.level(&chain, object) == Some(best));
        let mut chosen: Vec<_> = ours.into_iter().map(|o| o.name).collect();
        chosen.sort();
        let mut passed_over: Vec<_> = others
            .into_iter()
            .map(|o| PassedOver {
                name: o.name,
                reason: "another fits better".into(),
            })
            .collect();
        if self.0 == Fault::SilentlyPassedOver {
            passed_over.pop();
        }
        let reason = if self.0 == Fault::NoReason {
            String::new()
        } else {
            format!("level {best}")
        };
        Ok(Choice {
            platform: chain.get(best).cloned().unwrap_or_default(),
            chosen,
            reason,
            passed_over,
        })
    }
}

async fn suite_of(fault: Fault, expected: &[&str]) {
    let service: Arc<dyn Service> = Arc::new(Dispatch(Arc::new(Resolver(fault))));
    fails_only(&arch::run(&service).await, expected);
}

const EVERY: &str = "an object of each platform of the chain is chosen";
const BEST: &str = "of two objects the one that stands first in the chain is chosen";
const ANY: &str = "an object for any platform is chosen";
const ACCOUNTED: &str = "every object is chosen or passed over, once";
const ORDER: &str = "the order of the objects does not matter";
const NOTHING: &str = "when nothing fits, the platform and every name are named";
const OTHER: &str = "another platform can be asked for";

#[tokio::test]
async fn a_resolver_without_a_fault_passes() {
    suite_of(Fault::None, &[]).await;
}

#[tokio::test]
async fn a_fault_of_the_platform_is_found() {
    let first = "the machine has a platform, first in its chain, with a reason";
    suite_of(Fault::NameNotInChain, &[first, NOTHING]).await;
    suite_of(Fault::OwnPlatformOnly, &[OTHER]).await;
}

#[tokio::test]
async fn a_fault_of_a_choice_is_found() {
    suite_of(Fault::NoReason, &[EVERY, BEST, ANY, ACCOUNTED, ORDER, OTHER]).await;
    suite_of(Fault::FirstOffered, &[BEST, ORDER]).await;
    suite_of(Fault::AnyUnknown, &[ANY]).await;
    suite_of(Fault::SilentlyPassedOver, &[ACCOUNTED]).await;
    suite_of(Fault::NothingNamed, &[NOTHING]).await;
}
