use sampan_meta::SeededEntropy;

use super::*;

fn token() -> JoinToken {
    JoinToken::generate(&"ab".repeat(32), &SeededEntropy::new(1))
}

#[test]
fn a_token_survives_being_written_and_read() {
    let token = token();
    assert_eq!(format!(" {token}\n").parse::<JoinToken>(), Ok(token.clone()));
    assert_eq!(split(&token.bearer()), Some((token.id.as_str(), token.secret.as_str())));
}

#[test]
fn tokens_differ_and_use_the_whole_alphabet() {
    let entropy = SeededEntropy::new(3);
    assert_ne!(JoinToken::generate("", &entropy).bearer(), JoinToken::generate("", &entropy).bearer());
    let used: std::collections::BTreeSet<u8> = letters(&entropy, 3000).bytes().collect();
    assert_eq!(used.len(), ALPHABET.len());
}

#[test]
fn what_is_no_token_is_refused_with_what_to_do() {
    let whole = token().to_string();
    let rows = [
        ("", "not a join token: it has the form sampan.PIN.ID.SECRET; make one with: sampan token create"),
        (
            "abcdef.0123456789abcdef",
            "this is a bootstrap token without the pin of the cluster's authority, so the server cannot be recognised; use the whole token: sampan.PIN.ID.SECRET",
        ),
        (
            &whole[..whole.len() - 2],
            "the secret of the join token has 14 characters instead of 16 of a-z0-9; was it copied whole?",
        ),
        (
            "sampan.abc.abcdef.0123456789abcdef",
            "the pin of the join token has 3 characters instead of 64 of 0-9a-f; was it copied whole?",
        ),
        (
            "sampan.ü.abcdef.0123456789abcdef",
            "the pin of the join token has 1 characters instead of 64 of 0-9a-f; was it copied whole?",
        ),
    ];
    for (text, expected) in rows {
        let error = text.parse::<JoinToken>().unwrap_err().to_string();
        assert_eq!(error, expected, "{text}");
    }
}

#[test]
fn the_secret_is_not_in_the_debug_form() {
    let token = token();
    assert!(!format!("{token:?}").contains(&token.secret));
}
