//! Carries out what the session asks, each as a future; reports how it went.
