//! The bytes of a profile and of the files that it names: read as far as they may be long, and made text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroize;

use openvpn_engine::pki::kept_elsewhere;

/// Reads a file that the profile names: beside the profile, or where we were started.
pub(crate) fn read_beside(folder: &Path, file: &str) -> Result<Vec<u8>, String> {
    if let Some(place) = kept_elsewhere(file) {
        return Err(format!("it names {place}; only keys in files can be used"));
    }
    let beside = folder.join(file);
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    read_regular(&beside)
        .or_else(|error| {
            if missing(&error) {
                read_regular(Path::new(file)).map_err(|_| error)
            } else {
                Err(error)
            }
        })
        .map_err(|error| {
            let place = beside.display();
            if beside == Path::new(file) {
                format!("{error}{}", advice(&error))
            } else {
                format!("{error}, looked for at {place}{}", advice(&error))
            }
        })
}

/// Reads a regular file as far as a profile or a file of it may be long. For what nobody has named on the command line:
/// to open a device may do something, and at a FIFO one may wait for ever.
pub(crate) fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let regular = |found: &fs::Metadata| {
        if found.is_dir() {
            Err(io::Error::from(io::ErrorKind::IsADirectory))
        } else if found.is_file() {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is no regular file",
            ))
        }
    };
    regular(&fs::metadata(path)?)?;
    // Another one may be in its place by now: that is not waited for either.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    regular(&file.metadata()?)?;
    limited(file)
}

/// Reads a file as far as a profile or a file of it may be long. It may be a pipe that the user has named.
pub(crate) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    limited(file)
}

fn limited(file: File) -> io::Result<Vec<u8>> {
    // One byte more than allowed shows that there is more; the room for it is made beforehand, so that no secret is
    // left behind by a vector that grew.
    let mut bytes = Vec::with_capacity(LONGEST + 1);
    let limit = u64::try_from(LONGEST + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        bytes.zeroize();
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {LONGEST} bytes"),
        ));
    }
    Ok(bytes)
}

/// Bytes to text. Comments may be in another encoding, as people write them; nothing else may.
pub(crate) fn decoded(mut bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bytes.zeroize();
        return Err("it is in UTF-16; save it as UTF-8".to_owned());
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    let mut in_block = false;
    for line in bytes.split_mut(|byte| matches!(byte, b'\n' | b'\r')) {
        let first = line.trim_ascii_start();
        let whole_line = matches!(first.first(), Some(b'#' | b';'));
        in_block = !first.starts_with(b"</") && (in_block || first.starts_with(b"<"));
        // What stands behind other text in a block may be a password.
        if in_block && !whole_line {
            continue;
        }
        let comment = comment_of(line);
        if std::str::from_utf8(comment).is_err() || comment.contains(&0) {
            let foreign = comment
                .iter_mut()
                .filter(|byte| !byte.is_ascii() || **byte == 0);
            foreign.for_each(|byte| *byte = b'?');
        }
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = line_of(&bytes, at);
        bytes.zeroize();
        return Err(format!("line {line} holds a NUL byte, so it is no text"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes();
        let line = line_of(&bytes, at);
        bytes.zeroize();
        format!("line {line} is not in UTF-8; save the file as UTF-8")
    })
}

/// The comment of a line: from a `#` or `;` on that begins a word outside of quotes.
fn comment_of(line: &mut [u8]) -> &mut [u8] {
    let mut quote = None;
    let mut before = b' ';
    let begin = line.iter().position(|byte| {
        let begins_word = before.is_ascii_whitespace();
        before = *byte;
        match (quote, *byte) {
            (None, b'#' | b';') => return begins_word,
            (None, b'"' | b'\'') if begins_word => quote = Some(*byte),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        false
    });
    let begin = begin.unwrap_or(line.len());
    line.get_mut(begin..).unwrap_or_default()
}

/// The line of a byte, from 1.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// What to do about an error, as far as that is known.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        " (this account may not read it: run as its owner, or give the file to this account)"
    } else {
        ""
    }
}

/// The longest profile, and the longest file that it names, in bytes.
const LONGEST: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_profile_names_is_read_from_regular_files_and_nothing_is_waited_for() {
        let root = std::env::temp_dir().join(format!("openvpn3-bytes-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let fifo = root.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("/dev/zero", root.join("device")).unwrap();
        for name in ["fifo", "device"] {
            let refused = read_beside(&root, name).unwrap_err();
            assert!(refused.starts_with("it is no regular file"), "{refused}");
        }
        fs::write(root.join("long"), vec![b'x'; LONGEST + 1]).unwrap();
        let refused = read_beside(&root, "long").unwrap_err();
        assert!(refused.starts_with("it is longer"), "{refused}");
        fs::write(root.join("right"), "a key").unwrap();
        assert_eq!(read_beside(&root, "right").unwrap(), b"a key");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn comments_may_be_in_another_encoding_and_nothing_else() {
        let text = decoded(b"# f\xfcr\nverb 3\n".to_vec());
        assert_eq!(text.as_deref(), Ok("# f?r\nverb 3\n"));
        let text = decoded(b"verb 3 ; f\xfcr\0\nsetenv X \"#\" # \xe4\n\0\0".to_vec());
        assert_eq!(text.as_deref(), Ok("verb 3 ; f?r?\nsetenv X \"#\" # ?\n"));
        let password = b"<auth-user-pass>\nme\na #\xe4\n</auth-user-pass>\n".to_vec();
        assert!(decoded(password).unwrap_err().starts_with("line 3 "));
        let refused = decoded(b"verb 3\nsetenv X \"# f\xfcr\"\n".to_vec()).unwrap_err();
        assert!(refused.starts_with("line 2 "), "{refused}");
        let refused = decoded(b"verb 3\nsetenv UV_X f\xfcr\n".to_vec()).unwrap_err();
        assert!(refused.starts_with("line 2 "), "{refused}");
        let refused = decoded(b"verb 3\n\n\0x".to_vec()).unwrap_err();
        assert!(refused.starts_with("line 3 "), "{refused}");
    }
}
