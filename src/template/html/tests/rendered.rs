//! What templates print.

use std::sync::Arc;

use super::compile;
use crate::{
    template::{
        Language, Library, Mode, Scope,
        cases::{load, render},
        value::{Safe, Value},
    },
    time::Timestamp,
};

#[test]
fn html_renders_as_go_renders_it() {
    let Some((data, cases)) = load() else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let (data, library) = (Arc::new(data), Library::built_in(Language::English));
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases.iter().filter(|case| case.mode == Mode::Html) {
        count += 1;
        let got = render(&library, &case.template, case.mode, &data).map_err(|e| e.to_string());
        if got != case.expect {
            wrong.push(format!(
                "{}\n  got  {got:?}\n  want {:?}",
                case.name, case.expect
            ));
        }
    }
    println!("{} of {count}", count - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Renders with an element of each type of Go that templates meet.
fn printed(source: &str) -> String {
    let safe = |kind, text: &str| Value::Safe(kind, text.into());
    let data = [
        ("Yes", Value::from(true)),
        ("No", Value::from(false)),
        ("Name", Value::from("O'Brien & <Co>")),
        ("Bad", Value::from("javascript:alert('1')")),
        (
            "Two",
            Value::Strings(Arc::from([Arc::from("<x>"), Arc::from("y\"z")])),
        ),
        ("None", Value::Strings(Arc::from([]))),
        ("Seven", Value::int(7)),
        ("Half", Value::Float(0.5)),
        ("Nil", Value::NilAny),
        ("Long", Value::Duration(90_000_000_000)),
        ("Html", safe(Safe::Html, "<i title='x'>a&nbsp;b</i>")),
        ("Attr", safe(Safe::HtmlAttr, "dir=\"rtl\"")),
        ("Css", safe(Safe::Css, "a:b(\"c\")")),
        ("Js", safe(Safe::Js, "f(\"</b>\")")),
        ("JsStr", safe(Safe::JsStr, "a\\u0020'b'")),
        ("Url", safe(Safe::Url, "tel:1,2?a=%20&b=(c)")),
        ("Srcset", safe(Safe::Srcset, "a 1.5x, b 2x")),
    ];
    let data = data.map(|(name, value)| (Arc::from(name), value));
    let scope = Scope::new(Value::map(data.into()).unwrap(), Timestamp::from_unix(0, 0));
    compile(source)
        .and_then(|template| template.render(&scope))
        .unwrap_or_else(|error| error.to_string())
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(source, output)| {
            let got = printed(source);
            (got != *output).then(|| format!("{source}\n  got  {got}\n  want {output}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn text_and_attributes() {
    check(&[
        ("{{ .Name }}", "O&#39;Brien &amp; &lt;Co&gt;"),
        (
            "{{ .Name | html }}{{ html .Name }}",
            "O&#39;Brien &amp; &lt;Co&gt;O&#39;Brien &amp; &lt;Co&gt;",
        ),
        (
            "{{ html .Seven .Half .Name }}",
            "7 0.5O&#39;Brien &amp; &lt;Co&gt;",
        ),
        ("{{ .Name | urlquery }}", "O%27Brien&#43;%26&#43;%3CCo%3E"),
        (
            "{{ .Yes }} {{ .Seven }} {{ .Half }} {{ .Long }} {{ .Two }}",
            "true 7 0.5 1m30s [&lt;x&gt; y&#34;z]",
        ),
        ("[{{ .Nil }}{{ .Missing }}]", "[]"),
        ("{{ .Nil | html }}", "&lt;no value&gt;"),
        ("{{ .Html }}", "<i title='x'>a&nbsp;b</i>"),
        (
            "{{ .Html | html }}",
            "&lt;i title=&#39;x&#39;&gt;a&amp;nbsp;b&lt;/i&gt;",
        ),
        (
            "{{ .Url }}{{ .Css }}",
            "tel:1,2?a=%20&amp;b=(c)a:b(&#34;c&#34;)",
        ),
        (
            "<p title='{{ .Name }}'>",
            "<p title='O&#39;Brien &amp; &lt;Co&gt;'>",
        ),
        ("<p title=\"{{ .Html }}\">", "<p title=\"a&nbsp;b\">"),
        (
            "<p title={{ .Name }}>",
            "<p title=O&#39;Brien&#32;&amp;&#32;&lt;Co&gt;>",
        ),
        (
            "<p title={{ .Nil }} id={{ .Html }}>",
            "<p title=ZgotmplZ id=a&nbsp;b>",
        ),
        ("<p title='{{ .Nil }}'>", "<p title=''>"),
        (
            "<title>{{ .Name }}{{ .Html }}</title>",
            "<title>O&#39;Brien &amp; &lt;Co&gt;&lt;i title=&#39;x&#39;&gt;a&nbsp;b&lt;/i&gt;</title>",
        ),
        (
            "<p {{ \"id\" }}=x {{ .Name }}=y {{ .Attr }} {{ \"onload\" }}='z'>",
            "<p id=x ZgotmplZ=y dir=\"rtl\" ZgotmplZ='z'>",
        ),
        (
            "<p data-{{ \"x\" }}='{{ .Name }}'>",
            "<p data-x='O&#39;Brien &amp; &lt;Co&gt;'>",
        ),
        ("<h{{ 3 }}></h{{ 3 }}>", "<h3></h3>"),
        ("<{{ \"b\" }}>", "&lt;b>"),
        ("a < {{ 1 }} << b", "a &lt; 1 &lt;&lt; b"),
        ("<!-- {{ .Name }} --><b><!-- x --></b>", "<b></b>"),
        (
            "x<!-- {{ if .Yes }}a -->{{ .Name }}{{ else }}b -->{{ .Html }}{{ end }}",
            "xO&#39;Brien &amp; &lt;Co&gt;",
        ),
        (
            "<input{{ if .Yes }} checked{{ end }}{{ if .No }} id='y'{{ end }} name=x>",
            "<input checked name=x>",
        ),
        (
            "<p title={{ if .Yes }}{{ .Seven }}{{ end }}>",
            "<p title=7>",
        ),
        (
            "{{ with .Name }}{{ $x := . }}{{ $x }}{{ end }}",
            "O&#39;Brien &amp; &lt;Co&gt;",
        ),
        (
            "{{ range .Two }}<li>{{ . }}{{ end }}{{ range .None }}{{ else }}{{ .Name }}{{ end }}",
            "<li>&lt;x&gt;<li>y&#34;zO&#39;Brien &amp; &lt;Co&gt;",
        ),
        (
            "{{ range $i, $x := .Two }}{{ if $i }}{{ break }}{{ end }}<p title='{{ $x }}'>{{ continue }}<b{{ end }}",
            "<p title='&lt;x&gt;'>",
        ),
        (
            "{{ safeHtml \"<b>\" }}<a href='{{ safeUrl \"tel:1\" }}'>",
            "<b><a href='tel:1'>",
        ),
        (
            "<!DOCTYPE html>{{ 1 }}<!{{ \"doctype\" }}",
            "<!DOCTYPE html>1&lt;!doctype",
        ),
    ]);
}

#[test]
fn urls() {
    check(&[
        ("<a href='{{ .Bad }}'>", "<a href='#ZgotmplZ'>"),
        ("<a href=' {{ .Bad }}'>", "<a href=' #ZgotmplZ'>"),
        ("<a href={{ .Bad }}>", "<a href=#ZgotmplZ>"),
        (
            "<a href='{{ .Url }}'>",
            "<a href='tel:1,2?a=%20&amp;b=%28c%29'>",
        ),
        (
            "<a href='/{{ .Bad }}'>",
            "<a href='/javascript:alert%28%271%27%29'>",
        ),
        (
            "<a href='/?x={{ .Name }}&amp;y={{ .Url }}'>",
            "<a href='/?x=O%27Brien%20%26%20%3cCo%3e&amp;y=tel:1,2?a=%20&amp;b=%28c%29'>",
        ),
        (
            "<a href='/#{{ .Name }}'>",
            "<a href='/#O%27Brien%20%26%20%3cCo%3e'>",
        ),
        (
            "<a href='{{ .Name | urlquery }}' id='{{ .Name | urlquery }}'>",
            "<a href='O%27Brien&#43;%26&#43;%3CCo%3E' id='O%27Brien&#43;%26&#43;%3CCo%3E'>",
        ),
        (
            "<a href='{{ .Name | html }}'>",
            "<a href='O%27Brien%20&amp;%20%3cCo%3e'>",
        ),
        (
            "<a href='{{ if .Yes }}/a?b={{ else }}/c#{{ end }}{{ .Name }}'>",
            "<a href='/a?b=O%27Brien%20%26%20%3cCo%3e'>",
        ),
        (
            "<a data-link-url='{{ .Bad }}' g:srcs='{{ .Bad }}' alt='{{ .Bad }}'>",
            "<a data-link-url='#ZgotmplZ' g:srcs='#ZgotmplZ' alt='javascript:alert(&#39;1&#39;)'>",
        ),
        (
            "<img srcset='{{ .Bad }} 1x, {{ \"/a b, javascript:x\" }}'>",
            "<img srcset='#ZgotmplZ 1x, /a b,#ZgotmplZ'>",
        ),
        (
            "<img srcset='{{ .Srcset }}, {{ .Url }}'>",
            "<img srcset='a 1.5x, b 2x, tel:1%2c2?a=%20&amp;b=%28c%29'>",
        ),
        (
            "<meta http-equiv=refresh content='{{ .Seven }};url = {{ .Bad }};x={{ .Bad }}'>{{ .Name }}",
            "<meta http-equiv=refresh content='7;url = #ZgotmplZ;x=javascript:alert(&#39;1&#39;)'>O&#39;Brien &amp; &lt;Co&gt;",
        ),
    ]);
}

#[test]
fn scripts() {
    check(&[
        (
            "<script>a={{ .Name }}</script>",
            "<script>a=\"O'Brien \\u0026 \\u003cCo\\u003e\"</script>",
        ),
        (
            "<b onclick='f({{ .Name }})'>",
            "<b onclick='f(&#34;O&#39;Brien \\u0026 \\u003cCo\\u003e&#34;)'>",
        ),
        ("<b onclick=f({{ .Seven }})>", "<b onclick=f(&#32;7&#32;)>"),
        (
            "<script>[{{ .Yes }},{{ .Half }},{{ .Nil }},{{ .Missing }},{{ .Two }},{{ .Long }}]</script>",
            "<script>[ true , 0.5 , null , null ,[\"\\u003cx\\u003e\",\"y\\\"z\"],\"1m30s\"]</script>",
        ),
        (
            "<script>a={{ .Html }};{{ .Js }};b={{ .JsStr }}</script>",
            "<script>a=\"\\u003ci title='x'\\u003ea\\u0026nbsp;b\\u003c/i\\u003e\";f(\"</b>\");b=\"a\\u0020'b'\"</script>",
        ),
        (
            "<script>a='{{ .Name }}{{ .JsStr }}'</script>",
            "<script>a='O\\u0027Brien \\u0026 \\u003cCo\\u003ea\\u0020\\u0027b\\u0027'</script>",
        ),
        (
            "<b onclick=\"a='{{ .Name }}'\">",
            "<b onclick=\"a='O\\u0027Brien \\u0026 \\u003cCo\\u003e'\">",
        ),
        (
            "<b onclick=\"a=&quot;{{ .Name }}&quot;\">",
            "<b onclick=\"a=&quot;O\\u0027Brien \\u0026 \\u003cCo\\u003e&quot;\">",
        ),
        (
            "<script>a=`{{ .Name }}${ f(`{{ \"${`}\" }}`, {{ .Seven }}) }`</script>",
            "<script>a=`O\\u0027Brien \\u0026 \\u003cCo\\u003e${ f(`\\u0024\\u007b\\u0060\\u007d`,  7 ) }`</script>",
        ),
        (
            "<script>/{{ \"a/b.c\" }}{{ \"\" }}/.test({{ .Seven }}/{{ .Seven }})</script>",
            "<script>/a\\/b\\.c(?:)/.test( 7 / 7 )</script>",
        ),
        (
            "<script>if (x) {/{{ \"/\" }}/}</script>",
            "<script>if (x) {/\\//}</script>",
        ),
        (
            "<script>a/*x\n*/b//{{ .Name }}\n/*{{ .Name }}*/c</script>",
            "<script>a\nb\n c</script>",
        ),
        (
            "<script>a <!-- {{ .Name }}\nb</script>",
            "<script>a \nb</script>",
        ),
        ("<b onclick='/*{{ .Name }}*/a'>", "<b onclick='/**/a'>"),
        (
            "<script>'</script>{{ .Name }}<!--'</script>",
            "<script>'\\x3C/script>O\\u0027Brien \\u0026 \\u003cCo\\u003e\\x3C!--'</script>",
        ),
        (
            "<script type=application/ld+json>{\"a\": {{ .Name }}}</script>",
            "<script type=application/ld+json>{\"a\": \"O'Brien \\u0026 \\u003cCo\\u003e\"}</script>",
        ),
        (
            "<script type=text/x-tmpl><b>{{ .Name }}</script>",
            "<script type=text/x-tmpl><b>O&#39;Brien &amp; &lt;Co&gt;</script>",
        ),
        (
            "<script>{{ if .Yes }}var x = 1{{ end }};y = {{ .Name | html }}</script>",
            "<script>var x = 1;y = \"O\\u0026#39;Brien \\u0026amp; \\u0026lt;Co\\u0026gt;\"</script>",
        ),
    ]);
}

#[test]
fn style_sheets() {
    check(&[
        (
            "<p style='color: {{ \"#8ff\" }}; width: {{ .Half }}em'>",
            "<p style='color: #8ff; width: 0.5em'>",
        ),
        (
            "<p style='{{ .Name }}: {{ \"expres\\\\73ion(1)\" }}'>",
            "<p style='ZgotmplZ: ZgotmplZ'>",
        ),
        (
            "<p style='a: {{ .Css }}'><style>{{ .Css }}</style>",
            "<p style='a: a:b(&#34;c&#34;)'><style>a:b(\"c\")</style>",
        ),
        (
            "<p style=\"font: '{{ .Name }}'\">",
            "<p style=\"font: 'O\\27 Brien \\26  \\3c Co\\3e '\">",
        ),
        (
            "<style>a { b: '{{ .Bad }}', url({{ .Bad }}), url('/x?{{ .Name }}') }</style>",
            "<style>a { b: '#ZgotmplZ', url(#ZgotmplZ), url('/x?O%27Brien%20%26%20%3cCo%3e') }</style>",
        ),
        (
            "<style>a{b:url(\"{{ \"/a?b&c\" }}\")}</style><p style='b:url({{ \"/a?b&c\" }})'>",
            "<style>a{b:url(\"/a?b&c\")}</style><p style='b:url(/a?b&amp;c)'>",
        ),
        (
            "<style>a/*{{ .Name }}*/b // {{ .Name }}\n</style>",
            "<style>a b \n</style>",
        ),
        ("<p style='/* {{ .Name }} */'>", "<p style='/*  */'>"),
    ]);
}

#[test]
fn templates_that_are_called_in_several_contexts() {
    check(&[
        (
            "{{ define \"x\" }}{{ . }}{{ end }}<a href='{{ template \"x\" .Bad }}' onclick='f({{ template \"x\" .Name }})'>{{ template \"x\" .Name }}</a>",
            "<a href='#ZgotmplZ' onclick='f(&#34;O&#39;Brien \\u0026 \\u003cCo\\u003e&#34;)'>O&#39;Brien &amp; &lt;Co&gt;</a>",
        ),
        // It begins where `/` is a regular expression, and ends where it divides.
        (
            "{{ define \"x\" }}{{ 126 }}{{ end }}<script>a={{ template \"x\" }}/{{ \"42\" }};b={{ template \"x\" }}/{{ \"42\" }}</script>",
            "<script>a= 126 /\"42\";b= 126 /\"42\"</script>",
        ),
        // Go takes the context at its beginning for that at its end when it is called again, and refuses this.
        (
            "{{ define \"open\" }}<p title='{{ end }}{{ template \"open\" }}{{ .Name }}'>{{ template \"open\" }}{{ .Name }}'>",
            "<p title='O&#39;Brien &amp; &lt;Co&gt;'><p title='O&#39;Brien &amp; &lt;Co&gt;'>",
        ),
        (
            "{{ define \"list\" }}{{ len . }}{{ if . }},{{ template \"list\" (slice . 1) }}{{ end }}{{ end }}<script>[{{ template \"list\" .Two }}]</script>",
            "<script>[ 2 , 1 , 0 ]</script>",
        ),
        (
            "{{ define \"a\" }}<b>{{ len . }}{{ range $i, $x := . }}{{ if $i }}{{ template \"c\" $x }}{{ end }}{{ end }}</b>{{ end }}{{ define \"c\" }}<i>{{ . }}</i>{{ if eq . \"\" }}{{ template \"a\" }}{{ end }}{{ end }}{{ template \"a\" .Two }}",
            "<b>2<i>y&#34;z</i></b>",
        ),
        (
            "{{ block \"x\" .Name }}<p title=\"{{ . }}\">{{ end }}",
            "<p title=\"O&#39;Brien &amp; &lt;Co&gt;\">",
        ),
    ]);
}
