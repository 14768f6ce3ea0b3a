//! Text to directives: quoting, comments, inline blocks, positions.
