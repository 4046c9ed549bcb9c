//! Keeps an idle daemon small: glibc is told to give memory back.
#![allow(unsafe_code, reason = "mallopt has no safe wrapper")]

/// Without this, glibc keeps an arena of megabytes for each thread that ever read a plugin's file, and raises its
/// thresholds after the first large block that is freed (mallopt(3)). Pieces of a download stay below the thresholds: a
/// mapping for each would cost a third of the speed.
pub(super) fn keep_small() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 2),
        (libc::M_MMAP_THRESHOLD, 512 << 10),
        (libc::M_TRIM_THRESHOLD, 512 << 10),
    ] {
        // SAFETY: called before any other thread exists, with parameters that glibc documents; a refusal is harmless.
        unsafe { libc::mallopt(parameter, value) };
    }
}
