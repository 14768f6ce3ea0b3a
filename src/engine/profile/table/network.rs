//! Rows: addresses, routes, DNS, MTU.
