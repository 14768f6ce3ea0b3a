//! Private keys of every PEM kind, decrypted with the passphrase, to one DER form.
