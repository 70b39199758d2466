//! `watchfire config routes show` and `… test`: amtool's drawing of the routing tree and its answers.

use std::path::Path;

use super::{
    args::{self, Flag, Kind, Parsed, UsageError},
    check::exists,
    help,
    run::{Failure, say},
};
use crate::{
    app::ConfigFile,
    config::Route,
    dispatch::RouteTree,
    labels::{LabelSet, MatchOp, Matcher, MatcherMode, parse_matcher},
};

const FLAGS: &[Flag] = &[
    Flag {
        name: "help",
        short: Some('h'),
        kind: Kind::Switch,
        default: "",
        help: "Show this help.",
    },
    Flag {
        name: "config.file",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "The configuration file to look at.",
    },
    Flag {
        name: "verify.receivers",
        short: None,
        kind: Kind::Text,
        default: "",
        help: "Fail unless exactly these receivers are reached, separated by commas.",
    },
    Flag {
        name: "tree",
        short: None,
        kind: Kind::Switch,
        default: "",
        help: "Draw the routes that match.",
    },
];

const COMMANDS: &[(&str, &str)] = &[
    ("show", "Draw the routing tree."),
    (
        "test [<labels>...]",
        "Say which receivers an alert with these labels reaches.",
    ),
];

/// `config …`
pub(super) fn config(args: &[String]) -> Result<(), Failure> {
    let parsed = args::parse(FLAGS, args)?;
    if parsed.switch("help") {
        return say(&help::print(
            "watchfire config routes [<flags>] show|test",
            "Looks at the routing tree of a configuration file.",
            FLAGS,
            COMMANDS,
        ));
    }
    let mut words = parsed.words.iter().map(String::as_str);
    match (words.next(), words.next()) {
        (Some("routes"), None | Some("show")) => match words.next() {
            Some(word) => Err(UsageError::Unexpected(word.to_owned()).into()),
            None => show(&parsed),
        },
        (Some("routes"), Some("test")) => test(&parsed, &parsed.words[2..]),
        (Some("routes"), Some(word)) | (Some(word), _) => {
            Err(UsageError::NoCommand(word.to_owned()).into())
        }
        (None, _) => Err(UsageError::NoCommand(String::new()).into()),
    }
}

fn load(parsed: &Parsed) -> Result<Route, Failure> {
    let file = parsed.text("config.file");
    if file.is_empty() {
        return Err(UsageError::Required("config.file").into());
    }
    exists(&file)?;
    let config = ConfigFile::at(Path::new(&file))
        .load()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(config.route)
}

fn show(parsed: &Parsed) -> Result<(), Failure> {
    let route = load(parsed)?;
    say(&format!("Routing tree:\n{}\n", drawn(&whole(&route))))
}

fn test(parsed: &Parsed, words: &[String]) -> Result<(), Failure> {
    let route = load(parsed)?;
    let labels = labels(words)?;
    if parsed.switch("tree") {
        say(&format!(
            "Matching routes:\n{}\n\n",
            drawn(&matching(&route, &labels))
        ))?;
    }
    let tree = RouteTree::new(&route);
    let receivers: Vec<&str> = tree
        .matching(&labels)
        .into_iter()
        .map(|node| &*node.receiver)
        .collect();
    let receivers = receivers.join(",");
    say(&format!("{receivers}\n"))?;
    let expected = parsed.text("verify.receivers");
    if !expected.is_empty() && expected != receivers {
        say("WARNING: Expected receivers did not match resolved receivers.\n")?;
        return Err(Failure::Silent);
    }
    Ok(())
}

fn labels(words: &[String]) -> Result<LabelSet, Failure> {
    let mut pairs = Vec::new();
    for word in words {
        let matcher = parse_matcher(word, MatcherMode::Fallback)
            .map_err(|error| anyhow::anyhow!("Failed to parse labels: {error}"))?;
        if matcher.op() != MatchOp::Equal {
            return Err(anyhow::anyhow!("Labels must be specified as key=value pairs").into());
        }
        pairs.push((matcher.name().to_owned(), matcher.value().to_owned()));
    }
    Ok(LabelSet::from_pairs(pairs))
}

/// A drawing before it is drawn.
struct Branch {
    text: String,
    branches: Vec<Self>,
}

fn whole(route: &Route) -> Branch {
    let go_on = if route.continue_matching {
        "  continue: true"
    } else {
        ""
    };
    Branch {
        text: format!("{}{go_on}  receiver: {}", matchers(route), route.receiver),
        branches: route.routes.iter().map(whole).collect(),
    }
}

/// The routes that match, down to those that take the alert; only these name their receiver.
fn matching(route: &Route, labels: &LabelSet) -> Branch {
    let mut branches = Vec::new();
    for child in &route.routes {
        if Matcher::all_match(&child.matchers, labels) {
            branches.push(matching(child, labels));
            if !child.continue_matching {
                break;
            }
        }
    }
    let receiver = if branches.is_empty() {
        format!("  receiver: {}", route.receiver)
    } else {
        String::new()
    };
    Branch {
        text: matchers(route) + &receiver,
        branches,
    }
}

fn matchers(route: &Route) -> String {
    if route.matchers.is_empty() {
        return "default-route".to_owned();
    }
    let texts: Vec<String> = route.matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}

/// Draws as xlab/treeprint does.
fn drawn(root: &Branch) -> String {
    let mut out = ".\n".to_owned();
    draw(std::slice::from_ref(root), "", &mut out);
    out
}

fn draw(branches: &[Branch], indent: &str, out: &mut String) {
    for (index, branch) in branches.iter().enumerate() {
        let last = index + 1 == branches.len();
        let (edge, below) = if last {
            ("└── ", "    ")
        } else {
            ("├── ", "│\u{a0}\u{a0} ")
        };
        out.push_str(&format!("{indent}{edge}{}\n", branch.text));
        draw(&branch.branches, &format!("{indent}{below}"), out);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn route(receiver: &str, matcher: &str, continue_matching: bool, routes: Vec<Route>) -> Route {
        Route {
            receiver: Arc::from(receiver),
            matchers: (!matcher.is_empty())
                .then(|| parse_matcher(matcher, MatcherMode::Fallback).unwrap())
                .into_iter()
                .collect(),
            continue_matching,
            routes,
            ..Route::default()
        }
    }

    fn tree() -> Route {
        let inner = route("y", "c=~\"d|e\"", false, Vec::new());
        route(
            "x",
            "",
            false,
            vec![
                route("y", "a=\"b\"", true, vec![inner]),
                route("z", "a!=\"q\"", false, Vec::new()),
            ],
        )
    }

    #[test]
    fn trees_are_drawn_as_amtool_draws_them() {
        assert_eq!(
            drawn(&whole(&tree())),
            ".\n└── default-route  receiver: x\n    ├── {a=\"b\"}  continue: true  receiver: y\n    \
             │\u{a0}\u{a0} └── {c=~\"d|e\"}  receiver: y\n    └── {a!=\"q\"}  receiver: z\n"
        );
        let labels = labels(&["a=b".to_owned()]).ok().unwrap();
        assert_eq!(
            drawn(&matching(&tree(), &labels)),
            ".\n└── default-route\n    ├── {a=\"b\"}  receiver: y\n    └── {a!=\"q\"}  receiver: z\n"
        );
    }

    #[test]
    fn labels_are_pairs() {
        assert!(labels(&["a=~b".to_owned()]).is_err());
        assert!(labels(&["a".to_owned()]).is_err());
        assert_eq!(
            labels(&["a=b".to_owned()]).ok().unwrap().get("a"),
            Some("b")
        );
    }
}
