//! None, tls-auth, tls-crypt, tls-crypt-v2: authentic packets in, wrapped packets out.
