//! The library's edge: what [`export_plugin!`](crate::export_plugin) puts between the core and a plugin.

use crate::guard::{self, Quiet};
use crate::scope::Scope;
use crate::wire::plugin::{Dispatch, Health, Lifecycle};
use crate::wire::service::{to_answer, to_sent};
use crate::wire::{Reply, payload};
use crate::{Bytes, Context, Error, Plugin, Result, Service, log};
use aerolith_plugin_abi::{
    Answer, FfiFuture, Host, Instance, InstanceBox, ROption, RSlice, RStr, SinkBox, crossing, instance,
};
use std::sync::Arc;

/// API version that this SDK speaks.
pub const API: &str = "0.2";
/// API version of the oldest host that a plugin made with this SDK runs on.
pub const API_MIN: &str = "0.1";

/// A capability's id and who answers its methods.
pub type Provided = (&'static str, Box<dyn Service>);

/// How a plugin is set up, from `export_plugin!`.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Workers of the instance's own runtime, with feature `rt`.
    pub workers: usize,
    /// Whether the library has a standard library of its own, hence a log and a panic hook of its own.
    pub library: bool,
}

/// Makes an instance; the body of the root's `create`.
pub fn create<P: Plugin>(
    setup: Setup,
    (host, name, config, state): (Host, RStr<'_>, RSlice<'_, u8>, RSlice<'_, u8>),
    provide: impl FnOnce(&Arc<P>) -> Vec<Provided>,
) -> Answer<InstanceBox> {
    if setup.library {
        log::install();
    }
    let made = guard::unwound(|| Scope::new(host, name.as_str(), setup.workers))
        .map_err(|message| Error::new(crate::Code::Panic, message))
        .and_then(|scope| scope.map_err(|e| Error::io(format!("runtime of {name}: {e}"))));
    to_answer(made.and_then(|scope| {
        let made = guard::run(&scope, || {
            let config: P::Config = payload::decode(config.as_slice())?;
            let plugin = Arc::new(P::create(Context::new(scope.clone(), state.as_slice()), config)?);
            let mut provided = provide(&plugin);
            provided.push((
                crate::wire::plugin::CAPABILITY.id,
                Box::new(Dispatch(Arc::new(Life(plugin)))),
            ));
            Ok(Provision(provided))
        });
        if made.is_err() {
            scope.shut_down();
        }
        Ok(instance(Exported {
            provision: Some(Quiet::new(Arc::new(made?))),
            scope,
        }))
    }))
}

/// The plugin behind all its capabilities.
struct Provision(Vec<Provided>);

impl Provision {
    fn of(&self, method: &str) -> Result<&dyn Service> {
        let found = self
            .0
            .iter()
            .find(|(id, _)| method.strip_prefix(id).is_some_and(|rest| rest.starts_with('.')));
        found
            .map(|(_, service)| &**service)
            .ok_or_else(|| Error::unimplemented(method))
    }
}

/// `plugin/1`, from the vendor's [`Plugin`].
struct Life<P>(Arc<P>);

impl<P: Plugin> Lifecycle for Life<P> {
    async fn start(&self) -> Result<()> {
        self.0.start().await
    }

    async fn reload(&self, config: Bytes) -> Result<()> {
        self.0.reload(payload::decode(&config)?).await
    }

    async fn drain(&self) -> Result<Bytes> {
        self.0.drain().await.map(Bytes::from)
    }

    async fn resume(&self, state: Bytes) -> Result<()> {
        self.0.resume(&state).await
    }

    async fn health(&self) -> Result<Health> {
        self.0.health().await
    }

    async fn stop(&self) -> Result<()> {
        self.0.stop().await
    }
}

struct Exported {
    /// Taken only by the drop.
    provision: Option<Quiet<Arc<Provision>>>,
    scope: Arc<Scope>,
}

impl Exported {
    fn provision(&self) -> Result<&Arc<Provision>> {
        self.provision
            .as_ref()
            .map(Quiet::as_ref)
            .ok_or_else(|| Error::stopped("the instance is gone"))
    }

    fn begin(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Result<Reply> {
        let provision = self.provision()?;
        guard::run(&self.scope, || Ok(provision.of(method)?.call(method, request, sink)))
    }
}

impl Instance for Exported {
    fn call(&self, method: RStr<'_>, request: Bytes, sink: ROption<SinkBox>) -> FfiFuture<Answer<Bytes>> {
        match self.begin(method.as_str(), request, sink.into_option()) {
            Ok(reply) => {
                let reply = guard::call(self.scope.clone(), reply);
                crossing(async move { to_answer(reply.await) })
            }
            Err(e) => crossing(std::future::ready(to_answer(Err(e)))),
        }
    }

    fn send(&self, method: RStr<'_>, item: RSlice<'_, u8>) -> Answer<u8> {
        to_sent(self.provision().and_then(|provision| {
            guard::run(&self.scope, || {
                provision.of(method.as_str())?.send(method.as_str(), item.as_slice())
            })
        }))
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        let provision = self.provision.take();
        self.scope.enter(|| drop(provision));
        self.scope.shut_down();
    }
}

/// Exports a plugin.
///
/// ```text
/// export_plugin! {
///     plugin: FetcherHttp,              // the type that implements `Plugin`
///     name: "fetcher-http",             // unique among the plugins of a node
///     vendor: "Aerolith",
///     provides: [fetcher],              // modules of `aerolith_plugin::wire` whose trait the type implements
///     replace: handover,                // optional: `beside` (default) or `handover`
///     permissions: ["call hub/1"],      // optional: see `wire::manifest::Manifest::permissions`
///     workers: 2,                       // optional: threads of the runtime of feature `rt`, default 1
/// }
/// ```
///
/// With the feature `static` of the plugin's own crate nothing is exported, and `aerolith_root()` is for the program that
/// links the plugin in.
#[macro_export]
macro_rules! export_plugin {
    (
        plugin: $plugin:ty,
        name: $name:literal,
        vendor: $vendor:literal,
        provides: [$($capability:ident),* $(,)?]
        $(, replace: $replace:ident)?
        $(, permissions: [$($permission:literal),* $(,)?])?
        $(, workers: $workers:literal)?
        $(,)?
    ) => {
        /// The manifest of this plugin, as in the section of its file.
        pub const AEROLITH_MANIFEST: &str = {
            const PARTS: &[&str] = &[
                "{\"format\":1,\"api\":\"", $crate::export::API,
                "\",\"api_min\":\"", $crate::export::API_MIN,
                "\",\"name\":\"", $crate::manifest::plain($name),
                "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
                "\",\"vendor\":\"", $crate::manifest::plain($vendor),
                "\",\"provides\":{",
                $("\"", $crate::wire::$capability::CAPABILITY.id, "\":",
                    $crate::__list!($crate::wire::$capability::CAPABILITY.methods), ",",)*
                "\"plugin/1\":", $crate::__list!($crate::wire::plugin::CAPABILITY.methods),
                "},\"replace\":\"", $crate::__replace!($($replace)?),
                "\",\"permissions\":", $crate::__list!(&[$($($permission),*)?]), "}",
            ];
            const BYTES: [u8; $crate::manifest::length(PARTS)] = $crate::manifest::join(PARTS);
            $crate::manifest::text(&BYTES)
        };

        extern "C" fn __aerolith_manifest() -> $crate::abi::RStr<'static> {
            $crate::abi::RStr::from_str(AEROLITH_MANIFEST)
        }

        fn __aerolith_setup(library: bool) -> $crate::export::Setup {
            $crate::export::Setup { workers: [$($workers,)? 1][0], library }
        }

        fn __aerolith_create(
            library: bool,
            given: ($crate::abi::Host, $crate::abi::RStr<'_>, $crate::abi::RSlice<'_, u8>, $crate::abi::RSlice<'_, u8>),
        ) -> $crate::abi::Answer<$crate::abi::InstanceBox> {
            $crate::export::create::<$plugin>(__aerolith_setup(library), given, |plugin| {
                vec![$((
                    $crate::wire::$capability::CAPABILITY.id,
                    Box::new($crate::wire::$capability::Dispatch(plugin.clone())) as Box<dyn $crate::Service>,
                )),*]
            })
        }

        /// The root for a program that links this plugin in.
        #[must_use]
        pub fn aerolith_root() -> $crate::abi::Root_Ref {
            extern "C" fn create(
                host: $crate::abi::Host,
                instance: $crate::abi::RStr<'_>,
                config: $crate::abi::RSlice<'_, u8>,
                state: $crate::abi::RSlice<'_, u8>,
            ) -> $crate::abi::Answer<$crate::abi::InstanceBox> {
                __aerolith_create(false, (host, instance, config, state))
            }
            $crate::abi::leak_root($crate::abi::Root { manifest: __aerolith_manifest, create })
        }

        #[allow(unexpected_cfgs, unsafe_code, reason = "not every plugin declares the feature `static`")]
        const _: () = {
            #[cfg(not(feature = "static"))]
            const _: () = {
                #[used]
                #[unsafe(link_section = ".aerolith_plugin")]
                static MANIFEST: [u8; AEROLITH_MANIFEST.len()] = $crate::manifest::join(&[AEROLITH_MANIFEST]);

                #[used]
                #[unsafe(link_section = ".aerolith_marker")]
                static MARKER: [u8; 5] = $crate::wire::manifest::Marker {
                    entry: $crate::wire::manifest::Entry::Rust,
                    unwinds: !cfg!(panic = "abort"),
                }
                .bytes();

                extern "C" fn create(
                    host: $crate::abi::Host,
                    instance: $crate::abi::RStr<'_>,
                    config: $crate::abi::RSlice<'_, u8>,
                    state: $crate::abi::RSlice<'_, u8>,
                ) -> $crate::abi::Answer<$crate::abi::InstanceBox> {
                    __aerolith_create(true, (host, instance, config, state))
                }

                fn root() -> $crate::abi::Root_Ref {
                    $crate::abi::leak_root($crate::abi::Root { manifest: __aerolith_manifest, create })
                }

                extern "C" fn constructor() -> $crate::abi::RootResult {
                    $crate::abi::root_result(root)
                }

                #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
                // SAFETY: the constructor gives the root of the very type that is named.
                pub static HEADER: $crate::abi::LibHeader = unsafe {
                    $crate::abi::LibHeader::from_constructor::<$crate::abi::Root_Ref>(
                        constructor,
                        $crate::abi::CheckTypeLayout::Yes,
                    )
                };
            };
        };
    };
}

/// A list of texts as JSON, made while compiling.
#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    ($items:expr) => {{
        const ITEMS: &[&str] = $items;
        const BYTES: [u8; $crate::manifest::list_length(ITEMS)] = $crate::manifest::list(ITEMS);
        $crate::manifest::text(&BYTES)
    }};
}

/// The word for how an instance is replaced.
#[doc(hidden)]
#[macro_export]
macro_rules! __replace {
    () => {
        "beside"
    };
    (beside) => {
        "beside"
    };
    (handover) => {
        "handover"
    };
}
