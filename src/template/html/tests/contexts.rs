//! The context after pieces of text.

use super::super::{context::Context, text::escape_text};

fn after(text: &str) -> (Context, String) {
    let (c, edited) = escape_text(Context::default(), text);
    (c, edited.unwrap_or_else(|| text.to_owned()))
}

/// The context of a text without what is as at the beginning, in short words.
fn brief(text: &str) -> String {
    let shown = after(text).0.to_string();
    shown
        .trim_matches(|c| c == '{' || c == '}')
        .split(' ')
        .filter(|word| {
            !matches!(
                *word,
                "delimNone"
                    | "urlPartNone"
                    | "jsCtxRegexp"
                    | "[]"
                    | "attrNone"
                    | "elementNone"
                    | "<nil>"
            )
        })
        .map(|word| {
            ["state", "delim", "urlPart", "jsCtx", "attr", "element"]
                .iter()
                .find_map(|prefix| word.strip_prefix(prefix))
                .unwrap_or(word)
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn tags_and_attributes() {
    for (text, context) in [
        ("", "Text"),
        ("1 < 2 <3 << <", "Text"),
        ("<p", "Tag"),
        ("<p ", "Tag"),
        ("<p>x</p", "Tag"),
        ("<p>x</p>", "Text"),
        ("<td id", "AttrName"),
        ("<td id ", "AfterName"),
        ("<td id = ", "BeforeValue"),
        ("<td id=\"", "Attr DoubleQuote"),
        ("<td id='", "Attr SingleQuote"),
        ("<td id=a", "Attr SpaceOrTagEnd"),
        ("<td id=a ", "Tag"),
        ("<td id=a>", "Text"),
        ("<td id=>", "Text"),
        ("<td id=\"a>\"", "Tag"),
        ("<td hidden>", "Text"),
        ("<td hidden id", "AttrName"),
        ("<area HREF", "AttrName URL"),
        ("<area href=", "BeforeValue URL"),
        ("<area href=\"", "URL DoubleQuote URL"),
        ("<area href=\" ", "URL DoubleQuote URL"),
        ("<area href=\"https:", "URL DoubleQuote PreQuery URL"),
        ("<area href='/a?b", "URL SingleQuote QueryOrFrag URL"),
        ("<area href=#", "URL SpaceOrTagEnd QueryOrFrag URL"),
        ("<area href=&#x3f;", "URL SpaceOrTagEnd QueryOrFrag URL"),
        ("<area href='&quot;", "URL SingleQuote PreQuery URL"),
        ("<img srcset='", "Srcset SingleQuote Srcset"),
        ("<a xlink:href", "AttrName URL"),
        ("<a xmlns:x", "AttrName URL"),
        ("<a xmlnsx", "AttrName"),
        ("<a data-HomeUrl", "AttrName URL"),
        ("<a svg:style='", "CSS SingleQuote Style"),
        ("<svg:g svg:onclick='", "JS SingleQuote Script"),
        ("<svg:g svg:onclick='f()'>", "Text"),
        ("<svg:font-face ", "Tag"),
        ("<!-- x", "HTMLCmt"),
        ("<!-->", "HTMLCmt"),
        ("<!-- x -->", "Text"),
        ("<!doctype html>", "Text"),
        (
            "<meta name=x content='",
            "MetaContent SingleQuote MetaContent Meta",
        ),
        (
            "<meta content='0;url=",
            "MetaContentURL SingleQuote MetaContent Meta",
        ),
        (
            "<meta content='0;URL =x;y",
            "MetaContent SingleQuote MetaContent Meta",
        ),
        ("<meta content='x'>", "Text"),
        ("<p content='", "Attr SingleQuote"),
    ] {
        assert_eq!(brief(text), context, "{text}");
    }
}

#[test]
fn elements_with_content_of_their_own() {
    for (text, context) in [
        ("<textarea>a<b", "RCDATA Textarea"),
        ("<textarea>a</textarea", "RCDATA Textarea"),
        ("<textarea>a</TextArea>", "Text"),
        ("<title>&lt;", "RCDATA Title"),
        ("<title>x</title ", "Tag"),
        ("<style>a", "CSS Style"),
        ("<STYLE>a</style>", "Text"),
        ("<script", "Tag Script"),
        ("<script src='x' ", "Tag Script"),
        ("<script>", "JS Script"),
        ("<Script>a", "JS DivOp Script"),
        ("<script>a</script>", "Text"),
        ("<script>a</script><!--", "HTMLCmt"),
        ("<script type=text/javascript>", "JS Script"),
        ("<script type=\"TEXT/JavaScript;x\">", "JS Script"),
        ("<script type=''>", "JS Script"),
        ("<script type='importmap'>", "Text"),
        ("<script TYPE=\"text/x-mustache\"><b", "Tag"),
        ("<script type=module>", "JS Script"),
    ] {
        assert_eq!(brief(text), context, "{text}");
    }
}

#[test]
fn scripts() {
    for (text, context) in [
        ("'a'", "JS DoubleQuote DivOp Script"),
        ("'a", "JSSqStr DoubleQuote Script"),
        ("'a\\'", "JSSqStr DoubleQuote Script"),
        ("'a&quot;", "JSSqStr DoubleQuote Script"),
        ("&quot;a'", "JSDqStr DoubleQuote Script"),
        ("&quot;a&quot;", "JS DoubleQuote DivOp Script"),
        ("`a", "JSTmplLit DoubleQuote Script"),
        ("/", "JSRegexp DoubleQuote Script"),
        ("/a[/]", "JSRegexp DoubleQuote Script"),
        ("/a\\/", "JSRegexp DoubleQuote Script"),
        ("/a/", "JS DoubleQuote DivOp Script"),
        ("1 /a", "JS DoubleQuote DivOp Script"),
        ("1 /*c*/ /a", "JS DoubleQuote DivOp Script"),
        ("// a", "JSLineCmt DoubleQuote Script"),
        ("//\n", "JS DoubleQuote Script"),
        ("//\u{2029}", "JS DoubleQuote Script"),
        ("/*", "JSBlockCmt DoubleQuote Script"),
        ("/*/", "JSBlockCmt DoubleQuote Script"),
        ("/**/", "JS DoubleQuote Script"),
    ] {
        assert_eq!(brief(&format!("<a onclick=\"{text}")), context, "{text}");
    }
    for (text, context) in [
        ("f(\"<p>a</p>\");", "JS Script"),
        ("f(\"</script>\");", "JS Script"),
        ("f(\"<script>a</SCRIPT>", "JSDqStr Script"),
        ("let a = /</script", "JSRegexp Script"),
        ("let a = /</script/", "JS DivOp Script"),
        ("if (x) {/", "JSRegexp Script"),
        ("x} /", "JSRegexp Script"),
        ("a <!-- b", "JSHTMLOpenCmt DivOp Script"),
        ("a --> b", "JSHTMLCloseCmt DivOp Script"),
        ("a --> b\n", "JS DivOp Script"),
        ("#!x", "JSLineCmt Script"),
        ("`", "JSTmplLit Script"),
        ("`${", "JS [0] Script"),
        ("`${}", "JSTmplLit Script"),
        ("`${`", "JSTmplLit [0] Script"),
        ("`${'}", "JSSqStr [0] Script"),
        ("`${``", "JS [0] Script"),
        ("`${ {} } a`</script><script>`${ {} }", "JSTmplLit Script"),
        ("`${ f({ a: { b: `${", "JS [2 0] Script"),
        ("`${ { `` }", "JS [0] Script"),
        ("`${ {</script><script>`${ x }", "JSTmplLit DivOp Script"),
        ("`x` + \"${", "JSDqStr Script"),
        ("{`${}`}", "JS Script"),
        ("`${ f(`${1}`) }`", "JS DivOp Script"),
    ] {
        assert_eq!(brief(&format!("<script>{text}")), context, "{text}");
    }
}

#[test]
fn style_sheets() {
    for (text, context) in [
        ("", "CSS DoubleQuote Style"),
        ("//</style>", "CSSLineCmt DoubleQuote Style"),
        ("//\u{c}", "CSS DoubleQuote Style"),
        ("/*", "CSSBlockCmt DoubleQuote Style"),
        ("/**/", "CSS DoubleQuote Style"),
        ("a: '", "CSSSqStr DoubleQuote Style"),
        ("a: &quot;", "CSSDqStr DoubleQuote Style"),
        ("a: '/x?y=", "CSSSqStr DoubleQuote QueryOrFrag Style"),
        ("a: '/", "CSSSqStr DoubleQuote PreQuery Style"),
        ("a: url( &#34;/", "CSSDqURL DoubleQuote PreQuery Style"),
        ("a: url('/)", "CSSSqURL DoubleQuote PreQuery Style"),
        ("a: URL (/", "CSSURL DoubleQuote PreQuery Style"),
        ("a: url( ", "CSSURL DoubleQuote Style"),
        ("a: url(x?", "CSSURL DoubleQuote QueryOrFrag Style"),
        ("a: url(x)", "CSS DoubleQuote Style"),
        ("a: url( x ", "CSS DoubleQuote Style"),
        ("a: curl(", "CSS DoubleQuote Style"),
    ] {
        assert_eq!(brief(&format!("<a style=\"{text}")), context, "{text}");
    }
}

#[test]
fn text_is_edited() {
    for (text, edited) in [
        ("a < b << c", "a &lt; b &lt;&lt; c"),
        ("a<<!-- x --><!-- y -->b", "a&lt;b"),
        ("<<!-- x -->!--", "&lt;!--"),
        ("<!DOCTYPE html><!doctype x>", "<!DOCTYPE html><!doctype x>"),
        ("<! doctype>", "&lt;! doctype>"),
        ("x<!-- y", "x"),
        (
            "<textarea><b>x</textarea><b>",
            "<textarea>&lt;b>x</textarea><b>",
        ),
        ("<title><!-- x --></title>", "<title>&lt;!-- x --></title>"),
        (
            "<script>a/* x */b/*\n*/c//d\n</script>",
            "<script>a b\nc\n</script>",
        ),
        (
            "<script>a<!-- x\nb--> y\n#! z\n</script>",
            "<script>a\nb\n\n</script>",
        ),
        ("<script>a/*b*///c\nd</script>", "<script>a \nd</script>"),
        ("<style>a/*\n*/b// c\n</style>", "<style>a b\n</style>"),
        (
            "<script>'< <!-- <ScripT </script>' + /<script/ + `<!--`</script>",
            "<script>'< \\x3C!-- \\x3CScripT \\x3C/script>' + /\\x3Cscript/ + `\\x3C!--`</script>",
        ),
        (
            "<a onclick='/* x */ \"<script\"'>",
            "<a onclick='/* x */ \"<script\"'>",
        ),
        ("<a style='/* x */'>", "<a style='/* x */'>"),
    ] {
        assert_eq!(after(text).1, edited, "{text}");
    }
}

#[test]
fn long_scripts_are_searched_once() {
    // In an earlier form, the search for the end tag went over the rest of the text for each token.
    for end in ["", "</script>"] {
        let text = format!("<script>{}{end}", "a('b');".repeat(100_000));
        let (c, _) = after(&text);
        assert!(!c.is_error());
    }
    let (c, _) = after(&format!("<a style='{}", "\\9 ".repeat(100_000)));
    assert!(!c.is_error());
}
