//! The completions of shells: what clap makes of the commands that people use, and the names of instances beside it.

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::NAME;
use crate::cli::Cli;

/// The completions of a shell, as a script of it.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut visible(), NAME, &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    match shell {
        Shell::Bash => format!("{script}{}", for_bash()),
        Shell::Fish => format!("{script}\n{}", for_fish()),
        Shell::Zsh => for_zsh(&script),
        Shell::Elvish | Shell::PowerShell | _ => script,
    }
}

/// The command line without what units and packages call.
fn visible() -> Command {
    let whole = Cli::command();
    let mut command = Command::new(NAME);
    for argument in whole.get_arguments() {
        command = command.arg(argument.clone());
    }
    for sub in whole.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        command = command.subcommand(sub.clone());
    }
    command
}

/// The commands whose first argument is an instance.
fn of_instances() -> Vec<String> {
    visible()
        .get_subcommands()
        .filter(|sub| sub.get_positionals().any(|it| it.get_id() == "instance"))
        .map(|sub| sub.get_name().to_owned())
        .collect()
}

fn for_bash() -> String {
    let commands = of_instances().join("|");
    format!(
        "
_openvpn3_backend_with_instances() {{
    _openvpn3__backend \"$@\"
    local cur=\"${{COMP_WORDS[COMP_CWORD]}}\"
    case \"${{COMP_WORDS[1]}}\" in
        {commands})
            if [[ ${{COMP_CWORD}} -eq 2 && ${{cur}} != -* ]]; then
                COMPREPLY=( $(compgen -W \"$({INSTANCES})\" -- \"${{cur}}\") )
            fi
            ;;
    esac
}}
complete -F _openvpn3_backend_with_instances -o bashdefault -o default {NAME}
"
    )
}

fn for_fish() -> String {
    let commands = of_instances().join(" ");
    format!(
        "complete -c {NAME} -n \"__fish_seen_subcommand_from {commands}\" -f -a \"({INSTANCES})\"\n"
    )
}

fn for_zsh(script: &str) -> String {
    let lines = script.lines().map(|line| {
        let of_instance = line.starts_with("':instance -- ") || line.starts_with("'::instance -- ");
        match (of_instance, line.rsplit_once(":_default")) {
            (true, Some((before, after))) => {
                format!("{before}:_openvpn3_backend_instances{after}\n")
            }
            _ => format!("{line}\n"),
        }
    });
    let script: String = lines.collect();
    let function = format!(
        "_openvpn3_backend_instances() {{\n    local -a instances\n    instances=( ${{(f)\"$({INSTANCES})\"}} )\n    \
         _describe -t instances 'instance' instances\n}}\n\n"
    );
    // Before the script calls its main function at the end.
    match script.find("_openvpn3-backend() {") {
        Some(at) => format!("{}{function}{}", &script[..at], &script[at..]),
        None => script,
    }
}

/// Lists the instances that systemd knows, in every one of the shells.
const INSTANCES: &str = "systemctl list-units --all --plain --no-legend 'openvpn3-backend@*.service' 2>/dev/null \
     | sed 's/^openvpn3-backend@//; s/[.]service .*//'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_units_call_is_not_offered_and_instances_are() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let script = script(shell);
            assert!(!script.contains("dns-helper"), "{shell}");
            assert!(script.contains("list-units"), "{shell}");
        }
        assert!(of_instances().contains(&"status".to_owned()));
        assert!(!of_instances().contains(&"check".to_owned()));
    }
}
