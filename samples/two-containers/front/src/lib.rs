//! Answers with what its neighbour in the pod, at `$BACKEND`, says.

use guest::{Answer, Request, get, variable};

guest::serve!(answer);

fn answer(request: &Request) -> Answer {
    match request.path.as_str() {
        "/" => ask(),
        "/healthz" => Answer::ok("ok"),
        _ => Answer::not_found(request),
    }
}

fn ask() -> Answer {
    let Some(backend) = variable("BACKEND") else {
        return Answer::error(500, "BACKEND is not set: give it the URL of the back");
    };
    match get(&backend) {
        Ok((200, text)) => Answer::ok(format!("the back says: {text}")),
        Ok((status, _)) => Answer::error(502, format_args!("the back answered {status}")),
        Err(why) => Answer::error(502, why),
    }
}
