//! Whether an image's name can be one, as distribution's `reference` grammar has it.

/// Says what is wrong with a reference that no registry could know.
pub(super) fn check(reference: &str) -> Result<(), String> {
    let (name, digest) = reference.split_once('@').map_or((reference, None), |(name, digest)| (name, Some(digest)));
    if let Some(digest) = digest {
        check_digest(digest)?;
    }
    let slash = name.rfind('/').map_or(0, |position| position + 1);
    let (path, tag) =
        name[slash..].split_once(':').map_or((name, None), |(last, tag)| (&name[..slash + last.len()], Some(tag)));
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("invalid reference format".to_owned());
    }
    check_path(path)
}

fn check_digest(digest: &str) -> Result<(), String> {
    let hex = digest.split_once(':').filter(|(algorithm, _)| !algorithm.is_empty()).map(|(_, hex)| hex);
    match hex {
        Some(hex) if hex.len() >= 32 && hex.chars().all(|digit| digit.is_ascii_hexdigit()) => Ok(()),
        _ => Err("invalid reference format: the digest is not ALGORITHM:HEX".to_owned()),
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag.chars().all(|letter| word(letter) || letter == '.' || letter == '-')
}

fn check_path(path: &str) -> Result<(), String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    let has_host = parts.len() > 1 && (parts[0].contains(['.', ':', '[']) || parts[0] == "localhost");
    if has_host {
        parts.remove(0);
    }
    if path.is_empty() || parts.iter().any(|part| part.is_empty()) {
        return Err("invalid reference format".to_owned());
    }
    if parts.iter().any(|part| part.contains(|letter: char| letter.is_ascii_uppercase())) {
        return Err("invalid reference format: repository name must be lowercase".to_owned());
    }
    if !parts.iter().all(|part| is_component(part)) {
        return Err("invalid reference format".to_owned());
    }
    Ok(())
}

/// Letters and digits, with single separators between them.
fn is_component(part: &str) -> bool {
    let alphanumeric = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    part.starts_with(alphanumeric)
        && part.ends_with(alphanumeric)
        && part.chars().all(|letter| alphanumeric(letter) || "._-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_that_registries_know_are_accepted() {
        let digest = "a".repeat(64);
        for name in [
            "nginx",
            "nginx:1.27",
            "ghcr.io/org/app_x/y-z:v1.0",
            "localhost:5000/a",
            "127.0.0.1:5000/a/b:latest",
            "a/b__c",
            &format!("r.io/a@sha256:{digest}"),
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in
            ["", "Nginx", "a/B:1", "a b", "a:", "a:-1", "/a", "a//b", "a/", "a@sha256:zz", "a:b:c", "-a", "http://a/b"]
        {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
