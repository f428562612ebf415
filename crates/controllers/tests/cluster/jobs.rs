use serde_json::{Value, json};

use crate::harness::Cluster;

fn job(spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "pi", "namespace": "default" },
        "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "pi:1" }] } } },
    });
    for (name, value) in spec.as_object().expect("a spec") {
        job["spec"][name.as_str()] = value.clone();
    }
    job
}

fn cron_job(more: Value) -> Value {
    let mut cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "tick", "namespace": "default" },
        "spec": { "schedule": "* * * * *", "successfulJobsHistoryLimit": 1, "jobTemplate": { "spec": job(json!({}))["spec"] } },
    });
    for (name, value) in more.as_object().expect("a spec") {
        cron_job["spec"][name.as_str()] = value.clone();
    }
    cron_job
}

async fn ended(cluster: &Cluster) -> String {
    let pi = cluster.get("batch/v1", "Job", "default", "pi").await;
    let conditions = pi["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let line = |condition: &Value| {
        format!(
            "{}:{}",
            condition["type"].as_str().unwrap_or_default(),
            condition["reason"].as_str().unwrap_or_default()
        )
    };
    let status = &pi["status"];
    format!(
        "{} ok={} bad={}",
        conditions.iter().map(line).collect::<Vec<_>>().join(" "),
        status["succeeded"],
        status["failed"]
    )
}

#[tokio::test(start_paused = true)]
async fn a_job_completes_and_its_pods_are_counted_and_released() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("batch/v1", "Job", job(json!({ "completions": 5, "parallelism": 2 }))).await;
    let expected = "SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached ok=5 bad=null";
    cluster.eventually("the job is complete", || async { ended(&cluster).await == expected }).await;
    let pods = cluster.list("v1", "Pod", "default").await;
    assert_eq!(pods.len(), 5);
    assert!(pods.iter().all(|pod| pod["metadata"]["finalizers"].is_null()));
    let pi = cluster.get("batch/v1", "Job", "default", "pi").await;
    assert!(pi["status"]["completionTime"].is_string());
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_indexed_job_runs_every_index_once() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster
        .apply("batch/v1", "Job", job(json!({ "completions": 4, "parallelism": 3, "completionMode": "Indexed" })))
        .await;
    let expected = "SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached ok=4 bad=null";
    cluster.eventually("the job is complete", || async { ended(&cluster).await == expected }).await;
    let pi = cluster.get("batch/v1", "Job", "default", "pi").await;
    assert_eq!(pi["status"]["completedIndexes"], "0-3");
    assert_eq!(cluster.list("v1", "Pod", "default").await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_pods_fail_ends_at_its_backoff_limit() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Failed");
    cluster.apply("batch/v1", "Job", job(json!({ "backoffLimit": 1 }))).await;
    let expected = "FailureTarget:BackoffLimitExceeded Failed:BackoffLimitExceeded ok=null bad=2";
    cluster.eventually("the job has failed", || async { ended(&cluster).await == expected }).await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_is_stopped() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Running");
    cluster.apply("batch/v1", "Job", job(json!({ "activeDeadlineSeconds": 30 }))).await;
    cluster
        .eventually("the job has failed", || async { ended(&cluster).await.contains("Failed:DeadlineExceeded") })
        .await;
    cluster.eventually("its pod is gone", || async { cluster.list("v1", "Pod", "default").await.is_empty() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("batch/v1", "Job", job(json!({ "suspend": true }))).await;
    cluster.eventually("it says so", || async { ended(&cluster).await.starts_with("Suspended:JobSuspended") }).await;
    assert!(cluster.list("v1", "Pod", "default").await.is_empty());
    cluster.patch("batch/v1", "Job", "default", "pi", json!({ "spec": { "suspend": false } })).await;
    cluster
        .eventually("the job is complete", || async { ended(&cluster).await.contains("Complete:CompletionsReached") })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_is_deleted_with_its_pods_when_its_time_is_over() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("batch/v1", "Job", job(json!({ "ttlSecondsAfterFinished": 20 }))).await;
    cluster.eventually("the job is complete", || async { ended(&cluster).await.contains("Complete:") }).await;
    cluster
        .eventually("job and pods are gone", || async {
            cluster.get("batch/v1", "Job", "default", "pi").await.is_null()
                && cluster.list("v1", "Pod", "default").await.is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_index_that_fails_too_often_fails_the_job_and_leaves_the_others_alone() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Failed");
    let spec = json!({ "completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1 });
    cluster.apply("batch/v1", "Job", job(spec)).await;
    let expected = "FailureTarget:FailedIndexes Failed:FailedIndexes ok=null bad=4";
    cluster.eventually("the job has failed", || async { ended(&cluster).await == expected }).await;
    let pi = cluster.get("batch/v1", "Job", "default", "pi").await;
    assert_eq!(pi["status"]["failedIndexes"], "0,1");
    let pods = cluster.list("v1", "Pod", "default").await;
    assert!(pods.iter().all(|pod| pod["metadata"]["finalizers"].is_null()), "all are counted and released");
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_success_policy_completes_a_job_before_all_have_succeeded() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let policy = json!({ "rules": [{ "succeededCount": 1 }] });
    let spec = json!({ "completions": 5, "parallelism": 1, "completionMode": "Indexed", "successPolicy": policy });
    cluster.apply("batch/v1", "Job", job(spec)).await;
    let expected = "SuccessCriteriaMet:SuccessPolicy Complete:SuccessPolicy ok=1 bad=null";
    cluster.eventually("the job is complete", || async { ended(&cluster).await == expected }).await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_makes_a_job_each_minute_and_keeps_the_last() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("batch/v1", "CronJob", cron_job(json!({}))).await;
    let last =
        || async { cluster.get("batch/v1", "CronJob", "default", "tick").await["status"]["lastScheduleTime"].clone() };
    cluster.eventually("a job was started", || async { last().await.is_string() }).await;
    let first = last().await;
    let done = || async {
        let jobs = cluster.list("batch/v1", "Job", "default").await;
        jobs.len() == 1
            && jobs[0]["status"]["succeeded"] == 1
            && jobs[0]["metadata"]["ownerReferences"][0]["name"] == "tick"
    };
    cluster.eventually("it is done", done).await;
    cluster.eventually("the next one was started", || async { last().await != first }).await;
    cluster.patch("batch/v1", "CronJob", "default", "tick", json!({ "spec": { "suspend": true } })).await;
    cluster.eventually("the last one is kept alone", done).await;
    cluster
        .eventually("none is at work", || async {
            cluster.get("batch/v1", "CronJob", "default", "tick").await["status"]["active"].is_null()
        })
        .await;
    cluster.assert_settled().await;
}
