//! What `export_plugin!` needs to put a root into a library under the symbol that the loader looks for.

use crate::waist::{HostTable, HostTable_Ref, Root, Root_Ref};
use abi_stable::prefix_type::PrefixTypeTrait as _;

pub use abi_stable::library::{CheckTypeLayout, LibHeader, RootModuleResult as RootResult};

/// Makes a root of its table. The few bytes are never freed: a library is never unloaded.
#[must_use]
pub fn leak_root(root: Root) -> Root_Ref {
    root.leak_into_prefix()
}

/// Makes a host table of its functions, likewise for the life of the process.
#[must_use]
pub fn leak_host_table(table: HostTable) -> HostTable_Ref {
    table.leak_into_prefix()
}

/// Answers the loader's request for the root.
pub fn root_result(root: fn() -> Root_Ref) -> RootResult {
    abi_stable::library::__call_root_module_loader(root)
}
