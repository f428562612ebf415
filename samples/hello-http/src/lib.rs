//! Greets with `$GREETING` in the name of `$POD_NAME`, and can be made to work.

use guest::{Answer, Request, milliseconds, variable, variables};

guest::serve!(answer);

/// A request that spins for longer is a mistake.
const LONGEST: u64 = 60_000;

fn answer(request: &Request) -> Answer {
    match request.path.as_str() {
        "/" => greet(),
        "/healthz" => Answer::ok("ok"),
        "/env" => Answer::ok(environment()),
        "/burn" => burn(request.parameter("ms")),
        _ => Answer::not_found(request),
    }
}

fn greet() -> Answer {
    let greeting = variable("GREETING").unwrap_or_else(|| "Hello".to_owned());
    let name = variable("POD_NAME").unwrap_or_else(|| "a Wasm component".to_owned());
    Answer::ok(format!("{greeting}, I am {name}\n"))
}

fn environment() -> String {
    variables().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// Spins for so many milliseconds of time; of CPU it gets what its limit allows.
fn burn(milliseconds_wanted: Option<&str>) -> Answer {
    let Some(wanted) = milliseconds_wanted.and_then(|text| text.parse().ok()).filter(|wanted| *wanted <= LONGEST)
    else {
        return Answer::error(400, format_args!("ms must be a number of milliseconds up to {LONGEST}: /burn?ms=100"));
    };
    let start = milliseconds();
    let mut turns = 0_u64;
    while milliseconds() - start < wanted {
        (0..1000).for_each(|_| turns = std::hint::black_box(turns + 1));
    }
    Answer::ok(format!("{turns} turns in {} ms\n", milliseconds() - start))
}
