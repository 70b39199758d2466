//! How much a node keeps, by what it is: tests hold it against bounds.

use super::Node;

impl Node {
    /// How many entries, or bytes where the name says so, this node keeps of everything that must not grow with time.
    #[doc(hidden)]
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        let mut sizes = self.own_sizes().to_vec();
        sizes.extend(self.tenant.sizes());
        if let Some(side) = &self.mesh {
            sizes.extend(side.sizes());
            sizes.extend(side.mesh.sizes());
        }
        sizes
    }
}
