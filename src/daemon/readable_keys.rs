//! Keys and logins in files that others than their owner can read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::daemon::profile_bytes::{decoded, read_regular};
use openvpn_engine::profile::lex;

/// What is to be said of the profile at `path` and of the files with keys and logins that it names, if others can read
/// them. What cannot be read here is left to those who read it in earnest.
pub fn warnings(path: &Path) -> Vec<String> {
    let text = read_regular(path)
        .ok()
        .and_then(|bytes| decoded(bytes).map(Zeroizing::new).ok());
    let Some(text) = text else {
        return Vec::new();
    };
    let mut warnings: Vec<String> = Vec::new();
    for (option, file) in secrets(path, &text) {
        let shown = file.display();
        let warning = format!(
            "{shown}: others than its owner can read it, and {option} is secret: chmod 600 {shown}"
        );
        let told = |it: &String| it.starts_with(&format!("{shown}: "));
        if others_can_read(&file) && !warnings.iter().any(told) {
            warnings.push(warning);
        }
    }
    warnings
}

/// Which options of a profile have something secret, and where.
fn secrets(profile: &Path, text: &str) -> Vec<(String, PathBuf)> {
    let folder = profile.parent().unwrap_or_else(|| Path::new(""));
    let mut found = Vec::new();
    for directive in lex("", text).directives {
        let Some((_, number)) = SECRET.iter().find(|(name, _)| *name == directive.name) else {
            continue;
        };
        let named = directive.args.get(*number).map(|argument| &argument.text);
        let file = match named {
            _ if directive.content.is_some() => profile.to_owned(),
            // Beside the profile, or where we were started.
            Some(name) => Some(folder.join(name))
                .filter(|beside| beside.exists())
                .unwrap_or_else(|| PathBuf::from(name)),
            None => continue,
        };
        found.push((directive.name, file));
    }
    found
}

/// Whether the file's mode lets others read it. Root's group and a user's own are nobody else.
fn others_can_read(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| {
        let group_is_others = found.gid() != 0 && found.gid() != found.uid();
        let readable = found.mode() & 0o004 != 0 || (group_is_others && found.mode() & 0o040 != 0);
        found.is_file() && readable
    })
}

/// The options that have something secret, and which argument names the file.
const SECRET: [(&str, usize); 10] = [
    ("askpass", 0),
    ("auth-user-pass", 0),
    ("http-proxy", 2),
    ("http-proxy-user-pass", 0),
    ("key", 0),
    ("pkcs12", 0),
    ("socks-proxy", 2),
    ("tls-auth", 0),
    ("tls-crypt", 0),
    ("tls-crypt-v2", 0),
];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_and_logins_that_others_can_read_are_named_once_and_nothing_else_is() {
        let root = std::env::temp_dir().join(format!("openvpn3-keys-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            let path = root.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let names_files = write(
            "office.conf",
            "client\nca ca.crt\nkey client.key\ntls-crypt crypt.key\nauth-user-pass login\nhttp-proxy p 3128 proxy\n",
            0o644,
        );
        write("ca.crt", "a certificate", 0o644);
        write("client.key", "a key", 0o604);
        write("crypt.key", "a key", 0o600);
        write("login", "alice\nsecret\n", 0o644);
        write("proxy", "alice\nsecret\n", 0o600);
        let said = warnings(&names_files);
        let [key, login] = &said[..] else {
            panic!("two files: {said:?}")
        };
        assert!(key.contains("client.key: others"), "{key}");
        assert!(key.ends_with("/client.key"), "{key}");
        assert!(login.contains("auth-user-pass is secret"), "{login}");

        let inline = "client\n<key>\nx\n</key>\n<tls-crypt>\nx\n</tls-crypt>\n";
        let holds_keys = write("inline.ovpn", inline, 0o644);
        assert_eq!(warnings(&holds_keys).len(), 1);
        assert_eq!(warnings(&write("inline.ovpn", inline, 0o600)), [""; 0]);
        fs::remove_dir_all(root).unwrap();
    }
}
