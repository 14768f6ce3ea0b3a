//! PEM text to its labelled parts, encryption headers included.
