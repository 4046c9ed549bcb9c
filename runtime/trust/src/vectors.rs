//! What others know to be right, and what strict verification refuses though lax verification takes it.

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

use crate::{PublicKey, SigningKey};

/// Secret key, public key, message and signature of RFC 8032, section 7.1, tests 1, 2 and 3.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

/// The order of the group, 2^252 + 27742317777372353535851937790883648493 (RFC 8032, section 5.1), little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    unhex(hex).try_into().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The signature with the order of the group added to its scalar: the same number, written in another way.
fn lifted(mut signature: [u8; 64]) -> [u8; 64] {
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(unhex(ORDER)) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum % 256) as u8;
        carry = sum / 256;
    }
    assert_eq!(carry, 0);
    signature
}

#[test]
fn the_vectors_of_rfc_8032_hold() {
    for [secret, public, message, signature] in RFC_8032 {
        let (key, message) = (SigningKey::from(bytes(secret)), unhex(message));
        assert_eq!(format!("{:?}", key.public()), format!("PublicKey({public})"));
        assert_eq!(key.sign_bytes(&message).bytes(), &bytes(signature));
        assert!(key.public().verifies_bytes(&message, &bytes(signature).into()));
    }
}

#[test]
fn every_flipped_bit_makes_a_signature_none() {
    let [secret, _, message, signature] = RFC_8032[2];
    let public = SigningKey::from(bytes(secret)).public();
    for bit in 0..512 {
        let mut changed: [u8; 64] = bytes(signature);
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!public.verifies_bytes(&unhex(message), &changed.into()), "bit {bit}");
    }
}

#[test]
fn a_signature_has_one_form_only() {
    for [secret, _, message, signature] in RFC_8032 {
        let public = SigningKey::from(bytes(secret)).public();
        let lifted = lifted(bytes(signature));
        assert!(!public.verifies_bytes(&unhex(message), &lifted.into()));
    }
}

#[test]
fn a_key_of_small_order_for_which_anybody_can_sign_is_refused_by_reading_and_by_verifying() {
    // The neutral element, and with it as R and zero as S: the equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut forged = [0; 64];
    forged[0] = 1;
    let weak = VerifyingKey::from_bytes(&neutral).unwrap();
    assert!(weak.verify(b"anything", &Signature::from_bytes(&forged)).is_ok(), "lax");
    let weak = PublicKey::from(weak);
    assert!(!weak.verifies_bytes(b"anything", &forged.into()));
    let message = PublicKey::from_pem(&weak.to_string()).unwrap_err().to_string();
    assert!(message.contains("small order"), "{message}");
}

#[test]
fn a_signature_with_a_point_of_small_order_is_refused() {
    let public = SigningKey::from(bytes(RFC_8032[0][0])).public();
    for first in [0_u8, 1] {
        let mut forged = [0; 64];
        forged[0] = first;
        assert!(!public.verifies_bytes(b"", &forged.into()));
    }
}
