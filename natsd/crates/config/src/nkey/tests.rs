//! Keys that are and are not.

use super::{KeyKind, is_public_key, is_user_seed};

#[test]
fn keys_are_told_apart_by_prefix_and_checksum() {
    let user = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3";
    let account = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL";
    let seed = "SUAEL6RU3BSDAFKOHNTEOK5Q6FTM5FTAMWVIKBET6FHPO4JRII3CYELVNM";
    let rows = [
        (KeyKind::User, user, true),
        (KeyKind::Any, user, true),
        (KeyKind::Account, user, false),
        (KeyKind::Account, account, true),
        (KeyKind::Any, account, true),
        (KeyKind::Operator, account, false),
        (KeyKind::User, seed, false),
        (KeyKind::Any, seed, false),
        (KeyKind::User, "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ4", false),
        (KeyKind::User, "", false),
        (KeyKind::User, "bad1", false),
        (KeyKind::User, "AA", false),
    ];
    for (kind, text, expected) in rows {
        assert_eq!(is_public_key(kind, text), expected, "{kind:?} {text}");
    }
    assert!(is_user_seed(seed));
    assert!(!is_user_seed(user));
    assert!(!is_user_seed("SAADJL5XAEM6BDYSWDTGVILJVY54CQXZM5ZLG4FRUAKB62HWRTPNSGXOHA"));
}
