//! `list`, `append`, `dict`, `stringSlice`, `join`, `toJson`, `routeLabels`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{go_type::Type, object, value::Value},
    args, json,
    table::{Context, Function},
};

pub(super) static COLLECTIONS: [Function; 7] = [
    Function::variadic("list", &[Type::Any], |context, args| {
        context.charge(args.len() * 4)?;
        Value::list(args.to_vec())
    }),
    Function::variadic("append", &[Type::List, Type::Any], |context, args| {
        let list = args::list(args, 0);
        context.charge((list.len() + args.len()) * 4)?;
        Value::list(list.iter().chain(&args[1..]).cloned().collect())
    }),
    Function::variadic("dict", &[Type::Any], dict),
    Function::variadic("stringSlice", &[Type::Str], |context, args| {
        context.charge(args.len() * 4)?;
        let strings = (0..args.len()).map(|at| Arc::clone(args::string(args, at)));
        Ok(Value::Strings(strings.collect()))
    }),
    Function::new("join", &[Type::Str, Type::Strings], |context, args| {
        object::join(context, args::strings(args, 1), args::string(args, 0))
    }),
    Function::new("toJson", &[Type::Any], |context, args| {
        let mut out = String::new();
        json::write(&args[0], &mut out, context.scope.limits.output)?;
        context.text(out)
    }),
    Function::new("routeLabels", &[Type::Str], route_label),
];

fn dict(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    if !args.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".to_owned());
    }
    context.charge(args.len() * 4)?;
    let mut items = BTreeMap::new();
    for pair in args.chunks_exact(2) {
        let [Value::Str(key), value] = pair else {
            return Err("dict keys must be strings".to_owned());
        };
        items.insert(Arc::clone(key), value.clone());
    }
    Value::map(items)
}

/// The value of a label of the route; nothing for one that the route does not have.
fn route_label(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    let name = args::string(args, 0);
    if let Some(routes) = context.scope.routes {
        let value = routes.resolve(name)?;
        return Ok(value.map_or_else(|| Value::from(""), Value::Str));
    }
    match &context.scope.data {
        Value::Data(data) => Ok(Value::from(data.route_labels.value(name))),
        _ => Ok(Value::from("")),
    }
}
