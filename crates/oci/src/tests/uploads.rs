use futures::stream;
use std::io;

use super::*;

#[tokio::test]
async fn a_blob_is_pushed_by_post_and_put() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    let digest = Digest::of(b"hello");
    let answer = fixture.send("PUT", &format!("{location}?digest={digest}"), "hello").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::CREATED, format!("/v2/a/blobs/{digest}").as_str())
    );
    assert_eq!(fixture.get(&location).await.status, StatusCode::NOT_FOUND, "the upload has ended");
}

#[tokio::test]
async fn a_blob_is_pushed_in_chunks() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    let first = fixture.showing("content-range", "0-4").send("PATCH", &location, "hello").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-4"));
    let second = fixture.showing("content-range", "5-7").send("PATCH", first.header("location"), " wo").await;
    assert_eq!(second.header("range"), "0-7");
    let status = fixture.get(&location).await;
    assert_eq!(
        (status.status, status.header("range"), status.header("location")),
        (StatusCode::NO_CONTENT, "0-7", location.as_str())
    );
    let digest = Digest::of(b"hello world");
    let last =
        fixture.showing("content-range", "8-10").send("PUT", &format!("{location}?digest={digest}"), "rld").await;
    assert_eq!(last.status, StatusCode::CREATED);
    assert_eq!(fixture.get(&format!("/v2/a/blobs/{digest}")).await.body, "hello world");
}

#[tokio::test]
async fn a_chunk_that_does_not_continue_is_refused_with_where_to_go_on() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    fixture.send("PATCH", &location, "hello").await;
    for range in ["0-4", "6-9", "100-104"] {
        let answer = fixture.showing("content-range", range).send("PATCH", &location, "xxxxx").await;
        assert_eq!((answer.status, answer.header("range")), (StatusCode::RANGE_NOT_SATISFIABLE, "0-4"), "{range}");
        assert_eq!(answer.header("location"), location);
    }
    let garbled = fixture.showing("content-range", "five").send("PATCH", &location, "x").await;
    assert_eq!(garbled.error(), "BLOB_UPLOAD_INVALID: \"five\" is no range of bytes: START-END");
    let answer = fixture.send("PUT", &format!("{location}?digest={}", Digest::of(b"hello")), "").await;
    assert_eq!(answer.status, StatusCode::CREATED, "nothing of it was kept");
}

#[tokio::test]
async fn a_push_that_broke_off_goes_on_where_it_ended() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    let broken = stream::iter([Ok(Bytes::from("hello")), Err(io::Error::other("connection lost"))]);
    let answer = fixture.send("PATCH", &location, Body::from_stream(broken)).await;
    assert_eq!(answer.error(), "BLOB_UPLOAD_INVALID: the content did not arrive whole: go on where it ended");
    assert_eq!(fixture.get(&location).await.header("range"), "0-4");
    let digest = Digest::of(b"hello world");
    let path = format!("{location}?digest={digest}");
    assert_eq!(fixture.showing("content-range", "5-10").send("PUT", &path, " world").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_push_in_one_request_that_broke_off_leaves_nothing() {
    let fixture = Fixture::new();
    let broken = stream::iter([Ok(Bytes::from("hello")), Err(io::Error::other("connection lost"))]);
    let path = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"hello"));
    assert_eq!(fixture.send("POST", &path, Body::from_stream(broken)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(unfinished(&fixture), 0);
}

fn unfinished(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.directory.path().join("uploads")).unwrap().count()
}

fn kept(fixture: &Fixture) -> bool {
    fixture.directory.path().join("blobs").exists()
}

#[tokio::test]
async fn content_that_has_not_the_digest_it_claims_never_becomes_visible() {
    let fixture = Fixture::new();
    let (claimed, found) = (Digest::of(b"honest"), Digest::of(b"lying"));
    let location = fixture.begin("a").await;
    fixture.send("PATCH", &location, "ly").await;
    let pushes = [
        ("POST", format!("/v2/a/blobs/uploads/?digest={claimed}"), "lying"),
        ("PUT", format!("{location}?digest={claimed}"), "ing"),
    ];
    for (method, path, body) in pushes {
        let answer = fixture.send(method, &path, body).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::BAD_REQUEST, format!("DIGEST_INVALID: the blob pushed as {claimed} has the digest {found}"))
        );
    }
    for digest in [claimed, found] {
        assert_eq!(fixture.get(&format!("/v2/a/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!((unfinished(&fixture), kept(&fixture)), (0, false));
}

#[tokio::test]
async fn a_put_without_or_with_a_strange_digest_is_refused_and_may_be_repeated() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    for query in ["", "?digest=", "?digest=sha512:00", "?digest=sha256:zz", "?digest=../../etc/passwd"] {
        let answer = fixture.send("PUT", &format!("{location}{query}"), "x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.error().starts_with("DIGEST_INVALID"), "{query}");
    }
    let path = format!("{location}?digest={}", Digest::of(b"x"));
    assert_eq!(fixture.send("PUT", &path, "x").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    fixture.send("PATCH", &location, "x").await;
    assert_eq!(fixture.send("DELETE", &location, "").await.status, StatusCode::NO_CONTENT);
    let answer = fixture.send("PATCH", &location, "x").await;
    assert!(answer.error().starts_with("BLOB_UPLOAD_UNKNOWN: there is no such upload"), "{answer:?}");
    assert_eq!(unfinished(&fixture), 0);
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let fixture = Fixture::new();
    let location = fixture.begin("mine").await.replace("mine", "yours");
    assert_eq!(fixture.send("PATCH", &location, "x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_blob_beyond_the_limit_is_refused_while_it_arrives() {
    let fixture = Fixture::with(Arc::new(Anybody), Limits { blob: 10, ..Limits::default() });
    assert_eq!(fixture.push_blob("a", b"0123456789").await.status, StatusCode::CREATED);
    let answer = fixture.push_blob("a", b"0123456789a").await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID: a blob may have 10 bytes at most".to_owned())
    );
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(b"xxxx")));
    let location = fixture.begin("a").await;
    assert_eq!(
        fixture.send("PATCH", &location, Body::from_stream(endless)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(unfinished(&fixture), 0);
}

#[tokio::test(start_paused = true)]
async fn uploads_nobody_ends_make_room_after_an_hour() {
    let fixture = Fixture::with(Arc::new(Anybody), Limits { uploads: 2, ..Limits::default() });
    let first = fixture.begin("a").await;
    let second = fixture.begin("a").await;
    let answer = fixture.send("POST", "/v2/a/blobs/uploads/", "").await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS: 2 uploads are under way already: try again later".to_owned())
    );
    tokio::time::advance(std::time::Duration::from_secs(3000)).await;
    assert_eq!(fixture.send("PATCH", &second, "x").await.status, StatusCode::ACCEPTED);
    tokio::time::advance(std::time::Duration::from_secs(1000)).await;
    fixture.begin("a").await;
    assert_eq!(fixture.get(&first).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&second).await.status, StatusCode::NO_CONTENT, "it was touched");
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository() {
    let fixture = Fixture::new();
    fixture.push_blob("from/here", b"x").await;
    let digest = Digest::of(b"x");
    let answer = fixture.send("POST", &format!("/v2/to/there/blobs/uploads/?mount={digest}&from=from/here"), "").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::CREATED, format!("/v2/to/there/blobs/{digest}").as_str())
    );
    assert_eq!(fixture.get(&format!("/v2/to/there/blobs/{digest}")).await.body, "x");
    for query in [
        format!("mount={digest}&from=nowhere"),
        format!("mount={}&from=from/here", Digest::of(b"y")),
        format!("mount={digest}"),
    ] {
        let answer = fixture.send("POST", &format!("/v2/else/blobs/uploads/?{query}"), "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{query}: an upload begins instead");
        assert!(answer.header("location").starts_with("/v2/else/blobs/uploads/"));
    }
    let answer = fixture.send("POST", "/v2/else/blobs/uploads/?mount=nonsense&from=from/here", "").await;
    assert!(answer.error().starts_with("DIGEST_INVALID"));
}
