//! What calls cost. Upstream: `functionCost` in cel-go's `checker/cost.go`, before it `EstimateCallCost` in
//! `apiserver/pkg/cel/library/cost.go` and the estimates in cel-go's `ext/sets.go`.

use super::size::{Size, scaled};
use super::{Estimator, Known, is_scalar, union};
use crate::ast::{Call, Literal, Node};
use crate::types::Type;

/// What it costs to go over a text, by its length.
const TEXT: f64 = 0.1;
/// What an expression of a pattern costs, by the pattern's length.
const PATTERN: f64 = 0.25;
/// The longest pattern of a named format.
const NAMED_PATTERN: f64 = 128.0;
/// Two questions to an authorizer are as much as an expression may cost.
const CHECK: u64 = 350_000;
/// The longest text of a number, a time or a duration.
const SCALAR: u64 = 64;
/// Two addresses compared byte by byte, at their longest.
const ADDRESSES: u64 = 32;

impl Estimator<'_> {
    pub(super) fn call(&mut self, call: &Call) -> (u64, Known) {
        let mut sum = 0_u64;
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            let (cost, known) = self.cost(arg);
            sum = sum.saturating_add(cost);
            args.push(known);
        }
        let (own, known) = self.own(call, &args);
        (sum.saturating_add(own), known)
    }

    /// The cost of a function beside its arguments.
    fn own(&self, call: &Call, args: &[Known]) -> (u64, Known) {
        let size = |index: usize| args.get(index).map_or(Size::UNKNOWN, Known::size);
        let text = |index: usize, factor: f64| scaled(size(index).max, factor);
        let sized = |cost: u64, size: Size| (cost, Known::with_size(Some(size)));
        let plain = |cost: u64| (cost, Known::default());
        match (&*call.name, call.method) {
            ("_+_", _) => self.add(call, args),
            ("_==_", _) if self.both_opaque(call) => plain(1),
            ("_==_" | "_!=_", _) => plain(scaled(size(0).max.min(size(1).max), TEXT)),
            ("_<_" | "_<=_" | "_>_" | "_>=_", _) => plain(self.compare(call, size(0).max.min(size(1).max))),
            ("@in", _) => plain(self.contained(call, size(1).max)),
            ("dyn", _) => (1, Known { path: Vec::new(), ..args.first().cloned().unwrap_or_default() }),
            ("bytes", _) if self.may_be(call, 0, &Type::String) => {
                sized(text(0, TEXT).max(1), Size { min: size(0).min, max: size(0).max.saturating_mul(4) })
            }
            ("string", _) if self.may_be(call, 0, &Type::Bytes) => {
                sized(text(0, TEXT).max(1), Size { min: size(0).min / 4, max: size(0).max })
            }
            // cel-go takes these for endless, and so Kubernetes refuses the message its own documentation shows:
            // `"x exceeded max limit of " + string(self.maxLimit)`.
            ("string", _) if call.args.first().is_some_and(|arg| is_scalar(self.type_of(arg))) => {
                sized(1, Size::at_most(SCALAR))
            }
            ("strings.quote", _) => {
                let (min, max) = (size(0).min.saturating_add(2), size(0).max.saturating_mul(2).saturating_add(2));
                sized(text(0, TEXT), Size { min, max })
            }
            ("sets.contains" | "sets.intersects", _) => plain(size(0).times(size(1)).max.saturating_add(1)),
            ("sets.equivalent", _) => plain(scaled(size(0).times(size(1)).max, 2.0).saturating_add(1)),
            ("startsWith" | "endsWith", true) => plain(text(1, TEXT)),
            ("contains", true) => plain(text(0, TEXT).saturating_mul(text(1, TEXT))),
            ("matches", true) => plain(search(size(0).max, size(1).max)),
            ("find" | "findAll", true) => sized(search(size(0).max, size(1).max), Size::at_most(size(0).max)),
            ("format", true) => plain(text(0, TEXT)),
            ("lowerAscii" | "upperAscii" | "substring" | "trim", true) => sized(text(0, TEXT), size(0)),
            ("replace", true) => sized(text(0, 2.0 * TEXT), replaced(size(0), size(1), size(2))),
            ("split", true) => sized(text(0, 2.0 * TEXT), Size::at_most(limit(call).unwrap_or_else(|| size(0).max))),
            ("join", true) => {
                let joined = self.joined(call, args);
                sized(scaled(joined.max, TEXT), joined)
            }
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", true) => {
                plain(self.each_compared(call, args))
            }
            ("url" | "jsonpatch.escapeKey", _) => sized(text(0, TEXT), size(0)),
            ("ip" | "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver", false) => {
                plain(text(0, TEXT))
            }
            ("ip.isCanonical", _) => plain(text(0, 2.0 * TEXT)),
            ("containsIP", true) => plain(scaled(ADDRESSES, TEXT).saturating_add(self.parsed(call, size(1).max))),
            ("containsCIDR", true) => {
                let cost = scaled(ADDRESSES, TEXT) + scaled(ADDRESSES / 2, TEXT) + 1;
                plain(cost.saturating_add(self.parsed(call, size(1).max)))
            }
            ("validate", true) => plain(scaled(text(1, TEXT), NAMED_PATTERN * PATTERN)),
            ("check", true) => plain(CHECK),
            _ => plain(1),
        }
    }

    /// Each element is looked at, and the texts among them are gone over.
    fn each_compared(&self, call: &Call, args: &[Known]) -> u64 {
        let list = args.first().map_or(Size::UNKNOWN, Known::size).max;
        let one = match call.args.first().map(|target| self.type_of(target)) {
            Some(Type::List(items)) if matches!(items.item, Type::String | Type::Bytes) => {
                scaled(self.element(args).max, TEXT).saturating_add(1)
            }
            Some(Type::List(_) | Type::Map(_)) => 1,
            _ => return scaled(list, TEXT),
        };
        list.saturating_mul(one)
    }

    /// The items of the first argument, by where it comes from.
    fn element(&self, args: &[Known]) -> Size {
        let mut path = args.first().map(|known| known.path.clone()).unwrap_or_default();
        if path.is_empty() {
            return Size::UNKNOWN;
        }
        path.push("@items".into());
        self.shape.size_at(&path).unwrap_or(Size::UNKNOWN)
    }

    fn joined(&self, call: &Call, args: &[Known]) -> Size {
        let list = args.first().map_or(Size::UNKNOWN, Known::size);
        let is_typed = call.args.first().is_some_and(|target| matches!(self.type_of(target), Type::List(_)));
        let items = if is_typed { list.times(self.element(args)) } else { Size::exactly(0) };
        let Some(separator) = args.get(1) else { return items };
        let between = Size { min: list.min.saturating_sub(1), max: list.max.saturating_sub(1) };
        items.plus(separator.size().times(between))
    }
}

/// One more than the text's length: an empty one is searched as well.
fn search(text: u64, pattern: u64) -> u64 {
    scaled(text.saturating_add(1), TEXT).saturating_mul(scaled(pattern, PATTERN))
}

fn replaced(text: Size, old: Size, new: Size) -> Size {
    let (longest, kept) = match () {
        () if old.min == 0 => (text.max.saturating_add(1), text.max),
        () if new.max <= old.min => (0, text.max),
        () => (text.max.div_ceil(old.min), 0),
    };
    let (shortest, left) = match () {
        () if old.max == 0 => (text.min.saturating_add(1), text.min),
        () if old.max <= new.min => (0, text.min),
        () => (text.min.div_ceil(old.max), 0),
    };
    Size { min: shortest, max: longest }.times(new).plus(Size { min: left, max: kept })
}

/// Into how many parts a text is split at most, where that is written down.
fn limit(call: &Call) -> Option<u64> {
    match &call.args.get(2)?.node {
        Node::Literal(Literal::Int(limit)) => u64::try_from(*limit).ok(),
        _ => None,
    }
}

impl Estimator<'_> {
    /// What `+` means goes by what it joins; where that is not known, the dearest counts.
    fn add(&self, call: &Call, args: &[Known]) -> (u64, Known) {
        let [one, other] = args else { return (1, Known::default()) };
        let size = one.size().plus(other.size());
        let is = |type_: &Type| self.may_be(call, 0, type_) && self.may_be(call, 1, type_);
        let text = is(&Type::String) || is(&Type::Bytes);
        let list = is(&Type::list(Type::Dyn));
        let cost = if text { scaled(size.max, TEXT).max(u64::from(list)) } else { 1 };
        let known = Known { path: Vec::new(), size: (text || list).then_some(size), entry: union(one, other) };
        (cost, known)
    }

    fn compare(&self, call: &Call, shorter: u64) -> u64 {
        let is = |type_: &Type| self.may_be(call, 0, type_) && self.may_be(call, 1, type_);
        let is_dyn = is(&Type::Int);
        match is(&Type::String) || is(&Type::Bytes) {
            true => scaled(shorter, TEXT).max(u64::from(is_dyn)),
            false => 1,
        }
    }

    fn contained(&self, call: &Call, elements: u64) -> u64 {
        match call.args.get(1).map(|arg| self.type_of(arg)) {
            Some(Type::List(_)) => elements,
            Some(Type::Map(_)) => 1,
            _ => elements.max(1),
        }
    }

    /// A text given for an address has to be read first.
    fn parsed(&self, call: &Call, length: u64) -> u64 {
        if self.may_be(call, 1, &Type::String) { scaled(length, TEXT) } else { 0 }
    }

    fn both_opaque(&self, call: &Call) -> bool {
        let [one, other] = &call.args[..] else { return false };
        matches!((self.type_of(one), self.type_of(other)), (Type::Opaque(one), Type::Opaque(other)) if one == other)
    }

    fn may_be(&self, call: &Call, index: usize, type_: &Type) -> bool {
        call.args.get(index).is_some_and(|arg| self.type_of(arg).goes_with(type_))
    }
}
