//! Open-Falcon: agents and gateways.

use crate::{
    send::{Sender, permanent, sent},
    server::{Reply, Request, Server},
};

/// As `modules/agent/http/push.go` answers.
fn agent(request: &Request) -> Reply {
    if request.path() != "/v1/push" {
        return Reply::status(404, "404 page not found");
    }
    if request.body.is_empty() {
        return Reply::status(400, "body is blank");
    }
    let json = request.json();
    let points = json.as_array();
    let sound = points.is_some_and(|points| {
        points.iter().all(|point| {
            let texts = ["endpoint", "metric", "counterType", "tags"];
            texts.iter().all(|key| point[key].is_string())
                && point["timestamp"].is_i64()
                && point["step"].is_i64()
                && point["value"].is_number()
        })
    });
    if sound {
        Reply::ok("success")
    } else {
        Reply::status(400, "connot decode body")
    }
}

#[tokio::test]
async fn agents_get_a_point_for_each_alert() {
    let server = Server::start(agent).await;
    let sender = Sender::new(&format!("falcon_configs: [{{url: '{}'}}]", server.url("")));
    assert_eq!(sent(&sender.tell(sender.data_of("a", 300)).await), "");
    let points = server.requests()[0].json();
    assert_eq!(points.as_array().unwrap().len(), 300);
    assert_eq!(points[0]["endpoint"], "host-0:9100");
    assert_eq!(points[0]["metric"], "alert.HighLoad");
    assert_eq!(points[0]["value"], 1);
    let wrong = format!("falcon_configs: [{{url: '{}'}}]", server.url("/wrong"));
    permanent(&Sender::new(&wrong).send("a").await);
}

#[tokio::test]
async fn gateways_get_a_form() {
    let server = Server::start(|_| Reply::ok("ok")).await;
    let url = server.url("/mail");
    let sender = Sender::new(&format!(
        "falcon_configs: [{{url: '{url}', mode: form, tos: 'a@x,b@x', subject: '{{{{ .Status }}}}'}}]"
    ));
    assert_eq!(sent(&sender.send("a").await), "");
    let request = &server.requests()[0];
    let pairs: Vec<_> = url::form_urlencoded::parse(&request.body).collect();
    let names: Vec<_> = pairs.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["tos", "subject", "content"]);
    assert_eq!(pairs[0].1, "a@x,b@x");
    assert_eq!(pairs[1].1, "firing");
    assert!(pairs[2].1.contains("负载 <high>"));
}
