//! The parts of a blob a client asks for (RFC 9110, section 14).

/// What a `Range` header means for content of a certain length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: there is no such header, or one that need not be understood.
    Whole,
    /// From the first to the last byte, both included.
    Bytes(u64, u64),
    /// Nothing of it.
    Beyond,
}

impl Part {
    /// One range of bytes is understood; several at once are answered with everything, as the RFC allows.
    pub(crate) fn of(header: Option<&str>, length: u64) -> Self {
        let Some((first, last)) = header.and_then(|header| header.trim().strip_prefix("bytes=")?.split_once('-'))
        else {
            return Self::Whole;
        };
        match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first > last => Self::Whole,
            (Ok(first), Ok(last)) => Self::between(first, last, length),
            (Ok(first), Err(_)) if last.is_empty() => Self::between(first, u64::MAX, length),
            (Err(_), Ok(count)) if first.is_empty() => match count {
                0 => Self::Beyond,
                count => Self::between(length.saturating_sub(count), u64::MAX, length),
            },
            _ => Self::Whole,
        }
    }

    fn between(first: u64, last: u64, length: u64) -> Self {
        if first < length { Self::Bytes(first, last.min(length - 1)) } else { Self::Beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let rows = [
            (None, Part::Whole),
            (Some("bytes=0-4"), Part::Bytes(0, 4)),
            (Some("bytes=0-400"), Part::Bytes(0, 9)),
            (Some("bytes=4-"), Part::Bytes(4, 9)),
            (Some("bytes=9-9"), Part::Bytes(9, 9)),
            (Some("bytes=-3"), Part::Bytes(7, 9)),
            (Some("bytes=-300"), Part::Bytes(0, 9)),
            (Some("bytes=10-"), Part::Beyond),
            (Some("bytes=10-20"), Part::Beyond),
            (Some("bytes=-0"), Part::Beyond),
            (Some("bytes=5-4"), Part::Whole),
            (Some("bytes=0-1,3-4"), Part::Whole),
            (Some("bytes=a-b"), Part::Whole),
            (Some("lines=0-4"), Part::Whole),
            (Some("bytes=99999999999999999999-"), Part::Whole),
        ];
        for (header, expected) in rows {
            assert_eq!(Part::of(header, 10), expected, "{header:?}");
        }
        assert_eq!(Part::of(Some("bytes=0-"), 0), Part::Beyond);
    }
}
