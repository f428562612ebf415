use super::*;

#[tokio::test]
async fn an_image_is_pushed_and_pulled_by_tag_and_digest() {
    let fixture = Fixture::new();
    let pushed = fixture.push_image("library/hello", "1", b"wasm").await;
    let digest = pushed.header("docker-content-digest").to_owned();
    assert_eq!(
        (pushed.status, pushed.header("location")),
        (StatusCode::CREATED, format!("/v2/library/hello/manifests/{digest}").as_str())
    );
    for reference in ["1", &digest] {
        let path = format!("/v2/library/hello/manifests/{reference}");
        let answer = fixture.get(&path).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.header("docker-content-digest")),
            (StatusCode::OK, IMAGE, digest.as_str())
        );
        assert_eq!(answer.body, image(b"wasm").to_string(), "byte for byte");
        let head = fixture.send("HEAD", &path, "").await;
        assert_eq!((head.header("content-length"), head.body.len()), (answer.body.len().to_string().as_str(), 0));
    }
}

#[tokio::test]
async fn a_tag_moves_and_the_digest_stays() {
    let fixture = Fixture::new();
    let first = fixture.push_image("a", "latest", b"one").await;
    fixture.push_image("a", "latest", b"two").await;
    assert_eq!(fixture.get("/v2/a/manifests/latest").await.body, image(b"two").to_string());
    assert_eq!(fixture.get(first.header("location")).await.body, image(b"one").to_string());
}

#[tokio::test]
async fn a_manifest_that_cannot_be_right_is_refused() {
    let fixture = Fixture::new();
    fixture.push_blob("a", b"{}").await;
    let missing = fixture.push_manifest("a", "1", &image(b"never pushed")).await;
    let digest = Digest::of(b"never pushed");
    assert_eq!(
        (missing.status, missing.error()),
        (
            StatusCode::NOT_FOUND,
            format!(
                "MANIFEST_BLOB_UNKNOWN: the manifest refers to blob {digest}, which repository a does not have: push it first"
            )
        )
    );
    let put = async |content_type: &str, reference: &str, body: &str| {
        fixture
            .showing("content-type", content_type)
            .send("PUT", &format!("/v2/a/manifests/{reference}"), body.to_owned())
            .await
    };
    let wrong = Digest::of(b"other");
    let rows = [
        (IMAGE, "1", "{", "MANIFEST_INVALID: the manifest is no json"),
        (IMAGE, "1", "[]", "MANIFEST_INVALID: the manifest is no json object"),
        (IMAGE, "1", "{}", "MANIFEST_INVALID: the manifest has no config"),
        (
            IMAGE,
            "1",
            r#"{"config": {"digest": "nonsense"}, "layers": []}"#,
            "DIGEST_INVALID: \"nonsense\" is no digest",
        ),
        (IMAGE, "1", r#"{"config": 7, "layers": []}"#, "DIGEST_INVALID"),
        (
            IMAGE,
            "1",
            r#"{"config": {"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#,
            "MANIFEST_INVALID: the manifest has no layers",
        ),
        (
            IMAGE,
            "1",
            r#"{"mediaType": "application/vnd.oci.image.index.v1+json"}"#,
            "MANIFEST_INVALID: the manifest is of type",
        ),
        ("", "1", "{}", "MANIFEST_INVALID: neither Content-Type nor mediaType"),
        (INDEX, &wrong.to_string(), "{}", "DIGEST_INVALID: the manifest pushed as"),
        (INDEX, "1", r#"{"subject": {"digest": "x"}}"#, "DIGEST_INVALID"),
        (INDEX, "-bad", "{}", "MANIFEST_INVALID: \"-bad\" is no tag"),
    ];
    for (content_type, reference, body, expected) in rows {
        let answer = put(content_type, reference, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.error().starts_with(expected), "{}", answer.error());
    }
    assert_eq!(fixture.get("/v2/a/manifests/1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get("/v2/a/tags/list").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn a_manifest_beyond_the_limit_is_refused() {
    let fixture = Fixture::with(Arc::new(Anybody), Limits { manifest: 100, ..Limits::default() });
    let large = json!({ "mediaType": INDEX, "annotations": { "a": "x".repeat(100) } });
    let answer = fixture.push_manifest("a", "1", &large).await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID: a manifest may have 100 bytes at most".to_owned())
    );
}

#[tokio::test]
async fn layers_to_be_had_elsewhere_need_not_be_here() {
    let fixture = Fixture::new();
    fixture.push_blob("a", b"{}").await;
    let mut manifest = image(b"far away");
    manifest["layers"][0]["urls"] = json!(["https://example.com/layer"]);
    assert_eq!(fixture.push_manifest("a", "1", &manifest).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn indexes_and_unknown_kinds_of_manifests_are_kept_as_they_are() {
    let fixture = Fixture::new();
    for media_type in [INDEX, "application/vnd.example.thing+json"] {
        let manifest = json!({ "mediaType": media_type, "manifests": [] });
        assert_eq!(fixture.push_manifest("a", "1", &manifest).await.status, StatusCode::CREATED);
        assert_eq!(fixture.get("/v2/a/manifests/1").await.header("content-type"), media_type);
    }
}

#[tokio::test]
async fn a_deleted_tag_leaves_the_manifest_and_a_deleted_manifest_takes_its_tags() {
    let fixture = Fixture::new();
    let digest = fixture.push_image("a", "1", b"x").await.header("docker-content-digest").to_owned();
    fixture.push_image("a", "2", b"x").await;
    fixture.push_image("a", "other", b"y").await;
    let delete =
        async |reference: &str| fixture.send("DELETE", &format!("/v2/a/manifests/{reference}"), "").await.status;
    let read = async |reference: &str| fixture.get(&format!("/v2/a/manifests/{reference}")).await.status;
    assert_eq!(
        (delete("1").await, read("1").await, read(&digest).await),
        (StatusCode::ACCEPTED, StatusCode::NOT_FOUND, StatusCode::OK)
    );
    assert_eq!(
        (delete(&digest).await, read("2").await, read(&digest).await),
        (StatusCode::ACCEPTED, StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    assert_eq!(
        (delete(&digest).await, delete("2").await, read("other").await),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND, StatusCode::OK)
    );
}

#[tokio::test]
async fn tags_are_listed_in_order_and_in_pages() {
    let fixture = Fixture::new();
    for tag in ["b", "a", "v1.10", "v1.2", "C"] {
        fixture.push_image("team/app", tag, b"x").await;
    }
    let page = async |query: &str| {
        let answer = fixture.get(&format!("/v2/team/app/tags/list{query}")).await;
        (answer.json()["tags"].clone(), answer.header("link").to_owned())
    };
    assert_eq!(page("").await, (json!(["C", "a", "b", "v1.10", "v1.2"]), String::new()));
    assert_eq!(page("?n=2").await, (json!(["C", "a"]), "</v2/team/app/tags/list?n=2&last=a>; rel=\"next\"".to_owned()));
    assert_eq!(page("?n=2&last=a").await.0, json!(["b", "v1.10"]));
    assert_eq!(page("?n=2&last=v1.10").await, (json!(["v1.2"]), String::new()));
    assert_eq!(page("?n=5").await.1, "", "nothing follows");
    assert_eq!(page("?n=0").await, (json!([]), String::new()));
    assert_eq!(page("?last=zzz").await.0, json!([]));
    assert_eq!(fixture.get("/v2/team/app/tags/list?n=many").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let unknown = fixture.get("/v2/team/tags/list").await;
    assert_eq!(
        (unknown.status, unknown.error()),
        (StatusCode::NOT_FOUND, "NAME_UNKNOWN: there is no repository team".to_owned())
    );
}

#[tokio::test]
async fn what_is_about_a_manifest_is_found_by_it() {
    let fixture = Fixture::new();
    let subject = fixture.push_image("a", "1", b"x").await.header("docker-content-digest").to_owned();
    let path = format!("/v2/a/referrers/{subject}");
    assert_eq!(fixture.get(&path).await.json()["manifests"], json!([]));
    let mut signature = image(b"x");
    signature["subject"] = json!({ "mediaType": IMAGE, "digest": subject, "size": 1 });
    signature["artifactType"] = json!("application/vnd.example.signature");
    signature["annotations"] = json!({ "by": "me" });
    let pushed =
        fixture.push_manifest("a", &Digest::of(signature.to_string().as_bytes()).to_string(), &signature).await;
    assert_eq!((pushed.status, pushed.header("oci-subject")), (StatusCode::CREATED, subject.as_str()));
    let mut list = image(b"x");
    list["subject"] = json!({ "mediaType": IMAGE, "digest": subject, "size": 1 });
    fixture.push_manifest("a", "sbom", &list).await;
    let all = fixture.get(&path).await;
    assert_eq!((all.header("content-type"), all.json()["manifests"].as_array().unwrap().len()), (INDEX, 2));
    let filtered = fixture.get(&format!("{path}?artifactType=application/vnd.example.signature")).await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let found = filtered.json()["manifests"].clone();
    assert_eq!(found[0]["annotations"], json!({ "by": "me" }));
    assert_eq!((found.as_array().unwrap().len(), &found[0]["mediaType"]), (1, &json!(IMAGE)));
    let by_config = fixture.get(&format!("{path}?artifactType=application/vnd.wasm.config.v0%2Bjson")).await;
    assert_eq!(by_config.json()["manifests"].as_array().unwrap().len(), 1, "an image is what its configuration is");
    fixture.send("DELETE", pushed.header("location"), "").await;
    assert_eq!(fixture.get(&path).await.json()["manifests"].as_array().unwrap().len(), 1);
}
