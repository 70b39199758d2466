//! The default templates: Alertmanager's names, worded anew, and those of our own receivers.
//!
//! What they say stands in a file of words for each language, so that everything else is written once.

/// The language of the default templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `zh-CN`
    Chinese,
}

/// The built-in files with their names.
pub(super) fn files(language: Language) -> [(&'static str, &'static str); 4] {
    [
        match language {
            Language::English => ("words.en.tmpl", include_str!("default/words.en.tmpl")),
            Language::Chinese => ("words.zh-CN.tmpl", include_str!("default/words.zh-CN.tmpl")),
        },
        ("default.tmpl", include_str!("default/default.tmpl")),
        ("robots.tmpl", include_str!("default/robots.tmpl")),
        ("email.tmpl", include_str!("default/email.tmpl")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::LabelSet,
        template::{Library, Mode, Scope, cases},
        time::Timestamp,
    };

    fn render(language: Language, name: &str, data: &crate::template::Data) -> String {
        let source = format!("{{{{ template {name:?} . }}}}");
        let template = Library::built_in(language).compile("", &source, Mode::Text);
        let mut scope = Scope::new(
            data.clone(),
            Timestamp::parse("2026-03-01T12:00:00Z").unwrap(),
        );
        scope.zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        template.unwrap().render(&scope).unwrap()
    }

    #[test]
    fn defaults_are_as_recorded() {
        let Some((data, cases)) = cases::load() else {
            println!("skipped: ../shared/data is not here");
            return;
        };
        let library = Library::built_in(Language::English);
        let mut seen = 0;
        for case in cases
            .iter()
            .filter(|case| case.name.starts_with("default:"))
        {
            let template = library.compile("", &case.template, case.mode).unwrap();
            let output = template
                .render(&Scope::new(data.clone(), Timestamp::ZERO))
                .unwrap();
            assert_eq!(Some(&output), case.expect.as_ref().ok(), "{}", case.name);
            seen += 1;
        }
        assert_eq!(seen, 36);
    }

    #[test]
    fn robots_say_it_in_both_languages() {
        let Some((data, _)) = cases::load() else {
            return;
        };
        expect_test::expect![[r####"
            ### 🔴 Firing: HighCPU (node)

            alertname: HighCPU  
            job: node  

            ### 🔴 Firing

            **CPU high on web-1:9100**  
            instance: web-1:9100  
            severity: critical  
            description: load <b>99</b> & "rising"  
            Started: 2026-03-01 17:30:15 CST  
            [Source](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1) · [Silence](http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-1%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22critical%22%7D)

            **CPU high on web-2:9100**  
            instance: web-2:9100  
            severity: warning  
            description: javascript:alert(1)  
            Started: 2026-03-01 17:30:15 CST  
            [Source](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1) · [Silence](http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-2%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22warning%22%7D)


            ### 🟢 Resolved

            **CPU high on web-3:9100**  
            instance: web-3:9100  
            severity: warning  
            description: ok
            now  
            Started: 2026-03-01 17:30:15 CST  
            Ended: 2026-03-01 19:00:15 CST  
            [Source](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1)

            [All alerts of this receiver](http://am:9093/#/alerts?receiver=team-x)"####]].assert_eq(&render(
            Language::English,
            "dingtalk.default.text",
            &data,
        ));
        expect_test::expect![[r#"
            alertname: HighCPU  
            job: node  

            ### 🔴 告警中

            **CPU high on web-1:9100**  
            instance: web-1:9100  
            severity: critical  
            description: load <b>99</b> & "rising"  
            开始时间: 2026-03-01 17:30:15 CST  
            [来源](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1) · [静默](http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-1%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22critical%22%7D)

            **CPU high on web-2:9100**  
            instance: web-2:9100  
            severity: warning  
            description: javascript:alert(1)  
            开始时间: 2026-03-01 17:30:15 CST  
            [来源](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1) · [静默](http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-2%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22warning%22%7D)


            ### 🟢 已恢复

            **CPU high on web-3:9100**  
            instance: web-3:9100  
            severity: warning  
            description: ok
            now  
            开始时间: 2026-03-01 17:30:15 CST  
            恢复时间: 2026-03-01 19:00:15 CST  
            [来源](http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1)

            [查看此接收组的全部告警](http://am:9093/#/alerts?receiver=team-x)"#]].assert_eq(&render(
            Language::Chinese,
            "feishu.default.text",
            &data,
        ));
        expect_test::expect![[r#"
            [告警:2] HighCPU (node)
            http://wiki/r?a=1&b=2
            正在告警：
            标签：
             - alertname = HighCPU
             - instance = web-1:9100
             - job = node
             - severity = critical
            说明：
             - description = load <b>99</b> & "rising"
             - summary = CPU high on web-1:9100
            来源： http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1
            标签：
             - alertname = HighCPU
             - instance = web-2:9100
             - job = node
             - severity = warning
            说明：
             - description = javascript:alert(1)
             - summary = CPU high on web-2:9100
            来源： http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1

            已恢复：
            标签：
             - alertname = HighCPU
             - instance = web-3:9100
             - job = node
             - severity = warning
            说明：
             - description = ok
            now
             - summary = CPU high on web-3:9100
            来源： http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1

            告警页面：
            http://am:9093/#/alerts?receiver=team-x"#]]
        .assert_eq(&render(Language::Chinese, "wechat.default.message", &data));
        expect_test::expect![[r#"
            [FIRING:2] HighCPU (node)
            Firing: CPU high on web-1:9100 2026-03-01 17:30:15 CST
            Firing: CPU high on web-2:9100 2026-03-01 17:30:15 CST
            Resolved: CPU high on web-3:9100 2026-03-01 19:00:15 CST
            http://am:9093/#/alerts?receiver=team-x"#]]
        .assert_eq(&render(Language::English, "falcon.default.content", &data));
        expect_test::expect![[r#"
            [FIRING:2] HighCPU (node)

            Firing: CPU high on web-1:9100
              Started 2026-03-01 17:30:15 CST · for 2h 29m 44s
              description: load <b>99</b> & "rising"
              alertname = HighCPU
              instance = web-1:9100
              job = node
              severity = critical
              Source: http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1
              Silence this alert: http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-1%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22critical%22%7D

            Firing: CPU high on web-2:9100
              Started 2026-03-01 17:30:15 CST · for 2h 29m 44s
              description: javascript:alert(1)
              alertname = HighCPU
              instance = web-2:9100
              job = node
              severity = warning
              Source: http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1
              Silence this alert: http://am:9093/#/silences/new?filter=%7Balertname%3D%22HighCPU%22%2Cinstance%3D%22web-2%3A9100%22%2Cjob%3D%22node%22%2Cseverity%3D%22warning%22%7D

            Resolved: CPU high on web-3:9100
              Started 2026-03-01 17:30:15 CST · Ended 2026-03-01 19:00:15 CST · Lasted 1h 30m 0s
              description: ok
            now
              alertname = HighCPU
              instance = web-3:9100
              job = node
              severity = warning
              Source: http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1

            http://am:9093/#/alerts?filter=%7Balertname%3D%22HighCPU%22%7D&receiver=team-x
        "#]].assert_eq(&render(Language::English, "email.default.text", &data));
    }

    #[test]
    fn mails_are_bounded_and_hostile_labels_stay_text() {
        let Some((mut data, _)) = cases::load() else {
            return;
        };
        let hostile = "\"><script>alert(1)</script><td style='x'>";
        let mut alert = (*data.alerts[0]).clone();
        let mut labels: Vec<(String, String)> = (0..20)
            .map(|i| (format!("label_{i}"), "value ".repeat(5)))
            .collect();
        labels.push(("alertname".into(), hostile.into()));
        labels.push(("name \"with\" quotes".into(), hostile.repeat(100)));
        alert.labels = LabelSet::from_pairs(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        alert.annotations = LabelSet::from_pairs([
            ("summary", hostile),
            ("runbook", "https://a.example/?q=\"><script>"),
            ("link", "javascript:alert(1)"),
        ]);
        alert.generator_url = "javascript:alert(1)".into();
        let alert = std::sync::Arc::new(alert);
        data.alerts = vec![alert; 1000].into();
        data.group_labels = LabelSet::from_pairs([("alertname", hostile)]);
        for language in [Language::English, Language::Chinese] {
            let source = "{{ template \"email.default.html\" . }}";
            let template = Library::built_in(language).compile("", source, Mode::Html);
            let scope = Scope::new(data.clone(), Timestamp::ZERO);
            let html = template.unwrap().render(&scope).unwrap();
            assert!(html.len() < 95_000, "{}", html.len());
            assert!(!html.contains("<script") && !html.contains("<td style='x'"));
            assert!(!html.contains("href=\"javascript"));
            assert!(html.contains("href=\"https://a.example/?q=%22%3e%3cscript%3e\""));
            assert!(html.contains("/#/silences/new?filter=%7Balertname%3D%22%5C%22%3E%3Cscript"));
        }
    }
}
