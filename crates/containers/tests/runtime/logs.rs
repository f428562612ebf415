//! Logs of containers that go on writing.

use std::time::{Duration, Instant};

use sampan_runtime::Runtime as _;

use crate::setting::Setting;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grows_is_put_aside_and_nothing_of_it_is_lost() {
    let Some(setting) = Setting::new().await else { return };
    setting.start("chatty", &["counts"], |config| (config.log.max_bytes, config.log.max_files) = (64 << 10, 3)).await;
    let path = setting.log("chatty");
    let begin = Instant::now();
    let older = path.with_extension("log.2");
    while !older.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no third file: {:?}", std::fs::metadata(&path));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    setting.runtime.stop("chatty", Duration::ZERO).await.unwrap();
    let text: String = [".2", ".1", ""].iter().map(|end| read(&path.with_extension(format!("log{end}")))).collect();
    let numbers: Vec<u64> = text.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(numbers.len() > 1000 && numbers.windows(2).all(|two| two[0] + 1 == two[1]), "each number once, in order");
    assert!(!path.with_extension("log.3").exists());
}

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_bounded_again_by_the_agent_that_comes_back() {
    let Some(mut setting) = Setting::new().await else { return };
    setting.start("chatty", &["counts"], |config| (config.log.max_bytes, config.log.max_files) = (64 << 10, 2)).await;
    setting.restart();
    let begin = Instant::now();
    while !setting.log("chatty").with_extension("log.1").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no second file");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    setting.runtime.stop("chatty", Duration::ZERO).await.unwrap();
}
