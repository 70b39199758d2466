//! Chains of fields, map keys and methods.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::sync::Arc;

use super::{
    super::{ast::Arg, go_type::Type, object, value::Value},
    state::{At, Eval, State},
};

impl<'t> State<'t> {
    /// `.X.Y`, `$x.Y`, `(…).Y`; the last may be a method, which gets the arguments.
    pub(super) fn fields(
        &mut self,
        dot: &Value,
        arg: &'t Arg,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        self.at = At::Arg(arg);
        let (mut receiver, names): (Value, &'t [Arc<str>]) = match arg {
            Arg::Field(field) => (dot.clone(), &field.names),
            Arg::Variable(variable) => (self.variable(&variable.name)?.clone(), &variable.fields),
            Arg::Chain(chain) => {
                if let Arg::Nil(_) = chain.of {
                    return Err(self.error(format!("indirection through explicit nil in {arg}")));
                }
                // As in Go, errors are then told at the inner part.
                (self.arg(dot, Type::Reflect, &chain.of)?, &chain.names)
            }
            Arg::Dot(_)
            | Arg::Nil(_)
            | Arg::Bool(..)
            | Arg::Number(_)
            | Arg::Str(_)
            | Arg::Function(..)
            | Arg::Pipe(_) => return Ok(Value::Nil),
        };
        let Some((last, before)) = names.split_last() else {
            return Ok(receiver);
        };
        let mut in_interface = false;
        for name in before {
            let of_map = matches!(receiver, Value::Map(_));
            receiver = self.field(dot, (receiver, in_interface), name, arg, &[], None)?;
            in_interface = of_map;
        }
        self.field(dot, (receiver, in_interface), last, arg, args, piped)
    }

    fn field(
        &mut self,
        dot: &Value,
        (receiver, in_interface): (Value, bool),
        name: &str,
        arg: &'t Arg,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        match receiver {
            Value::Nil => return Ok(Value::Nil),
            Value::NilAny => {
                return Err(self.error(format!("nil pointer evaluating interface {{}}.{name}")));
            }
            _ => {}
        }
        if let Some(method) = object::method(&receiver, name) {
            return self.call_method(dot, (method, receiver), At::Arg(arg), args, piped);
        }
        let has_args = !args.is_empty() || piped.is_some();
        // The zero values of absent keys: `missingkey=zero`.
        let of_map = match &receiver {
            Value::Kv(labels) | Value::StringMap(labels) => Some(Value::from(labels.value(name))),
            Value::Map(map) => Some(map.items().get(name).cloned().unwrap_or(Value::NilAny)),
            _ => None,
        };
        if let Some(value) = of_map {
            if has_args {
                return Err(self.error(format!("{name} is not a method but has arguments")));
            }
            return Ok(value);
        }
        if let Some(value) = object::field(&receiver, name) {
            if has_args {
                return Err(self.error(format!(
                    "{name} has arguments but cannot be invoked as function"
                )));
            }
            return Ok(value);
        }
        let ty = if in_interface {
            "interface {}"
        } else {
            receiver.type_name()
        };
        Err(self.error(format!("can't evaluate field {name} in type {ty}")))
    }
}
