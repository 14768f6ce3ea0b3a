//! Clamp TCP's MSS in place.
