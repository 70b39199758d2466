//! Expressions that were asked for before: clients ask for the same ones again and again.

use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::{
    federation::Recurring,
    promql::parse::{Features, ParseErrors, parse},
};

/// Expressions that are kept.
const MOST: usize = 2_000;

/// What they may take together, with what may be planned for them; most take a quarter of that.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One that may take more is not kept: no one is to push out more than a few hundred others.
const LARGEST: usize = MOST_BYTES / 16;

/// Expressions that were asked for last, by their texts.
#[derive(Debug)]
pub(in crate::api) struct Expressions {
    features: Features,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// It is bounded by whoever puts something there.
    by_text: LruCache<Box<str>, Arc<Recurring>>,
    bytes: usize,
}

impl Expressions {
    /// Expressions of this language.
    pub(in crate::api) fn new(features: Features) -> Self {
        Self {
            features,
            kept: Mutex::new(Kept {
                by_text: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    /// The expression of a text.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn parse(&self, text: &str) -> Result<Arc<Recurring>, ParseErrors> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().by_text.get(text).map(Arc::clone);
        if let Some(expr) = known {
            return Ok(expr);
        }
        // Nobody waits for it who asks something else.
        let expr = Arc::new(Recurring::new(parse(text, self.features)?));
        kept().keep(text, &expr);
        Ok(expr)
    }
}

impl Kept {
    fn keep(&mut self, text: &str, expr: &Arc<Recurring>) {
        let bytes = bytes(text, expr);
        if bytes > LARGEST {
            return;
        }
        self.bytes += bytes;
        if let Some((text, before)) = self.by_text.push(text.into(), Arc::clone(expr)) {
            self.forget(&text, &before);
        }
        while self.by_text.len() > MOST || self.bytes > MOST_BYTES {
            let Some((text, oldest)) = self.by_text.pop_lru() else {
                return;
            };
            self.forget(&text, &oldest);
        }
    }

    fn forget(&mut self, text: &str, expr: &Recurring) {
        self.bytes -= bytes(text, expr);
    }
}

/// What is kept for an expression.
fn bytes(text: &str, expr: &Recurring) -> usize {
    text.len().saturating_add(expr.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expressions() -> Expressions {
        Expressions::new(Features::none())
    }

    /// How many are kept, if what they take is what is counted, and not too much.
    fn kept(expressions: &Expressions) -> usize {
        let kept = expressions.kept.lock().unwrap();
        let all = kept.by_text.iter();
        let sum: usize = all.map(|(text, expr)| bytes(text, expr)).sum();
        assert!(sum == kept.bytes && sum <= MOST_BYTES && kept.by_text.len() <= MOST);
        kept.by_text.len()
    }

    #[test]
    fn what_was_asked_for_last_is_known() {
        let expressions = expressions();
        let parse = |text: &str| expressions.parse(text).unwrap();
        let first = parse("x");
        for number in 0..MOST {
            assert!(Arc::ptr_eq(&first, &parse("x")), "{number}");
            parse(&number.to_string());
        }
        assert_eq!(kept(&expressions), MOST);
        let last = parse("0");
        assert!(Arc::ptr_eq(&last, &parse("0")));
        for number in 1..MOST {
            parse(&number.to_string());
        }
        assert!(!Arc::ptr_eq(&first, &parse("x")));
        assert!(expressions.parse("not one").is_err());
    }

    #[test]
    fn large_expressions_and_patterns_leave_room_for_others() {
        let expressions = expressions();
        for number in 0..100 {
            let long = format!("x{number}{}", " + y".repeat(900));
            let patterned = format!("x{number}{{a=~\"(.*[a-z]{{500}}){number}\"}}");
            for text in [long, patterned] {
                let expr = expressions.parse(&text).unwrap();
                assert!(expr.bytes() > 300_000, "{}", expr.bytes());
            }
        }
        assert!((10..100).contains(&kept(&expressions)));
        let huge = "x{a=~\".*[a-z]{500}\", b=~\".*[a-z]{500}\"}";
        let parse = || expressions.parse(huge).unwrap();
        assert!(parse().bytes() > LARGEST && !Arc::ptr_eq(&parse(), &parse()));
    }

    #[test]
    fn the_language_is_that_of_the_node() {
        let text = "sum(x offset step())";
        assert!(expressions().parse(text).is_err());
        let all = Expressions::new(Features::all());
        assert!(Arc::ptr_eq(
            &all.parse(text).unwrap(),
            &all.parse(text).unwrap()
        ));
    }
}
