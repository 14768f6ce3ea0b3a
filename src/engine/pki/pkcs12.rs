//! A PKCS#12 bundle to key, certificate and chain.
