//! Each pitfall of `tests/pitfalls.md` has the tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn each_pitfall_has_its_number_and_each_test_that_it_names_exists() {
    let tests = test_names();
    let numbered = numbers_in_the_table();
    let mut listed = BTreeSet::new();
    for (at, line) in read("tests/pitfalls.md")
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .enumerate()
    {
        let columns: Vec<&str> = line.split(" | ").collect();
        let number = columns[0].trim_start_matches("| ");
        assert_eq!(number, (at + 1).to_string(), "{line}");
        let tried = columns[3].trim_end_matches(" |");
        for name in tried.split(", ") {
            match name {
                "table" => assert!(
                    numbered.contains(number),
                    "#{number} is in no line of the table"
                ),
                "–" => {}
                name => assert!(tests.contains(name.trim_matches('`')), "{name} is no test"),
            }
        }
        if tried.contains("table") {
            listed.insert(number.to_owned());
        }
    }
    assert_eq!(numbered, listed);
}

/// Numbers after `#` in the table of interoperability.
fn numbers_in_the_table() -> BTreeSet<String> {
    let document = read("packaging/doc/interoperability.md");
    let (_, rest) = document
        .split_once("<!-- interop:begin -->")
        .expect("a table begins");
    let (table, _) = rest
        .split_once("<!-- interop:end -->")
        .expect("a table ends");
    table
        .split('#')
        .skip(1)
        .map(|after| after.chars().take_while(char::is_ascii_digit).collect())
        .collect()
}

/// The name of every function that follows `#[test]`, in the sources and the test programs.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![place("src"), place("tests/it"), place("tests/netns")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).expect("a source can be read");
                let after_mark = text.split("#[test]\n").skip(1);
                names.extend(after_mark.filter_map(|rest| {
                    let (_, rest) = rest.split_once("fn ")?;
                    Some(rest.split_once('(')?.0.to_owned())
                }));
            }
        }
    }
    names
}

fn read(file: &str) -> String {
    fs::read_to_string(place(file)).expect("the document can be read")
}

fn place(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
