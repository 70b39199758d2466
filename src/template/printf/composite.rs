//! Slices, maps and structs.

use std::sync::Arc;

use super::{
    super::{object, value::Value},
    printer::Printer,
};

impl Printer<'_> {
    pub(super) fn composite(&mut self, value: &Value, verb: char, depth: usize) {
        let ty = value.type_name();
        match value {
            Value::Strings(items) | Value::NamedStrings(items) => {
                let items = items.iter().map(|text| Value::Str(Arc::clone(text)));
                self.slice(ty, items, verb, depth);
            }
            Value::List(list) => self.slice(ty, list.items().iter().cloned(), verb, depth),
            Value::Alerts(alerts) | Value::AlertSlice(alerts) => {
                let items = alerts.iter().map(|alert| Value::Alert(Arc::clone(alert)));
                self.slice(ty, items, verb, depth);
            }
            Value::Pairs(pairs) => {
                let items = pairs.iter().map(|pair| Value::Pair(pair.clone()));
                self.slice(ty, items, verb, depth);
            }
            Value::Map(map) => {
                let items = map.items().iter();
                let items = items.map(|(key, value)| (Arc::clone(key), value.clone()));
                self.map(ty, items, verb, depth);
            }
            Value::Samples(samples) => {
                let items = samples.iter().map(|one| Value::Sample(Arc::clone(one)));
                self.slice(ty, items, verb, depth);
            }
            Value::Kv(labels) | Value::StringMap(labels) => {
                let pairs = object::plain_pairs(labels).into_iter();
                let items = pairs.map(|pair| (pair.name, Value::Str(pair.value)));
                self.map(ty, items, verb, depth);
            }
            Value::Data(_) => {
                if depth == 0 {
                    self.push('&');
                }
                self.fields(value, verb, depth);
            }
            Value::Pair(_) | Value::Alert(_) | Value::Sample(_) | Value::Object(_) => {
                self.fields(value, verb, depth);
            }
            // Go shows what is inside of these, which nobody wants to see.
            Value::Time(time) => self.text(&time.to_string(), 's', value),
            Value::Zone(zone) => self.text(zone.name(), 's', value),
            Value::Nil
            | Value::NilAny
            | Value::Bool(_)
            | Value::Int(..)
            | Value::Uint(..)
            | Value::Float(_)
            | Value::Complex(..)
            | Value::Str(_)
            | Value::Safe(..)
            | Value::Duration(_)
            | Value::Month(_)
            | Value::Weekday(_) => {}
        }
    }

    fn slice(&mut self, ty: &str, items: impl Iterator<Item = Value>, verb: char, depth: usize) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.write(ty);
        }
        self.push(if go_syntax { '{' } else { '[' });
        for (i, item) in items.enumerate() {
            if self.is_full() {
                return;
            }
            if i > 0 {
                self.write(if go_syntax { ", " } else { " " });
            }
            self.value(&item, verb, depth + 1);
        }
        self.push(if go_syntax { '}' } else { ']' });
    }

    fn map(
        &mut self,
        ty: &str,
        items: impl Iterator<Item = (Arc<str>, Value)>,
        verb: char,
        depth: usize,
    ) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.write(ty);
            self.push('{');
        } else {
            self.write("map[");
        }
        for (i, (key, item)) in items.enumerate() {
            if self.is_full() {
                return;
            }
            if i > 0 {
                self.write(if go_syntax { ", " } else { " " });
            }
            self.value(&Value::Str(key), verb, depth + 1);
            self.push(':');
            self.value(&item, verb, depth + 1);
        }
        self.push(if go_syntax { '}' } else { ']' });
    }

    fn fields(&mut self, value: &Value, verb: char, depth: usize) {
        if self.flags.sharp_v {
            self.write(value.type_name().trim_start_matches('*'));
        }
        self.push('{');
        let named = self.flags.plus_v || self.flags.sharp_v;
        for (i, (name, field)) in object::has_fields(value).into_iter().flatten().enumerate() {
            if self.is_full() {
                return;
            }
            if i > 0 {
                self.write(if self.flags.sharp_v { ", " } else { " " });
            }
            if named {
                self.write(&name);
                self.push(':');
            }
            self.value(&field, verb, depth + 1);
        }
        self.push('}');
    }
}
