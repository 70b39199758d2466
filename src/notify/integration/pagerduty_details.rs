//! The details of an event, cut so that the event keeps within PagerDuty's size.
//!
//! Upstream replaces all details of an event that is too large with a sentence. Here first alerts are left out of the
//! lists, then long texts are cut; the sentence is the last resort.

use serde_json::{Map, Value};

use crate::{
    config::PagerDutyConfig,
    json,
    notify::{Limit, Renderer, Verdict},
};

/// Says how many elements were left out of the lists.
const TRUNCATED: &str = "truncated";

/// Upstream's words.
const REMOVED: &str =
    "Custom details have been removed because the original event exceeds the maximum size of 512KB";

/// Rendered details.
pub(super) struct Details<'a> {
    members: Map<String, Value>,
    left_out: Box<dyn Fn(usize) -> String + 'a>,
}

impl<'a> Details<'a> {
    /// Renders them.
    pub(super) fn new(config: &PagerDutyConfig, render: &'a Renderer<'a>) -> Result<Self, Verdict> {
        Ok(Self {
            members: render.members("details", &config.details)?,
            left_out: Box::new(|count| render.left_out(count)),
        })
    }

    /// The event with as many of the details as fit; `event` writes it around their JSON.
    pub(super) fn fit(&self, limit: usize, event: impl Fn(&str) -> String) -> String {
        let whole = event(&written(&self.members));
        if whole.len() <= limit {
            return whole;
        }
        let around = event("{}").len();
        let room = limit.saturating_sub(around);
        let fewer = self.with_fewer_elements(room);
        let fitting = [fewer.clone(), with_shorter_texts(fewer, room)]
            .into_iter()
            .map(|members| event(&written(&members)))
            .find(|event| event.len() <= limit);
        fitting.unwrap_or_else(|| {
            let mut removed = String::new();
            json::push_object(&mut removed, |object| {
                object.text("error", REMOVED);
            });
            event(&removed)
        })
    }

    /// The first elements of each list, as many for all lists as there is room for.
    fn with_fewer_elements(&self, room: usize) -> Map<String, Value> {
        let mut lists = Vec::new();
        let mut others = Map::new();
        for (name, value) in &self.members {
            match value.as_array() {
                Some(items) => lists.push(items.iter().map(size).collect::<Vec<_>>()),
                None => _ = others.insert(name.clone(), value.clone()),
            }
        }
        let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
        let all: usize = lists.iter().map(Vec::len).sum();
        let names: usize = self.members.keys().map(|name| name.len() + 6).sum();
        let note = (self.left_out)(all).len() + TRUNCATED.len() + 8;
        let mut used = written(&others).len() + names + note;
        let mut kept = 0;
        while kept < longest {
            used += lists
                .iter()
                .filter_map(|list| list.get(kept))
                .map(|size| size + 1)
                .sum::<usize>();
            if used > room {
                break;
            }
            kept += 1;
        }
        let shown: usize = lists.iter().map(|list| list.len().min(kept)).sum();
        self.first(kept, all - shown)
    }

    fn first(&self, kept: usize, left_out: usize) -> Map<String, Value> {
        let mut members: Map<String, Value> = self
            .members
            .iter()
            .map(|(name, value)| {
                let value = match value.as_array() {
                    Some(items) => items.iter().take(kept).cloned().collect(),
                    None => value.clone(),
                };
                (name.clone(), value)
            })
            .collect();
        if left_out > 0 {
            let note = (self.left_out)(left_out);
            members.insert(TRUNCATED.to_owned(), Value::String(note));
        }
        members
    }
}

/// The details with every long text cut to its share of the room.
fn with_shorter_texts(mut members: Map<String, Value>, room: usize) -> Map<String, Value> {
    // Escapes make a byte up to six.
    let share = Limit::Bytes(room / members.len().max(1) / 6);
    for value in members.values_mut() {
        if let Value::String(text) = value {
            *text = share.cut(text);
        }
    }
    members
}

fn written(members: &Map<String, Value>) -> String {
    let mut out = String::new();
    if !members.is_empty() {
        json::push_object(&mut out, |object| {
            for (name, value) in members {
                object.value(name, value);
            }
        });
    }
    out
}

fn size(value: &Value) -> usize {
    let mut out = String::new();
    json::push_value(&mut out, value);
    out.len()
}
