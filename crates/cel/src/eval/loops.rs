//! What goes over lists and maps.

use std::collections::BTreeMap;

use super::{Answer, LIST, MAP, Machine};
use crate::ast::{Each, Expr, Loop};
use crate::error::Error;
use crate::value::{Key, Value};

/// What one round of a loop costs beside its body.
const ROUND: u64 = 2;

impl<'a> Machine<'_, 'a> {
    #[inline(never)]
    pub(super) fn each(&mut self, each: &Loop) -> Answer<'a> {
        let range = self.eval(&each.range)?;
        self.budget.traverse(range.size())?;
        let rounds = Rounds::over(&range, each.names.len() == 2)?;
        match each.each {
            Each::All => self.quantify(each, &rounds, false),
            Each::Exists => self.quantify(each, &rounds, true),
            Each::ExistsOne => self.exactly_one(each, &rounds),
            Each::Map | Each::TransformList => self.transform_list(each, &rounds),
            Each::Filter => self.filter(each, &rounds),
            Each::TransformMap | Each::TransformMapEntry => self.transform_map(each, &rounds),
            Each::SortBy => self.sort_by(each, &rounds),
        }
    }

    fn round(&mut self, each: &Loop, round: [Value<'a>; 2], body: &Expr) -> Answer<'a> {
        self.budget.charge(ROUND)?;
        self.within(each.names.iter().cloned().zip(round), body)
    }

    fn quantify(&mut self, each: &Loop, rounds: &Rounds<'a>, ends: bool) -> Answer<'a> {
        let mut failure = None;
        for index in 0..rounds.len() {
            match self.round(each, rounds.get(index), &each.body).and_then(|value| value.as_bool()) {
                Ok(value) if value == ends => return Ok(Value::Bool(ends)),
                Ok(_) => (),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!ends)), Err)
    }

    fn exactly_one(&mut self, each: &Loop, rounds: &Rounds<'a>) -> Answer<'a> {
        let mut found = 0_usize;
        for index in 0..rounds.len() {
            found += usize::from(self.round(each, rounds.get(index), &each.body)?.as_bool()?);
        }
        Ok(Value::Bool(found == 1))
    }

    /// Whether the filter of a loop lets this round pass.
    fn passes(&mut self, each: &Loop, round: &[Value<'a>; 2]) -> Result<bool, Error> {
        match &each.filter {
            Some(filter) => self.round(each, round.clone(), filter)?.as_bool(),
            None => Ok(true),
        }
    }

    fn transform_list(&mut self, each: &Loop, rounds: &Rounds<'a>) -> Answer<'a> {
        let mut values = Vec::new();
        for index in 0..rounds.len() {
            let round = rounds.get(index);
            if self.passes(each, &round)? {
                self.budget.charge(LIST)?;
                values.push(self.round(each, round, &each.body)?);
            }
        }
        Value::list(values)
    }

    fn filter(&mut self, each: &Loop, rounds: &Rounds<'a>) -> Answer<'a> {
        let mut values = Vec::new();
        for index in 0..rounds.len() {
            let round = rounds.get(index);
            if self.round(each, round.clone(), &each.body)?.as_bool()? {
                self.budget.charge(LIST)?;
                let [value, _] = round;
                values.push(value);
            }
        }
        Value::list(values)
    }

    fn transform_map(&mut self, each: &Loop, rounds: &Rounds<'a>) -> Answer<'a> {
        let mut map = BTreeMap::new();
        for index in 0..rounds.len() {
            let round = rounds.get(index);
            if !self.passes(each, &round)? {
                continue;
            }
            self.budget.charge(MAP)?;
            let key = Key::of(&round[0])?;
            let value = self.round(each, round, &each.body)?;
            if each.each == Each::TransformMap {
                map.insert(key, value);
                continue;
            }
            for key in value.keys()? {
                let key = Key::of(&key)?;
                let entry = value.entry(&key).ok_or_else(|| Error::no_such_key(&key))?;
                if map.contains_key(&key) {
                    return Err(Error::failed(format!("insert failed: key {key} already exists")));
                }
                map.insert(key, entry);
            }
        }
        Value::map(map)
    }

    fn sort_by(&mut self, each: &Loop, rounds: &Rounds<'a>) -> Answer<'a> {
        let mut keyed = Vec::with_capacity(rounds.len());
        for index in 0..rounds.len() {
            let round = rounds.get(index);
            let key = self.round(each, round.clone(), &each.body)?;
            let [value, _] = round;
            keyed.push((key, value));
        }
        crate::functions::sorted(self.budget, keyed)
    }
}

/// What a loop goes over: for each round the first name's value and the second's.
struct Rounds<'a> {
    range: Value<'a>,
    keys: Option<Vec<Value<'a>>>,
    pairs: bool,
}

impl<'a> Rounds<'a> {
    fn over(range: &Value<'a>, pairs: bool) -> Result<Self, Error> {
        let keys = match range {
            Value::List(_) | Value::JsonList(..) => None,
            Value::Map(_) | Value::JsonMap(..) => Some(range.keys()?),
            _ => return Err(Error::no_such_overload()),
        };
        Ok(Self { range: range.clone(), keys, pairs })
    }

    fn len(&self) -> usize {
        self.range.size()
    }

    fn get(&self, index: usize) -> [Value<'a>; 2] {
        let item = |index| self.range.item(index).unwrap_or(Value::Null);
        match (&self.keys, self.pairs) {
            (None, false) => [item(index), Value::Null],
            (None, true) => [Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), item(index)],
            (Some(keys), pairs) => {
                let key = keys[index].clone();
                let entry = Key::of(&key).ok().filter(|_| pairs).and_then(|key| self.range.entry(&key));
                [key, entry.unwrap_or(Value::Null)]
            }
        }
    }
}
