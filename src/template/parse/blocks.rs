//! Text, actions and blocks.

use std::{mem, sync::Arc};

use super::{
    super::{
        ast::{
            Action, Arm, Branch, BranchKind, Call, List, MAX_NESTING, Node, Pipe, Pos, Text, Tree,
        },
        error::TemplateError,
        funcs::FuncMap,
        lex::{Keyword, Kind, Token, lex},
        library::Trees,
        patterns::Patterns,
    },
    stream::Stream,
};
use crate::labels::go_quote;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The text outside of definitions, under the file's name, and the definitions.
    pub(crate) trees: Trees,
    /// The constant patterns of all of them.
    pub(crate) patterns: Patterns,
}

/// Reads all templates of a file.
pub(crate) fn parse(
    name: &str,
    source: &str,
    functions: &FuncMap,
) -> Result<Parsed, TemplateError> {
    let file: Arc<str> = name.into();
    let mut parser = Parser {
        stream: Stream::new(Arc::clone(&file), lex(source), functions),
        source: source.into(),
        trees: Trees::new(),
        open: vec![Open::new(What::File, 0, 0, 0)],
    };
    if let Err(mut error) = parser.run() {
        error.column = Some(parser.stream.column(source));
        return Err(error);
    }
    let root = parser.open.pop().map(|open| open.list).unwrap_or_default();
    parser.add(file, root)?;
    Ok(Parsed {
        trees: parser.trees,
        patterns: parser.stream.patterns,
    })
}

struct Parser<'s> {
    stream: Stream<'s>,
    source: Arc<str>,
    trees: Trees,
    /// The blocks that are open, the innermost last; the file itself is the first.
    open: Vec<Open>,
}

/// A block that is being read.
struct Open {
    what: What,
    /// Where its keyword's operand stands.
    pos: Pos,
    line: usize,
    /// How many variables there were before it.
    variables: usize,
    /// What it holds so far.
    list: List,
}

enum What {
    File,
    Define {
        name: Arc<str>,
        /// Those of the file, which it goes on with.
        variables: Vec<Arc<str>>,
    },
    Block(Box<Outer>),
    Branch {
        kind: BranchKind,
        arms: Vec<Arm>,
        /// The pipeline of the arm that is being read; `None` after `{{ else }}`.
        pipe: Option<Pipe>,
    },
}

/// What is continued after a `{{ block }}`, which is a template of its own.
struct Outer {
    call: Call,
    variables: Vec<Arc<str>>,
    ranges: usize,
}

impl Open {
    fn new(what: What, pos: Pos, line: usize, variables: usize) -> Self {
        Self {
            what,
            pos,
            line,
            variables,
            list: List::default(),
        }
    }
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), TemplateError> {
        loop {
            let token = self.stream.next_non_space();
            match token.kind {
                Kind::Eof if self.open.len() == 1 => return Ok(()),
                Kind::Eof => return Err(self.stream.error("unexpected EOF")),
                Kind::Text => self.push(Node::Text(Text {
                    pos: token.pos,
                    text: token.text.into(),
                })),
                Kind::LeftDelim => {
                    self.stream.action_line = token.line;
                    if self.action()? {
                        self.stream.action_line = 0;
                    }
                }
                Kind::Error
                | Kind::Bool
                | Kind::Char
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Assign
                | Kind::Declare
                | Kind::Field
                | Kind::Identifier
                | Kind::LeftParen
                | Kind::Number
                | Kind::Pipe
                | Kind::RawString
                | Kind::RightDelim
                | Kind::RightParen
                | Kind::Space
                | Kind::String
                | Kind::Variable
                | Kind::Dot
                | Kind::Keyword(_) => return Err(self.stream.unexpected(token, "input")),
            }
        }
    }

    fn push(&mut self, node: Node) {
        self.innermost().list.nodes.push(node);
    }

    fn innermost(&mut self) -> &mut Open {
        self.open.last_mut().expect("the file is always open")
    }

    /// Reads an action, whose left delimiter is past; false if it opened a block.
    fn action(&mut self) -> Result<bool, TemplateError> {
        let token = self.stream.next_non_space();
        let Kind::Keyword(keyword) = token.kind else {
            return self.command();
        };
        match keyword {
            Keyword::Define if self.open.len() == 1 => {
                self.define()?;
                return Ok(false);
            }
            Keyword::Define | Keyword::Nil => return self.command(),
            Keyword::Block => {
                self.block()?;
                return Ok(false);
            }
            Keyword::If => return self.branch(BranchKind::If).map(|()| false),
            Keyword::With => return self.branch(BranchKind::With).map(|()| false),
            Keyword::Range => return self.branch(BranchKind::Range).map(|()| false),
            Keyword::Break => self.leave(token, "{{break}}", Node::Break(token.pos))?,
            Keyword::Continue => self.leave(token, "{{continue}}", Node::Continue(token.pos))?,
            Keyword::Else => self.otherwise()?,
            Keyword::End => {
                self.stream.expect(Kind::RightDelim, "end")?;
                self.end()?;
            }
            Keyword::Template => self.template()?,
        }
        Ok(true)
    }

    /// A pipeline; its first token has been read.
    fn command(&mut self) -> Result<bool, TemplateError> {
        self.stream.back();
        let first = self.stream.peek();
        let pipe = self.stream.pipeline("command", Kind::RightDelim)?;
        self.push(Node::Action(Action {
            pos: first.pos,
            line: first.line,
            pipe,
            escapers: Box::default(),
        }));
        Ok(true)
    }

    fn leave(&mut self, token: Token<'_>, what: &str, node: Node) -> Result<(), TemplateError> {
        let next = self.stream.next_non_space();
        if next.kind != Kind::RightDelim {
            return Err(self.stream.unexpected(next, what));
        }
        if self.stream.ranges == 0 {
            return Err(self.stream.error(format!("{what} outside {{{{range}}}}")));
        }
        debug_assert_eq!(token.pos, node.pos());
        self.push(node);
        Ok(())
    }

    fn template(&mut self) -> Result<(), TemplateError> {
        const CONTEXT: &str = "template clause";
        let token = self.stream.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = if self.stream.peek_non_space().kind == Kind::RightDelim {
            self.stream.next();
            None
        } else {
            Some(self.stream.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        self.push(Node::Call(Call {
            pos: token.pos,
            name,
            pipe,
        }));
        Ok(())
    }

    fn template_name(&self, token: Token<'_>, context: &str) -> Result<Arc<str>, TemplateError> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return Err(self.stream.unexpected(token, context));
        }
        Ok(self.stream.unquoted(token)?.into())
    }

    fn define(&mut self) -> Result<(), TemplateError> {
        const CONTEXT: &str = "define clause";
        let token = self.stream.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.stream.expect(Kind::RightDelim, CONTEXT)?;
        self.stream.action_line = 0;
        // The text of the file sees no variables of a definition, nor the other way round.
        let variables = mem::replace(&mut self.stream.variables, vec!["$".into()]);
        let what = What::Define { name, variables };
        self.enter(Open::new(what, token.pos, token.line, 1))
    }

    fn block(&mut self) -> Result<(), TemplateError> {
        const CONTEXT: &str = "block clause";
        let token = self.stream.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.stream.pipeline(CONTEXT, Kind::RightDelim)?;
        let call = Call {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        };
        let outer = Outer {
            call,
            variables: mem::replace(&mut self.stream.variables, vec!["$".into()]),
            ranges: mem::take(&mut self.stream.ranges),
        };
        self.stream.action_line = 0;
        self.enter(Open::new(
            What::Block(Box::new(outer)),
            token.pos,
            token.line,
            1,
        ))
    }

    fn branch(&mut self, kind: BranchKind) -> Result<(), TemplateError> {
        let variables = self.stream.variables.len();
        let pipe = self.stream.pipeline(keyword(kind), Kind::RightDelim)?;
        if kind == BranchKind::Range {
            self.stream.ranges += 1;
        }
        let (pos, line) = (pipe.pos, pipe.line);
        let what = What::Branch {
            kind,
            arms: Vec::new(),
            pipe: Some(pipe),
        };
        self.enter(Open::new(what, pos, line, variables))
    }

    fn enter(&mut self, mut open: Open) -> Result<(), TemplateError> {
        if self.open.len() > MAX_NESTING {
            return Err(self.stream.error("max nesting depth exceeded"));
        }
        open.list.pos = self.stream.peek_non_space().pos;
        self.open.push(open);
        Ok(())
    }

    /// `{{ else }}`, `{{ else if … }}`, `{{ else with … }}`
    fn otherwise(&mut self) -> Result<(), TemplateError> {
        let next = self.stream.peek_non_space();
        let again = if next.kind == Kind::Keyword(Keyword::If) {
            Some(BranchKind::If)
        } else if next.kind == Kind::Keyword(Keyword::With) {
            Some(BranchKind::With)
        } else {
            self.stream.expect(Kind::RightDelim, "else")?;
            None
        };
        let open = self.open.last_mut().expect("the file is always open");
        let (kind, arms, pipe) = match &mut open.what {
            What::File => return Err(self.stream.error("unexpected {{else}}")),
            What::Define { .. } => {
                return Err(self.stream.error("unexpected {{else}} in define clause"));
            }
            What::Block(_) => {
                return Err(self.stream.error("unexpected {{else}} in block clause"));
            }
            What::Branch { kind, arms, pipe } => (*kind, arms, pipe),
        };
        let Some(read) = pipe.take() else {
            return Err(self.stream.error("expected end; found {{else}}"));
        };
        arms.push(Arm {
            pos: open.pos,
            line: open.line,
            pipe: read,
            list: mem::take(&mut open.list),
        });
        if kind == BranchKind::Range {
            self.stream.ranges -= 1;
        }
        match again {
            None => {}
            Some(again) if again == kind => {
                self.stream.next();
                let next = self.stream.pipeline(keyword(kind), Kind::RightDelim)?;
                (open.pos, open.line) = (next.pos, next.line);
                *pipe = Some(next);
            }
            Some(_) => return Err(self.stream.unexpected(next, "input")),
        }
        open.list.pos = self.stream.peek_non_space().pos;
        Ok(())
    }

    fn end(&mut self) -> Result<(), TemplateError> {
        if self.open.len() == 1 {
            return Err(self.stream.error("unexpected {{end}}"));
        }
        let open = self.open.pop().expect("there is more than the file");
        match open.what {
            What::File => {}
            What::Define { name, variables } => {
                self.stream.variables = variables;
                self.add(name, open.list)?;
            }
            What::Block(outer) => {
                let Outer {
                    call,
                    variables,
                    ranges,
                } = *outer;
                self.stream.variables = variables;
                self.stream.ranges = ranges;
                self.add(Arc::clone(&call.name), open.list)?;
                self.push(Node::Call(call));
            }
            What::Branch {
                kind,
                mut arms,
                pipe,
            } => {
                self.stream.variables.truncate(open.variables);
                let mut otherwise = None;
                match pipe {
                    None => otherwise = Some(open.list),
                    Some(pipe) => {
                        if kind == BranchKind::Range {
                            self.stream.ranges -= 1;
                        }
                        arms.push(Arm {
                            pos: open.pos,
                            line: open.line,
                            pipe,
                            list: open.list,
                        });
                    }
                }
                self.push(Node::Branch(Box::new(Branch {
                    kind,
                    arms,
                    otherwise,
                })));
            }
        }
        Ok(())
    }

    /// Keeps a template. An empty one gives way to another of its name; two others are an error.
    fn add(&mut self, name: Arc<str>, root: List) -> Result<(), TemplateError> {
        let tree = Tree {
            name: Arc::clone(&name),
            file: Arc::clone(&self.stream.file),
            source: Arc::clone(&self.source),
            root,
        };
        match self.trees.get(&name) {
            Some(known) if !known.is_empty() => {
                if !tree.is_empty() {
                    return Err(self.stream.error(format!(
                        "template: multiple definition of template {}",
                        go_quote(&name)
                    )));
                }
            }
            _ => {
                self.trees.insert(name, Arc::new(tree));
            }
        }
        Ok(())
    }
}

fn keyword(kind: BranchKind) -> &'static str {
    match kind {
        BranchKind::If => "if",
        BranchKind::With => "with",
        BranchKind::Range => "range",
    }
}
