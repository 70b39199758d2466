//! Several meshes in a simulated network.

mod hostile;
mod net;
mod random;
mod refusals;
mod streams;
mod swim;
