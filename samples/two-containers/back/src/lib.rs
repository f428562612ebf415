//! Answers its neighbour in the pod; no Service leads here.

use guest::{Answer, Request};

guest::serve!(answer);

fn answer(request: &Request) -> Answer {
    match request.path.as_str() {
        "/" => Answer::ok("good day from next door\n"),
        "/healthz" => Answer::ok("ok"),
        _ => Answer::not_found(request),
    }
}
