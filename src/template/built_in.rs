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
