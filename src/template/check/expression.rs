//! Pipelines, commands, arguments.

use std::{fmt, sync::Arc};

use super::{
    super::{
        ast::{Arg, Command, Pipe, Pos},
        funcs::{Function, Special},
        go_type::Type,
    },
    function::{function_result, method, method_result, number},
    shape::Shape,
    walk::Check,
};

impl<'t> Check<'t> {
    /// What a pipeline gives; its variables are declared.
    pub(super) fn pipeline(&mut self, dot: Shape, pipe: &'t Pipe) -> Shape {
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(dot, command, piped));
        }
        let shape = piped.unwrap_or(Shape::Unknown);
        for variable in &pipe.variables {
            // Where a variable is assigned to, nothing is known of it.
            let shape = if self.assigned.contains(&*variable.name) {
                Shape::Unknown
            } else {
                shape
            };
            if !pipe.assigns {
                self.variables.push((&variable.name, shape));
            }
        }
        shape
    }

    fn command(&mut self, dot: Shape, command: &'t Command, piped: Option<Shape>) -> Shape {
        let Some((first, args)) = command.args.split_first() else {
            return Shape::Unknown;
        };
        match first {
            Arg::Function(pos, function) => self.call((*pos, first), function, dot, args, piped),
            Arg::Field(_) | Arg::Chain(_) => self.fields(dot, first, args, piped),
            Arg::Variable(variable) if !variable.fields.is_empty() => {
                self.fields(dot, first, args, piped)
            }
            Arg::Dot(_)
            | Arg::Nil(_)
            | Arg::Bool(..)
            | Arg::Number(_)
            | Arg::Str(_)
            | Arg::Variable(_)
            | Arg::Pipe(_) => {
                if !args.is_empty() || piped.is_some() {
                    let message = format!("can't give argument to non-function {first}");
                    self.tell(first.pos(), first, message);
                } else if let Arg::Nil(pos) = first {
                    self.tell(*pos, first, "nil is not a command");
                }
                self.arg(dot, first)
            }
        }
    }

    fn arg(&mut self, dot: Shape, arg: &'t Arg) -> Shape {
        match arg {
            Arg::Dot(_) => dot,
            Arg::Nil(_) => Shape::Unknown,
            Arg::Bool(..) => Shape::Bool,
            Arg::Number(constant) => number(constant),
            Arg::Str(_) => Shape::Str,
            Arg::Variable(variable) if variable.fields.is_empty() => self.variable(&variable.name),
            Arg::Field(_) | Arg::Variable(_) | Arg::Chain(_) => self.fields(dot, arg, &[], None),
            Arg::Pipe(pipe) => self.pipeline(dot, pipe),
            Arg::Function(pos, function) => self.call((*pos, arg), function, dot, &[], None),
        }
    }

    fn variable(&self, name: &str) -> Shape {
        self.variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map_or(Shape::Unknown, |(_, shape)| *shape)
    }

    fn fields(&mut self, dot: Shape, arg: &'t Arg, args: &'t [Arg], piped: Option<Shape>) -> Shape {
        let (mut shape, names): (Shape, &'t [Arc<str>]) = match arg {
            Arg::Field(field) => (dot, &field.names),
            Arg::Variable(variable) => (self.variable(&variable.name), &variable.fields),
            Arg::Chain(chain) => (self.arg(dot, &chain.of), &chain.names),
            Arg::Dot(_)
            | Arg::Nil(_)
            | Arg::Bool(..)
            | Arg::Number(_)
            | Arg::Str(_)
            | Arg::Function(..)
            | Arg::Pipe(_) => return Shape::Unknown,
        };
        for (i, name) in names.iter().enumerate() {
            let last = i + 1 == names.len();
            let (args, piped) = if last { (args, piped) } else { (&[][..], None) };
            shape = self.field(shape, name, (dot, arg), args, piped);
        }
        shape
    }

    fn field(
        &mut self,
        receiver: Shape,
        name: &str,
        (dot, arg): (Shape, &'t Arg),
        args: &'t [Arg],
        piped: Option<Shape>,
    ) -> Shape {
        if let Some(method) = method(receiver, name) {
            self.call((arg.pos(), arg), method, dot, args, piped);
            return method_result(receiver, name);
        }
        let Some(shape) = receiver.field(name) else {
            let ty = receiver.name();
            self.tell(
                arg.pos(),
                arg,
                format!("can't evaluate field {name} in type {ty}"),
            );
            self.args(dot, args);
            return Shape::Unknown;
        };
        if receiver != Shape::Unknown && (!args.is_empty() || piped.is_some()) {
            let message = if matches!(receiver, Shape::Kv | Shape::Map) {
                format!("{name} is not a method but has arguments")
            } else {
                format!("{name} has arguments but cannot be invoked as function")
            };
            self.tell(arg.pos(), arg, message);
        }
        self.args(dot, args);
        shape
    }

    fn args(&mut self, dot: Shape, args: &'t [Arg]) -> Vec<Shape> {
        args.iter().map(|arg| self.arg(dot, arg)).collect()
    }

    /// A call of a function or method.
    fn call(
        &mut self,
        (pos, node): (Pos, &'t Arg),
        function: &'static Function,
        dot: Shape,
        args: &'t [Arg],
        piped: Option<Shape>,
    ) -> Shape {
        let shapes = self.args(dot, args);
        let given = args.len() + usize::from(piped.is_some());
        let (name, params) = (function.name, function.params);
        let fixed = params.len() - usize::from(function.variadic);
        if function.variadic && given < fixed {
            let message = format!(
                "wrong number of args for {name}: want at least {fixed} got {}",
                args.len()
            );
            self.tell(pos, node, message);
        } else if !function.variadic && given != fixed {
            let message = format!("wrong number of args for {name}: want {fixed} got {given}");
            self.tell(pos, node, message);
        } else if function.special == Special::No {
            for (i, shape) in shapes.iter().copied().chain(piped).enumerate() {
                let ty = params[i.min(params.len() - 1)];
                self.argument(ty, shape, args.get(i), args.last().unwrap_or(node));
            }
        }
        let shapes: Vec<Shape> = shapes.into_iter().chain(piped).collect();
        function_result(function, &shapes)
    }

    fn argument(&mut self, ty: Type, shape: Shape, arg: Option<&'t Arg>, last: &'t Arg) {
        let message = match (arg, ty) {
            (_, Type::Any | Type::Reflect) => return,
            (Some(Arg::Nil(_)), _) if ty.nil().is_none() => {
                format!("cannot assign nil to {}", ty.name())
            }
            (Some(arg @ Arg::Number(number)), Type::Int | Type::Duration) => {
                if number.int.is_some() {
                    return;
                }
                format!("expected integer; found {arg}")
            }
            (Some(arg @ (Arg::Number(_) | Arg::Bool(..))), Type::Str) => {
                format!("expected string; found {arg}")
            }
            (Some(arg @ (Arg::Number(_) | Arg::Bool(..) | Arg::Str(_))), _) if !shape.fits(ty) => {
                format!("can't handle {arg} for arg of type {}", ty.name())
            }
            _ if shape.fits(ty) => return,
            _ => format!(
                "wrong type for value; expected {}; got {}",
                ty.name(),
                shape.name()
            ),
        };
        let at = arg.unwrap_or(last);
        self.tell(at.pos(), at, message);
    }

    pub(super) fn tell(&mut self, pos: Pos, part: &dyn fmt::Display, message: impl Into<String>) {
        self.report(pos, part.to_string(), message.into());
    }
}
