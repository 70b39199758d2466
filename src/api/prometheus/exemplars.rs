//! `query_exemplars`: what the endpoints have for the selectors of an expression.

use axum::{body::Body, extract::State, http::Response};

use super::{
    ApiFailure,
    form::Params,
    params::{bound, timeout},
    querier::LookupScope,
    respond::{Remarks, success},
    router::{Answer, querier, respond},
};
use crate::{
    api::{query::Query, state::ApiState},
    json::push_value,
    promql::{
        Span,
        ast::{Expr, ExprKind, Extended, TimeShift, VectorSelector},
        parse::parse,
    },
};

pub(super) async fn query_exemplars(
    State(state): State<ApiState>,
    Params(params): Params,
) -> Response<Body> {
    respond(find(&state, &params).await)
}

async fn find(state: &ApiState, params: &Query) -> Answer {
    let (start, end) = (bound(params, "start")?, bound(params, "end")?);
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        return Err(ApiFailure::bad_data(
            "end timestamp must not be before start timestamp",
        ));
    }
    let text = params.first("query").unwrap_or_default();
    let expr = parse(text, state.about().language.features);
    let expr = expr.map_err(|error| ApiFailure::bad_data(error.to_string()))?;
    let scope = LookupScope {
        selectors: selectors(&expr),
        start,
        end,
        limit: None,
        timeout: timeout(params)?,
    };
    let (found, warnings) = querier(state)?.exemplars(scope).await?;
    let remarks = Remarks {
        warnings,
        infos: Vec::new(),
    };
    Ok(success(|out| push_value(out, &found), &remarks))
}

/// The selectors of an expression, each as text, in the order in which they stand.
fn selectors(expr: &Expr) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        match expr.selector() {
            Some(selector) => found.push(bare(selector)),
            None => left.extend(expr.children().into_iter().rev()),
        }
    }
    found.dedup();
    found
}

/// A selector without its times.
fn bare(selector: &VectorSelector) -> String {
    let kind = ExprKind::Vector(VectorSelector {
        shift: TimeShift::default(),
        extended: Extended::No,
        ..selector.clone()
    });
    let span = Span::default();
    Expr { kind, span }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse::Features;

    #[test]
    fn selectors_are_found_wherever_they_stand() {
        let of = |text: &str| selectors(&parse(text, Features::none()).unwrap());
        assert_eq!(
            of(
                r#"histogram_quantile(0.9, sum by (le) (rate(a_bucket{job="x"}[5m] offset 1h))) > (b @ 5) or max_over_time(c[1h:5m])"#
            ),
            [r#"a_bucket{job="x"}"#, "b", "c"]
        );
        assert!(of("1 + time()").is_empty());
    }
}
