//! Packages that must be refused whole, naming the entry and the rule, with nothing left behind; odd but legal ones that
//! must come out right; and bombs, which must cost next to nothing. All are made here, record by record, so that every
//! lie can be told.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests, all of it"
)]

mod bombs;
mod damage;
mod legal;
mod raw_tar;
mod raw_zip;
mod shelf;
mod tar_entries;
mod tar_streams;
mod zip_entries;
mod zip_headers;
mod zip_layout;

/// The yardstick: fifty-nine hostile packages and eighteen odd ones.
#[test]
fn there_are_more_hostile_packages_and_more_odd_ones_than_in_the_yardstick() {
    let hostile = [
        zip_entries::names().len(),
        zip_entries::links_and_kinds().len(),
        zip_headers::headers().len(),
        zip_layout::layouts().len(),
        tar_entries::names_and_links().len(),
        tar_entries::kinds().len(),
        tar_streams::headers_and_ends().len(),
        tar_streams::packed().len(),
    ];
    assert!(hostile.iter().sum::<usize>() >= 59);
    assert!(legal::zips().len() + legal::tars().len() >= 18);
}
