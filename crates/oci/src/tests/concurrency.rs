use futures::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_push_the_same_blob_at_once_and_readers_see_all_of_it_or_nothing() {
    let fixture = Arc::new(Fixture::new());
    let content: Arc<Vec<u8>> = Arc::new((0..300_000_u32).map(|number| (number % 253) as u8).collect());
    let path = format!("/v2/a/blobs/{}", Digest::of(&content));
    let pushes = (0..16).map(|_| {
        let (fixture, content) = (fixture.clone(), content.clone());
        tokio::spawn(async move { fixture.push_blob("a", &content).await.status })
    });
    let reads = (0..16).map(|_| {
        let (fixture, content, path) = (fixture.clone(), content.clone(), path.clone());
        tokio::spawn(async move {
            for _ in 0..20 {
                let answer = fixture.get(&path).await;
                assert!(answer.status == StatusCode::NOT_FOUND || answer.body == content[..], "{}", answer.status);
            }
        })
    });
    let (pushes, reads) = futures::join!(join_all(pushes), join_all(reads));
    assert!(pushes.into_iter().all(|status| status.unwrap() == StatusCode::CREATED));
    reads.into_iter().for_each(|read| read.unwrap());
    assert_eq!(fixture.get(&path).await.body, content[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_many_move_at_once_is_always_one_of_theirs() {
    let fixture = Arc::new(Fixture::new());
    let layers: Vec<String> = (0..12).map(|number| format!("layer {number}")).collect();
    let manifests: Vec<String> = layers.iter().map(|layer| image(layer.as_bytes()).to_string()).collect();
    fixture.push_image("a", "latest", layers[0].as_bytes()).await;
    let pushes = layers.clone().into_iter().map(|layer| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.push_image("a", "latest", layer.as_bytes()).await.status })
    });
    let reads = (0..8).map(|_| {
        let (fixture, manifests) = (fixture.clone(), manifests.clone());
        tokio::spawn(async move {
            for _ in 0..30 {
                let answer = fixture.get("/v2/a/manifests/latest").await;
                assert_eq!(answer.status, StatusCode::OK);
                assert!(manifests.iter().any(|manifest| answer.body == *manifest));
            }
        })
    });
    let (pushes, reads) = futures::join!(join_all(pushes), join_all(reads));
    assert!(pushes.into_iter().all(|status| status.unwrap() == StatusCode::CREATED));
    reads.into_iter().for_each(|read| read.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chunks_of_one_upload_sent_at_once_are_taken_one_after_the_other() {
    let fixture = Arc::new(Fixture::new());
    let location = fixture.begin("a").await;
    let chunks = (0..8_u8).map(|_| {
        let (fixture, location) = (fixture.showing("content-range", "0-999"), location.clone());
        tokio::spawn(async move { fixture.send("PATCH", &location, vec![b'x'; 1000]).await.status })
    });
    let statuses: Vec<StatusCode> = join_all(chunks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::ACCEPTED).count(), 1, "{statuses:?}");
    let digest = Digest::of(&[b'x'; 1000]);
    assert_eq!(fixture.send("PUT", &format!("{location}?digest={digest}"), "").await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_push_whose_client_vanishes_in_the_middle_goes_on_where_it_ended() {
    let fixture = Fixture::new();
    let location = fixture.begin("a").await;
    for _ in 0..20 {
        // A request that is dropped at some point of its work, as the server does when the connection ends.
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000])));
        let body = Body::from_stream(futures::StreamExt::take(endless, 200));
        let _ =
            tokio::time::timeout(std::time::Duration::from_micros(300), fixture.send("PATCH", &location, body)).await;
    }
    let status = fixture.get(&location).await;
    let arrived = status.header("range").strip_prefix("0-").unwrap().parse::<usize>().unwrap();
    let arrived = if arrived == 0 { 0 } else { arrived + 1 };
    let content = [vec![b'x'; arrived], b"end".to_vec()].concat();
    let path = format!("{location}?digest={}", Digest::of(&content));
    assert_eq!(fixture.send("PUT", &path, "end").await.status, StatusCode::CREATED);
    let stored = fixture.get(&format!("/v2/a/blobs/{}", Digest::of(&content))).await;
    assert_eq!(stored.body, content);
}
