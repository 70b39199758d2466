//! Queries that are asked again and again, of which it is known how they were planned.

use std::sync::Arc;

use super::{
    LONG, NOW, Query, data, endpoints, expected, federation,
    server::{OPTIONS, Reply, Server, build_info, evaluate},
    shown,
};
use crate::{
    federation::Recurring,
    io::federation::{Federation, Reply as Answered},
    promql::{
        engine::Steps,
        parse::{Features, parse},
    },
};

fn recurring(query: &str) -> Arc<Recurring> {
    Arc::new(Recurring::new(parse(query, Features::all()).unwrap()))
}

async fn at(federation: &Federation, query: &Arc<Recurring>, time: i64) -> Answered {
    let steps = Steps::instant(time);
    let reply = federation
        .query(Query::recurring(query, steps, OPTIONS, LONG))
        .await;
    let reply = reply.unwrap();
    assert_eq!(reply.warnings(), Vec::<String>::new());
    reply
}

#[tokio::test]
async fn each_is_planned_once_and_answered_as_of_its_time() {
    let server = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    for text in [
        "sum by (job) (rate(x[1m]))",
        "x offset 10s",
        "x @ 300",
        "x @ end()",
    ] {
        let query = recurring(text);
        let mut plans = Vec::new();
        for time in [NOW, NOW - 60_000, NOW - 120_500] {
            let reply = at(&federation, &query, time).await;
            let wanted = expected(text, Steps::instant(time), &[("eu", 1.0)]);
            assert_eq!(shown(&reply.answer.output.value), wanted, "{text} {time}");
            plans.push(reply.explain.plan.unwrap());
        }
        let same = plans.iter().all(|plan| Arc::ptr_eq(plan, &plans[0]));
        assert_eq!(same, !text.contains("end"), "{text}");
    }
}

#[tokio::test]
async fn other_endpoints_are_planned_for_after_a_reload() {
    let (eu, us) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    );
    let (of_eu, of_us) = (
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    );
    let federation = federation(endpoints(&[of_eu]));
    let text = "sum by (job, cluster) (x)";
    let query = recurring(text);
    let (eu, us) = (("eu", 1.0), ("us", 2.0));
    for (endpoints, clusters) in [
        (endpoints(&[of_eu, of_us]), vec![eu, us]),
        (endpoints(&[of_us, of_eu]), vec![us, eu]),
        (endpoints(&[of_us]), vec![us]),
        (endpoints(&[of_eu]), vec![eu]),
    ] {
        at(&federation, &query, NOW).await;
        federation.reload(endpoints);
        let reply = at(&federation, &query, NOW).await;
        let wanted = expected(text, Steps::instant(NOW), &clusters);
        assert_eq!(shown(&reply.answer.output.value), wanted);
        assert_eq!(reply.explain.requests.len(), clusters.len());
    }
}

#[tokio::test]
async fn an_endpoint_that_tells_what_it_is_is_planned_for_anew() {
    let server = Server::start(Arc::new(move |asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("2.42.0")),
        _ => evaluate(asked, &data(1.0)),
    }))
    .await;
    let keys = "kind: prometheus, pushdown: selector";
    let federation = federation(endpoints(&[(&server, keys)]));
    let query = recurring("count_over_time(x[10s])");
    let world = || federation.endpoints().world();
    let assumed = world();
    assert!(Arc::ptr_eq(&assumed, &world()));
    let plan = query.plan(Steps::instant(NOW), OPTIONS, &assumed).unwrap();
    let reply = at(&federation, &query, NOW).await;
    assert!(!Arc::ptr_eq(&plan, &reply.explain.plan.unwrap()));
    assert_eq!(server.asked()[0].form["query"], "{__name__=\"x\"}[9s999ms]");
    let known = world();
    assert!(Arc::ptr_eq(&known, &world()) && known != assumed);
}
