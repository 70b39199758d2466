//! What cannot be escaped, in Go's words.

use super::compile;

fn refusal(source: &str) -> String {
    match compile(source) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn sound_templates_are_accepted() {
    for source in [
        "{{ if .X }}<a>{{ else }}<b>{{ end }}",
        "{{ if .X }}{{ else if .Y }}<p>{{ else }}<i>{{ end }}",
        "{{ with .X }}<div>{{ end }}",
        "{{ range .X }}<a>{{ end }}",
        "<a href='/x?{{ range .X }}&{{ .K }}={{ .V }}{{ end }}'>",
        "{{ range .X }}<a{{ if .Y }}{{ end }}>{{ continue }}{{ end }}",
        "{{ range .X }}<a{{ if .Y }}{{ end }}>{{ if .Y }}{{ break }}{{ end }}{{ end }}",
        "<script>var a = `${ let a = {1:1} {{ . }} }`;</script>",
        "<script>var a = `{{ if .X }}a{{ else }}b{{ end }}`</script>",
        "<script>{{ if .X }}var x = 1{{ end }}</script>",
        "<p title={{ if .X }}{{ .X }}{{ end }}>",
        "{{ if .X }}<meta>{{ end }}",
        "{{ if .X }}<meta content=\"url={{ .X }}\">{{ end }}",
        "<input{{ if .X }} checked{{ end }} name=n>",
        "{{ define \"x\" }}{{ end }}{{ template \"x\" }}",
        "{{ range .X }}{{ break }}<a{{ end }}",
        "{{ $x := html .Y }}{{ $x = .Y | urlquery | print }}",
        "{{ .X | html }}{{ html .X .Y }}<a href={{ .X | html }}>",
        "<a class='{{ .X | html }}' href=\"{{ urlquery .X }}\">",
    ] {
        assert_eq!(refusal(source), "", "{source}");
    }
}

#[test]
fn branches_must_end_alike() {
    for (source, error) in [
        (
            "{{if .X}}<a{{end}}",
            "z:1:5: {{if}} branches end in different contexts: {stateTag delimNone urlPartNone jsCtxRegexp [] attrNone elementNone <nil>}, {stateText delimNone urlPartNone jsCtxRegexp [] attrNone elementNone <nil>}",
        ),
        (
            "{{if .X}}\n{{else}}\n<a{{end}}",
            "z:1:5: {{if}} branches end in different contexts: {stateText",
        ),
        (
            "{{if .X}}<a href='x'>{{else}}<a href='y>{{end}}",
            "z:1:5: {{if}} branches end",
        ),
        (
            "<a {{if .X}}href='{{else}}title='{{end}}{{.X}}'>",
            "z:1:8: {{if}} branches end",
        ),
        ("\n{{with .X}}<a{{end}}", "z:2:7: {{with}} branches end"),
        (
            "{{if .X}}{{else if .Y}}<a{{else}}<b>{{end}}",
            "z:1:19: {{if}} branches end",
        ),
        (
            "{{if .X}}<a{{else if .Y}}{{else}}<b>{{end}}",
            "z:1:5: {{if}} branches end",
        ),
        (
            "{{range .X}}<a{{end}}",
            "z:1: on range loop re-entry: \"<\" in attribute name: \"<a\"",
        ),
        (
            "\n{{range .X}} x='<a{{end}}",
            "z:2:8: on range loop re-entry: {{range}} branches end",
        ),
        (
            "{{range .X}}<a>{{else}}<b{{end}}",
            "z:1:8: {{range}} branches end",
        ),
        (
            "{{range .X}}<a{{if .Y}}{{break}}{{end}}>{{end}}",
            "z:1:25: at range loop break: {{range}} branches end",
        ),
        (
            "{{range .X}}<a{{if .Y}}{{continue}}{{end}}>{{end}}",
            "z:1:25: at range loop continue: {{range}} branches end",
        ),
        ("<script>`{{if .X}}`{{end}}", "z:1:14: {{if}} branches end"),
        (
            "<script>`${ {{range .X}} { {{end}} }`</script>",
            "z:1:20: on range loop re-entry: {{range}} branches end",
        ),
    ] {
        let told = refusal(source);
        assert!(
            told.starts_with(&format!("html/template:{error}")),
            "{source}\n{told}"
        );
    }
}

#[test]
fn html_must_be_sound() {
    for (source, error) in [
        (
            "<a b=1 c={{.X}}",
            "z: ends in a non-text context: {stateAttr delimSpaceOrTagEnd urlPartNone jsCtxRegexp [] attrNone elementNone <nil>}",
        ),
        (
            "<script>f();",
            "z: ends in a non-text context: {stateJS delimNone urlPartNone jsCtxRegexp [] attrNone elementScript <nil>}",
        ),
        (
            "<input type=button value=onclick=>",
            "z: \"=\" in unquoted attr: \"onclick=\"",
        ),
        (
            "<input value= 1+1=2>",
            "z: \"=\" in unquoted attr: \"1+1=2\"",
        ),
        ("<a class=`x>", "z: \"`\" in unquoted attr: \"`x\""),
        (
            "<a style=font:'Arial'>",
            "z: \"'\" in unquoted attr: \"font:'Arial'\"",
        ),
        (
            "<a=x>",
            "z: expected space, attr name, or end of tag, but got \"=x>\"",
        ),
        (
            "<a onclick=\"f('x \\",
            "z: unfinished escape sequence in JS string: \"x \\\\\"",
        ),
        (
            "<a onclick='f(/x+\\",
            "z: unfinished escape sequence in JS string: \"x+\\\\\"",
        ),
        (
            "<a onclick=\"`\\",
            "z: unfinished escape sequence in JS string: \"\\\\\"",
        ),
        (
            "<a style=\"a: 'x\\",
            "z: unfinished escape sequence in CSS string: \"x\\\\\"",
        ),
        (
            "<a onclick=\"/foo[\\]/",
            "z: unfinished JS regexp charset: \"foo[\\\\]/\"",
        ),
        (
            "<script>{{if .X}}var x = 1{{end}}/-{{.X}}/i.test(x)</script>",
            "z: '/' could start a division or regexp: \"/-\"",
        ),
        (
            "<p é\"0123456789012345678901234567890123456789>",
            "z: \"\\\"\" in attribute name: \" é\\\"01234567890123456789012345678\"",
        ),
    ] {
        assert_eq!(
            refusal(source),
            format!("html/template:{error}"),
            "{source}"
        );
    }
}

#[test]
fn urls_must_not_be_ambiguous() {
    assert_eq!(
        refusal("<a href=\"{{if .X}}/foo?a={{else}}/bar/{{end}}{{.Y | print 1}}\">"),
        "html/template:z:1:47: {{.Y | print 1}} appears in an ambiguous context within a URL"
    );
}

#[test]
fn calls_must_lead_somewhere() {
    for (source, error) in [
        ("{{template \"foo\"}}", "z:1:11: no such template \"foo\""),
        (
            "{{if .X}}{{template \"a\\\"b\"}}{{end}}",
            "z:1:20: no such template \"a\\\"b\"",
        ),
        (
            "<div{{template \"y\"}}>{{define \"y\"}} foo<b{{end}}",
            "z: \"<\" in attribute name: \" foo<b\"",
        ),
        (
            "<script>x = [{{template \"t\"}}]</script>{{define \"t\"}}{{if .T}}{{template \"t\" .T}}{{end}}{{.H}}\",{{end}}",
            "z:1:53: cannot compute output context for template t$htmltemplate_stateJS_elementScript",
        ),
    ] {
        assert_eq!(
            refusal(source),
            format!("html/template:{error}"),
            "{source}"
        );
    }
}

#[test]
fn predefined_escapers_stand_at_the_end() {
    for (source, name, place) in [
        ("x {{. | urlquery | print}}", "urlquery", "1:4"),
        ("x {{. | html | print}}", "html", "1:4"),
        ("x {{html . | print}}", "html", "1:4"),
        ("x\ny {{ . | urlquery | html}}", "urlquery", "2:5"),
        ("<p class={{. | html}}>", "html", "1:11"),
        // The last one is told, as in Go.
        (
            "{{. | html | print}}\n{{. | urlquery | print}}",
            "urlquery",
            "2:2",
        ),
    ] {
        assert_eq!(
            refusal(source),
            format!(
                "html/template:z:{place}: predefined escaper \"{name}\" disallowed in template"
            ),
            "{source}"
        );
    }
}
