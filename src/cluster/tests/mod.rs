//! Several meshes in a simulated network.

mod net;
mod streams;
mod swim;
