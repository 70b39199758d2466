//! Mail to servers on this machine.
