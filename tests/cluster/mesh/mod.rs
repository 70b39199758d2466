//! Several nodes in one simulated world: hosts, disks and clocks that fail, a network that cuts, sources and receivers.

mod bounds;
mod chance;
mod check;
mod corpus;
mod disk;
mod faults;
mod host;
mod later;
mod ledger;
mod liveness;
mod network;
mod reach;
mod receiver;
mod replicas;
mod rulers;
mod scenes;
mod seeds;
mod settling;
mod source;
mod starts;
mod stories;
mod story;
mod stream;
mod trace;
mod world;
