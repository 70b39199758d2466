//! `--help` from the tables of flags, in the shape of kingpin's.

use std::fmt::Write as _;

use super::args::{Flag, Kind};

const WIDTH: usize = 80;
const HELP_COLUMN: usize = 33;

/// The help of a command.
pub(super) fn print(usage: &str, about: &str, flags: &[Flag], commands: &[(&str, &str)]) -> String {
    let mut out = format!("usage: {usage}\n\n");
    for line in wrapped(about, WIDTH) {
        let _ = writeln!(out, "{line}");
    }
    out.push_str("\nFlags:\n");
    for flag in flags.iter().filter(|flag| !flag.help.is_empty()) {
        entry(&mut out, &signature(flag), flag.help);
    }
    if !commands.is_empty() {
        out.push_str("\nCommands:\n");
        for (command, help) in commands {
            entry(&mut out, &format!("  {command}"), help);
        }
    }
    out
}

fn signature(flag: &Flag) -> String {
    let short = match flag.short {
        Some(letter) => format!("  -{letter}, "),
        None => "      ".to_owned(),
    };
    let name = flag.name;
    match flag.kind {
        Kind::Switch => format!("{short}--[no-]{name}"),
        Kind::Text | Kind::Texts if flag.default.is_empty() => {
            let more = if flag.kind == Kind::Texts { " ..." } else { "" };
            format!("{short}--{name}=\"\"{more}")
        }
        Kind::Text => format!("{short}--{name}=\"{}\"", flag.default),
        Kind::Texts => format!("{short}--{name}={} ...", flag.default),
        Kind::Duration
        | Kind::DurationOrInf
        | Kind::SignedDuration
        | Kind::Seconds
        | Kind::Int
        | Kind::Float
        | Kind::Bytes
        | Kind::OneOf { .. } => format!("{short}--{name}={}", flag.default),
    }
}

fn entry(out: &mut String, signature: &str, help: &str) {
    let lines = wrapped(help, WIDTH - HELP_COLUMN);
    let mut left = signature.to_owned();
    if left.len() + 2 > HELP_COLUMN {
        let _ = writeln!(out, "{left}");
        left.clear();
    }
    for line in lines {
        let _ = writeln!(out, "{left:HELP_COLUMN$}{line}");
        left.clear();
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::SERVE;

    #[test]
    fn every_flag_with_a_help_text_is_printed_within_the_width() {
        let text = print("watchfire [<flags>]", "About.", SERVE, &[]);
        for flag in SERVE {
            let shown = text.contains(&format!("{}=", flag.name))
                || text.contains(&format!("]{}", flag.name));
            assert_eq!(shown, !flag.help.is_empty(), "{}", flag.name);
        }
        assert!(text.contains("  -h, --[no-]help"), "{text}");
        assert!(
            text.lines()
                .all(|line| line.len() <= WIDTH || line.contains("--"))
        );
    }
}
