//! Renders the fields of an integration, each as its failure allows.
//!
//! Upstream fails the whole notification when any template fails, every time, until somebody looks. Here only what
//! decides where a message goes may fail; what it says falls back to plain words, and says so.

use std::cell::{OnceCell, RefCell};

use super::{Limit, Mentions, fallback, view};
use crate::{
    config::{Language, Texts},
    notify::{NotificationData, Verdict},
    template::{Mode, Scope, Value},
    time::Timestamp,
};

/// Renders the fields of one notification.
#[derive(Debug)]
pub struct Renderer<'a> {
    texts: &'a Texts,
    data: &'a NotificationData,
    at: Timestamp,
    fallback: bool,
    value: OnceCell<Value>,
    problems: RefCell<Vec<String>>,
}

impl<'a> Renderer<'a> {
    /// A renderer of `data` at the time `at`; without `fallback` (`fallback_text: false`) every failure is the
    /// notification's.
    #[must_use]
    pub fn new(
        texts: &'a Texts,
        data: &'a NotificationData,
        at: Timestamp,
        fallback: bool,
    ) -> Self {
        Self {
            texts,
            data,
            at,
            fallback,
            value: OnceCell::new(),
            problems: RefCell::new(match &*data.problems {
                "" => Vec::new(),
                known => vec![known.to_owned()],
            }),
        }
    }

    /// A field without which the message would go to the wrong place or nowhere: an address, a channel, a key.
    ///
    /// # Errors
    /// If the template fails.
    pub fn required(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.render(source, Mode::Text)
            .map_err(|error| Verdict::unsendable(format!("template of {field} failed: {error}")))
    }

    /// Likewise for what must not be printed, which the words of a failure would quote.
    ///
    /// # Errors
    /// If the template fails.
    pub fn secret(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.render(source, Mode::Text).map_err(|_hidden| {
            Verdict::unsendable(format!(
                "template of {field} failed; its words are secret, so the error is not shown"
            ))
        })
    }

    /// A short text that names the notification; plain words if its template fails.
    ///
    /// # Errors
    /// Only where the fallback is switched off.
    pub fn title(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.or_plain(field, source, Mode::Text, |_| fallback::title(self.data))
    }

    /// The text itself; plain words if its template fails.
    ///
    /// # Errors
    /// Only where the fallback is switched off.
    pub fn body(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.or_plain(field, source, Mode::Text, |problem| {
            fallback::body(self.data, problem)
        })
    }

    /// The text itself in HTML, escaped by its contexts; plain words in `<pre>` if its template fails.
    ///
    /// # Errors
    /// Only where the fallback is switched off.
    pub fn html(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.or_plain(field, source, Mode::Html, |problem| {
            fallback::html(self.data, problem)
        })
    }

    /// Something without which the message is still good: a colour, an icon, a footer. Empty if its template fails.
    ///
    /// # Errors
    /// Only where the fallback is switched off.
    pub fn detail(&self, field: &str, source: &str) -> Result<String, Verdict> {
        self.or_plain(field, source, Mode::Text, |_| String::new())
    }

    /// [`Self::body`] within a limit: if it is too long, whole alerts are left out and "N more" with a link says so.
    ///
    /// # Errors
    /// As `body`.
    pub fn body_within(&self, field: &str, source: &str, limit: Limit) -> Result<String, Verdict> {
        self.within(field, source, Mode::Text, limit)
    }

    /// [`Self::body`] such that the message around it is not too long, whatever its wire format makes of the text:
    /// `fits` looks at the text, and holds for a text if it holds for a longer one.
    ///
    /// # Errors
    /// As `body`.
    pub fn body_fitting(
        &self,
        field: &str,
        source: &str,
        fits: &dyn Fn(&str) -> bool,
    ) -> Result<String, Verdict> {
        let whole = self.body(field, source)?;
        if fits(&whole) {
            return Ok(whole);
        }
        let link = format!("\n{}", self.data.external_url);
        Ok(self
            .fewer_alerts(source, Mode::Text, fits)
            .unwrap_or_else(|| longest_that_fits(&whole, &link, fits)))
    }

    /// [`Self::html`] within a limit, likewise.
    ///
    /// # Errors
    /// As `html`.
    pub fn html_within(&self, field: &str, source: &str, limit: Limit) -> Result<String, Verdict> {
        self.within(field, source, Mode::Html, limit)
    }

    /// Whom the alerts that fire concern.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        Mentions::of(self.data, self.texts.mentions())
    }

    /// The language of the default templates.
    #[must_use]
    pub fn language(&self) -> Language {
        self.texts.language()
    }

    /// Says that `count` alerts were left out of a text, and where they are.
    #[must_use]
    pub fn left_out(&self, count: usize) -> String {
        self.more(count, Mode::Text).trim_start().to_owned()
    }

    /// Which templates failed and how; empty if none did.
    #[must_use]
    pub fn problems(&self) -> String {
        self.problems.borrow().join("; ")
    }

    fn or_plain(
        &self,
        field: &str,
        source: &str,
        mode: Mode,
        plain: impl Fn(&str) -> String,
    ) -> Result<String, Verdict> {
        self.rendered_or_plain(field, source, mode, plain)
            .map(|text| text.unwrap_or_else(|plain| plain))
    }

    /// [`Self::body`], which tells the plain words (`Err`) from the text.
    pub(super) fn body_or_plain(
        &self,
        field: &str,
        source: &str,
    ) -> Result<Result<String, String>, Verdict> {
        self.rendered_or_plain(field, source, Mode::Text, |problem| {
            fallback::body(self.data, problem)
        })
    }

    fn rendered_or_plain(
        &self,
        field: &str,
        source: &str,
        mode: Mode,
        plain: impl Fn(&str) -> String,
    ) -> Result<Result<String, String>, Verdict> {
        self.render(source, mode).map(Ok).or_else(|error| {
            let problem = format!("template of {field} failed: {error}");
            if !self.fallback {
                return Err(Verdict::unsendable(problem));
            }
            let text = plain(&problem);
            let mut problems = self.problems.borrow_mut();
            if !problems.contains(&problem) {
                problems.push(problem);
            }
            Ok(Err(text))
        })
    }

    fn render(&self, source: &str, mode: Mode) -> Result<String, String> {
        if !source.contains("{{") {
            return Ok(source.to_owned());
        }
        let value = self
            .value
            .get_or_init(|| view::value(self.data, self.data.alerts.len()));
        self.render_value(source, mode, value)
    }

    fn render_value(&self, source: &str, mode: Mode, value: &Value) -> Result<String, String> {
        let template = self
            .texts
            .template(source, mode)
            .map_err(|error| error.to_string())?;
        let scope = Scope {
            zone: self.texts.timezone().clone(),
            ..Scope::new(value.clone(), self.at)
        };
        template.render(&scope).map_err(|error| error.to_string())
    }

    fn within(
        &self,
        field: &str,
        source: &str,
        mode: Mode,
        limit: Limit,
    ) -> Result<String, Verdict> {
        let whole = match mode {
            Mode::Text => self.body(field, source)?,
            Mode::Html => self.html(field, source)?,
        };
        if limit.holds(&whole) {
            return Ok(whole);
        }
        Ok(self
            .fewer_alerts(source, mode, &|text| limit.holds(text))
            .unwrap_or_else(|| self.cut(&whole, mode, limit)))
    }

    /// As many whole alerts as fit, and a word about the others.
    fn fewer_alerts(
        &self,
        source: &str,
        mode: Mode,
        fits: &dyn Fn(&str) -> bool,
    ) -> Option<String> {
        let all = self.data.alerts.len();
        let attempt = |shown: usize| {
            let value = view::value(self.data, shown);
            let text = self.render_value(source, mode, &value).ok()?;
            let text = text + &self.more(all - shown, mode);
            fits(&text).then_some(text)
        };
        let (mut best, mut low, mut high) = (None, 1, all);
        while low < high {
            let middle = low + (high - low) / 2;
            match attempt(middle) {
                Some(text) => {
                    best = Some(text);
                    low = middle + 1;
                }
                None => high = middle,
            }
        }
        best
    }

    /// Not even one alert fits, or the template does not care about alerts.
    fn cut(&self, whole: &str, mode: Mode, limit: Limit) -> String {
        match mode {
            Mode::Text => {
                let link = format!("\n{}", self.data.external_url);
                limit.less(&link).cut(whole) + &link
            }
            // Half of a tag would spoil the rest.
            Mode::Html => fallback::short_html(self.data, limit),
        }
    }

    fn more(&self, count: usize, mode: Mode) -> String {
        let url = &self.data.external_url;
        let link = match mode {
            Mode::Text => format!("{url}/#/alerts"),
            Mode::Html => {
                let url = fallback::escape(url);
                format!("<a href=\"{url}/#/alerts\">{url}</a>")
            }
        };
        match self.texts.language() {
            Language::English => format!("\n… {count} more: {link}"),
            Language::Chinese => format!("\n…其余 {count} 条见 {link}"),
        }
    }
}

/// As much of the beginning as fits with the link behind it; a text without alerts to leave out.
fn longest_that_fits(whole: &str, link: &str, fits: &dyn Fn(&str) -> bool) -> String {
    let cut_at = |bytes: usize| format!("{}…{link}", &whole[..whole.floor_char_boundary(bytes)]);
    let (mut low, mut high) = (0, whole.len());
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(&cut_at(middle)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    cut_at(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_what_fits_on_boundaries() {
        let fits = |text: &str| text.len() <= 20;
        for (whole, expect) in [
            ("日本語日本語日本語", "日本語日…\nlink"),
            ("abcdefghijklmnopqrstuvwxyz", "abcdefghijkl…\nlink"),
        ] {
            assert_eq!(longest_that_fits(whole, "\nlink", &fits), expect);
        }
        assert_eq!(longest_that_fits("abc", "", &|_| false), "…");
    }
}
