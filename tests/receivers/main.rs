//! Receivers as they are in the world: fake servers of the vendors that enforce signatures, sizes and rates, forget
//! tokens, answer 200 with an error, hang, break off and lose their answers; configurations and notifications against
//! them through everything that a node has.
#![expect(clippy::unwrap_used, reason = "test code: a failed step ends the test")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "fake servers live in real time, and conditions are waited for with a bound"
)]

mod clock;
mod proxy;
mod send;
mod server;
mod vendors;

mod dingtalk;
mod failures;
mod falcon;
mod feishu;
mod kinds;
mod process;
mod wecom;
