//! Who owns the names we talk to, kept current by `NameOwnerChanged`.
