//! Apply by ourselves: TUN, addresses, routes.
