//! How many seats a request takes (apiserver `pkg/util/flowcontrol/request`).

/// Objects a list reads for each of its seats.
const OBJECTS_A_SEAT: u64 = 100;
/// Watchers a write tells for each of its seats.
const WATCHERS_A_SEAT: u64 = 10;
/// The most seats one request takes, however many there are.
const MOST: u32 = 10;

/// What is known of the work of a request before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Of one object, or of none.
    One,
    /// A list, or a watch that begins with one, over so many objects; a selector spares no reading.
    List { objects: u64 },
    /// A write that so many watchers hear of.
    Write { watchers: u64 },
}

impl Demand {
    /// Seats, of at most `widest`.
    pub(super) fn seats(self, widest: u32) -> u32 {
        let seats = match self {
            Self::One => 1,
            Self::List { objects } => objects.div_ceil(OBJECTS_A_SEAT),
            Self::Write { watchers } if watchers < WATCHERS_A_SEAT => 1,
            Self::Write { watchers } => watchers.div_ceil(WATCHERS_A_SEAT),
        };
        u32::try_from(seats).unwrap_or(u32::MAX).clamp(1, widest.clamp(1, MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_requests_take_more_seats() {
        let rows = [
            (Demand::One, 10, 1),
            (Demand::List { objects: 0 }, 10, 1),
            (Demand::List { objects: 100 }, 10, 1),
            (Demand::List { objects: 101 }, 10, 2),
            (Demand::List { objects: 5_000 }, 10, 10),
            (Demand::List { objects: 5_000 }, 100, 10),
            (Demand::List { objects: 5_000 }, 3, 3),
            (Demand::Write { watchers: 9 }, 10, 1),
            (Demand::Write { watchers: 25 }, 10, 3),
            (Demand::Write { watchers: 5_000 }, 0, 1),
        ];
        for (demand, widest, expected) in rows {
            assert_eq!(demand.seats(widest), expected, "{demand:?} of {widest}");
        }
    }
}
