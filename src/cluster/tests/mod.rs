//! Several meshes in a simulated network.

mod hostile;
mod lifelines;
mod net;
mod random;
mod refusals;
mod said;
mod streams;
mod swim;
