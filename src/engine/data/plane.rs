//! `DataPlane`: install, switch and drop keys; seal and open batches.
