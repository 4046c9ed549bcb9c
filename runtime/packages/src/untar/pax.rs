use std::io::Read;

use tar::{Entry, PaxExtensions};

use super::HEADERS;
use crate::error::{At, escape};
use crate::{Rule, StoreError};

/// Checks that what an entry's pax header says (POSIX.1-2017 pax, "pax Extended Header") can be read in one way only,
/// and that it does not describe a sparse file, whose content the crate would take as it lies, holes left out.
pub(super) fn check<R: Read>(at: At<'_>, name: &str, entry: &mut Entry<'_, R>) -> Result<(), StoreError> {
    let size = entry.size();
    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
    let broken = |error| at.refuse(Rule::behind(error));
    let Some(records) = entry.pax_extensions().map_err(broken)? else {
        return Ok(());
    };
    for record in records {
        let record = record.map_err(broken)?;
        let (key, value) = (record.key_bytes(), record.value_bytes());
        let told = || String::from_utf8_lossy(value).into_owned();
        if key.starts_with(b"GNU.sparse.") {
            return Err(at.refuse(Rule::Sparse));
        }
        if key == b"size" && std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) != Some(size) {
            let detail = format!("its pax header says `{}` for its size", escape(&told()));
            return Err(at.refuse(Rule::Broken { detail }));
        }
        // A long name in the GNU form, or another such record, may say another name.
        let taken: &[u8] = match key {
            b"path" => name.as_bytes(),
            b"linkpath" => &target,
            _ => value,
        };
        if value != taken {
            let (one, other) = (escape(&String::from_utf8_lossy(taken)), escape(&told()));
            return Err(at.refuse(Rule::TwoNames { one, other }));
        }
    }
    Ok(())
}

/// A global header speaks for every entry after it. One may carry a comment, as `git archive` writes; names and sizes
/// in it some readers obey and others, this crate among them, do not.
pub(super) fn check_global<R: Read>(at: At<'_>, entry: &mut Entry<'_, R>) -> Result<(), StoreError> {
    let broken = |error| at.refuse(Rule::behind(error));
    let mut bytes = Vec::new();
    entry.take(HEADERS).read_to_end(&mut bytes).map_err(broken)?;
    for record in PaxExtensions::new(&bytes) {
        let record = record.map_err(broken)?;
        let key = record.key_bytes();
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            let detail = format!(
                "a global header gives every entry one {}",
                escape(&String::from_utf8_lossy(key))
            );
            return Err(at.refuse(Rule::Broken { detail }));
        }
    }
    Ok(())
}
