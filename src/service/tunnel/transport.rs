//! UDP or TCP, one face.
