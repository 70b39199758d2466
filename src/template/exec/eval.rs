//! Pipelines, commands and arguments.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use super::{
    super::{
        ast::{Arg, Command, Pipe},
        go_type::Type,
        value::{Int, Value},
    },
    state::{At, Eval, State},
};

impl<'t> State<'t> {
    /// The value of a pipeline, which its variables get as well.
    pub(super) fn pipeline(&mut self, dot: &Value, pipe: &'t Pipe) -> Eval<Value> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(match self.command(dot, command, value)? {
                // The nil in an interface is no value any more.
                Value::NilAny => Value::Nil,
                value => value,
            });
        }
        let value = value.unwrap_or_default();
        for variable in &pipe.variables {
            if pipe.assigns {
                self.assign(&variable.name, value.clone())?;
            } else {
                self.declare(&variable.name, value.clone());
            }
        }
        Ok(value)
    }

    /// `piped` is the value of the command before it.
    fn command(&mut self, dot: &Value, command: &'t Command, piped: Option<Value>) -> Eval<Value> {
        self.step()?;
        let Some((first, args)) = command.args.split_first() else {
            return Ok(Value::Nil);
        };
        match first {
            Arg::Field(_) | Arg::Chain(_) => return self.fields(dot, first, args, piped),
            Arg::Variable(variable) if !variable.fields.is_empty() => {
                return self.fields(dot, first, args, piped);
            }
            Arg::Function(_, function) => {
                self.at = At::Arg(first);
                return self.call_function(dot, function, At::Command(command), args, piped);
            }
            Arg::Pipe(pipe) => {
                self.not_a_function(first, args, piped.as_ref())?;
                return self.pipeline(dot, pipe);
            }
            Arg::Variable(variable) => {
                self.at = At::Arg(first);
                let value = self.variable(&variable.name)?.clone();
                self.not_a_function(first, args, piped.as_ref())?;
                return Ok(value);
            }
            Arg::Dot(_) | Arg::Nil(_) | Arg::Bool(..) | Arg::Number(_) | Arg::Str(_) => {}
        }
        self.at = At::Arg(first);
        self.not_a_function(first, args, piped.as_ref())?;
        if let Arg::Nil(_) = first {
            return Err(self.error("nil is not a command"));
        }
        self.constant(dot, first)
    }

    fn not_a_function(&self, first: &Arg, args: &[Arg], piped: Option<&Value>) -> Eval<()> {
        if args.is_empty() && piped.is_none() {
            return Ok(());
        }
        Err(self.error(format!("can't give argument to non-function {first}")))
    }

    /// The value of what is neither nil nor evaluated.
    fn constant(&self, dot: &Value, arg: &Arg) -> Eval<Value> {
        match arg {
            Arg::Dot(_) => Ok(dot.clone()),
            Arg::Bool(_, value) => Ok(Value::Bool(*value)),
            Arg::Str(text) => Ok(Value::Str(text.text.clone())),
            Arg::Number(number) => number
                .untyped()
                .ok_or_else(|| self.error(format!("{arg} overflows int"))),
            Arg::Nil(_)
            | Arg::Field(_)
            | Arg::Variable(_)
            | Arg::Function(..)
            | Arg::Pipe(_)
            | Arg::Chain(_) => Err(self.error(format!("can't evaluate command {arg}"))),
        }
    }

    /// The value of an argument as one of the type of the parameter.
    pub(super) fn arg(&mut self, dot: &Value, ty: Type, arg: &'t Arg) -> Eval<Value> {
        self.step()?;
        self.at = At::Arg(arg);
        let value = match arg {
            Arg::Dot(_) => dot.clone(),
            Arg::Nil(_) => {
                return ty
                    .nil()
                    .ok_or_else(|| self.error(format!("cannot assign nil to {}", ty.name())));
            }
            Arg::Variable(variable) if variable.fields.is_empty() => {
                self.variable(&variable.name)?.clone()
            }
            Arg::Field(_) | Arg::Variable(_) | Arg::Chain(_) => self.fields(dot, arg, &[], None)?,
            Arg::Pipe(pipe) => self.pipeline(dot, pipe)?,
            Arg::Function(_, function) => {
                self.call_function(dot, function, At::Arg(arg), &[], None)?
            }
            Arg::Bool(..) | Arg::Number(_) | Arg::Str(_) => return self.typed(dot, ty, arg),
        };
        self.assignable(ty, value)
    }

    pub(super) fn assignable(&self, ty: Type, value: Value) -> Eval<Value> {
        ty.assign(value).map_err(|message| self.error(message))
    }

    /// A constant as a value of the type.
    fn typed(&self, dot: &Value, ty: Type, arg: &Arg) -> Eval<Value> {
        let int = match arg {
            Arg::Number(number) => number.int,
            _ => None,
        };
        let expected = match (ty, arg, int) {
            (Type::Any | Type::Reflect, _, _) => return self.constant(dot, arg),
            (Type::Str, Arg::Str(text), _) => return Ok(Value::Str(text.text.clone())),
            (Type::Int, _, Some(int)) => return Ok(Value::Int(Int::Int, int)),
            (Type::Duration, _, Some(int)) => return Ok(Value::Duration(int)),
            (Type::Str, _, _) => "string",
            (Type::Int | Type::Duration, _, _) => "integer",
            (
                Type::Time | Type::Zone | Type::Strings | Type::List | Type::Samples | Type::Sample,
                _,
                _,
            ) => {
                let name = ty.name();
                return Err(self.error(format!("can't handle {arg} for arg of type {name}")));
            }
        };
        Err(self.error(format!("expected {expected}; found {arg}")))
    }
}
