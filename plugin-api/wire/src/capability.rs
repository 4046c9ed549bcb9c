//! The macro `capability`: the one declaration from which trait, dispatch, client and method list come.

use crate::{Error, Reply};

/// Declares a capability.
///
/// ```
/// use aerolith_plugin_wire::{capability, Result, Sent};
/// # use serde::{Serialize, Deserialize};
/// #[derive(Serialize, Deserialize)] pub struct Order { pub cups: u32 }
/// #[derive(Serialize, Deserialize)] pub struct Bill { pub cents: u32 }
/// capability! {
///     "coffee/1" unstable
///     /// Brews coffee.
///     pub trait Coffee {
///         /// One answer.
///         call brew(Order) -> Bill;
///         /// Came in a later minor: an older plugin answers by the default.
///         call price() -> Bill = Bill { cents: 0 };
///         /// An answer that may take as long as it likes.
///         open wash() -> Bill;
///         /// A stream of raw bytes, then an answer.
///         stream pour(Order) => raw -> Bill;
///         /// The one-way path.
///         send stir(raw);
///     }
/// }
/// # fn main() { assert_eq!(CAPABILITY.methods, ["brew", "price", "wash", "pour", "stir"]); }
/// ```
///
/// A request, item or reply is one identifier: a serde type, or `raw` for bytes as they are. A method with a default
/// also has a default body in the trait, which answers [`crate::Code::Unimplemented`].
#[macro_export]
macro_rules! capability {
    (
        $id:literal $stability:ident
        $(#[$doc:meta])*
        pub trait $trait:ident {
            $(
                $(#[$mdoc:meta])*
                $kind:ident $method:ident ( $($req:ident)? ) $(=> $item:ident)? $(-> $rep:ident)? $(= $default:expr)? ;
            )*
        }
    ) => {
        /// This capability as declared.
        pub const CAPABILITY: $crate::Capability = $crate::Capability {
            id: $id,
            methods: &[$(stringify!($method)),*],
            kinds: &[$($crate::__method!(@kind $kind)),*],
            stable: $crate::__method!(@stable $stability),
        };

        $(#[$doc])*
        pub trait $trait: Send + Sync + 'static {
            $($crate::__method! { @trait $kind [$(#[$mdoc])*] $method ($($req)?) ($($item)?) ($($rep)?) ($($default)?) })*
        }

        #[doc = concat!("Answers the methods of `", $id, "` with an implementation of the trait.")]
        pub struct Dispatch<T>(pub std::sync::Arc<T>);

        impl<T: $trait> $crate::Service for Dispatch<T> {
            #[allow(unused_variables, reason = "a capability may have no method of some kind")]
            fn call(&self, method: &str, request: $crate::Bytes, sink: Option<$crate::SinkBox>) -> $crate::Reply {
                let name = method.strip_prefix(concat!($id, ".")).unwrap_or("");
                $($crate::__method! { @call $kind $trait T self name request sink $method ($($req)?) ($($item)?) ($($rep)?) })*
                $crate::__unimplemented(method)
            }

            #[allow(unused_variables, reason = "a capability may have no method of some kind")]
            fn send(&self, method: &str, item: &[u8]) -> $crate::Result<$crate::Sent> {
                let name = method.strip_prefix(concat!($id, ".")).unwrap_or("");
                $($crate::__method! { @send $kind $trait T self name item $method ($($req)?) })*
                Err($crate::Error::unimplemented(method))
            }
        }

        #[doc = concat!("Calls the methods of `", $id, "` on whoever answers them.")]
        #[derive(Debug, Clone)]
        pub struct Client<S>(pub S);

        impl<S: $crate::Service> Client<S> {
            $($crate::__method! { @client $kind [$(#[$mdoc])*] $id $method ($($req)?) ($($item)?) ($($rep)?) ($($default)?) })*
        }
    };
}

/// One method, in each of the places where [`capability!`] needs it.
#[doc(hidden)]
#[macro_export]
macro_rules! __method {
    (@kind call) => { $crate::Kind::Call };
    (@kind open) => { $crate::Kind::Open };
    (@kind stream) => { $crate::Kind::Stream };
    (@kind send) => { $crate::Kind::Send };
    (@stable stable) => { true };
    (@stable unstable) => { false };

    (@type) => { () };
    (@type raw) => { $crate::Bytes };
    (@type $t:ident) => { $t };
    (@borrowed raw) => { &[u8] };
    (@borrowed $t:ident) => { &$t };
    (@encode $v:expr;) => { { let () = $v; Ok($crate::Bytes::new()) } };
    (@encode $v:expr; raw) => { Ok($v) };
    (@encode $v:expr; $t:ident) => { $crate::payload::encode::<$t>(&$v) };
    (@decode $v:expr;) => { { let _: $crate::Bytes = $v; Ok::<(), $crate::Error>(()) } };
    (@decode $v:expr; raw) => { Ok::<$crate::Bytes, $crate::Error>($v) };
    (@decode $v:expr; $t:ident) => { $crate::payload::decode::<$t>(&$v) };
    (@request) => { Ok::<$crate::Bytes, $crate::Error>($crate::Bytes::new()) };
    (@request $v:ident raw) => { Ok::<$crate::Bytes, $crate::Error>($crate::Bytes::from($v)) };
    (@request $v:ident $t:ident) => { $crate::payload::encode::<$t>($v) };
    (@absent $method:ident) => { async { Err($crate::Error::unimplemented(stringify!($method))) } };

    // --- an open call is a call to everybody but the host's clock ---
    (@trait open $($rest:tt)*) => { $crate::__method! { @trait call $($rest)* } };
    (@call open $($rest:tt)*) => { $crate::__method! { @call call $($rest)* } };
    (@client open $($rest:tt)*) => { $crate::__method! { @client call $($rest)* } };

    // --- the trait ---
    (@trait call [$($doc:tt)*] $method:ident ($($req:ident)?) () ($($rep:ident)?) ()) => {
        $($doc)*
        fn $method(&self $(, request: $crate::__method!(@type $req))?)
            -> impl Future<Output = $crate::Result<$crate::__method!(@type $($rep)?)>> + Send;
    };
    (@trait call [$($doc:tt)*] $method:ident ($($req:ident)?) () ($($rep:ident)?) ($default:expr)) => {
        $($doc)*
        fn $method(&self $(, request: $crate::__method!(@type $req))?)
            -> impl Future<Output = $crate::Result<$crate::__method!(@type $($rep)?)>> + Send {
            $(let _: $crate::__method!(@type $req) = request;)?
            $crate::__method!(@absent $method)
        }
    };
    (@trait stream [$($doc:tt)*] $method:ident ($($req:ident)?) ($item:ident) ($($rep:ident)?) ()) => {
        $($doc)*
        fn $method(&self $(, request: $crate::__method!(@type $req))?, into: $crate::Stream<$crate::__method!(@type $item)>)
            -> impl Future<Output = $crate::Result<$crate::__method!(@type $($rep)?)>> + Send;
    };
    (@trait send [$($doc:tt)*] $method:ident ($req:ident) () () ()) => {
        $($doc)*
        ///
        /// # Errors
        /// When the item itself is refused; no room is no error.
        fn $method(&self, item: $crate::__method!(@borrowed $req)) -> $crate::Result<$crate::Sent>;
    };

    // --- the dispatch of what has an answer ---
    (@call call $trait:ident $T:ident $this:ident $name:ident $request:ident $sink:ident $method:ident ($($req:ident)?) () ($($rep:ident)?)) => {
        if $name == stringify!($method) {
            let this = $this.0.clone();
            return Box::pin(async move {
                $(let decoded = $crate::__method!(@decode $request; $req)?;)?
                let reply = <$T as $trait>::$method(&this $(, $crate::__method!(@value decoded $req))?).await?;
                $crate::__method!(@encode reply; $($rep)?)
            });
        }
    };
    (@call stream $trait:ident $T:ident $this:ident $name:ident $request:ident $sink:ident $method:ident ($($req:ident)?) ($item:ident) ($($rep:ident)?)) => {
        if $name == stringify!($method) {
            let this = $this.0.clone();
            return Box::pin(async move {
                let Some(sink) = $sink else {
                    return Err($crate::Error::invalid(concat!("`", stringify!($method), "` streams: it needs a sink")));
                };
                $(let decoded = $crate::__method!(@decode $request; $req)?;)?
                let into = $crate::Stream::new(sink);
                let reply = <$T as $trait>::$method(&this $(, $crate::__method!(@value decoded $req))?, into).await?;
                $crate::__method!(@encode reply; $($rep)?)
            });
        }
    };
    (@call send $($rest:tt)*) => {};
    (@value $v:ident $req:ident) => { $v };

    // --- the dispatch of the one-way path ---
    (@send send $trait:ident $T:ident $this:ident $name:ident $bytes:ident $method:ident (raw)) => {
        if $name == stringify!($method) {
            return <$T as $trait>::$method(&$this.0, $bytes);
        }
    };
    (@send send $trait:ident $T:ident $this:ident $name:ident $bytes:ident $method:ident ($req:ident)) => {
        if $name == stringify!($method) {
            return <$T as $trait>::$method(&$this.0, &$crate::payload::decode::<$req>($bytes)?);
        }
    };
    (@send $kind:ident $($rest:tt)*) => {};

    // --- the client ---
    (@client call [$($doc:tt)*] $id:literal $method:ident ($($req:ident)?) () ($($rep:ident)?) ($($default:expr)?)) => {
        $($doc)*
        ///
        /// # Errors
        /// What the other side answers; [`Code::Invalid`](crate::Code::Invalid) when it answers something else.
        pub async fn $method(&self $(, request: $crate::__method!(@borrowed $req))?)
            -> $crate::Result<$crate::__method!(@type $($rep)?)> {
            let request = $crate::__method!(@request $(request $req)?)?;
            let reply = self.0.call(concat!($id, ".", stringify!($method)), request, None).await;
            $(if let Err($crate::Error { code: $crate::Code::Unimplemented, .. }) = reply {
                return Ok($default);
            })?
            $crate::__method!(@decode reply?; $($rep)?)
        }
    };
    (@client stream [$($doc:tt)*] $id:literal $method:ident ($($req:ident)?) ($item:ident) ($($rep:ident)?) ()) => {
        $($doc)*
        ///
        /// # Errors
        /// What the other side answers; [`Code::Invalid`](crate::Code::Invalid) when it answers something else.
        pub async fn $method(&self $(, request: $crate::__method!(@borrowed $req))?, into: $crate::SinkBox)
            -> $crate::Result<$crate::__method!(@type $($rep)?)> {
            let request = $crate::__method!(@request $(request $req)?)?;
            let reply = self.0.call(concat!($id, ".", stringify!($method)), request, Some(into)).await?;
            $crate::__method!(@decode reply; $($rep)?)
        }
    };
    (@client send [$($doc:tt)*] $id:literal $method:ident (raw) () () ()) => {
        $($doc)*
        ///
        /// # Errors
        /// When the item itself is refused; no room is no error.
        pub fn $method(&self, item: &[u8]) -> $crate::Result<$crate::Sent> {
            self.0.send(concat!($id, ".", stringify!($method)), item)
        }
    };
    (@client send [$($doc:tt)*] $id:literal $method:ident ($req:ident) () () ()) => {
        $($doc)*
        ///
        /// # Errors
        /// When the item itself is refused; no room is no error.
        pub fn $method(&self, item: &$req) -> $crate::Result<$crate::Sent> {
            self.0.send(concat!($id, ".", stringify!($method)), &$crate::payload::encode(item)?)
        }
    };
}

/// The answer to a method that nobody declared.
#[doc(hidden)]
#[must_use]
pub fn __unimplemented(method: &str) -> Reply {
    let error = Error::unimplemented(method);
    Box::pin(async move { Err(error) })
}
