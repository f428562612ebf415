//! Shows the configuration it was given: environment at `/`, mounted files at `/files`, one of them at `/files/NAME`.

use guest::{Answer, Request, list, read, variable};

guest::serve!(answer);

const SETTINGS: &str = "/etc/settings";
const CREDENTIALS: &str = "/etc/credentials";

fn answer(request: &Request) -> Answer {
    match request.path.as_str() {
        "/" => settings(),
        "/healthz" => Answer::ok("ok"),
        "/files" => files(),
        "/secret" => secret(),
        path => match path.strip_prefix("/files/") {
            Some(name) => file(name),
            None => Answer::not_found(request),
        },
    }
}

/// As the container was started: a changed ConfigMap shows after a restart.
fn settings() -> Answer {
    let shown = |name| format!("{name}={}\n", variable(name).unwrap_or_default());
    Answer::ok(["MODE", "MESSAGE"].map(shown).concat())
}

fn files() -> Answer {
    match list(SETTINGS) {
        Ok(names) => Answer::ok(names.into_iter().map(|name| name + "\n").collect::<String>()),
        Err(why) => Answer::error(500, why),
    }
}

/// As the ConfigMap is now: the node writes its changes into the running pod's volume.
fn file(name: &str) -> Answer {
    match read(&format!("{SETTINGS}/{name}")) {
        Ok(text) => Answer::ok(text),
        Err(why) => Answer::error(404, why),
    }
}

/// Says that the secret is there, and never what it is.
fn secret() -> Answer {
    match read(&format!("{CREDENTIALS}/token")) {
        Ok(token) => Answer::ok(format!("a token of {} bytes\n", token.len())),
        Err(why) => Answer::error(500, why),
    }
}
