//! Downloads that break: they go on where they were when that is safe, and begin anew when it is not.

use super::{bulky, stored, web};
use crate::support::build::sha256;
use crate::support::depot::{Depot, Reply, Request, good};
use crate::support::node::Node;

const SIZE: usize = 1 << 20;

/// Applies a package from a server, and waits until it runs. Answers what the server was asked.
fn fetched(bytes: &[u8], answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Vec<Request> {
    let (depot, node) = (Depot::start(answer), Node::started());
    node.apply(&web(&depot.url("/pp.zip"), bytes));
    assert!(stored(&node, bytes));
    depot.asked()
}

fn offsets(asked: &[Request]) -> Vec<Option<usize>> {
    asked.iter().map(Request::offset).collect()
}

/// The answer of a good server, cut at a byte of the whole.
fn cut(content: &[u8], tag: &str, request: &Request, at: usize) -> Reply {
    good(content, tag, request).cut_at(at - request.offset().unwrap_or(0))
}

#[test]
fn a_connection_cut_at_half_goes_on_from_there_and_no_byte_comes_twice() {
    let bytes = bulky(SIZE);
    let (content, half) = (bytes.clone(), bytes.len() / 2);
    let asked = fetched(&bytes, move |request| match request.number {
        0 => cut(&content, "v1", request, half),
        _ => good(&content, "v1", request),
    });
    assert_eq!(offsets(&asked), [None, Some(half)]);
    assert!(asked[1].head.contains("if-range: \"v1\""));
}

#[test]
fn five_resets_at_any_point_end_well_with_growing_pauses() {
    let bytes = bulky(SIZE);
    let content = bytes.clone();
    let asked = fetched(&bytes, move |request| match request.number {
        number @ 0..5 => cut(&content, "v1", request, 70_001 + number * 170_003).then_reset(),
        _ => good(&content, "v1", request),
    });
    assert_eq!(asked.len(), 6);
    let offsets: Vec<usize> = offsets(&asked).into_iter().map(Option::unwrap_or_default).collect();
    assert!(offsets.is_sorted() && offsets[5] > 0, "{offsets:?}");
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert!(pauses[4] > pauses[0], "{pauses:?}");
}

#[test]
fn a_server_that_ignores_the_range_doubles_nothing() {
    let bytes = bulky(SIZE);
    let content = bytes.clone();
    let asked = fetched(&bytes, move |request| match request.number {
        0 => cut(&content, "v1", request, 300_000),
        _ => Reply::new("200 OK\nETag: \"v1\"", &content),
    });
    assert_eq!(offsets(&asked), [None, Some(300_000)]);
}

#[test]
fn a_shifted_range_begins_anew() {
    let bytes = bulky(SIZE);
    let content = bytes.clone();
    let asked = fetched(&bytes, move |request| match request.number {
        0 => cut(&content, "v1", request, 300_000),
        1 => {
            let range = format!("Content-Range: bytes 299999-{}/{}", content.len() - 1, content.len());
            Reply::new(
                &format!("206 Partial Content\nETag: \"v1\"\n{range}"),
                &content[299_999..],
            )
        }
        _ => good(&content, "v1", request),
    });
    assert_eq!(offsets(&asked), [None, Some(300_000), None]);
}

#[test]
fn a_range_that_lies_about_itself_is_refused_by_the_digest() {
    let bytes = bulky(SIZE);
    let content = bytes.clone();
    let depot = Depot::start(move |request| match request.offset() {
        None => cut(&content, "v1", request, 300_000),
        Some(offset) => {
            let range = format!("Content-Range: bytes {offset}-{}/{}", content.len() - 1, content.len());
            let mut shifted = content[offset - 1..].to_vec();
            shifted.pop();
            Reply::new(&format!("206 Partial Content\nETag: \"v1\"\n{range}"), &shifted)
        }
    });
    let node = Node::started();
    node.ask(&web(&depot.url("/pp.zip"), &bytes));
    let reason = node.service("shop", "web", "failed");
    assert!(reason.contains("sha256 mismatch"), "{reason}");
    assert!(node.processes().is_empty());
}

#[test]
fn a_file_that_changes_between_two_tries_is_fetched_from_its_beginning() {
    let (old, new) = (bulky(SIZE), bulky(SIZE + 8192));
    let (content, before) = (new.clone(), old);
    let asked = fetched(&new, move |request| match request.number {
        0 => cut(&before, "v1", request, 300_000),
        _ => good(&content, "v2", request),
    });
    assert_eq!(offsets(&asked), [None, Some(300_000)]);
    // A server that minds no condition sends a part of the new file.
    let (content, new) = (new.clone(), new);
    let asked = fetched(&new, move |request| match request.number {
        0 => cut(&content, "v1", request, 300_000),
        1 => {
            let range = format!("Content-Range: bytes 300000-{}/{}", content.len() - 1, content.len());
            Reply::new(
                &format!("206 Partial Content\nETag: \"v2\"\n{range}"),
                &content[300_000..],
            )
        }
        _ => good(&content, "v2", request),
    });
    assert_eq!(offsets(&asked), [None, Some(300_000), None]);
}

#[test]
fn a_daemon_killed_at_any_tenth_of_a_download_never_takes_the_part_for_the_whole() {
    let bytes = bulky(SIZE);
    let content = bytes.clone();
    let depot = Depot::start(move |request| match request.number {
        number @ 0..9 => {
            let at = content.len() * (number + 1) / 10;
            let from = request.offset().unwrap_or(0);
            cut(&content, "v1", request, at.max(from)).then_stall()
        }
        _ => good(&content, "v1", request),
    });
    let mut node = Node::started();
    node.ask(&web(&depot.url("/pp.zip"), &bytes));
    for kills in 1..10 {
        depot.until_asked(kills);
        node.kill();
        let blobs = node.path("data/packages/blobs/sha256").join(sha256(&bytes));
        assert!(!blobs.exists(), "a part was taken for the whole after {kills} kills");
        assert!(node.processes().is_empty());
        node.start();
    }
    node.service("shop", "web", "running");
    assert!(stored(&node, &bytes));
    assert_eq!(depot.asked().len(), 10);
}
