//! Calls of functions and methods.

use super::{
    super::{
        ast::Arg,
        funcs::{Function, Special},
        value::Value,
    },
    state::{At, Eval, State},
};

impl<'t> State<'t> {
    /// Calls a function; `node` is what an error of the function is told at.
    pub(super) fn call_function(
        &mut self,
        dot: &Value,
        function: &'static Function,
        node: At<'t>,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        let given = args.len() + usize::from(piped.is_some());
        self.check_arity(function, args.len(), given)?;
        match function.special {
            Special::And => return self.short_circuit(dot, function, args, piped, false),
            Special::Or => return self.short_circuit(dot, function, args, piped, true),
            Special::No | Special::Call => {}
        }
        let mark = self.args.len();
        let result = self.call_with(dot, function, node, args, piped);
        self.args.truncate(mark);
        result
    }

    /// Calls a method.
    pub(super) fn call_method(
        &mut self,
        dot: &Value,
        (method, receiver): (&'static Function, Value),
        node: At<'t>,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        let given = args.len() + usize::from(piped.is_some());
        self.check_arity(method, args.len(), given)?;
        let mark = self.args.len();
        self.args.push(receiver);
        let result = self.call_pushed(mark, dot, method, node, args, piped);
        self.args.truncate(mark);
        result
    }

    fn call_with(
        &mut self,
        dot: &Value,
        function: &'static Function,
        node: At<'t>,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        let mark = self.args.len();
        if function.special == Special::Call {
            // Go tells what was called as it is written.
            let callee = args.first().map_or_else(String::new, ToString::to_string);
            self.args.push(Value::from(callee));
        }
        self.call_pushed(mark, dot, function, node, args, piped)
    }

    /// Evaluates the arguments onto what is pushed from `mark` on, and calls.
    fn call_pushed(
        &mut self,
        mark: usize,
        dot: &Value,
        function: &'static Function,
        node: At<'t>,
        args: &'t [Arg],
        piped: Option<Value>,
    ) -> Eval<Value> {
        for (i, arg) in args.iter().enumerate() {
            let value = self.arg(dot, param(function, i), arg)?;
            self.args.push(value);
        }
        if let Some(piped) = piped {
            let value = self.assignable(param(function, args.len()), piped)?;
            self.args.push(value);
        }
        match (function.call)(&self.context, &self.args[mark..]) {
            Ok(value) => Ok(value),
            Err(message) => {
                self.at = node;
                let name = function.name;
                Err(self.error(format!("error calling {name}: {message}")))
            }
        }
    }

    fn check_arity(&self, function: &Function, args: usize, given: usize) -> Eval<()> {
        let (name, params) = (function.name, function.params.len());
        if function.variadic {
            let fixed = params.saturating_sub(1);
            if given < fixed {
                return Err(self.error(format!(
                    "wrong number of args for {name}: want at least {fixed} got {args}"
                )));
            }
        } else if given != params {
            return Err(self.error(format!(
                "wrong number of args for {name}: want {params} got {given}"
            )));
        }
        Ok(())
    }

    /// `and` and `or` evaluate no more arguments than needed.
    fn short_circuit(
        &mut self,
        dot: &Value,
        function: &'static Function,
        args: &'t [Arg],
        piped: Option<Value>,
        until: bool,
    ) -> Eval<Value> {
        let mut last = Value::Nil;
        for (i, arg) in args.iter().enumerate() {
            last = self.arg(dot, param(function, i), arg)?;
            if last.is_true() == until {
                return Ok(last);
            }
        }
        match piped {
            Some(piped) => self.assignable(param(function, args.len()), piped),
            None => Ok(last),
        }
    }
}

/// The type of the parameter that an argument is given to.
fn param(function: &Function, index: usize) -> super::super::go_type::Type {
    let last = function.params.len().saturating_sub(1);
    function.params[index.min(last)]
}
