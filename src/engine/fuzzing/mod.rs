//! Laws that hold for any input: what the fuzz targets run, and the corpora replayed through them.

pub mod control_packet;
pub mod profile;
pub mod push;
pub mod saved;
pub mod session;
pub mod tcp_frames;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use super::*;

    /// Runs every input of one target, and every beginning of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at some moment"
    )]
    fn replay(target: &str, run: fn(&[u8], Instant)) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fuzz/corpus")
            .join(target);
        let now = Instant::now();
        let mut count = 0;
        for entry in fs::read_dir(&corpus).expect("the corpus is there") {
            let path = entry.expect("the corpus can be read").path();
            let input = fs::read(&path).expect("the input can be read");
            for len in (0..input.len().min(300)).chain([input.len()]) {
                run(&input[..len], now);
            }
            count += 1;
        }
        assert!(count > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn control_packets_of_the_corpus_break_no_law() {
        replay("control_packet", control_packet::run);
    }

    #[test]
    fn the_wrapped_packets_of_the_corpus_are_authentic() {
        for name in ["tls-auth", "tls-crypt", "tls-crypt-v2-tcp"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../tests/fuzz/corpus/control_packet")
                .join(name);
            let input = fs::read(path).expect("the input can be read");
            assert!(control_packet::first_is_authentic(&input), "{name}");
        }
    }

    #[test]
    fn profiles_of_the_corpus_break_no_law() {
        replay("profile", profile::run);
    }

    #[test]
    fn pushes_of_the_corpus_break_no_law() {
        replay("push", push::run);
    }

    #[test]
    fn saved_sessions_of_the_corpus_break_no_law() {
        replay("saved", saved::run);
    }

    #[test]
    fn sessions_of_the_corpus_break_no_law() {
        replay("session", session::run);
    }

    #[test]
    fn tcp_streams_of_the_corpus_break_no_law() {
        replay("tcp_frames", tcp_frames::run);
    }
}
