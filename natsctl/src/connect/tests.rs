//! What wins over what, and what failures say.

use super::*;
use crate::context::Context;

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn defaults_are_those_of_the_other_tool() {
    let settings = Settings::merge(&ConnectionArgs::default(), &Context::default()).expect("valid");
    assert_eq!(settings.urls(), ["nats://127.0.0.1:4222"]);
    assert_eq!(settings.timeout, Duration::from_secs(5));
    assert_eq!(settings.connection_name, "natsctl");
    assert!(!settings.tls_first && !settings.trace);
}

#[test]
fn flags_win_over_the_context() {
    let context = Context {
        url: "a, b:1".to_owned(),
        ca: "ca".to_owned(),
        cert: "cert".to_owned(),
        inbox_prefix: "_A".to_owned(),
        tls_first: true,
        ..Context::default()
    };
    let settings = Settings::merge(&ConnectionArgs::default(), &context).expect("valid");
    assert_eq!(settings.urls(), ["a", "b:1"]);
    assert!(settings.tls_first);
    let arguments = ConnectionArgs {
        server: text("c"),
        tlscert: text("other"),
        inbox_prefix: text("_B"),
        ..ConnectionArgs::default()
    };
    let settings = Settings::merge(&arguments, &context).expect("valid");
    assert_eq!(settings.urls(), ["c"]);
    assert_eq!((settings.ca.as_str(), settings.cert.as_str()), ("ca", "other"));
    assert_eq!(settings.inbox_prefix, "_B");
}

#[test]
fn credentials_by_flag_replace_the_context_s() {
    let context = Context {
        user: "u".to_owned(),
        password: "p".to_owned(),
        user_jwt: "j".to_owned(),
        ..Context::default()
    };
    let merge = |arguments: ConnectionArgs| Settings::merge(&arguments, &context).expect("valid");
    let settings = merge(ConnectionArgs::default());
    assert_eq!((settings.user.as_str(), settings.password.as_str()), ("u", "p"));
    let settings = merge(ConnectionArgs { creds: text("c"), ..ConnectionArgs::default() });
    assert_eq!((settings.user.as_str(), settings.password.as_str()), ("", ""));
    assert_eq!((settings.creds.as_str(), settings.user_jwt.as_str()), ("c", ""));
    let settings = merge(ConnectionArgs { password: text("q"), ..ConnectionArgs::default() });
    assert_eq!((settings.user.as_str(), settings.password.as_str()), ("u", "q"));
    let old = Context { nsc: "nsc://o/a/u".to_owned(), ..Context::default() };
    let settings = Settings::merge(&ConnectionArgs::default(), &old).expect("valid");
    assert_eq!(settings.creds, "nsc://o/a/u");
}

#[test]
fn what_we_cannot_do_is_refused() {
    let context = Context { socks_proxy: "socks5://x".to_owned(), ..Context::default() };
    let error = Settings::merge(&ConnectionArgs::default(), &context).expect_err("refused");
    assert_eq!(error.to_string(), "the context sets socks_proxy, which is not supported");
}

#[track_caller]
fn check_refused(arguments: ConnectionArgs, part: &str) {
    let settings = Settings::merge(&arguments, &Context::default()).expect("valid");
    let error = options(&settings).expect_err("refused").to_string();
    assert!(error.contains(part), "{error}");
}

#[test]
fn credentials_that_are_none_are_refused() {
    let none = || Some("/nonexistent/file".to_owned());
    let arguments = ConnectionArgs::default;
    check_refused(ConnectionArgs { creds: none(), ..arguments() }, "creds: cannot read");
    check_refused(ConnectionArgs { nkey: none(), ..arguments() }, "nkey: cannot read");
    check_refused(ConnectionArgs { tlsca: none(), ..arguments() }, "--tlsca: cannot read");
    check_refused(ConnectionArgs { tlscert: none(), ..arguments() }, "must be given together");
    let wrong = text("data:;base64,aGVsbG8=");
    check_refused(ConnectionArgs { creds: wrong.clone(), ..arguments() }, "holds no user JWT");
    check_refused(ConnectionArgs { nkey: wrong, ..arguments() }, "holds no seed");
}

#[test]
fn settings_do_not_show_secrets() {
    let arguments =
        ConnectionArgs { user: text("u"), password: text("hunter2"), ..Default::default() };
    let settings = Settings::merge(&arguments, &Context::default()).expect("valid");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn failures_to_connect_lead_on() {
    for (kind, part) in [
        (ConnectErrorKind::AuthorizationViolation, "authorization violation"),
        (ConnectErrorKind::TimedOut, "timed out"),
        (ConnectErrorKind::Tls, "TLS failed"),
        (ConnectErrorKind::Dns, "unknown host"),
        (ConnectErrorKind::Io, "IO error"),
    ] {
        let error = async_nats::ConnectError::new(kind);
        let text = connect_failure(&error, "nats://h:1").to_string();
        assert!(
            text.starts_with("cannot connect to nats://h:1: ") && text.contains(part),
            "{text}"
        );
    }
    assert!(is_tls("invalid peer certificate: UnknownIssuer"));
    assert!(!is_tls("Connection refused (os error 111)"));
}

#[test]
fn complaints_lose_the_library_s_prefix() {
    use session::complaint_text;
    assert_eq!(complaint_text("nats: 'Secure Connection'"), "Secure Connection");
    assert_eq!(complaint_text("nats: x \"a\""), "x \"a\"");
}

#[test]
fn a_jwt_and_its_seed_make_credentials() {
    // The seed of 32 bytes of 7; the library reads the JWT only when it signs in.
    let seed = "SUAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBZ5FE";
    let context = |seed: &str| Context {
        user_jwt: "eyJ0eXAi.e30.c2ln".to_owned(),
        user_seed: seed.to_owned(),
        ..Context::default()
    };
    let merge = |context| Settings::merge(&ConnectionArgs::default(), &context).expect("valid");
    assert!(options(&merge(context(seed))).is_ok());
    let error = options(&merge(context(""))).expect_err("no seed").to_string();
    assert!(error.contains("without user_seed"), "{error}");
    let error = options(&merge(context("nonsense"))).expect_err("no seed").to_string();
    assert!(error.contains("do not make credentials"), "{error}");
}
