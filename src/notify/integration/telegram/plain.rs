//! A message without its markup, for when Telegram cannot read it.

/// The text of a message in some parse mode; in HTML, tags go, links stay behind their texts, and entities are resolved.
pub(super) fn text(message: &str, parse_mode: &str) -> String {
    match parse_mode {
        "HTML" => without_tags(message),
        _ => message.to_owned(),
    }
}

fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let mut link = None;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((tag, after)) = tag(rest) {
            if let Some(href) = href(tag) {
                link = Some(href);
            } else if tag == "/a"
                && let Some(href) = link.take()
            {
                out.push_str(" (");
                push_resolved(&mut out, href);
                out.push(')');
            }
            rest = after;
        } else if let Some((c, after)) = entity(rest) {
            out.push(c);
            rest = after;
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out + rest
}

/// A tag at the beginning, without its brackets, and what is behind it.
fn tag(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let named = inner.strip_prefix('/').unwrap_or(inner);
    if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = inner.find(['<', '>'])?;
    let after = inner[end..].strip_prefix('>')?;
    Some((&inner[..end], after))
}

/// Where `a href="…"` leads.
fn href(tag: &str) -> Option<&str> {
    let value = tag.strip_prefix("a ")?.trim_start().strip_prefix("href=")?;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// A character reference at the beginning, and what is behind it.
fn entity(text: &str) -> Option<(char, &str)> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, after))
}

fn push_resolved(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match entity(rest) {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_the_markup_out() {
        for (html, expect) in [
            ("a", "a"),
            ("<b>a</b> <i class=\"x\">b</i>", "a b"),
            ("a < b & c > d", "a < b & c > d"),
            (
                "&lt;b&gt; &amp;amp; &#39;&#x2B;&#43; &nope; &",
                "<b> &amp; '++ &nope; &",
            ),
            ("<a href='http://x/?a&amp;b'>l</a>", "l (http://x/?a&b)"),
            ("<a href=\"x", "<a href=\"x"),
            ("<b <i>x", "<b x"),
            ("</a>é<br/>", "é"),
        ] {
            assert_eq!(text(html, "HTML"), expect, "{html}");
        }
        assert_eq!(text("<b>*x*", "Markdown"), "<b>*x*");
    }

    proptest! {
        #[test]
        fn takes_anything(html in "[<>&;/a-z\"'= é#0-9]{0,40}") {
            let _ = text(&html, "HTML");
        }
    }
}
