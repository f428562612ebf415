use super::*;
use sampan_meta::SeededEntropy;

const POLICY: BackoffPolicy =
    BackoffPolicy { base: Duration::from_millis(100), max: Duration::from_secs(10), jitter: 0.0 };

fn queue() -> WorkQueue<&'static str> {
    WorkQueue::new(POLICY, Arc::new(SeededEntropy::new(1)))
}

async fn next(queue: &WorkQueue<&'static str>) -> Work<&'static str> {
    queue.next().await.expect("the queue is open")
}

#[tokio::test(start_paused = true)]
async fn a_key_added_twice_is_handed_out_once() {
    let queue = queue();
    queue.add("a");
    queue.add("b");
    queue.add("a");
    assert_eq!(queue.len(), 2);
    assert_eq!(*next(&queue).await, "a");
    assert_eq!(*next(&queue).await, "b");
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_at_work_comes_back_only_when_the_work_is_done() {
    let queue = queue();
    queue.add("a");
    let work = next(&queue).await;
    queue.add("a");
    assert!(queue.is_empty(), "never twice at work");
    drop(work);
    assert_eq!(*next(&queue).await, "a");
    assert!(queue.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_while_at_work_rests_and_what_comes_meanwhile_is_taken_together() {
    let queue = queue();
    let start = Instant::now();
    queue.add("a");
    let mut work = next(&queue).await;
    work.rest(Duration::from_millis(30));
    queue.add("a");
    drop(work);
    queue.add("a");
    queue.add("other");
    assert_eq!(*next(&queue).await, "other", "nobody else rests");
    assert_eq!(*next(&queue).await, "a");
    assert_eq!(start.elapsed().as_millis(), 30);
    assert!(queue.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_lone_change_after_the_work_does_not_wait() {
    let queue = queue();
    let start = Instant::now();
    queue.add("a");
    let mut work = next(&queue).await;
    work.rest(Duration::from_secs(1));
    drop(work);
    queue.add("a");
    assert_eq!(*next(&queue).await, "a");
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn delayed_keys_come_when_due_and_the_earliest_delay_counts() {
    let queue = queue();
    let start = Instant::now();
    queue.add_after("late", Duration::from_secs(60));
    queue.add_after("soon", Duration::from_secs(30));
    queue.add_after("late", Duration::from_secs(40));
    queue.add_after("late", Duration::from_secs(50));
    assert_eq!(*next(&queue).await, "soon");
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(*next(&queue).await, "late");
    assert_eq!(start.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_hears_of_an_earlier_key() {
    let queue = queue();
    queue.add_after("late", Duration::from_secs(3600));
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { *next(&queue).await }
    });
    tokio::task::yield_now().await;
    queue.add_after("soon", Duration::from_secs(1));
    assert_eq!(waiting.await.expect("no panic"), "soon");
}

#[tokio::test(start_paused = true)]
async fn every_waiting_worker_gets_its_key() {
    let queue = queue();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let work = next(&queue).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
                *work
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let start = Instant::now();
    queue.add_after("a", Duration::from_secs(1));
    queue.add_after("b", Duration::from_secs(1));
    queue.add("c");
    let mut done = Vec::new();
    for worker in workers {
        done.push(worker.await.expect("no panic"));
    }
    done.sort_unstable();
    assert_eq!(done, ["a", "b", "c"]);
    assert_eq!(start.elapsed().as_secs(), 6, "side by side");
}

#[tokio::test(start_paused = true)]
async fn failures_double_the_delay_until_forgotten() {
    let queue = queue();
    let delays: Vec<_> = (0..3).map(|_| queue.add_failed("a").as_millis()).collect();
    assert_eq!(delays, [100, 200, 400]);
    assert_eq!(queue.failures(&"a"), 3);
    queue.forget(&"a");
    assert_eq!(queue.add_failed("a").as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_worker_gives_its_key_back() {
    let queue = queue();
    queue.add("a");
    let work = next(&queue).await;
    let worker = tokio::spawn(async move {
        let _work = work;
        panic!("on purpose");
    });
    assert!(worker.await.is_err());
    queue.add("a");
    assert_eq!(*next(&queue).await, "a");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_hands_out_what_is_ready_and_wakes_everybody() {
    let queue = queue();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.next().await.is_none() })
        })
        .collect();
    tokio::task::yield_now().await;
    queue.add_after("delayed", Duration::from_secs(1));
    queue.shut_down();
    queue.add("late");
    for worker in waiting {
        assert!(worker.await.expect("no panic"));
    }
    let queue = self::queue();
    queue.add("ready");
    queue.shut_down();
    assert_eq!(*next(&queue).await, "ready");
    assert!(queue.next().await.is_none());
}
