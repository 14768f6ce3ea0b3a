//! Where profiles are taken otherwise than OpenVPN 2.6 or 2.7 takes them, and why.

/// One difference that is meant to stay.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The option, or what of the text it is about.
    pub about: &'static str,
    /// What OpenVPN does.
    pub there: &'static str,
    /// What this client does, and why.
    pub here: &'static str,
}

const fn row(about: &'static str, there: &'static str, here: &'static str) -> Difference {
    Difference { about, there, here }
}

/// All differences, sorted by what they are about.
pub static DIFFERENCES: &[Difference] = &[
    row(
        "NUL byte",
        "ends its line",
        "an error, except in comments and at the end of the file: what stands behind it would be lost",
    ),
    row(
        "auth",
        "none switches the digest off",
        "none has no effect: packets are always authenticated",
    ),
    row(
        "block-outside-dns",
        "on Windows only; refused elsewhere",
        "names are resolved inside of the tunnel only, as on Windows",
    ),
    row(
        "ca",
        "the last one counts",
        "several blocks are all used, as in OpenVPN 3; of files the last one counts",
    ),
    row(
        "capath",
        "a directory of authorities",
        "refused: all authorities are given with ca",
    ),
    row(
        "cipher",
        "not used in negotiation",
        "offered behind the default ciphers where there is no data-ciphers: servers with one CBC cipher are still common",
    ),
    row(
        "client-nat",
        "translates addresses",
        "refused: addresses inside of the tunnel are not translated, and leaving it out would not be safe",
    ),
    row(
        "crl-verify",
        "takes a directory too",
        "refused with dir: a revocation list in PEM or DER is needed",
    ),
    row(
        "data-ciphers",
        "DEFAULT only from 2.7 on; an old cipher is an error",
        "DEFAULT is understood; old ciphers are left out with a note while another one remains",
    ),
    row(
        "dev",
        "tap is layer 2",
        "refused: only layer 3 is supported",
    ),
    row(
        "dhcp-option",
        "DNS takes a second address from 2.7 on",
        "an error, as in 2.6 and OpenVPN 3: one address on each line",
    ),
    row(
        "fragment",
        "0 is an error",
        "0 switches it off, as with mssfix, and a note says so",
    ),
    row(
        "line ends",
        "a file with the line ends of the old Macintosh is one line",
        "they are line ends",
    ),
    row(
        "lport",
        "never beside nobind in 2.6",
        "0 beside nobind is accepted: both mean any port",
    ),
    row(
        "ncp-disable",
        "removed",
        "without effect, and no error: what it switches off cannot be switched off here",
    ),
    row(
        "proto",
        "tcp-server is accepted beside client from 2.7 on",
        "an error: a client does not listen",
    ),
    row(
        "proto-force",
        "tcp finds no remote that says tcp, but for tcp-client",
        "the remotes with the protocol are used",
    ),
    row(
        "push",
        "accepted in a client's profile",
        "refused, as all that is for servers only: such a file is not the client's",
    ),
    row(
        "register-dns",
        "on Windows only; refused elsewhere",
        "without effect, and no error: profiles are shared between systems",
    ),
    row(
        "remote",
        "any text, and services by name for ports",
        "the name or address of a host and the number of a port: mistakes are found before the first attempt",
    ),
    row(
        "remote-cert-ku",
        "a word that is no number is zero",
        "an error: nobody means zero",
    ),
    row(
        "reneg-sec",
        "a word that is no number is zero in 2.6, here and for other numbers",
        "an error: nobody means zero",
    ),
    row(
        "static-challenge",
        "two arguments in 2.6; a word that is no number is zero",
        "scrv1 or concat as third argument, as in 2.7 and OpenVPN 3; a word that is no number is an error",
    ),
    row(
        "tls-client",
        "without pull the profile has the addresses",
        "refused without pull: the server's options are needed",
    ),
    row(
        "tls-remote",
        "removed in 2.4",
        "honoured, in both forms of the subject: firewalls still write it",
    ),
    row(
        "tls-version-min",
        "1.0 and 1.1 where the library has them",
        "raised to 1.2: lower versions are broken and not available",
    ),
    row(
        "up",
        "runs a program, as down, route-up, tls-verify and their kin do",
        "no programs are run; a note says so, and units can depend on the session's",
    ),
    row(
        "windows-driver",
        "on Windows only; refused elsewhere",
        "without effect, and no error: profiles are shared between systems",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn differences_are_sorted_and_about_options_that_there_are() {
        for pair in DIFFERENCES.windows(2) {
            assert!(pair[0].about < pair[1].about, "{}", pair[1].about);
        }
        for difference in DIFFERENCES {
            let of_the_text = difference.about.contains(' ');
            assert!(
                of_the_text || find(difference.about).is_some(),
                "{}",
                difference.about
            );
        }
    }
}
