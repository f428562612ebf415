use super::*;

fn durable(directory: &Path) -> Buckets {
    Buckets::in_directory(directory, Path::new("kv"))
}

/// What every bucket promises.
fn check(bucket: &Bucket) {
    assert_eq!(bucket.get("a"), Ok(None));
    assert_eq!(bucket.delete("a"), Ok(()));
    let odd = "x/../y\u{fc}".to_owned() + &"z".repeat(1000);
    for (key, value) in [("a", b"1".to_vec()), ("", Vec::new()), (&odd, vec![0, 255])] {
        bucket.set(key, value.clone()).unwrap();
        assert_eq!(bucket.get(key), Ok(Some(value)));
    }
    bucket.set("a", b"40".to_vec()).unwrap();
    assert_eq!(bucket.keys().unwrap(), ["".to_owned(), "a".to_owned(), odd.clone()]);
    assert_eq!((bucket.increment("a", 2), bucket.get("a")), (Ok(42), Ok(Some(b"42".to_vec()))));
    assert_eq!(bucket.increment("new", 7), Ok(7));
    assert_eq!(bucket.increment(&odd, 1), Err(Failure::Other("the value is not a number in decimal digits".into())));
    assert_eq!(bucket.increment("new", u64::MAX), Err(Failure::Other("the sum does not fit into 64 bits".into())));
    bucket.delete(&odd).unwrap();
    assert_eq!(bucket.get(&odd), Ok(None));
    let long = "k".repeat(LONGEST_KEY + 1);
    assert_eq!(bucket.get(&long), Err(Failure::Other("a key of 4097 bytes is too long; at most 4096 fit".into())));
    assert!(bucket.set("large", vec![0; LARGEST_VALUE + 1]).is_err());
}

#[test]
fn buckets_of_both_kinds_keep_what_they_are_given() {
    let directory = tempfile::tempdir().unwrap();
    check(&Buckets::in_memory(Budget::new(None)).open("").unwrap());
    check(&durable(directory.path()).open("").unwrap());
    let again = durable(directory.path()).open("default").unwrap();
    assert_eq!(again.get("a"), Ok(Some(b"42".to_vec())), "it is on the disk");
}

#[test]
fn a_name_that_could_lead_elsewhere_is_no_bucket() {
    let directory = tempfile::tempdir().unwrap();
    for buckets in [Buckets::in_memory(Budget::new(None)), durable(directory.path())] {
        for name in ["..", "a/b", "A", ".hidden", &"a".repeat(64)] {
            assert_eq!(buckets.open(name).map(|_| ()), Err(Failure::NoSuchStore), "{name}");
        }
        buckets.open("one").unwrap().set("k", b"1".to_vec()).unwrap();
        assert_eq!(buckets.open("other").unwrap().get("k"), Ok(None));
        assert_eq!(buckets.open("one").unwrap().get("k"), Ok(Some(b"1".to_vec())));
    }
}

#[test]
fn what_is_kept_in_memory_counts_as_the_container_s() {
    let budget = Budget::new(Some(1000));
    let buckets = Buckets::in_memory(budget.clone());
    let bucket = buckets.open("").unwrap();
    bucket.set("k", vec![0; 500]).unwrap();
    assert!(bucket.set("l", vec![0; 500]).is_err(), "there is no room for two");
    assert_eq!(budget.used(), 565);
    bucket.set("k", vec![0; 100]).unwrap();
    assert_eq!(budget.used(), 165);
    drop((buckets, bucket));
    assert_eq!(budget.used(), 0);
}

#[test]
fn counting_is_not_disturbed_by_others_who_count() {
    let directory = tempfile::tempdir().unwrap();
    // Two processes open the directory each for itself.
    let buckets = [durable(directory.path()), durable(directory.path())];
    std::thread::scope(|scope| {
        for bucket in
            buckets.iter().map(|buckets| buckets.open("").unwrap()).flat_map(|bucket| [bucket.clone(), bucket])
        {
            scope.spawn(move || {
                for _ in 0..25 {
                    bucket.increment("n", 1).unwrap();
                }
            });
        }
    });
    assert_eq!(buckets[0].open("").unwrap().get("n"), Ok(Some(b"100".to_vec())));
}

#[test]
fn links_and_pipes_that_a_guest_laid_out_lead_nowhere() {
    let (volume, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(secret.path().join("file"), b"\x01\0\0\0ksecret").unwrap();
    let bucket = durable(volume.path()).open("").unwrap();
    bucket.set("k", b"mine".to_vec()).unwrap();
    let own = volume.path().join("kv/default");
    let pair = std::fs::read_dir(&own).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&pair).unwrap();
    std::os::unix::fs::symlink(secret.path().join("file"), &pair).unwrap();
    assert!(bucket.get("k").is_err(), "a link is not followed");
    assert_eq!(bucket.keys(), Ok(Vec::new()));
    std::fs::remove_file(&pair).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pair, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    assert!(bucket.get("k").is_err(), "a pipe is not waited for");
    bucket.set("k", b"mine again".to_vec()).unwrap();
    assert_eq!(bucket.get("k"), Ok(Some(b"mine again".to_vec())));
    std::os::unix::fs::symlink(secret.path(), volume.path().join("kv/other")).unwrap();
    assert!(durable(volume.path()).open("other").is_err(), "nor does a bucket lead out");
    assert!(Buckets::in_directory(volume.path(), Path::new("../x")).open("").is_err());
}
