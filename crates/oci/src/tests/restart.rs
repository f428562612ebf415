use super::*;

fn has_content(fixture: &Fixture, content: &[u8]) -> bool {
    let digest = Digest::of(content);
    fixture.directory.path().join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex()).exists()
}

#[tokio::test]
async fn what_was_pushed_is_there_after_a_restart_and_unfinished_uploads_are_not() {
    let fixture = Fixture::new();
    fixture.push_image("a/b", "1", b"x").await;
    let location = fixture.begin("a/b").await;
    fixture.send("PATCH", &location, "half").await;
    let fixture = fixture.restarted();
    assert_eq!(fixture.get("/v2/a/b/manifests/1").await.body, image(b"x").to_string());
    assert_eq!(fixture.get(&format!("/v2/a/b/blobs/{}", Digest::of(b"x"))).await.body, "x");
    assert_eq!(fixture.send("PATCH", &location, "more").await.status, StatusCode::NOT_FOUND);
    assert_eq!(std::fs::read_dir(fixture.directory.path().join("uploads")).unwrap().count(), 0);
    assert_ne!(fixture.begin("a/b").await, location, "an id is never used again");
}

#[tokio::test]
async fn content_in_no_repository_goes_at_the_next_start() {
    let fixture = Fixture::new();
    fixture.push_image("a", "1", b"kept").await;
    for name in ["a", "b/c"] {
        fixture.push_blob(name, b"dropped").await;
    }
    let delete = async |fixture: &Fixture, name: &str| {
        let path = format!("/v2/{name}/blobs/{}", Digest::of(b"dropped"));
        assert_eq!(fixture.send("DELETE", &path, "").await.status, StatusCode::ACCEPTED);
    };
    delete(&fixture, "a").await;
    let fixture = fixture.restarted();
    assert!(has_content(&fixture, b"dropped"), "another repository has it");
    delete(&fixture, "b/c").await;
    assert!(has_content(&fixture, b"dropped"), "a push under way may count on it");
    let fixture = fixture.restarted();
    assert!(!has_content(&fixture, b"dropped") && has_content(&fixture, b"kept"));
    assert_eq!(fixture.get("/v2/a/manifests/1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_process_at_a_time_has_it() {
    let fixture = Fixture::new();
    let error = Registry::open(fixture.directory.path(), Arc::new(Anybody), Limits::default()).err().unwrap();
    assert!(error.to_string().starts_with("failed to open the registry in /"), "{error}");
    assert_eq!(error.source.to_string(), "another process has it open");
}

#[test]
fn a_directory_that_cannot_be_had_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Registry::open(&file.join("registry"), Arc::new(Anybody), Limits::default()).err().unwrap();
    assert!(error.to_string().contains("file/registry") && !error.retryable(), "{error}");
}

#[tokio::test]
async fn a_manifest_damaged_on_the_disk_is_not_handed_out() {
    let fixture = Fixture::new();
    fixture.push_image("a", "1", b"x").await;
    let digest = Digest::of(image(b"x").to_string().as_bytes());
    let path = fixture.directory.path().join("blobs/sha256").join(&digest.hex()[..2]).join(digest.hex());
    std::fs::write(path, "{}").unwrap();
    let answer = fixture.get("/v2/a/manifests/1").await;
    assert_eq!(
        (answer.status, answer.error()),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("UNKNOWN: the content kept for manifest {digest} is damaged: push it again")
        )
    );
    assert_eq!(fixture.push_manifest("a", "1", &image(b"x")).await.status, StatusCode::CREATED);
    assert_eq!(fixture.get("/v2/a/manifests/1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_tag_that_points_nowhere_is_unknown() {
    let fixture = Fixture::new();
    fixture.push_image("a", "1", b"x").await;
    let tag = fixture.directory.path().join("repositories/a/_tags/1");
    for content in ["", "nonsense", &Digest::of(b"else").to_string()] {
        std::fs::write(&tag, content).unwrap();
        assert_eq!(fixture.get("/v2/a/manifests/1").await.status, StatusCode::NOT_FOUND, "{content}");
    }
}

#[tokio::test]
async fn a_registry_that_cannot_reach_its_files_says_so_without_showing_where_they_are() {
    let fixture = Fixture::new();
    fixture.push_image("a", "1", b"x").await;
    let links = fixture.directory.path().join("repositories/a/_manifests");
    let digest = Digest::of(image(b"x").to_string().as_bytes());
    std::fs::remove_file(links.join(digest.hex())).unwrap();
    std::fs::create_dir(links.join(digest.hex())).unwrap();
    let answer = fixture.get("/v2/a/manifests/1").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.error().starts_with("UNKNOWN: the registry cannot reach its files"));
    assert!(!answer.error().contains(fixture.directory.path().to_str().unwrap()));
}
