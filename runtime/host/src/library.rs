//! From a verified file to a library in this process, and from a library to an instance.
#![allow(unsafe_code, reason = "loading foreign code")]

use crate::c::CInstance;
use crate::context::Context;
use crate::store::Stored;
use crate::table;
use aerolith_plugin_abi::{HEADER_SYMBOL, Header, Incompatible, RSlice, RStr, Root_Ref, c, open};
use aerolith_plugin_wire::manifest::{Entry, Manifest};
use aerolith_plugin_wire::service::{Behind, from_answer};
use aerolith_plugin_wire::{Error, Service};
use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};
use std::collections::HashMap;
use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// An instance, by whichever door it was made.
pub(crate) type Door = Box<dyn Service>;

/// Why a verified file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The dynamic linker refused it: a missing library or symbol, for one.
    #[error("{path}: the dynamic linker refused it: {reason}")]
    Linker {
        /// Which file.
        path: PathBuf,
        /// What it says.
        reason: String,
    },
    /// Its waist differs from this host's.
    #[error("{path}: {reason}")]
    Incompatible {
        /// Which file.
        path: PathBuf,
        /// What differs.
        reason: Incompatible,
    },
    /// Its C entry is of another major version, or shorter than the first one.
    #[error(
        "{path}: expected a C entry of major 1 and at least {expected} bytes, found major {major} and {size} bytes"
    )]
    CEntry {
        /// Which file.
        path: PathBuf,
        /// Bytes of the first version's table.
        expected: usize,
        /// As found.
        major: u32,
        /// As found.
        size: u32,
    },
    /// Its C entry lacks a function.
    #[error("{path}: expected a C entry with all four functions, found `{function}` null")]
    CFunction {
        /// Which file.
        path: PathBuf,
        /// Which function.
        function: &'static str,
    },
    /// The code says other things than the section.
    #[error("{path}: expected the manifest of its section, found another one in its code: {found}")]
    OtherManifest {
        /// Which file.
        path: PathBuf,
        /// The beginning of the other one.
        found: String,
    },
}

/// A library in this process. It is never unloaded: code of it may still lie on some stack.
#[derive(Clone, Copy)]
pub(crate) enum Library {
    Rust(Root_Ref),
    C(CEntry),
}

static LOADED: LazyLock<Mutex<HashMap<String, Library>>> = LazyLock::new(Mutex::default);

impl Library {
    /// Loads a file of the store, once for each digest.
    pub(crate) fn load(stored: &Stored) -> Result<Self, LoadError> {
        let loaded = || LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded().get(&stored.sha256) {
            return Ok(*library);
        }
        // Not under the lock: a constructor that hangs is to hold up nobody else. Opening a file twice is harmless.
        let library = Self::open(stored)?;
        loaded().insert(stored.sha256.clone(), library);
        Ok(library)
    }

    fn open(stored: &Stored) -> Result<Self, LoadError> {
        let path = &stored.path;
        let linker = |e: libloading::Error| LoadError::Linker {
            path: path.clone(),
            reason: chain(&e),
        };
        // SAFETY: the file was verified to be a plugin whose owner is trusted, and it is never rewritten; its
        // constructors run here, which is what trusting it means.
        let handle = unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(linker)?;
        let library = match stored.inspected.entry {
            // SAFETY: the symbol of this name is a static reference to abi_stable's header, which checks itself.
            Entry::Rust => unsafe { handle.get::<Header>(HEADER_SYMBOL) }
                .map_err(linker)
                .and_then(|header| {
                    open(*header).map_err(|reason| LoadError::Incompatible {
                        path: path.clone(),
                        reason,
                    })
                })
                .map(Self::Rust),
            // SAFETY: the symbol of this name is the table that the C header declares.
            Entry::C => unsafe { handle.get::<*const c::PluginV1>(c::ENTRY_SYMBOL) }
                .map_err(linker)
                // SAFETY: the symbol's address is that of a static table that the library never takes back.
                .and_then(|entry| unsafe { check_c(path, entry.into_raw().cast()) })
                .map(Self::C),
        };
        // Whatever came of it, code has been mapped and may have left threads behind.
        std::mem::forget(handle);
        let library = library?;
        same_manifest(stored, library)?;
        Ok(library)
    }

    fn manifest(self) -> String {
        match self {
            Self::Rust(root) => (root.manifest())().as_str().to_owned(),
            // SAFETY: the header demands a static text.
            Self::C(entry) => String::from_utf8_lossy(unsafe { entry.manifest.bytes() }).into_owned(),
        }
    }

    /// Makes an instance. This runs code of the plugin and may block for ever.
    pub(crate) fn create(self, context: &Arc<Context>, name: &str, config: &[u8], state: &[u8]) -> Result<Door, Error> {
        match self {
            Self::Rust(root) => {
                let (bytes, host) = (RSlice::from_slice, table::host(context));
                let made = (root.create())(host, RStr::from_str(name), bytes(config), bytes(state));
                Ok(Box::new(Behind(from_answer(made)?)))
            }
            Self::C(entry) => Ok(Box::new(CInstance::create(entry, context, name, config, state)?)),
        }
    }
}

/// The functions of a C entry, all of them there.
#[derive(Clone, Copy)]
pub(crate) struct CEntry {
    manifest: c::View,
    pub(crate) create: CCreate,
    pub(crate) call: CCall,
    pub(crate) send: unsafe extern "C" fn(*mut c_void, c::View, c::View) -> i32,
    pub(crate) destroy: unsafe extern "C" fn(*mut c_void),
}

type CCreate = unsafe extern "C" fn(*const c::HostV1, c::View, c::View, c::View, *mut *mut c_void, c::Receiver) -> i32;
type CCall = unsafe extern "C" fn(*mut c_void, c::View, c::View, *const c::Receiver, c::Receiver) -> i32;

// SAFETY: a static text and functions that may be called from any thread, as the header demands.
unsafe impl Send for CEntry {}
// SAFETY: as above.
unsafe impl Sync for CEntry {}

/// Checks an entry before anything behind its first two numbers is read.
///
/// # Safety
/// `entry` must point to a table that begins as `aerolith_plugin` does and has as many bytes as it says.
unsafe fn check_c(path: &std::path::Path, entry: *const c::PluginV1) -> Result<CEntry, LoadError> {
    let expected = size_of::<c::PluginV1>();
    // SAFETY: every table has these two numbers first.
    let (size, major) = unsafe {
        (
            (&raw const (*entry).size).read(),
            (&raw const (*entry).entry_major).read(),
        )
    };
    if major != 1 || (size as usize) < expected {
        return Err(LoadError::CEntry {
            path: path.into(),
            expected,
            major,
            size,
        });
    }
    // SAFETY: it has all members of the first version.
    let entry = unsafe { &*entry };
    let missing = |function| LoadError::CFunction {
        path: path.into(),
        function,
    };
    Ok(CEntry {
        manifest: entry.manifest,
        create: entry.create.ok_or_else(|| missing("create"))?,
        call: entry.call.ok_or_else(|| missing("call"))?,
        send: entry.send.ok_or_else(|| missing("send"))?,
        destroy: entry.destroy.ok_or_else(|| missing("destroy"))?,
    })
}

fn same_manifest(stored: &Stored, library: Library) -> Result<(), LoadError> {
    let text = library.manifest();
    let other = || LoadError::OtherManifest {
        path: stored.path.clone(),
        found: text.chars().take(80).collect(),
    };
    let found: Manifest = serde_json::from_str(&text).map_err(|_| other())?;
    if found == stored.inspected.manifest {
        Ok(())
    } else {
        Err(other())
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |mut line, cause| {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
        line
    })
}
