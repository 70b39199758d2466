//! The file of the ruler (`--ruler.config-file`).

mod load;
mod outputs;

mod raw;

#[cfg(test)]
mod tests;

pub use load::{RulerConfig, load_ruler};
pub use outputs::{
    AlertmanagerApi, AlertmanagerConfig, RemoteWriteConfig, RemoteWriteMessage, RemoteWriteQueue,
    TargetFiles, TargetGroup, TargetScheme,
};
