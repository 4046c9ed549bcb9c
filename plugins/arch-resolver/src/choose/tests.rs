use super::*;
use aerolith_plugin::Code;
use proptest::prelude::*;
use proptest::sample::select;

const DOCUMENTED: [&str; 5] = [
    "darwin-amd64",
    "linux-amd64",
    "linux-arm-v7",
    "linux-arm64-v8",
    "windows-amd64",
];

fn object(text: &str) -> Object {
    let (name, platform) = text
        .split_once('=')
        .map_or((text, None), |(name, platform)| (name, Some(platform.into())));
    Object {
        name: name.into(),
        platform,
    }
}

fn resolve(wanted: &str, objects: &[&str]) -> Result<Choice, Unresolved> {
    let objects: Vec<Object> = objects.iter().map(|text| object(text)).collect();
    choose(wanted.parse().unwrap(), &objects)
}

fn chosen(wanted: &str, objects: &[&str]) -> Vec<String> {
    resolve(wanted, objects).unwrap().chosen
}

#[test]
fn each_documented_platform_selects_exactly_its_own_of_five() {
    let names = DOCUMENTED.map(|platform| format!("app-{platform}.zip"));
    for (wanted, own) in DOCUMENTED.iter().zip(&names) {
        assert_eq!(chosen(wanted, &names.each_ref().map(String::as_str)), [own.as_str()]);
    }
}

#[test]
fn of_five_platforms_and_five_shapes_of_name_the_rule_is_one() {
    for wanted in DOCUMENTED {
        for other in DOCUMENTED {
            let own = wanted == other;
            let upper = other.to_uppercase();
            let shapes: [(String, bool); 5] = [
                (format!("a-{other}.zip"), own),
                (format!("{other}-linux-s390x"), own),
                ("plain.zip".into(), false),
                (upper, false),
                (format!("my{other}p32"), false),
            ];
            for (name, taken) in shapes {
                assert_eq!(resolve(wanted, &[&name]).is_ok(), taken, "{wanted} and {name}");
            }
        }
    }
}

#[test]
fn a_platform_is_matched_anywhere_in_the_name() {
    for name in ["linux-arm64-v8-x.zip", "x-linux-arm64-v8.zip", "x.zip-linux-arm64-v8"] {
        assert_eq!(chosen("linux-arm64-v8", &[name]), [name]);
    }
}

#[test]
fn a_host_never_takes_what_only_begins_like_its_platform() {
    for (wanted, name) in [
        ("linux-arm", "x-linux-arm64-v8"),
        ("linux-arm", "x-linux-arm-v7"),
        ("linux-amd64", "x-linux-amd64p32"),
        ("linux-amd64", "mylinux-amd64-legacy"),
    ] {
        assert!(resolve(wanted, &[name]).is_err(), "{wanted} and {name}");
    }
}

#[test]
fn a_lower_variant_serves_when_the_own_one_is_absent() {
    assert_eq!(chosen("linux-arm64-v8", &["x-linux-arm64.zip"]), ["x-linux-arm64.zip"]);
    assert_eq!(
        chosen("linux-arm-v7", &["x-linux-arm-v5", "x-linux-arm-v6"]),
        ["x-linux-arm-v6"]
    );
    assert!(resolve("linux-arm-v6", &["x-linux-arm-v7"]).is_err());
}

#[test]
fn the_level_is_chosen_per_package_so_builds_are_not_mixed() {
    let choice = resolve(
        "linux-arm64-v8",
        &["lib-linux-arm64", "app-linux-arm64-v8", "app-linux-amd64"],
    )
    .unwrap();
    assert_eq!(
        (&*choice.platform, choice.chosen),
        ("linux-arm64-v8", vec!["app-linux-arm64-v8".to_owned()])
    );
    assert_eq!(choice.passed_over[0].reason, "for linux-amd64");
    assert_eq!(
        choice.passed_over[1].reason,
        "for linux-arm64, but linux-arm64-v8 comes first"
    );
}

#[test]
fn aliases_and_slashes_match() {
    assert_eq!(chosen("linux/arm64/v8", &["x-linux-aarch64"]), ["x-linux-aarch64"]);
    assert_eq!(chosen("linux-amd64", &["x-linux-x86_64.zip"]), ["x-linux-x86_64.zip"]);
    assert_eq!(chosen("linux-arm64-v8", &["x=linux/arm64-v8"]), ["x"]);
}

#[test]
fn a_key_naming_two_platforms_belongs_to_both() {
    let both = "x-linux-amd64-linux-arm64-v8";
    assert_eq!(chosen("linux-amd64", &[both]), [both]);
    assert_eq!(chosen("linux-arm64-v8", &[both]), [both]);
}

#[test]
fn an_object_for_any_platform_goes_with_whatever_is_chosen() {
    assert_eq!(
        chosen("linux-amd64", &["program.yml=any", "x-linux-amd64", "y-linux-386"]),
        ["program.yml", "x-linux-amd64"]
    );
    let only = resolve("linux-amd64", &["run.sh=any", "notes.txt"]).unwrap();
    assert_eq!((&*only.platform, only.chosen), ("any", vec!["run.sh".to_owned()]));
}

#[test]
fn an_object_for_any_platform_does_not_hide_that_the_program_is_missing() {
    assert!(matches!(
        resolve("linux-arm64-v8", &["program.yml=any", "x-linux-amd64"]),
        Err(Unresolved::NoMatch { .. })
    ));
    assert!(matches!(
        resolve("linux-arm64-v8", &["program.yml=any", "x=linux-arm46"]),
        Err(Unresolved::NoMatch { .. })
    ));
}

#[test]
fn what_is_said_outright_counts_more_than_the_name() {
    assert_eq!(
        chosen("linux-arm64-v8", &["x-linux-amd64=linux/arm64/v8"]),
        ["x-linux-amd64"]
    );
    assert!(resolve("linux-amd64", &["x-linux-amd64=linux/arm64/v8"]).is_err());
}

#[test]
fn who_has_an_object_for_any_platform_is_not_told_to_make_one() {
    let error = resolve("linux-arm64-v8", &["any.zip=any", "x-linux-amd64"])
        .unwrap_err()
        .to_string();
    let end = "add an object whose name holds `linux-arm64-v8`; what is for any platform is taken only beside that, since the \
               package has builds for others";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn no_match_names_the_platform_and_every_object() {
    let error = Error::from(resolve("linux-arm64-v8", &["b-linux-amd64", "notes.txt", "c=linux-arm46"]).unwrap_err());
    assert_eq!((error.code, error.retryable), (Code::NotFound, false));
    assert_eq!(
        error.message,
        "no object is for linux-arm64-v8; it takes linux-arm64-v8, linux-arm64, and the package offers \
         `b-linux-amd64` (for linux-amd64), `c` (for `linux-arm46`, which is no known platform), \
         `notes.txt` (names no platform); add an object whose name holds `linux-arm64-v8`, or mark one `platform: any`"
    );
    assert!(
        resolve("linux-386", &[])
            .unwrap_err()
            .to_string()
            .contains("offers nothing")
    );
}

#[test]
fn two_objects_of_one_name_are_refused() {
    let error = Error::from(resolve("linux-386", &["x-linux-386", "x-linux-386=any"]).unwrap_err());
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("`x-linux-386`"), "{error}");
}

#[test]
fn the_reason_is_one_line_with_every_object() {
    let choice = resolve("linux-arm-v7", &["a-linux-arm-v7", "b=any", "c-linux-arm-v6", "d.txt"]).unwrap();
    assert_eq!(
        choice.reason,
        "linux-arm-v7: took `a-linux-arm-v7` (for linux-arm-v7), `b` (for any platform) at linux-arm-v7; passed over \
         `c-linux-arm-v6` (for linux-arm-v6, but linux-arm-v7 comes first), `d.txt` (names no platform)"
    );
}

fn any_platform() -> impl Strategy<Value = Platform> {
    select(vec![
        "linux-amd64",
        "linux-386",
        "linux-arm",
        "linux-arm-v5",
        "linux-arm-v6",
        "linux-arm-v7",
        "linux-arm64",
        "linux-arm64-v8",
        "darwin-arm64-v8",
        "windows-amd64",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn any_objects() -> impl Strategy<Value = Vec<Object>> {
    let platforms = proptest::collection::vec(any_platform(), 0..3);
    let outright = proptest::option::weighted(0.2, select(vec!["any", "linux/arm64/v8", "linux-amd64", "nonsense"]));
    let parts = proptest::collection::vec((platforms, outright), 0..6);
    parts.prop_map(|parts| {
        let object = |(i, (platforms, outright)): (usize, (Vec<Platform>, Option<&str>))| Object {
            name: format!("x{i}-{}", list(platforms, "-")),
            platform: outright.map(Into::into),
        };
        parts.into_iter().enumerate().map(object).collect()
    })
}

proptest! {
    #[test]
    fn nothing_is_chosen_that_is_only_for_other_platforms(wanted in any_platform(), objects in any_objects()) {
        if let Ok(choice) = choose(wanted, &objects) {
            for object in objects.iter().filter(|o| choice.chosen.contains(&o.name)) {
                let runs = |p: &Platform| wanted.chain().contains(p);
                let fits = match object.platform.as_deref() {
                    Some("any") => true,
                    Some(text) => text.parse().is_ok_and(|p| runs(&p)),
                    None => Platform::named_in(&object.name).iter().any(runs),
                };
                prop_assert!(fits, "{} for {}", object.name, wanted);
            }
        }
    }

    #[test]
    fn every_object_is_taken_or_passed_over_and_named_in_the_line(wanted in any_platform(), objects in any_objects()) {
        let all_in = |text: &str| objects.iter().all(|o| text.contains(&format!("`{}`", o.name)));
        match choose(wanted, &objects) {
            Ok(choice) => {
                prop_assert!(!choice.chosen.is_empty() && choice.chosen.is_sorted());
                prop_assert_eq!(choice.chosen.len() + choice.passed_over.len(), objects.len());
                prop_assert!(!choice.reason.contains('\n'));
                prop_assert!(all_in(&choice.reason));
            }
            Err(e) => prop_assert!(all_in(&e.to_string())),
        }
    }

    #[test]
    fn the_order_of_the_objects_does_not_matter((objects, shuffled) in any_objects().prop_flat_map(|objects| {
        (Just(objects.clone()), Just(objects).prop_shuffle())
    }), wanted in any_platform()) {
        prop_assert_eq!(choose(wanted, &objects), choose(wanted, &shuffled));
    }

    #[test]
    fn a_platform_added_later_changes_nothing_for_the_others(
        wanted in any_platform(), later in any_platform(), mut objects in any_objects(),
    ) {
        prop_assume!(!wanted.chain().contains(&later));
        if let Ok(before) = choose(wanted, &objects) && before.platform != ANY {
            objects.push(Object { name: format!("later-{later}"), platform: None });
            let after = choose(wanted, &objects).unwrap();
            prop_assert_eq!((before.platform, before.chosen), (after.platform, after.chosen));
        }
    }
}
