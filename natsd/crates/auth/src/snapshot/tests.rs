use super::{AuthSnapshot, CertificateNames, Credentials, Decision};
use natsd_config::Options;
use natsd_config::options::{ConnectionType, User};

fn user(name: &str, pass: &str, account: Option<&str>) -> User {
    User {
        username: name.into(),
        password: pass.into(),
        account: account.map(Into::into),
        ..User::default()
    }
}

#[track_caller]
fn check(snapshot: &AuthSnapshot, user: &str, pass: &str, token: &str, expected: Option<&str>) {
    let credentials =
        Credentials { user, pass, token, nkey: "", sig: "", nonce: "", certificate: None };
    let found = match snapshot.authenticate(credentials, ConnectionType::Standard) {
        Decision::Granted(identity) => Some(identity.user),
        Decision::Refused => None,
        Decision::Check(check, identity) => check.run().then_some(identity.user),
    };
    assert_eq!(found.as_deref(), expected);
}

#[test]
fn without_users_everybody_is_let_in() {
    let snapshot = AuthSnapshot::from_options(&Options::default());
    assert!(!snapshot.is_required());
    check(&snapshot, "", "", "", Some(""));
}

#[test]
fn a_single_user_needs_name_and_password() {
    let options = Options {
        username: Some("me".into()),
        password: Some("secret".into()),
        ..Options::default()
    };
    let snapshot = AuthSnapshot::from_options(&options);
    assert!(snapshot.is_required() && snapshot.is_announced());
    check(&snapshot, "me", "secret", "", Some("me"));
    check(&snapshot, "me", "wrong", "", None);
    check(&snapshot, "you", "secret", "", None);
    check(&snapshot, "", "", "secret", None);
}

#[test]
fn a_token_is_compared_alone() {
    let options = Options { token: Some("abc".into()), ..Options::default() };
    let snapshot = AuthSnapshot::from_options(&options);
    check(&snapshot, "any", "", "abc", Some(""));
    check(&snapshot, "abc", "abc", "", None);
}

#[test]
fn users_are_found_by_name_and_the_implicit_user_by_nothing() {
    let bcrypt = "$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK";
    let mut closed = user("ws", "w", None);
    closed.allowed_connection_types = Some([ConnectionType::Websocket].into());
    let options = Options {
        users: vec![user("a", "pa", Some("A")), user("b", bcrypt, None), closed],
        no_auth_user: Some("a".into()),
        ..Options::default()
    };
    let snapshot = AuthSnapshot::from_options(&options);
    assert!(snapshot.is_required() && !snapshot.is_announced());
    check(&snapshot, "a", "pa", "", Some("a"));
    check(&snapshot, "a", "", "", None);
    check(&snapshot, "b", "wrong", "", None);
    check(&snapshot, "ws", "w", "", None);
    check(&snapshot, "", "", "", Some("a"));
    check(&snapshot, "", "", "t", None);
    assert_eq!(
        snapshot.implicit_user(ConnectionType::Standard).unwrap().account.as_deref(),
        Some("A")
    );
}

#[test]
fn with_users_of_the_system_account_alone_everybody_else_is_let_in() {
    let account =
        |name: &str| natsd_config::options::Account { name: name.into(), ..Default::default() };
    let mut options = Options {
        users: vec![user("sys", "p", Some("$SYS"))],
        accounts: vec![account("$SYS")],
        ..Options::default()
    };
    let snapshot = AuthSnapshot::from_options(&options);
    assert!(snapshot.is_announced());
    check(&snapshot, "", "", "", Some(""));
    check(&snapshot, "sys", "p", "", Some("sys"));
    check(&snapshot, "sys", "x", "", None);
    options.accounts.push(account("A"));
    check(&AuthSnapshot::from_options(&options), "", "", "", None);
}

#[test]
fn a_certificate_names_its_user() {
    let options = Options {
        users: vec![
            user("a@example.com", "", None),
            user("CN=b,OU=x", "", None),
            user("c", "p", None),
        ],
        tls: Some(natsd_config::options::Tls { verify_and_map: true, ..Default::default() }),
        ..Options::default()
    };
    let snapshot = AuthSnapshot::from_options(&options);
    let names = |alternatives: &[&str], attributes: &[(&str, &str)]| CertificateNames {
        alternatives: alternatives.iter().map(|one| (*one).to_owned()).collect(),
        subject: String::new(),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    for (certificate, pass, expected) in [
        (names(&["no@example.com", "a@example.com"], &[]), "", Some("a@example.com")),
        (names(&["no.example"], &[("OU", "x"), ("CN", "b")]), "", Some("CN=b,OU=x")),
        (names(&["c"], &[]), "", None),
        (names(&["c"], &[]), "p", Some("c")),
        (names(&[], &[("CN", "b")]), "", None),
    ] {
        let certificate = Some(&certificate);
        let credentials =
            Credentials { user: "", pass, token: "", nkey: "", sig: "", nonce: "", certificate };
        let found = match snapshot.authenticate(credentials, ConnectionType::Standard) {
            Decision::Granted(identity) => Some(identity.user),
            _ => None,
        };
        assert_eq!(found.as_deref(), expected, "{certificate:?}");
    }
    check(&snapshot, "c", "p", "", None);
}
