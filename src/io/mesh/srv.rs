//! SRV records: which hosts and ports a service has. The system's own resolver does not know them.

use hickory_resolver::{
    ResolverBuilder, TokioResolver, net::runtime::TokioRuntimeProvider, proto::rr::RData,
};

/// Targets that count; a mesh has at most 16 nodes.
const MAX_TARGETS: usize = 64;

/// The targets of a name, as `host:port`, those of the best priority first.
pub(in crate::io) async fn look_up(name: &str) -> Result<Vec<String>, String> {
    // Made anew each time: the system's configuration may change while the node runs.
    let builder = TokioResolver::builder_tokio()
        .map_err(|error| format!("cannot resolve SRV {name}: /etc/resolv.conf: {error}"))?;
    ask(builder, name).await
}

async fn ask(
    mut builder: ResolverBuilder<TokioRuntimeProvider>,
    name: &str,
) -> Result<Vec<String>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot resolve SRV {name}: {error}");
    builder.options_mut().cache_size = 0;
    let resolver = builder.build().map_err(|error| failed(&error))?;
    let found = resolver
        .srv_lookup(name)
        .await
        .map_err(|error| failed(&error))?;
    let mut targets = Vec::new();
    for record in found.answers() {
        if let RData::SRV(srv) = &record.data {
            let host = srv.target.to_ascii();
            let host = host.trim_end_matches('.');
            // A lone dot says that the service is not there.
            if !host.is_empty() && srv.port != 0 {
                targets.push((srv.priority, format!("{host}:{}", srv.port)));
            }
        }
    }
    targets.sort();
    targets.truncate(MAX_TARGETS);
    if targets.is_empty() {
        return Err(failed(&"the service has no targets"));
    }
    Ok(targets.into_iter().map(|(_, target)| target).collect())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use tokio::{net::UdpSocket, runtime};

    use super::*;
    use crate::io::task;

    /// Answers every question with these records, by hand.
    async fn name_server(records: Vec<(u16, u16, &'static str)>) -> SocketAddr {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        task::spawn(&runtime::Handle::current(), "dns", async move {
            let mut bytes = [0; 1500];
            loop {
                let (size, from) = udp.recv_from(&mut bytes).await.unwrap();
                let end = 12 + bytes[12..size].iter().position(|byte| *byte == 0).unwrap() + 5;
                let mut answer = bytes[..end].to_vec();
                // A response without errors, to one question, with so many answers and nothing more.
                answer[2] = 0x81;
                answer[3] = 0x80;
                let count = u16::try_from(records.len()).unwrap().to_be_bytes();
                answer[4..12].copy_from_slice(&[0, 1, count[0], count[1], 0, 0, 0, 0]);
                for (priority, port, host) in &records {
                    let mut data = [priority.to_be_bytes(), [0, 1], port.to_be_bytes()].concat();
                    for label in host.split('.').filter(|label| !label.is_empty()) {
                        data.push(u8::try_from(label.len()).unwrap());
                        data.extend_from_slice(label.as_bytes());
                    }
                    data.push(0);
                    // The name of the question, SRV, IN, 60 s.
                    answer.extend_from_slice(&[0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
                    answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
                    answer.extend_from_slice(&data);
                }
                udp.send_to(&answer, from).await.unwrap();
            }
        });
        address
    }

    async fn asked(records: Vec<(u16, u16, &'static str)>) -> Result<Vec<String>, String> {
        let address = name_server(records).await;
        let mut server = NameServerConfig::udp(address.ip());
        server.connections[0].port = address.port();
        let config = ResolverConfig::from_name_servers(vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        ask(builder, "_mesh._tcp.example.").await
    }

    #[tokio::test]
    async fn targets_come_with_their_ports() {
        let records = vec![(20, 9094, "b.example"), (10, 9095, "a.example")];
        let expect = ["a.example:9095", "b.example:9094"].map(str::to_owned);
        assert_eq!(asked(records).await, Ok(expect.to_vec()));
        let error = asked(vec![(0, 0, ".")]).await.unwrap_err();
        assert!(
            error.starts_with("cannot resolve SRV _mesh._tcp.example.: "),
            "{error}"
        );
        assert!(asked(Vec::new()).await.is_err());
    }
}
