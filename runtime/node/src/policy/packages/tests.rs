use super::*;
use aerolith_trust::SigningKey;

/// A key, and the policies of a node that trusts it.
struct Trust {
    key: SigningKey,
    optional: PackagePolicy,
    required: PackagePolicy,
}

impl Trust {
    fn new() -> Self {
        let key = SigningKey::generate().unwrap();
        let trusted: TrustedKeys = [("ours".to_owned(), key.public())].into_iter().collect();
        let policy = |signatures| PackagePolicy {
            signatures,
            ..PackagePolicy::default()
        };
        Self {
            optional: policy(Signatures::Optional(trusted.clone())),
            required: policy(Signatures::Required(trusted)),
            key,
        }
    }
}

fn digest() -> Sha256 {
    Sha256::from([7; 32])
}

/// An object with more fields.
fn object(more: &str) -> Object {
    serde_json::from_str(&format!(r#"{{"url":"http://h/a"{more}}}"#)).unwrap()
}

fn signed_by(key: &SigningKey, promised: bool) -> Object {
    Object {
        signature: Some(key.sign(&digest())),
        sha256: promised.then(digest),
        ..object("")
    }
}

fn configuration(json: &str) -> Configuration {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_digest_of_either_kind_satisfies_a_policy_that_asks_for_one() {
    let strict = PackagePolicy {
        require_digest: true,
        ..PackagePolicy::default()
    };
    for (more, allowed) in [
        ("", false),
        (r#","size":3"#, false),
        (r#","md5":"0123456789abcdef0123456789abcdef""#, true),
    ] {
        assert_eq!(strict.allows(&object(more)).is_ok(), allowed, "{more}");
        assert!(PackagePolicy::default().allows(&object(more)).is_ok());
    }
}

#[test]
fn a_signature_is_demanded_before_anything_is_fetched_only_where_it_is_required() {
    let trust = Trust::new();
    assert_eq!(trust.required.allows(&object("")), Err(Forbidden::Unsigned));
    assert_eq!(trust.optional.allows(&object("")), Ok(()));
    assert_eq!(PackagePolicy::default().allows(&object("")), Ok(()));
}

#[test]
fn a_signature_of_a_promised_digest_is_checked_before_anything_is_fetched() {
    let (trust, stranger) = (Trust::new(), SigningKey::generate().unwrap());
    for policy in [&trust.optional, &trust.required] {
        assert_eq!(policy.allows(&signed_by(&trust.key, true)), Ok(()));
        let forbidden = policy.allows(&signed_by(&stranger, true)).unwrap_err();
        let message = forbidden.to_string();
        assert!(
            message.contains(digest().as_str()) && message.contains("`ours`"),
            "{message}"
        );
        assert_eq!(
            policy.allows(&signed_by(&stranger, false)),
            Ok(()),
            "nothing to check it by yet"
        );
    }
    assert_eq!(PackagePolicy::default().allows(&signed_by(&stranger, true)), Ok(()));
}

#[test]
fn a_signature_holds_against_the_digest_of_what_came() {
    let (trust, other) = (Trust::new(), Sha256::from([8; 32]));
    for policy in [&trust.optional, &trust.required] {
        assert_eq!(policy.vouches(&signed_by(&trust.key, false), &digest()), Ok(()));
        assert!(policy.vouches(&signed_by(&trust.key, false), &other).is_err());
    }
    assert_eq!(trust.required.vouches(&object(""), &digest()), Err(Forbidden::Unsigned));
    assert_eq!(trust.optional.vouches(&object(""), &digest()), Ok(()));
}

#[test]
fn where_no_key_is_trusted_at_all_every_signature_is_a_strangers() {
    let policy = PackagePolicy {
        signatures: Signatures::Optional(TrustedKeys::default()),
        ..PackagePolicy::default()
    };
    let message = policy
        .allows(&signed_by(&Trust::new().key, true))
        .unwrap_err()
        .to_string();
    assert!(message.contains("no key is trusted"), "{message}");
}

#[test]
fn text_of_a_program_is_refused_where_signatures_are_required_and_text_of_other_configurations_is_data() {
    let trust = Trust::new();
    let plain = configuration(r#"{"name":"pp","data":{"notes.txt":"hi"}}"#);
    for is_program in [false, true] {
        let admitted = trust.required.admits(&plain, is_program);
        assert_eq!(admitted.is_ok(), !is_program);
        assert!(trust.optional.admits(&plain, is_program).is_ok());
        if let Err((key, forbidden)) = admitted {
            assert_eq!((key.as_str(), forbidden), ("notes.txt", Forbidden::PlainText));
        }
    }
}

#[test]
fn a_signature_that_nobody_checks_is_known() {
    let trust = Trust::new();
    let signed = signed_by(&trust.key, true);
    assert!(PackagePolicy::default().leaves_unchecked(&signed));
    assert!(!trust.optional.leaves_unchecked(&signed) && !PackagePolicy::default().leaves_unchecked(&object("")));
}
