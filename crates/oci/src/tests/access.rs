use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::*;
use crate::name::Repository;
use crate::{Access, Action, Credentials, SingleUser};

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn guarded(anybody_may_pull: bool) -> Fixture {
    Fixture::with(Arc::new(SingleUser::new("sampan", "secret", anybody_may_pull)), Limits::default())
}

#[tokio::test]
async fn a_stranger_is_asked_to_log_in_and_learns_nothing() {
    let fixture = guarded(false);
    let digest = Digest::of(b"x");
    let rows = [
        ("GET", "/v2/".to_owned(), "log in to pull from this registry"),
        ("GET", "/v2/a/manifests/1".to_owned(), "log in to pull from repository a"),
        ("POST", "/v2/a/blobs/uploads/".to_owned(), "log in to push to repository a"),
        ("DELETE", format!("/v2/a/blobs/{digest}"), "log in to delete in repository a"),
        ("GET", "/v2/NOT/A/NAME/tags/list".to_owned(), "log in to pull from this registry"),
    ];
    for (method, path, expected) in rows {
        for header in
            ["", "Basic nonsense", "Digest x", &basic("sampan", "wrong"), &basic("other", "secret"), "Bearer wrong"]
        {
            let answer = fixture.showing("authorization", header).send(method, &path, "").await;
            assert_eq!(
                (answer.status, answer.error()),
                (StatusCode::UNAUTHORIZED, format!("UNAUTHORIZED: {expected}")),
                "{header}"
            );
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"sampan\"");
        }
    }
}

#[tokio::test]
async fn who_logs_in_may_push_and_pull() {
    let fixture = guarded(false);
    for header in [basic("sampan", "secret"), "Bearer secret".to_owned()] {
        let known = fixture.showing("authorization", &header);
        assert_eq!(known.get("/v2/").await.status, StatusCode::OK);
        assert_eq!(known.push_blob("a", b"x").await.status, StatusCode::CREATED);
        assert_eq!(known.get(&format!("/v2/a/blobs/{}", Digest::of(b"x"))).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn anybody_may_pull_where_that_is_wished_and_nothing_else() {
    let fixture = guarded(true);
    let known = fixture.showing("authorization", &basic("sampan", "secret"));
    known.push_blob("a", b"x").await;
    let path = format!("/v2/a/blobs/{}", Digest::of(b"x"));
    assert_eq!(fixture.get(&path).await.status, StatusCode::OK);
    assert_eq!(fixture.push_blob("a", b"y").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.send("DELETE", &path, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        fixture.showing("authorization", &basic("sampan", "wrong")).get(&path).await.status,
        StatusCode::UNAUTHORIZED
    );
}

/// Everybody has the repositories below their name, and nobody may delete.
struct OwnRepositories;

impl Authorize for OwnRepositories {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials,
        action: Action,
        repository: Option<&'a Repository>,
    ) -> BoxFuture<'a, Access> {
        let Credentials::Basic { user, .. } = credentials else {
            return futures::future::ready(Access::Unauthenticated).boxed();
        };
        let is_own = repository.is_none_or(|name| name.as_str().split('/').next() == Some(user));
        let access = if is_own && action != Action::Delete { Access::Granted } else { Access::Denied };
        futures::future::ready(access).boxed()
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let fixture = Fixture::with(Arc::new(OwnRepositories), Limits::default());
    let jane = fixture.showing("authorization", &basic("jane", "x"));
    assert_eq!(jane.push_blob("jane/app", b"x").await.status, StatusCode::CREATED);
    let answer = jane.push_blob("bob/app", b"x").await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::FORBIDDEN, "DENIED: these credentials may not push to repository bob/app".to_owned())
    );
    let answer = jane.send("DELETE", &format!("/v2/jane/app/blobs/{}", Digest::of(b"x")), "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let location = jane.begin("jane/app").await;
    assert_eq!(
        jane.send("DELETE", &location, "").await.status,
        StatusCode::NO_CONTENT,
        "giving an upload up is part of pushing"
    );
}

#[tokio::test]
async fn a_mount_does_not_read_what_its_client_may_not() {
    let fixture = Fixture::with(Arc::new(OwnRepositories), Limits::default());
    let (jane, bob) =
        (fixture.showing("authorization", &basic("jane", "x")), fixture.showing("authorization", &basic("bob", "x")));
    bob.push_blob("bob/app", b"secret").await;
    let digest = Digest::of(b"secret");
    let answer = jane.send("POST", &format!("/v2/jane/app/blobs/uploads/?mount={digest}&from=bob/app"), "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "as if it were not there");
    assert_eq!(jane.get(&format!("/v2/jane/app/blobs/{digest}")).await.status, StatusCode::NOT_FOUND);
    let own = bob.send("POST", &format!("/v2/bob/copy/blobs/uploads/?mount={digest}&from=bob/app"), "").await;
    assert_eq!(own.status, StatusCode::CREATED);
}

#[test]
fn credentials_are_not_in_their_debug_form() {
    for credentials in [
        Credentials::Bearer("secret".to_owned()),
        Credentials::Basic { user: "u".to_owned(), password: "secret".to_owned() },
    ] {
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
