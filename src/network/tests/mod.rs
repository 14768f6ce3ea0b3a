//! The network set-up in network namespaces, with a real kernel.

mod bypass;
mod capture;
mod dns;
mod kill_switch;
mod local;
mod monitor;

/// Without interface numbers, which a device made anew has others of.
fn without_numbers(state: &str) -> String {
    let plain = |line: &str| {
        let numbered = line
            .split_once(": ")
            .filter(|(number, _)| number.parse::<u32>().is_ok());
        numbered.map_or(line, |(_, rest)| rest).to_owned() + "\n"
    };
    state.lines().map(plain).collect()
}
