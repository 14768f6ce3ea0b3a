//! One key negotiation as states that own what they need.
