//! What the value of an attribute is, by the attribute's name.

/// How an attribute's value is read, at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttrKind {
    Plain,
    Css,
    Html,
    Script,
    Url,
    Srcset,
    /// It changes how other content is read, or what is sent over the network.
    Unsafe,
}

/// The kind of the attribute of that name, which must be in lower case.
///
/// Names that no standard knows are guessed from their parts as html/template does: `on…` is script, and what holds
/// `src`, `uri` or `url` is a URL. `data-x` is read as `x`, and so is `x` of any other name space than `xmlns`.
pub(super) fn attr_kind(name: &str) -> AttrKind {
    let name = match (name.strip_prefix("data-"), name.split_once(':')) {
        (Some(rest), _) => rest,
        (None, Some(("xmlns", _))) => return AttrKind::Url,
        (None, Some((_, local))) => local,
        (None, None) => name,
    };
    if let Some(kind) = known(name) {
        return kind;
    }
    if name.starts_with("on") {
        return AttrKind::Script;
    }
    if ["url", "uri", "src"].iter().any(|part| name.contains(part)) {
        return AttrKind::Url;
    }
    AttrKind::Plain
}

/// Standard attributes that the guess would get wrong.
fn known(name: &str) -> Option<AttrKind> {
    Some(match name {
        "style" => AttrKind::Css,
        "srcdoc" => AttrKind::Html,
        "srcset" => AttrKind::Srcset,
        "srclang" => AttrKind::Plain,
        "href" | "src" | "action" | "formaction" | "cite" | "background" | "poster" | "icon"
        | "data" | "codebase" | "classid" | "archive" | "longdesc" | "usemap" | "profile"
        | "manifest" | "xmlns" => AttrKind::Url,
        "type" | "value" | "content" | "charset" | "accept-charset" | "http-equiv" | "rel"
        | "form" | "method" | "enctype" | "formenctype" | "formmethod" | "formnovalidate"
        | "novalidate" | "pattern" | "async" | "defer" | "crossorigin" | "sandbox" | "language"
        | "keytype" | "challenge" => AttrKind::Unsafe,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_and_guesses_kinds() {
        for (kind, names) in [
            (
                AttrKind::Plain,
                "title alt class id name srclang width colspan aria-label open option data-x data-id \
                 svg:width x:y:onclick contenteditable language-x",
            ),
            (
                AttrKind::Url,
                "href src data-href data-action xlink:href svg:src xmlns xmlns:svg g:tweeturl imageuri \
                 data-srcfoo lazysrc data-url x:data background",
            ),
            (
                AttrKind::Script,
                "onclick on onfoo data-onclick svg:onload one",
            ),
            (AttrKind::Css, "style data-style x:style"),
            (AttrKind::Srcset, "srcset data-srcset"),
            (AttrKind::Html, "srcdoc"),
            (
                AttrKind::Unsafe,
                "type value http-equiv rel data-type async",
            ),
        ] {
            for name in names.split_ascii_whitespace() {
                assert_eq!(attr_kind(name), kind, "{name}");
            }
        }
    }
}
