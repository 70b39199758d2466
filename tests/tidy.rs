//! What neither rustc nor clippy can check: the rules of `docs/architecture.md` about files, modules and documents.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Modules that may await, spawn, and touch the system.
const SHELL: [&str; 6] = ["io", "api", "web", "app", "cli", "main"];

/// The modules in layers, the lowest first. A module may use those of lower layers only: none above, none beside it.
const LAYERS: [&[&str]; 18] = [
    &["time", "rng", "json", "decoder"],
    &["regex", "yaml"],
    &["labels"],
    &["alert", "timeinterval", "template", "promql"],
    &["config"],
    &[
        "silence",
        "nflog",
        "history",
        "inhibit",
        "dispatch",
        "federation",
        "cluster",
    ],
    &["ruler"],
    &["ruletest"],
    &["notify"],
    &["storage"],
    &["tenant"],
    &["node"],
    &["io"],
    &["web"],
    &["api"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Words that do not belong into the tree: places of one machine, and names that say nothing.
const UNWANTED: [&str; 4] = ["/work/", "/root/", "artifactory", "TODO"];

const NAMELESS: [&str; 6] = [
    "util.rs",
    "utils.rs",
    "helpers.rs",
    "common.rs",
    "types.rs",
    "manager.rs",
];

#[test]
fn modules_use_only_those_below_them() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let Some(own) = layer_of.get(module.as_str()) else {
            wrong.push(format!("{module} is in no layer"));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        // Tests of a module may use what is above it.
        for used in crate_modules(before_tests(&text)) {
            let Some(layer) = layer_of.get(used.as_str()) else {
                continue;
            };
            if used != module && layer >= own {
                wrong.push(format!("{} uses {used}", shown(&file)));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_core_is_synchronous() {
    const SIGNS: [&str; 8] = [
        "async fn",
        "async move",
        ".await",
        "tokio::",
        "std::fs",
        "std::net::Udp",
        "std::net::Tcp",
        "std::env",
    ];
    let mut wrong = Vec::new();
    for file in rust_files("src") {
        if SHELL.contains(&module_of(&file).as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = without_comments(before_tests(&text));
        for sign in SIGNS.iter().filter(|sign| code.contains(**sign)) {
            wrong.push(format!("{} has {sign}", shown(&file)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn files_say_what_they_are_for_and_are_short() {
    let mut wrong = Vec::new();
    for file in ["src", "tests", "examples"]
        .into_iter()
        .flat_map(rust_files)
    {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not say what it is for", shown(&file)));
        }
        let lines = before_tests(&text).lines().count();
        let of_tests = file.components().any(|part| part.as_os_str() == "tests");
        if lines > 800 && !of_tests {
            wrong.push(format!("{} has {lines} lines", shown(&file)));
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if NAMELESS.contains(&name.as_str()) {
            wrong.push(format!("{} has a name that says nothing", shown(&file)));
        }
        let with_logic = without_comments(before_tests(&text))
            .lines()
            .any(|line| line.starts_with("fn ") || line.contains(" fn ") && !line.starts_with(' '));
        if name == "mod.rs" && with_logic && !of_tests {
            wrong.push(format!(
                "{} holds more than modules and what they export",
                shown(&file)
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_holds_what_does_not_belong_here() {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(ROOT)
        .output();
    let Ok(listed) = listed else {
        println!("skipped: no git here");
        return;
    };
    let mut wrong = Vec::new();
    for name in String::from_utf8(listed.stdout).unwrap().split('\0') {
        let Ok(text) = fs::read_to_string(Path::new(ROOT).join(name)) else {
            continue;
        };
        if name == "tests/tidy.rs" {
            continue;
        }
        for word in UNWANTED.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!("{name} has {word}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_configuration_key_is_documented() {
    let documented = code_words("docs/configuration.md");
    let mut keys = BTreeSet::new();
    for file in rust_files("src/config") {
        keys.extend(section_keys(&fs::read_to_string(&file).unwrap()));
    }
    assert!(
        keys.len() > 300,
        "only {} keys were found in src/config",
        keys.len()
    );
    let missing: Vec<_> = keys.difference(&documented).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn every_flag_is_documented() {
    let help = watchfire(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    let document = fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).unwrap();
    let flags = |text: &str| -> BTreeSet<String> {
        text.split("--")
            .skip(1)
            .map(|rest| rest.trim_start_matches("[no-]"))
            .map(|rest| {
                let end =
                    rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'));
                rest[..end.unwrap_or(rest.len())]
                    .trim_end_matches('.')
                    .to_owned()
            })
            .collect()
    };
    let documented = flags(&document);
    let missing: Vec<_> = flags(&help)
        .into_iter()
        .filter(|flag| !documented.contains(flag))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn tests_that_the_architecture_names_exist() {
    let known: BTreeSet<String> = ["src", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            text.split("fn ")
                .skip(1)
                .map(identifier)
                .collect::<Vec<_>>()
        })
        .collect();
    let named: Vec<String> = code_words("docs/architecture.md")
        .into_iter()
        .filter(|word| {
            word.len() > 20
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        })
        .collect();
    assert!(named.len() > 15, "{named:?}");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_shipped_configuration_loads_without_a_warning() {
    let checked = watchfire(&["check", "config", "config/alertmanager.yml"]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.status.success() && told.contains("SUCCESS"),
        "{told}"
    );
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "");
}

fn watchfire(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_watchfire"))
        .args(args)
        .current_dir(ROOT)
        .output()
        .unwrap()
}

/// The keys of `section!` declarations: `field: Type,` or `field ["key"]: Type,` two levels deep.
fn section_keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "section! {" => inside = true,
            "}" => inside = false,
            _ => {}
        }
        let Some(rest) = line.strip_prefix("        ").filter(|_| inside) else {
            continue;
        };
        let Some((field, _)) = rest.split_once(':') else {
            continue;
        };
        if field.starts_with([' ', '/', '#', '.']) || field.is_empty() {
            continue;
        }
        let key = match field.split_once(" [\"") {
            Some((_, key)) => key.trim_end_matches("\"]"),
            None => field,
        };
        if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            keys.insert(key.to_owned());
        }
    }
    keys
}

/// Everything between backquotes.
fn code_words(document: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The modules of this crate that code names, in paths and in lists.
fn crate_modules(text: &str) -> BTreeSet<String> {
    let code = without_comments(text);
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(identifier(rest));
            }
            Some(list) => found.extend(top_of_list(list)),
        }
    }
    found
}

/// The first segments of a `use` list, up to its closing brace.
fn top_of_list(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut out = vec![identifier(list)];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => out.push(identifier(&list[at + 1..])),
            _ => {}
        }
    }
    out
}

fn identifier(text: &str) -> String {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

fn before_tests(text: &str) -> &str {
    // A file that is for tests only says so at its top.
    if text.contains("\n#![cfg(test)]\n") {
        return "";
    }
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn rust_files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(ROOT).join(directory)];
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(Path::new(ROOT).join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn shown(file: &Path) -> String {
    file.strip_prefix(ROOT)
        .unwrap_or(file)
        .display()
        .to_string()
}
