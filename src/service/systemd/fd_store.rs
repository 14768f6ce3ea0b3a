//! The TUN and the saved session: stored, taken back, thrown out.
