use aerolith_packages::{Rule, Unpack};

use crate::hostile;
use crate::raw_zip::{Entry, FILE, deflate, entry, zip};
use crate::shelf::{Hostile, refuse_all};

pub(crate) fn headers() -> Vec<Hostile> {
    let file = || entry("f", "content", FILE);
    let local = |say: fn(&mut crate::raw_zip::Header)| zip(&[file().local(say)]);
    let both = |say: fn(&mut crate::raw_zip::Header)| zip(&[file().both(say)]);
    vec![
        hostile!(
            "another name",
            local(|h| h.name = b"g".into()),
            Unpack::Zip,
            "f",
            Rule::Conflict { field: "name", .. }
        ),
        hostile!(
            "another size",
            local(|h| h.size = 6),
            Unpack::Zip,
            "f",
            Rule::Conflict { field: "size", .. }
        ),
        hostile!(
            "another packed size",
            local(|h| h.packed = 6),
            Unpack::Zip,
            "f",
            Rule::Conflict {
                field: "compressed size",
                ..
            }
        ),
        hostile!(
            "another sum",
            local(|h| h.crc = 6),
            Unpack::Zip,
            "f",
            Rule::Conflict { field: "checksum", .. }
        ),
        hostile!(
            "another method",
            local(|h| h.method = 8),
            Unpack::Zip,
            "f",
            Rule::Conflict {
                field: "compression method",
                ..
            }
        ),
        hostile!(
            "other flags",
            local(|h| h.flags = 8),
            Unpack::Zip,
            "f",
            Rule::Conflict { field: "flags", .. }
        ),
        hostile!(
            "a wrong sum",
            both(|h| h.crc ^= 1),
            Unpack::Zip,
            "f",
            Rule::Broken { .. }
        ),
        hostile!("encrypted", both(|h| h.flags |= 1), Unpack::Zip, "f", Rule::Encrypted),
        hostile!(
            "encrypted strongly",
            both(|h| h.flags |= 1 << 6),
            Unpack::Zip,
            "f",
            Rule::Encrypted
        ),
        hostile!(
            "a masked header",
            both(|h| h.flags |= 1 << 13),
            Unpack::Zip,
            "f",
            Rule::Encrypted
        ),
        hostile!(
            "bzip2",
            both(|h| h.method = 12),
            Unpack::Zip,
            "f",
            Rule::Method { method: 12 }
        ),
        hostile!(
            "deflate64",
            both(|h| h.method = 9),
            Unpack::Zip,
            "f",
            Rule::Method { method: 9 }
        ),
        hostile!(
            "zstd",
            both(|h| h.method = 93),
            Unpack::Zip,
            "f",
            Rule::Method { method: 93 }
        ),
        hostile!(
            "a patch",
            both(|h| h.flags |= 1 << 5),
            Unpack::Zip,
            "f",
            Rule::Method { .. }
        ),
        hostile!(
            "a lying size, stored",
            both(|h| h.size = 6),
            Unpack::Zip,
            "f",
            Rule::LyingSize { .. }
        ),
        hostile!(
            "a size that is too small",
            zip(&[file().deflated().both(|h| h.size = 6)]),
            Unpack::Zip,
            "f",
            Rule::LyingSize { declared: 6, .. }
        ),
        hostile!(
            "a size that is too large",
            zip(&[file().deflated().both(|h| h.size = 8)]),
            Unpack::Zip,
            "f",
            Rule::LyingSize { declared: 8, found: 7 }
        ),
        hostile!(
            "deflate cut short",
            zip(&[Entry {
                data: deflate(b"content")[..4].to_vec(),
                ..file()
            }
            .both(|h| (h.method, h.packed) = (8, 4))]),
            Unpack::Zip,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "another disk",
            zip(&[file().central(|h| h.disk = 1)]),
            Unpack::Zip,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "no header there",
            zip(&[file().central(|h| h.offset = Some(1))]),
            Unpack::Zip,
            "f",
            Rule::Broken { .. }
        ),
        hostile!(
            "no descriptor",
            zip(&[file().streamed(true, false).followed_by(b"!")]),
            Unpack::Zip,
            "",
            Rule::Unlisted { .. }
        ),
        hostile!(
            "a descriptor that lies",
            zip(&[Entry {
                after: b"PK\x07\x08 other numbers".to_vec(),
                ..file().streamed(true, false)
            }]),
            Unpack::Zip,
            "f",
            Rule::Broken { .. }
        ),
    ]
}

#[test]
fn headers_of_a_zip_that_lie_are_refused() {
    refuse_all(&headers());
}
