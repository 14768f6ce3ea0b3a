//! Questions asked on a terminal, without echo where secret.
