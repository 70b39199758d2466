//! Functions on texts: case, space, patterns, encodings.

use std::sync::Arc;

use base64::{DecodeError, Engine as _, engine::general_purpose::URL_SAFE};

use super::{
    super::{
        go_type::Type,
        value::{Safe, Value},
    },
    args::string,
    escape::query_unescape,
    table::{Context, Function},
    title::title,
};
use crate::{
    labels::{go_lower, go_quote, go_upper},
    regex::expand,
};

/// What the templates of notifications and of rules have in common.
pub(super) static SHARED_TEXT: [Function; 5] = [
    Function::new("toUpper", &[Type::Str], |context, args| {
        context.text(go_upper(string(args, 0)))
    }),
    Function::new("toLower", &[Type::Str], |context, args| {
        context.text(go_lower(string(args, 0)))
    }),
    Function::new("match", &[Type::Str, Type::Str], |context, args| {
        let regex = context.regex(string(args, 0))?;
        let text = string(args, 1);
        context.charge(text.len() / 8)?;
        Ok(Value::Bool(regex.is_match(text)))
    }),
    Function::new("reReplaceAll", &[Type::Str, Type::Str, Type::Str], replace),
    Function::new("safeHtml", &[Type::Str], |_, args| {
        Ok(Value::Safe(Safe::Html, Arc::clone(string(args, 0))))
    }),
];

pub(super) static TEXT: [Function; 6] = [
    Function::new("title", &[Type::Str], |context, args| {
        context.text(title(string(args, 0)))
    }),
    Function::new("trimSpace", &[Type::Str], |_, args| {
        Ok(string(args, 0).trim().into())
    }),
    Function::new("safeUrl", &[Type::Str], |_, args| {
        Ok(Value::Safe(Safe::Url, Arc::clone(string(args, 0))))
    }),
    Function::new("urlUnescape", &[Type::Str], |context, args| {
        context.text(query_unescape(string(args, 0))?)
    }),
    Function::new("base64encode", &[Type::Str], |context, args| {
        context.text(URL_SAFE.encode(string(args, 0).as_bytes()))
    }),
    Function::new("base64decode", &[Type::Str], |context, args| {
        // Go skips line breaks.
        let text = string(args, 0).replace(['\r', '\n'], "");
        let bytes = URL_SAFE.decode(&text).map_err(|error| {
            let at = match error {
                DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
                DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len(),
            };
            format!("illegal base64 data at input byte {at}")
        })?;
        context.text(String::from_utf8_lossy(&bytes).into_owned())
    }),
];

fn replace(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    let (pattern, replacement, text) = (string(args, 0), string(args, 1), string(args, 2));
    let regex = context.regex(pattern).map_err(|error| {
        let quoted = if pattern.contains('`') || pattern.contains(char::is_control) {
            go_quote(pattern)
        } else {
            format!("`{pattern}`")
        };
        format!("regexp: Compile({quoted}): {error}")
    })?;
    context.charge(text.len() / 8)?;
    let limit = context.scope.limits.output;
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        context.charge(1)?;
        out.push_str(&text[end..whole.start()]);
        expand(&mut out, replacement, &captures);
        end = whole.end();
        if out.len() > limit {
            break;
        }
    }
    out.push_str(&text[end..]);
    context.text(out)
}
