//! Pipelines: declarations, commands, operands.

use std::sync::Arc;

use super::{
    super::{
        ast::{Arg, Chain, Command, Field, MAX_PARENTHESES, Pipe, Pos, Str, Variable},
        error::TemplateError,
        lex::{Keyword, Kind, Token},
    },
    number::number,
    stream::Stream,
    unquote::unquote,
};
use crate::labels::go_quote;

/// Commands in one pipeline.
const MAX_COMMANDS: usize = 1000;

impl<'s> Stream<'s> {
    /// Reads up to and including `end`.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, TemplateError> {
        let first = self.peek_non_space();
        let mut pipe = Pipe {
            pos: first.pos,
            line: first.line,
            assigns: false,
            variables: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Keyword(Keyword::Nil)
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back();
                    let command = self.command()?;
                    pipe.commands.push(command);
                    if pipe.commands.len() > MAX_COMMANDS {
                        return Err(self.error("pipeline too long"));
                    }
                }
                Kind::Error
                | Kind::Char
                | Kind::Assign
                | Kind::Declare
                | Kind::Eof
                | Kind::LeftDelim
                | Kind::Pipe
                | Kind::RightDelim
                | Kind::RightParen
                | Kind::Space
                | Kind::Text
                | Kind::Keyword(_) => return Err(self.unexpected(token, context)),
            }
        }
        self.check_pipeline(&pipe, context)?;
        Ok(pipe)
    }

    /// `$a :=`, `$a =`, and in `range` two of them.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), TemplateError> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let place = self.place();
            self.next();
            let after = self.peek_non_space();
            let declares = matches!(after.kind, Kind::Assign | Kind::Declare);
            let lists = after.kind == Kind::Char && after.text == ",";
            if !declares && !lists {
                self.go_to(place);
                return Ok(());
            }
            self.next();
            pipe.assigns = after.kind == Kind::Assign;
            let name: Arc<str> = variable.text.into();
            self.variables.push(Arc::clone(&name));
            pipe.variables.push(Variable {
                pos: variable.pos,
                name,
                fields: Vec::new(),
            });
            if declares {
                return Ok(());
            }
            if context != "range" || pipe.variables.len() >= 2 {
                return Err(self.error(format!("too many declarations in {context}")));
            }
            let second = self.peek_non_space().kind;
            if !matches!(second, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return Err(self.error("range can only initialize variables"));
            }
        }
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Result<(), TemplateError> {
        if pipe.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            let constant = matches!(
                command.args.first(),
                Some(Arg::Bool(..) | Arg::Dot(_) | Arg::Nil(_) | Arg::Number(_) | Arg::Str(_))
            );
            if constant {
                return Err(self.error(format!(
                    "non executable command in pipeline stage {}",
                    i + 1
                )));
            }
        }
        Ok(())
    }

    /// Reads operands up to a `|`, which it takes, or the end of the pipeline, which it leaves.
    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut command = Command {
            pos: self.peek_non_space().pos,
            args: Vec::new(),
        };
        loop {
            self.peek_non_space();
            command.args.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.back(),
                Kind::Pipe => {}
                Kind::Error
                | Kind::Bool
                | Kind::Char
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Assign
                | Kind::Declare
                | Kind::Eof
                | Kind::Field
                | Kind::Identifier
                | Kind::LeftDelim
                | Kind::LeftParen
                | Kind::Number
                | Kind::RawString
                | Kind::String
                | Kind::Text
                | Kind::Variable
                | Kind::Dot
                | Kind::Keyword(_) => return Err(self.unexpected(token, "operand")),
            }
            break;
        }
        if command.args.is_empty() {
            return Err(self.error("empty command"));
        }
        self.patterns.note(&command);
        Ok(command)
    }

    /// A term and the fields that are taken from it; `None` if the next token begins none.
    fn operand(&mut self) -> Result<Option<Arg>, TemplateError> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        // As in Go, the whole then stands where its first further field does.
        let pos = self.peek().pos;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(field_name(self.next().text));
        }
        Ok(Some(match term {
            Arg::Field(mut field) => {
                field.pos = pos;
                field.names.append(&mut names);
                Arg::Field(field)
            }
            Arg::Variable(mut variable) => {
                variable.pos = pos;
                variable.fields.append(&mut names);
                Arg::Variable(variable)
            }
            Arg::Bool(..) | Arg::Str(_) | Arg::Number(_) | Arg::Nil(_) | Arg::Dot(_) => {
                let term = go_quote(&term.to_string());
                return Err(self.error(format!("unexpected . after term {term}")));
            }
            Arg::Function(..) | Arg::Pipe(_) | Arg::Chain(_) => Arg::Chain(Box::new(Chain {
                pos,
                of: term,
                names,
            })),
        }))
    }

    fn term(&mut self) -> Result<Option<Arg>, TemplateError> {
        let token = self.next_non_space();
        let pos = token.pos;
        Ok(Some(match token.kind {
            Kind::Identifier => {
                let Some(function) = self.functions.find(token.text) else {
                    let name = go_quote(token.text);
                    return Err(self.error(format!("function {name} not defined")));
                };
                Arg::Function(pos, function)
            }
            Kind::Dot => Arg::Dot(pos),
            Kind::Keyword(Keyword::Nil) => Arg::Nil(pos),
            Kind::Variable => self.variable(pos, token.text)?,
            Kind::Field => Arg::Field(Field {
                pos,
                names: vec![field_name(token.text)],
            }),
            Kind::Bool => Arg::Bool(pos, token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => Arg::Number(
                number(pos, token.text, token.kind).map_err(|message| self.error(message))?,
            ),
            Kind::LeftParen => self.parenthesized()?,
            Kind::String | Kind::RawString => Arg::Str(Str {
                pos,
                quoted: token.text.into(),
                text: self.unquoted(token)?.into(),
            }),
            Kind::Error
            | Kind::Char
            | Kind::Assign
            | Kind::Declare
            | Kind::Eof
            | Kind::LeftDelim
            | Kind::Pipe
            | Kind::RightDelim
            | Kind::RightParen
            | Kind::Space
            | Kind::Text
            | Kind::Keyword(_) => {
                self.back();
                return Ok(None);
            }
        }))
    }

    fn parenthesized(&mut self) -> Result<Arg, TemplateError> {
        if self.parentheses >= MAX_PARENTHESES {
            return Err(self.error("max expression depth exceeded"));
        }
        self.parentheses += 1;
        let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
        self.parentheses -= 1;
        Ok(Arg::Pipe(Box::new(pipe)))
    }

    fn variable(&self, pos: Pos, name: &str) -> Result<Arg, TemplateError> {
        let Some(known) = self.variables.iter().rev().find(|known| &***known == name) else {
            return Err(self.error(format!("undefined variable {}", go_quote(name))));
        };
        Ok(Arg::Variable(Variable {
            pos,
            name: Arc::clone(known),
            fields: Vec::new(),
        }))
    }

    /// The text of a string token.
    pub(super) fn unquoted(&self, token: Token<'_>) -> Result<String, TemplateError> {
        unquote(token.text).ok_or_else(|| self.error("invalid syntax"))
    }
}

/// A field's name without its dot.
fn field_name(text: &str) -> Arc<str> {
    text.strip_prefix('.').unwrap_or(text).into()
}
