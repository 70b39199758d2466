//! Texts as documents of Jira's version 3, the Atlassian Document Format.
//!
//! Upstream fails there unless the template itself makes such a document. The text may use the little markup that
//! templates for Jira use: headings, lists, code blocks, rules, bold, code and links.

use serde_json::{Value, json};

/// Marked parts are no longer, so that looking for their ends takes no time.
const MAX_MARKED: usize = 4096;

/// The document of a text.
pub(super) fn of_text(text: &str) -> Value {
    let mut blocks = Blocks::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(language) = trimmed.strip_prefix("```") {
            let code: Vec<_> = lines
                .by_ref()
                .take_while(|line| line.trim() != "```")
                .collect();
            blocks.code(language.trim(), &code.join("\n"));
        } else if trimmed.is_empty() {
            blocks.end();
        } else if let Some((level, text)) = heading(trimmed) {
            blocks.whole(json!({
                "type": "heading", "attrs": {"level": level}, "content": inline(text),
            }));
        } else if trimmed.len() >= 3 && trimmed.bytes().all(|byte| byte == b'-') {
            blocks.whole(json!({"type": "rule"}));
        } else if let Some((list, text)) = item(trimmed) {
            blocks.item(list, text);
        } else {
            blocks.line(line.trim_end());
        }
    }
    blocks.end();
    json!({"version": 1, "type": "doc", "content": blocks.done})
}

/// How long a document is for Jira.
pub(super) fn length(document: &Value) -> usize {
    document.to_string().chars().count()
}

/// The document without as many of its last blocks as are too much, with an ellipsis for them.
pub(super) fn cut(mut document: Value, limit: usize) -> Value {
    let mut size = length(&document);
    if size <= limit {
        return document;
    }
    let more = json!({"type": "paragraph", "content": [{"type": "text", "text": "…"}]});
    let limit = limit.saturating_sub(length(&more) + 1);
    let Some(Value::Array(blocks)) = document.get_mut("content") else {
        return document;
    };
    while size > limit
        && let Some(block) = blocks.pop()
    {
        size -= length(&block) + 1;
    }
    blocks.push(more);
    document
}

/// Blocks that are done, and the one that lines are added to.
#[derive(Default)]
struct Blocks {
    done: Vec<Value>,
    open: Option<Open>,
}

enum Open {
    Paragraph(Vec<Value>),
    List(&'static str, Vec<Value>),
}

impl Blocks {
    fn end(&mut self) {
        let block = match self.open.take() {
            Some(Open::Paragraph(content)) => json!({"type": "paragraph", "content": content}),
            Some(Open::List(list, items)) => json!({"type": list, "content": items}),
            None => return,
        };
        self.done.push(block);
    }

    fn whole(&mut self, block: Value) {
        self.end();
        self.done.push(block);
    }

    fn code(&mut self, language: &str, code: &str) {
        let mut block = json!({"type": "codeBlock", "content": plain(code)});
        if !language.is_empty() {
            block["attrs"] = json!({"language": language});
        }
        self.whole(block);
    }

    fn line(&mut self, text: &str) {
        if let Some(Open::Paragraph(content)) = &mut self.open {
            content.push(json!({"type": "hardBreak"}));
            content.extend(inline(text));
        } else {
            self.end();
            self.open = Some(Open::Paragraph(inline(text)));
        }
    }

    fn item(&mut self, list: &'static str, text: &str) {
        let paragraph = json!({"type": "paragraph", "content": inline(text)});
        let item = json!({"type": "listItem", "content": [paragraph]});
        match &mut self.open {
            Some(Open::List(open, items)) if *open == list => items.push(item),
            Some(Open::List(..) | Open::Paragraph(_)) | None => {
                self.end();
                self.open = Some(Open::List(list, vec![item]));
            }
        }
    }
}

/// `## text` or Jira's own `h2. text`.
fn heading(line: &str) -> Option<(usize, &str)> {
    let (level, text) = match line.strip_prefix('h') {
        Some(rest) => {
            let (digit, text) = rest.split_once(". ")?;
            (digit.parse().ok()?, text)
        }
        None => {
            let text = line.trim_start_matches('#');
            (line.len() - text.len(), text.strip_prefix(' ')?)
        }
    };
    let text = text.trim();
    ((1..=6).contains(&level) && !text.is_empty()).then_some((level, text))
}

/// `- text`, `* text`, `1. text`.
fn item(line: &str) -> Option<(&'static str, &str)> {
    let bullet = ["- ", "* ", "• "];
    if let Some(text) = bullet.iter().find_map(|bullet| line.strip_prefix(bullet)) {
        return Some(("bulletList", text.trim()));
    }
    let (number, text) = line.split_once(". ")?;
    let is_number = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(("orderedList", text.trim()))
}

/// The text of a line with its marks.
fn inline(text: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    let mut rest = text;
    while let Some((at, length, node)) = first_mark(rest) {
        nodes.extend(plain(&rest[..at]));
        nodes.push(node);
        rest = &rest[at + length..];
    }
    nodes.extend(plain(rest));
    nodes
}

/// Texts must not be empty.
fn plain(text: &str) -> Vec<Value> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![json!({"type": "text", "text": text})]
}

fn marked(text: &str, mark: &Value) -> Value {
    json!({"type": "text", "text": text, "marks": [mark]})
}

/// The first marked part: where it is, how long, and its node.
fn first_mark(text: &str) -> Option<(usize, usize, Value)> {
    let mut starts = text.match_indices(['`', '*', '[', 'h']);
    starts.find_map(|(at, _)| {
        let end = text.floor_char_boundary(at + MAX_MARKED);
        mark(&text[at..end]).map(|(length, node)| (at, length, node))
    })
}

fn mark(text: &str) -> Option<(usize, Value)> {
    if let Some(rest) = text.strip_prefix('`') {
        let end = rest.find('`').filter(|end| *end > 0)?;
        return Some((end + 2, marked(&rest[..end], &json!({"type": "code"}))));
    }
    if let Some(rest) = text.strip_prefix("**") {
        let end = rest.find("**").filter(|end| *end > 0)?;
        return Some((end + 4, marked(&rest[..end], &json!({"type": "strong"}))));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let middle = rest.find("](").filter(|end| *end > 0)?;
        let address = &rest[middle + 2..];
        let end = address.find(')').filter(|end| *end > 0)?;
        let node = marked(&rest[..middle], &link(&address[..end]));
        return Some((middle + end + 4, node));
    }
    let is_address = text.starts_with("http://") || text.starts_with("https://");
    let end = text.find(|c: char| c.is_whitespace() || "<>\"`".contains(c));
    let address = &text[..end.unwrap_or(text.len())];
    let address = address.trim_end_matches(['.', ',', ';', ')', '!']);
    (is_address && address.len() > "https://".len())
        .then(|| (address.len(), marked(address, &link(address))))
}

fn link(address: &str) -> Value {
    json!({"type": "link", "attrs": {"href": address}})
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(text: &str) -> Value {
        of_text(text)["content"].clone()
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    #[test]
    fn the_default_template_reads_well() {
        let document = of_text(
            "# Alerts Firing:\n\nLabels:\n  - alertname = HighLoad\n  - instance = a:9100\n\nSource: http://prom/graph?g0\n",
        );
        let entry = |words: &str| json!({"type": "listItem", "content": [{"type": "paragraph", "content": [text(words)]}]});
        let address = "http://prom/graph?g0";
        let expect = json!({"version": 1, "type": "doc", "content": [
            {"type": "heading", "attrs": {"level": 1}, "content": [text("Alerts Firing:")]},
            {"type": "paragraph", "content": [text("Labels:")]},
            {"type": "bulletList", "content": [entry("alertname = HighLoad"), entry("instance = a:9100")]},
            {"type": "paragraph", "content": [
                text("Source: "),
                {"type": "text", "text": address, "marks": [{"type": "link", "attrs": {"href": address}}]},
            ]},
        ]});
        assert_eq!(document, expect);
    }

    #[test]
    fn blocks_and_marks() {
        assert_eq!(
            content("a\nb"),
            json!([{"type": "paragraph", "content": [text("a"), {"type": "hardBreak"}, text("b")]}])
        );
        assert_eq!(
            content("```sh\nls\n\n# no\n```\n---"),
            json!([
                {"type": "codeBlock", "attrs": {"language": "sh"}, "content": [text("ls\n\n# no")]},
                {"type": "rule"},
            ])
        );
        assert_eq!(content("h2. two")[0]["attrs"]["level"], 2);
        assert_eq!(content("1. one\n2. two")[0]["type"], "orderedList");
        assert_eq!(content("#5 is no heading")[0]["type"], "paragraph");
        assert_eq!(content("10.0.0.1 is no list")[0]["type"], "paragraph");
        for (line, expect) in [
            (
                "`x` y",
                json!([{"type": "text", "text": "x", "marks": [{"type": "code"}]}, text(" y")]),
            ),
            (
                "**b**",
                json!([{"type": "text", "text": "b", "marks": [{"type": "strong"}]}]),
            ),
            (
                "see [it](http://x/y).",
                json!([
                    text("see "),
                    {"type": "text", "text": "it", "marks": [{"type": "link", "attrs": {"href": "http://x/y"}}]},
                    text("."),
                ]),
            ),
            (
                "2 * 3 * 4, a[0], ``, ****, http://",
                json!([text("2 * 3 * 4, a[0], ``, ****, http://")]),
            ),
        ] {
            assert_eq!(content(line)[0]["content"], expect, "{line}");
        }
    }

    #[test]
    fn documents_are_cut_by_blocks() {
        let text: Vec<_> = (0..100).map(|i| format!("line {i}")).collect();
        let document = of_text(&text.join("\n\n"));
        let short = cut(document.clone(), 1000);
        assert!(length(&short) <= 1000);
        let blocks = short["content"].as_array().unwrap();
        assert_eq!(blocks.last().unwrap()["content"][0]["text"], "…");
        assert_eq!(blocks[0], document["content"][0]);
        assert_eq!(cut(document.clone(), 100_000), document);
    }

    fn texts(value: &Value, out: &mut String) {
        if let Some(text) = value["text"].as_str() {
            assert!(!text.is_empty());
            out.push_str(text);
        }
        for part in value["content"].as_array().into_iter().flatten() {
            texts(part, out);
        }
    }

    proptest! {
        #[test]
        fn words_are_kept(words in proptest::collection::vec("[a-z`*#\\[\\]()h:/ -]{0,12}", 0..12)) {
            let source = words.join("\n");
            let mut seen = String::new();
            texts(&of_text(&source), &mut seen);
            let letters = |text: &str| text.chars().filter(|c| ('a'..='g').contains(c)).count();
            // Words after ``` name a language, and addresses of links are not text.
            if !source.contains("```") && !source.contains("](") {
                prop_assert_eq!(letters(&seen), letters(&source));
            }
        }
    }
}
