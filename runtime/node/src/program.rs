//! From a configuration with objects to a published tree. Blocks, once the objects are there.

mod error;
mod parts;

use std::path::Path;
use std::time::Instant;

use aerolith_model::ProgramManifest;
use aerolith_packages::{Part, Rule, Staged, Store, StoreError, Tree, TreeId};

use crate::fetch::Reporter;
pub use error::PackageError;
pub(crate) use parts::{admitted, blobs, object_part, parts, text_part};

/// The file of a package that names its program.
pub(crate) const MANIFEST: &str = ProgramManifest::FILE;
/// How the name of a program's stored tree begins.
const PREFIX: &str = "program-";

/// Says of what the store refused whose it is.
fn of_store(package: &str) -> impl Fn(StoreError) -> PackageError + Copy {
    move |error| PackageError::Store {
        package: package.into(),
        error: Box::new(error),
    }
}

/// Publishes a program's tree, its entry executable, and answers it with the entry. Blocks.
pub(crate) fn program(
    store: &Store,
    package: &str,
    parts: &[Part],
    reporter: &Reporter,
) -> Result<(Tree, String), PackageError> {
    let failed = of_store(package);
    let id: TreeId = format!("{PREFIX}{}", TreeId::of(parts)).parse().map_err(failed)?;
    if let Some(tree) = store.tree(&id).map_err(failed)? {
        let published = store.published(&tree, &[MANIFEST]).map_err(failed)?;
        store.verify_paths(&tree, &published).map_err(failed)?;
        let path = tree.root().join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(|source| {
            let action = "read";
            failed(StoreError::Io { action, path, source })
        })?;
        let entry = manifest(package, &bytes)?.entry().to_owned();
        reporter.reused(package, &tree);
        return Ok((tree, entry));
    }
    let begun = Instant::now();
    let (staged, entry) = stage(store, package, parts)?;
    reporter.unpacked(package, staged.bytes(), begun.elapsed());
    let tree = staged.publish(id).map_err(failed)?;
    reporter.published(package, &tree);
    Ok((tree, entry))
}

/// Whether a stored tree is a program's.
pub(crate) fn is_program(tree: &str) -> bool {
    tree.starts_with(PREFIX)
}

/// Builds a program's tree, its entry executable, and answers it with the entry. Nothing is published. Blocks.
pub(crate) fn stage(store: &Store, package: &str, parts: &[Part]) -> Result<(Staged, String), PackageError> {
    let failed = of_store(package);
    let mut staged = store.stage_with_sole(parts, MANIFEST).map_err(failed)?;
    let bytes = staged
        .read(MANIFEST, ProgramManifest::MOST_BYTES)
        .map_err(|error| match error {
            StoreError::Entry {
                rule: Rule::Missing, ..
            } => PackageError::NoManifest {
                package: package.into(),
            },
            error => failed(error),
        })?;
    let manifest = manifest(package, &bytes)?;
    staged.make_executable(manifest.entry()).map_err(|error| match error {
        StoreError::Entry { rule, .. } => PackageError::Manifest {
            package: package.into(),
            reason: manifest.refused(&format!("leads to no program: {rule}")).to_string(),
        },
        error => failed(error),
    })?;
    Ok((staged, manifest.entry().to_owned()))
}

fn manifest(package: &str, bytes: &[u8]) -> Result<ProgramManifest, PackageError> {
    ProgramManifest::read(MANIFEST, bytes).map_err(|error| PackageError::Manifest {
        package: package.into(),
        reason: error.to_string(),
    })
}

/// Publishes the tree of a configuration that is mounted as a volume. Blocks.
pub(crate) fn volume(store: &Store, name: &str, parts: &[Part], reporter: &Reporter) -> Result<Tree, PackageError> {
    let failed = of_store(name);
    let id: TreeId = format!("volume-{}", TreeId::of(parts)).parse().map_err(failed)?;
    if let Some(tree) = store.tree(&id).map_err(failed)? {
        reporter.reused(name, &tree);
        return Ok(tree);
    }
    let begun = Instant::now();
    let staged = store.stage(parts).map_err(failed)?;
    reporter.unpacked(name, staged.bytes(), begun.elapsed());
    let tree = staged.publish(id).map_err(failed)?;
    reporter.published(name, &tree);
    Ok(tree)
}

/// Reads all of a tree that is run where it lies. Blocks.
pub(crate) fn verify(store: &Store, package: &str, tree: &Tree) -> Result<(), PackageError> {
    store.verify(tree).map_err(of_store(package))
}

/// Gives a version its own copy of a tree; what an interrupted preparation left is removed. Blocks.
pub(crate) fn checkout(store: &Store, package: &str, tree: &Tree, to: &Path) -> Result<(), PackageError> {
    let failed = of_store(package);
    let io = |action, source| StoreError::Io {
        action,
        path: to.to_owned(),
        source,
    };
    crate::durable::remove(to).map_err(|e| failed(io("remove", e.source)))?;
    let parent = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| failed(io("make the folder of", e)))?;
    store.checkout(tree, to).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_packages::{Content, Limits};

    fn text(name: &str, text: &str) -> Part {
        Part {
            name: name.into(),
            content: Content::Text(text.into()),
        }
    }

    fn reporter() -> Reporter {
        let instance: aerolith_plan::InstanceId = "shop.web.1".parse().unwrap();
        Reporter::new(&crate::bus::Bus::default(), &instance.service)
    }

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"), Limits::default()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_package_of_text_entries_becomes_a_program_and_its_checkout_is_executable() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, store) = open();
        let parts = [text("program.yml", "entry: run.sh\n"), text("run.sh", "#!/bin/sh\n")];
        let (tree, entry) = program(&store, "pp", &parts, &reporter()).unwrap();
        let (again, same) = program(&store, "pp", &parts, &reporter()).unwrap();
        assert_eq!((again.id(), &*same, &*entry), (tree.id(), "run.sh", "run.sh"));
        let to = dir.path().join("apps/a/tree");
        std::fs::create_dir_all(to.join("left by a crash")).unwrap();
        checkout(&store, "pp", &tree, &to).unwrap();
        assert_eq!(
            std::fs::metadata(to.join("run.sh")).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(!to.join("left by a crash").exists());
    }

    #[test]
    fn a_package_without_a_usable_program_yml_is_refused_with_the_reason_and_leaves_nothing() {
        let (_dir, store) = open();
        for (parts, part) in [
            (vec![text("run.sh", "")], "has no program.yml"),
            (vec![text("program.yml", "entry: gone.sh")], "`gone.sh`"),
            (vec![text("program.yml", "entry: ../../bin/sh")], "climbs out"),
            (vec![text("program.yml", "entry: x\nentry: y")], "program.yml:2"),
        ] {
            let error = program(&store, "weather", &parts, &reporter()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("`weather`"), "{error}");
        }
        assert!(
            store
                .clean(&aerolith_packages::KeptParts::default(), |_| false)
                .unwrap()
                .removed
                .is_empty()
        );
    }

    #[test]
    fn a_program_yml_may_be_in_one_part_only_have_64_kib_and_must_be_text() {
        let (_dir, store) = open();
        let archive = |name: &str, bytes: &[u8]| {
            let mut ingest = store.ingest(aerolith_packages::Download::default()).unwrap();
            ingest.write(bytes).unwrap();
            Part {
                name: name.into(),
                content: Content::Object {
                    blob: ingest.finish().unwrap(),
                    unpack: aerolith_packages::Unpack::None,
                    file_name: MANIFEST.into(),
                },
            }
        };
        let manifest = b"entry: run.sh\n";
        let run = text("run.sh", "#!/bin/sh\n");
        let error = |parts: &[Part]| program(&store, "weather", parts, &reporter()).unwrap_err().to_string();
        let two = error(&[archive("a.yml", manifest), archive("b.yml", manifest), run.clone()]);
        for named in ["`a.yml`", "`b.yml`", "`program.yml`", "exactly one"] {
            assert!(two.contains(named), "{two}");
        }
        let long = format!("entry: run.sh\n#{}", " ".repeat(64 << 10));
        let large = error(&[archive("a.yml", long.as_bytes()), run.clone()]);
        assert!(large.contains("`program.yml`") && large.contains("65536"), "{large}");
        let huge = error(&[archive("a.yml", &vec![b'#'; 64 << 20]), run.clone()]);
        assert_eq!(huge, large, "64 MB");
        let latin = error(&[archive("a.yml", b"# caf\xe9\nentry: run.sh"), run]);
        assert!(latin.contains("program.yml:1:6: the byte 0xe9"), "{latin}");
    }

    #[test]
    fn an_entry_that_is_a_folder_or_climbs_by_a_link_is_refused() {
        let (_dir, store) = open();
        for (path, reason) in [("bin", "a folder"), ("absent", "no such file"), ("C:/x", "is absolute")] {
            let parts = [text("program.yml", &format!("entry: {path}")), text("bin/app", "")];
            let error = program(&store, "weather", &parts, &reporter()).unwrap_err().to_string();
            let place = format!("program.yml:1:8: entry `{path}`");
            assert!(error.contains(reason) && error.contains(&place), "{error}");
        }
    }
}
