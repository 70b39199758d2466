//! Queries that begin before it is known what their endpoints are.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::{
    NOW, data, endpoints, expected, federation, now,
    server::{Reply, Server, build_info, evaluate},
    shown,
};
use crate::promql::engine::Steps;

/// A server that tells what it is when it gets a permit, and calls whenever it is asked for it.
async fn reluctant(permits: &Arc<Semaphore>, asked: &Arc<Notify>) -> Server {
    let (permits, called) = (Arc::clone(permits), Arc::clone(asked));
    let handler = move |one: &_| {
        evaluate(one, &data(1.0)).map(|body| {
            if body != build_info("3.14.0") {
                return Reply::Json(body);
            }
            called.notify_one();
            Reply::Later(Arc::clone(&permits), body)
        })
    };
    Server::start(Arc::new(handler)).await
}

#[tokio::test]
async fn all_wait_until_it_is_known_what_an_endpoint_is() {
    let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::default());
    let server = reluctant(&permits, &asked).await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let tell = async {
        asked.notified().await;
        permits.add_permits(1);
    };
    let query = || now(&federation, "sum(x)");
    let (first, second, ()) = tokio::join!(query(), query(), tell);
    for reply in [first, second] {
        assert_eq!(reply.warnings(), Vec::<String>::new());
        let wanted = expected("sum(x)", Steps::instant(NOW), &[("eu", 1.0)]);
        assert_eq!(shown(&reply.answer.output.value), wanted);
    }
}

#[tokio::test]
async fn a_query_that_is_given_up_leaves_the_question_to_the_next() {
    let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::default());
    let server = reluctant(&permits, &asked).await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let federation = Arc::new(federation);
    let asking = Arc::clone(&federation);
    let given_up = tokio::spawn(async move { now(&asking, "sum(x)").await });
    asked.notified().await;
    given_up.abort();
    assert!(given_up.await.is_err());
    permits.add_permits(2);
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
}
