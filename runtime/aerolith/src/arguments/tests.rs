//! The command line as it is typed, and what the book says of it.

use super::*;
use clap::CommandFactory as _;

fn parse(line: &str) -> Result<Arguments, String> {
    Arguments::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn the_exit_codes_stand_in_the_help() {
    let help = Arguments::command().render_help().to_string();
    for part in [
        "0  done",
        "1  failed",
        "2  wrong use",
        "3  the daemon cannot be reached",
        "--socket <PATH>",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn a_kind_may_be_short_or_plural() {
    for (text, expected) in [
        ("app", ResourceKind::Application),
        ("configs", ResourceKind::Configuration),
        ("secret", ResourceKind::Secret),
    ] {
        let Command::Get { kind, .. } = parse(&format!("aerolith get {text}")).unwrap().command else {
            panic!("{text}")
        };
        assert_eq!(ResourceKind::from(kind), expected);
    }
    let wrong = parse("aerolith get pods").unwrap_err();
    assert!(
        wrong.contains("[possible values: applications, configurations, secrets]"),
        "{wrong}"
    );
}

#[test]
fn delete_takes_a_kind_with_a_name_or_a_file() {
    assert!(parse("aerolith delete app weather").is_ok() && parse("aerolith delete -f a.yml").is_ok());
    for wrong in [
        "aerolith delete",
        "aerolith delete app",
        "aerolith delete app weather -f a.yml",
    ] {
        let said = parse(wrong).unwrap_err();
        assert!(
            said.contains("aerolith delete [OPTIONS] --file <FILE>"),
            "{wrong}: {said}"
        );
    }
}

#[test]
fn what_is_no_number_is_told_so() {
    for wrong in ["aerolith logs a --tail x", "aerolith rollback a --to x"] {
        let said = parse(wrong).unwrap_err();
        assert!(
            said.contains("invalid value 'x'") && said.contains("expected a whole number"),
            "{said}"
        );
    }
}

#[test]
fn only_who_waits_may_say_how_long_and_a_preview_is_not_waited_for() {
    let applied = parse("aerolith apply -f a.yml --wait --timeout 90s").unwrap();
    let Command::Apply { patience, .. } = applied.command else {
        panic!("{applied:?}")
    };
    assert!(patience.wait && patience.timeout == GoDuration::from_secs(90));
    for wrong in [
        "aerolith apply -f a.yml --allow-empty",
        "aerolith apply -f a.yml --detailed-exit-code",
        "aerolith apply -f a.yml --timeout 9s",
        "aerolith apply -f a.yml --wait --dry-run",
        "aerolith delete app a --wait --timeout soon",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_output_is_chosen_anywhere() {
    for line in [
        "aerolith -o json ps",
        "aerolith ps -o json",
        "aerolith plugin list --output json",
    ] {
        assert_eq!(parse(line).unwrap().output, Format::Json, "{line}");
    }
}

/// The commands below one, each with all its words, in the order of the help.
fn verbs(command: &clap::Command, before: &str) -> Vec<String> {
    let below = command.get_subcommands().flat_map(|command| {
        let words = format!("{before}{}", command.get_name());
        if command.has_subcommands() {
            verbs(command, &format!("{words} "))
        } else {
            vec![words]
        }
    });
    below.collect()
}

#[test]
fn the_book_has_a_section_for_every_command_in_the_order_of_the_help() {
    use clap::CommandFactory as _;
    let book = include_str!("../../../../docs/src/command-line.md");
    let sections: Vec<&str> = book.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, verbs(&Arguments::command(), ""));
}
