//! `Session`: command, report or deadline in; effects out.
