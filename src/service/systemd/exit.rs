//! Why it ended, as an exit status that units can act on.
