use super::*;
use crate::name::{Reference, Repository, Tag};

#[test]
fn repository_names_are_those_of_the_specification() {
    let good = ["a", "0", "library/hello", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c.d/e-f_g"];
    let bad = [
        "", "/", "a/", "/a", "a//b", "A", "ä", "a..b", "a___b", "a._b", ".a", "a.", "-a", "a-", "_a", "a/_b", "..",
        "a/../b", "a/./b", "a b", "a\0", "a%2e", "a\\b", "a:b",
    ];
    for name in good {
        assert!(name.parse::<Repository>().is_ok(), "{name}");
    }
    for name in bad {
        assert!(name.parse::<Repository>().is_err(), "{name:?}");
    }
    assert!("a".repeat(255).parse::<Repository>().is_ok() && "a".repeat(256).parse::<Repository>().is_err());
}

#[test]
fn tags_and_digests_are_those_of_the_specification() {
    for tag in ["a", "_", "1.0", "V1.0-rc_2", "latest"] {
        assert!(tag.parse::<Tag>().is_ok(), "{tag}");
    }
    for tag in ["", ".a", "-a", "..", "a/b", "a b", "ä", "a\n", "a+b"] {
        assert!(tag.parse::<Tag>().is_err(), "{tag:?}");
    }
    assert!("a".repeat(128).parse::<Tag>().is_ok() && "a".repeat(129).parse::<Tag>().is_err());
    let hex = "a".repeat(64);
    assert!(matches!(format!("sha256:{hex}").parse(), Ok(Reference::Digest(_))));
    for digest in [
        format!("sha512:{hex}"),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", "a".repeat(63)),
        "sha256:".to_owned(),
        format!("sha256:{}", "../".repeat(22)),
    ] {
        assert!(digest.parse::<Reference>().is_err(), "{digest}");
    }
}

#[tokio::test]
async fn no_name_leads_out_of_the_directory() {
    let fixture = Fixture::new();
    let before = files_beside(&fixture);
    let names = [
        "..",
        "%2e%2e",
        "a/..",
        "a/%2e%2e/%2e%2e/b",
        "..%2f..%2fetc",
        "a%00b",
        "%2fetc",
        "a%5c..%5cb",
        "_uploads",
        "A",
        "%ff%fe",
        "a%",
        "a%2",
    ];
    for name in names {
        let upload = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(b"x"));
        let answer = fixture.send("POST", &upload, "x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(answer.error().starts_with("NAME_INVALID"), "{name}: {}", answer.error());
        for path in [format!("/v2/{name}/manifests/latest"), format!("/v2/{name}/tags/list")] {
            assert_eq!(fixture.get(&path).await.status, StatusCode::BAD_REQUEST, "{path}");
        }
    }
    for reference in ["..", "%2e%2e", "..%2f..%2fx", "a%2fb", "%00"] {
        let answer =
            fixture.showing("content-type", INDEX).send("PUT", &format!("/v2/a/manifests/{reference}"), "{}").await;
        assert!(answer.status.is_client_error(), "{reference}");
    }
    for id in ["..", "%2e%2e%2fgeneration", "generation", "%2e%2e%2flock"] {
        let answer = fixture.send("PATCH", &format!("/v2/a/blobs/uploads/{id}"), "x").await;
        assert!(answer.status.is_client_error(), "{id}");
    }
    assert_eq!(files_beside(&fixture), before);
    assert!(!fixture.directory.path().join("repositories").exists(), "nothing was made");
}

fn files_beside(fixture: &Fixture) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(fixture.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn parts_of_a_name_may_be_called_as_the_paths_are() {
    let fixture = Fixture::new();
    for name in ["blobs/uploads", "manifests", "tags/list", "referrers/x", "a/blobs"] {
        assert_eq!(fixture.push_image(name, "v1", b"x").await.status, StatusCode::CREATED, "{name}");
        assert_eq!(fixture.get(&format!("/v2/{name}/tags/list")).await.json()["tags"], json!(["v1"]), "{name}");
    }
}

#[tokio::test]
async fn a_repository_within_another_is_its_own() {
    let fixture = Fixture::new();
    fixture.push_image("a", "outer", b"x").await;
    fixture.push_image("a/b", "inner", b"x").await;
    assert_eq!(fixture.get("/v2/a/tags/list").await.json()["tags"], json!(["outer"]));
    assert_eq!(fixture.get("/v2/a/b/tags/list").await.json()["tags"], json!(["inner"]));
}

#[tokio::test]
async fn other_paths_lead_nowhere() {
    let fixture = Fixture::new();
    for path in ["/v2/a", "/v2/_catalog", "/v2/a/blobs", "/v2/a/tags", "/v2//"] {
        let answer = fixture.get(path).await;
        assert!(answer.status.is_client_error(), "{path}");
        answer.error();
    }
}
