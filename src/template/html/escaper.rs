//! The escapers that actions run their values through, one after another.

use std::borrow::Cow;

use super::{FAILSAFE, declaration, literal, markup, url};
use crate::{
    json,
    template::{
        funcs::{html_escape, query_escape, too_long, write_json},
        printf,
        value::{Safe, Value},
    },
};

/// A step from a value to text that is safe in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaper {
    /// Text between tags.
    Text,
    /// The content of `<textarea>` and `<title>`.
    Rcdata,
    /// A value in quotes.
    Attr,
    /// A value without quotes.
    UnquotedAttr,
    /// The name of a tag or attribute.
    Name,
    /// Nothing is printed in comments.
    Comment,
    CssString,
    CssValue,
    JsString,
    JsTemplate,
    JsRegexp,
    JsValue,
    UrlFilter,
    UrlNormalizer,
    /// A part of a query or fragment.
    UrlQuery,
    Srcset,
    /// The function `html` at the end of a pipeline.
    PredefinedHtml,
    /// The function `urlquery` at the end of a pipeline.
    PredefinedUrlQuery,
}

/// What an escaper is given: text, and whether it is trusted somewhere.
struct Content<'a> {
    text: Cow<'a, str>,
    safe: Option<Safe>,
}

/// Prints a value through the escapers, of which there is at least one; `limit` is that of the length of `out`.
///
/// # Errors
/// When the value cannot be printed, or is too long.
pub(crate) fn push_escaped(
    escapers: &[Escaper],
    value: &Value,
    out: &mut String,
    limit: usize,
) -> Result<(), String> {
    if let ([Escaper::Text | Escaper::Attr | Escaper::Rcdata], Value::Str(text)) = (escapers, value)
    {
        markup::HTML.push(text, out);
        return within(out.len(), limit);
    }
    let Some((first, others)) = escapers.split_first() else {
        return Ok(());
    };
    let mut text = first.apply_to_value(value, limit)?;
    for escaper in others {
        within(text.len(), limit)?;
        text = escaper.apply(Content { text, safe: None });
    }
    out.push_str(&text);
    within(out.len(), limit)
}

fn within(length: usize, limit: usize) -> Result<(), String> {
    match length > limit {
        true => Err(too_long(limit)),
        false => Ok(()),
    }
}

impl Escaper {
    fn apply_to_value(self, value: &Value, limit: usize) -> Result<Cow<'_, str>, String> {
        if self == Self::JsValue {
            return js_value(value, limit).map(Cow::Owned);
        }
        let (text, safe) = if let Value::Str(text) = value {
            (Cow::Borrowed(&**text), None)
        } else if let Value::Safe(safe, text) = value {
            (Cow::Borrowed(&**text), Some(*safe))
        } else if matches!(value, Value::Nil | Value::NilAny) {
            let predefined = matches!(self, Self::PredefinedHtml | Self::PredefinedUrlQuery);
            (
                Cow::Borrowed(if predefined { "<no value>" } else { "" }),
                None,
            )
        } else {
            (Cow::Owned(printed(value, limit)?), None)
        };
        Ok(self.apply(Content { text, safe }))
    }

    fn apply(self, Content { text, safe }: Content<'_>) -> Cow<'_, str> {
        match (self, safe) {
            (Self::Text, Some(Safe::Html))
            | (Self::Name, Some(Safe::HtmlAttr))
            | (Self::CssValue, Some(Safe::Css))
            | (Self::UrlFilter, Some(Safe::Url))
            | (Self::Srcset, Some(Safe::Srcset)) => text,
            (Self::Rcdata, Some(Safe::Html)) => markup::HTML_ENTITIES_STAY.apply(text),
            (Self::Attr, Some(Safe::Html)) => markup::HTML_ENTITIES_STAY.apply(stripped(text)),
            (Self::UnquotedAttr, _) if text.is_empty() => Cow::Borrowed(FAILSAFE),
            (Self::UnquotedAttr, Some(Safe::Html)) => {
                markup::UNQUOTED_ENTITIES_STAY.apply(stripped(text))
            }
            (Self::Text | Self::Rcdata | Self::Attr, _) => markup::HTML.apply(text),
            (Self::UnquotedAttr, _) => markup::UNQUOTED.apply(text),
            (Self::Name, _) => Cow::Owned(markup::name(&text).into_owned()),
            (Self::Comment, _) => Cow::Borrowed(""),
            (Self::CssString, _) => declaration::STRING.apply(text),
            (Self::CssValue, _) => declaration::value(text),
            (Self::JsString, Some(Safe::JsStr)) => literal::STRING_ESCAPES_STAY.apply(text),
            (Self::JsString, _) => literal::STRING.apply(text),
            (Self::JsTemplate, _) => literal::TEMPLATE.apply(text),
            (Self::JsRegexp, _) => literal::regexp(text),
            (Self::JsValue, _) => Cow::Owned(js_string(&text)),
            (Self::UrlFilter, _) => url::filter(text),
            (Self::UrlNormalizer, _) | (Self::UrlQuery, Some(Safe::Url)) => url::normalize(text),
            (Self::UrlQuery, _) => url::escape(text),
            (Self::Srcset, Some(Safe::Url)) => Cow::Owned(url::single_image(&text)),
            (Self::Srcset, _) => Cow::Owned(url::image_set(&text)),
            (Self::PredefinedHtml, _) => Cow::Owned(html_escape(&text)),
            (Self::PredefinedUrlQuery, _) => Cow::Owned(query_escape(&text)),
        }
    }
}

fn stripped(html: Cow<'_, str>) -> Cow<'_, str> {
    match html {
        Cow::Borrowed(html) => markup::strip_tags(html),
        Cow::Owned(html) => Cow::Owned(markup::strip_tags(&html).into_owned()),
    }
}

fn js_value(value: &Value, limit: usize) -> Result<String, String> {
    if let Value::Safe(safe, text) = value {
        return Ok(match safe {
            Safe::Js => text.to_string(),
            Safe::JsStr => format!("\"{text}\""),
            Safe::Css | Safe::Html | Safe::HtmlAttr | Safe::Url | Safe::Srcset => js_string(text),
        });
    }
    if let Value::Str(text) = value {
        return Ok(js_string(text));
    }
    // Go's `fmt.Stringer`s.
    if matches!(
        value,
        Value::Duration(_)
            | Value::Month(_)
            | Value::Weekday(_)
            | Value::Zone(_)
            | Value::Kv(_)
            | Value::Pairs(_)
    ) {
        return printed(value, limit).map(|text| js_string(&text));
    }
    let mut json = String::new();
    let written = write_json(value, &mut json, limit);
    within(json.len(), limit)?;
    Ok(literal::value(written.map(|()| json)))
}

fn js_string(text: &str) -> String {
    let mut out = String::new();
    json::push_str(&mut out, text, true);
    out
}

fn printed(value: &Value, limit: usize) -> Result<String, String> {
    let mut out = String::new();
    printf::display(value, &mut out, limit)?;
    Ok(out)
}
