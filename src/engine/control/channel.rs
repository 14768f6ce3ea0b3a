//! Session ids, resets, windows and wrapping: an ordered byte stream each way.
