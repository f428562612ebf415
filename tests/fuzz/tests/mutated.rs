//! Some hundreds of inputs for each target, the same in every run.

use sampan_fuzz::{Dice, TARGETS, mutated};

/// Inputs for each target: a few seconds of a debug build.
const INPUTS: usize = 600;

#[test]
fn no_target_panics_on_good_inputs_nor_on_bad_ones_made_from_them() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has seeds", target.name);
        seeds.iter().for_each(|seed| (target.run)(seed));
        for input in 0..INPUTS {
            let bytes = mutated(&seeds, &mut Dice::new(input as u64 + 1));
            let ended = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(ended.is_ok(), "{} panics on input {input}: {:?}", target.name, String::from_utf8_lossy(&bytes));
        }
    }
}

/// The same names as the files that give the targets to libFuzzer.
#[test]
fn each_target_has_its_file_for_the_fuzzer() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("it can be read").path().file_stem().expect("files").to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
}
