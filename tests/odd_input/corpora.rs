//! The inputs that the fuzz targets begin with, and whatever they once tripped over, hold the same
//! properties here: with a stable toolchain and without cargo-fuzz.

use crate::properties;
use std::fs;
use std::path::Path;

#[test]
fn every_committed_input_holds_its_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, check) in properties::TARGETS {
        let inputs = fs::read_dir(folder.join(target)).expect("a corpus");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a file").path();
            let bytes = fs::read(&path).expect("an input");
            let held = std::panic::catch_unwind(|| check(&bytes));
            assert!(held.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count >= 10, "{target} has {count} inputs");
    }
    let folders = fs::read_dir(&folder).expect("the corpora").count();
    assert_eq!(folders, properties::TARGETS.len(), "a corpus of no target");
}

/// The targets' properties are about what is done: these inputs lead to it.
#[test]
fn some_inputs_lead_to_what_the_properties_forbid_for_the_others() {
    let input = |place: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        fs::read(folder.join(place)).expect("an input")
    };
    for name in ["gone", "gone-without-a-lease"] {
        let place = format!("judgement/{name}");
        assert!(properties::judgement::is_gone(&input(&place)), "{place}");
    }
    let touched = |name| properties::answers::touched(&input(&format!("answers/{name}")));
    assert!(touched("a-pod-that-stays").contains(&http::Method::DELETE));
    // It was deleted by force already.
    let patches = touched("a-finalizer");
    assert!(!patches.is_empty() && patches.iter().all(|method| method == http::Method::PATCH));
}
