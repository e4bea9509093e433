//! Users, permissions, operators, ported from Go `server/opts_test.go`.

use std::time::Duration;

use super::{certificates, load, load_from};
use crate::options::{
    AccountResolver, NkeyUser, Options, Permissions, ResponsePermission, ServiceLatency, User,
};
use crate::validate::{prepare, validate};

const NKEY: &str = "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX";

fn options(text: &str) -> Options {
    load(text).unwrap_or_else(|errors| panic!("{text}: {errors}")).options
}

#[track_caller]
fn check_error(text: &str, fragment: &str) {
    let errors = load(text).unwrap_err().to_string();
    assert!(errors.contains(fragment), "{text}: {errors}");
}

fn user<'a>(options: &'a Options, name: &str) -> &'a User {
    options.users.iter().find(|user| user.username == name).unwrap()
}

fn permissions<'a>(options: &'a Options, name: &str) -> &'a Permissions {
    user(options, name).permissions.as_ref().unwrap()
}

fn allowed(permission: Option<&crate::options::SubjectPermission>) -> Option<Vec<String>> {
    permission.and_then(|permission| permission.allow.clone())
}

/// Go: TestMultipleUsersConfig server/opts_test.go:569
#[test]
fn multiple_users_config() {
    let found = options(
        "authorization { users [{user: alice, password: foo}, {user: bob}], timeout: 0.5 }",
    );
    assert_eq!(found.users.len(), 2);
    assert_eq!(user(&found, "alice").password, "foo");
    assert_eq!(found.auth_timeout, Duration::from_millis(500));
}

/// Go: TestAuthorizationConfig server/opts_test.go:579
#[test]
fn authorization_config() {
    let found = options(
        "authorization {
           all = { publish = \"*\", subscribe = \">\" }
           default = { subscribe = \"PUBLIC.>\" }
           service = { subscribe = \"my.service.req\", publish_allow_responses: true }
           stream = { subscribe = \"my.service.req\", allow_responses: {max: 10, expires: \"1m\"} }
           default_permissions: $default
           users = [
             {user: alice, password: foo, permissions: $all}
             {user: susan, password: baz}
             {user: svca, password: pc, permissions: $service}
             {user: svcb, password: sam, permissions: $stream}
           ]
         }",
    );
    let alice = permissions(&found, "alice");
    assert_eq!(allowed(alice.publish.as_ref()), Some(vec!["*".to_string()]));
    assert_eq!(allowed(alice.subscribe.as_ref()), Some(vec![">".to_string()]));
    let susan = permissions(&found, "susan");
    assert_eq!(susan.publish, None);
    assert_eq!(allowed(susan.subscribe.as_ref()), Some(vec!["PUBLIC.>".to_string()]));
    let service = permissions(&found, "svca");
    // Leave to respond takes the leave to publish anything else.
    assert_eq!(allowed(service.publish.as_ref()), Some(Vec::new()));
    let responses = service.responses.unwrap();
    assert_eq!((responses.max_msgs, responses.expires), (1, Some(Duration::from_secs(120))));
    let responses = permissions(&found, "svcb").responses.unwrap();
    assert_eq!((responses.max_msgs, responses.expires), (10, Some(Duration::from_secs(60))));
}

/// Go: TestNewStyleAuthorizationConfig server/opts_test.go:750
/// Go: TestNkeyUsersWithPermsConfig server/opts_test.go:1073
#[test]
fn new_style_authorization_config() {
    let found = options(&format!(
        "authorization {{ users = [
           {{user: alice, permissions: {{publish: {{allow = [foo, bar, baz]}}, subscribe: {{deny = \"$SYS.>\"}}}}}}
           {{user: bob, permissions: {{publish = \"$SYS.>\", subscribe = {{deny = [foo, bar, baz]}}}}}}
           {{nkey: {NKEY}, permissions: {{publish = \"$SYS.>\", subscribe = {{deny = [foo, bar, baz]}}}}}}
         ] }}"
    ));
    let alice = permissions(&found, "alice");
    let publish = alice.publish.as_ref().unwrap();
    assert_eq!(publish.allow.as_deref().unwrap(), ["foo", "bar", "baz"]);
    assert!(publish.deny.is_empty());
    let subscribe = alice.subscribe.as_ref().unwrap();
    assert_eq!(
        (subscribe.allow.as_ref(), subscribe.deny.as_slice()),
        (None, &["$SYS.>".to_string()][..])
    );
    let bob = permissions(&found, "bob");
    assert_eq!(bob.publish.as_ref().unwrap().allow.as_deref().unwrap(), ["$SYS.>"]);
    assert_eq!(bob.subscribe.as_ref().unwrap().deny, ["foo", "bar", "baz"]);
    assert_eq!(found.nkeys[0].permissions.as_ref(), Some(bob));
}

/// Go: TestNkeyUsersConfig server/opts_test.go:866
#[test]
fn nkey_users_config() {
    let found = options(
        "authorization { users = [
           {nkey: \"UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV\"}
           {nkey: \"UA3C5TBZYK5GJQJRWPMU6NFY5JNAEVQB2V2TUZFZDHFJFUYVKTTUOFKZ\"}
         ] }",
    );
    assert_eq!((found.nkeys.len(), found.users.len()), (2, 0));
}

/// Go: TestBadNkeyConfig server/opts_test.go:1116
/// Go: TestNkeyWithPassConfig server/opts_test.go:1131
/// Go: TestTokenWithUserPass server/opts_test.go:1148
/// Go: TestTokenWithUsers server/opts_test.go:1169
#[test]
fn users_that_are_wrong() {
    check_error(
        "authorization { users = [{nkey: \"Ufoo\"}] }",
        "Not a valid public nkey for a user",
    );
    check_error(
        &format!("authorization {{ users = [{{nkey: {NKEY}, pass: foo}}] }}"),
        "Nkey users do not take usernames or passwords",
    );
    check_error("authorization { users = [{pass: foo}] }", "User entry requires a user");
    check_error("authorization={ user: user, pass: password, token: $2a$11$whatever }", "token");
    check_error("authorization={ token: $2a$11$whatever, users: [{user: test}] }", "token");
}

/// Go: TestNkeyUsersDefaultPermissionsConfig server/opts_test.go:971
#[test]
fn nkey_users_default_permissions_config() {
    let list = |name: &str, first: &str, second: &str| {
        format!(
            "default_permissions = {{ publish = foo }}
             users = [
               {{ user: {name}1, password: pwd }}
               {{ user: {name}2, password: pwd, permissions = {{ subscribe = bar }} }}
               {{ nkey: {first} }}
               {{ nkey: {second}, permissions = {{ subscribe = bar }} }}
             ]"
        )
    };
    let found = options(&format!(
        "authorization {{ {} }}\naccounts {{ A {{ {} }} }}",
        list(
            "user",
            "UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV",
            "UA3C5TBZYK5GJQJRWPMU6NFY5JNAEVQB2V2TUZFZDHFJFUYVKTTUOFKZ"
        ),
        list(
            "account",
            "UC4YEYJHYKTU4LHROX7UEKEIO5RP5OUWDYXELHWXZOQHZYXHUD44LCRS",
            "UDLSDF4UY3YW7JJQCYE6T2D4KFDCH6RGF3R65KHK247G3POJPI27VMQ3"
        ),
    ));
    let is_default = |permissions: &Option<Permissions>| {
        let permissions = permissions.as_ref().unwrap();
        allowed(permissions.publish.as_ref()) == Some(vec!["foo".to_string()])
            && permissions.subscribe.is_none()
    };
    let users: Vec<_> = found
        .users
        .iter()
        .map(|user| (user.account.as_deref(), is_default(&user.permissions)))
        .collect();
    let expected = [(None, true), (None, false), (Some("A"), true), (Some("A"), false)];
    assert_eq!(users, expected);
    let nkeys: Vec<_> = found
        .nkeys
        .iter()
        .map(|user: &NkeyUser| (user.account.as_deref(), is_default(&user.permissions)))
        .collect();
    assert_eq!(nkeys, expected);
}

/// Go: TestAccountUsersLoadedProperly server/opts_test.go:2017
#[test]
fn account_users_loaded_properly() {
    let blocks = [
        format!("authorization {{ users [{{user: ivan, password: bar}}, {{nkey: {NKEY}}}] }}"),
        "accounts { synadia { users [{user: derek}, {nkey: UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E}] } }".to_string(),
    ];
    for text in [blocks.join("\n"), format!("{}\n{}", blocks[1], blocks[0])] {
        let found = options(&text);
        assert_eq!((found.users.len(), found.nkeys.len()), (2, 2));
    }
}

/// Go: TestParsingResponsePermissions server/opts_test.go:2738
#[test]
fn parsing_response_permissions() {
    let text = |fields: &str| {
        format!(
            "authorization {{ users [{{user: ivan, permissions {{ allow_responses {{ {fields} }} }} }}] }}"
        )
    };
    let seconds = Duration::from_secs;
    let rows = [
        ("", 1, Some(seconds(120))),
        ("max: 10", 10, Some(seconds(120))),
        ("ttl: 5s", 1, Some(seconds(5))),
        ("max: 0", 1, Some(seconds(120))),
        ("ttl: \"0s\"", 1, Some(seconds(120))),
        ("max: 10, ttl: \"5s\"", 10, Some(seconds(5))),
        ("max: -1, ttl: \"5s\"", -1, Some(seconds(5))),
        ("max: 10, ttl: \"-1s\"", 10, None),
        ("max: -1, ttl: \"-1s\"", -1, None),
    ];
    for (fields, max_msgs, expires) in rows {
        let found = options(&text(fields));
        let responses = permissions(&found, "ivan").responses.unwrap();
        assert_eq!(responses, ResponsePermission { max_msgs, expires }, "{fields}");
    }
    check_error(&text("unknown_field: 123"), "Unknown field");
    check_error(&text("max: 10, ttl: 123"), "not a duration string");
    check_error(&text("max: 10, ttl: xyz"), "error parsing expires");
}

/// Go: TestAuthorizationAndAccountsMisconfigurations server/opts_test.go:3421
/// Go: TestProcessConfigString server/opts_test.go:3512
#[test]
fn authorization_and_accounts_misconfigurations() {
    let nkey = format!("{{nkey: {NKEY}}}");
    let rows = [
        ("users = [{user: user1}]".to_string(), "{user: user1}", "Duplicate user \"user1\" detected"),
        (format!("users = [{nkey}]"), &nkey, "Duplicate nkey \"UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX\" detected"),
        ("user: user1, password: pwd".to_string(), "{user: user2}", "Can not have a single user/pass"),
        ("user: user1, password: pwd".to_string(), &nkey, "Can not have a single user/pass"),
        ("token: my_token".to_string(), "{user: user2}", "Can not have a token"),
        ("token: my_token".to_string(), &nkey, "Can not have a token"),
        (
            "auth_callout { issuer: ABJHLOVMPA4CI6R5KLNGOB4GSLNIY7IOUPAJC4YFNDLQVIOBYQGUWVLA, account: ACC, auth_users: [auth], allowed_accounts: [BAR] }".to_string(),
            "{user: auth}",
            "auth_callout allowed account \"BAR\" not found in configured accounts",
        ),
    ];
    for (authorization, user, message) in rows {
        let blocks = [
            format!("authorization = {{ {authorization} }}"),
            format!("accounts {{ ACC {{ users = [{user}] }} }}"),
        ];
        for text in [blocks.join("\n"), format!("{}\n{}", blocks[1], blocks[0])] {
            check_error(&text, message);
            let errors = crate::read::load_text(&text, Options::empty(), &certificates());
            assert!(errors.unwrap_err().to_string().contains(message));
        }
    }
}

/// The timeouts of both kinds of blocks, and what runs with them.
#[track_caller]
fn check_timeout(timeout: &str, expected: Result<(f64, f64), &str>) {
    let client = format!("authorization {{ {timeout} }}");
    let leaf = format!("leafnodes {{ port: -1, authorization {{ {timeout} }} }}");
    match expected {
        Err(fragment) => {
            check_error(&client, fragment);
            check_error(&leaf, fragment);
        }
        Ok((parsed, running)) => {
            let mut client = options(&client);
            let mut leaf = options(&leaf);
            assert_eq!(client.auth_timeout, Duration::from_secs_f64(parsed));
            assert_eq!(leaf.leafnode.auth_timeout, Duration::from_secs_f64(parsed));
            client.apply_defaults();
            leaf.apply_defaults();
            assert_eq!(client.auth_timeout, Duration::from_secs_f64(running));
            assert_eq!(leaf.leafnode.auth_timeout, Duration::from_secs_f64(running));
        }
    }
}

/// Go: TestAuthorizationTimeoutConfigParsing server/opts_test.go:3609
/// Go: TestLeafnodeAuthorizationTimeoutConfigParsing server/opts_test.go:3722
#[test]
fn authorization_timeout_config_parsing() {
    let rows = [
        ("", Ok((0.0, 2.0))),
        ("timeout: 0", Ok((0.0, 2.0))),
        ("timeout: 1", Ok((1.0, 1.0))),
        ("timeout: random_garbage", Err("invalid duration \"random_garbage\"")),
        ("timeout: 10s", Ok((10.0, 10.0))),
        ("timeout: 1m", Ok((1_000_000.0, 1_000_000.0))),
        ("timeout: \"1m\"", Ok((60.0, 60.0))),
        ("timeout: \"10m5s30ms\"", Ok((605.03, 605.03))),
        ("timeout: 0.091", Ok((0.091, 0.091))),
        ("timeout: .091", Err("Floats must start with a digit")),
    ];
    for (timeout, expected) in rows {
        check_timeout(timeout, expected);
    }
    let loaded = load("authorization { timeout: 1m }").unwrap();
    assert!(
        loaded.warnings[0]
            .to_string()
            .contains("timeout of 1000000 (1000000.000000 seconds) is high")
    );
}

/// Go: TestDefaultAuthTimeout server/opts_test.go:3150
#[test]
fn default_auth_timeout() {
    assert_eq!(Options::default().auth_timeout, Duration::from_secs(2));
    let mut found = options(
        "tls { cert_file: \"configs/certs/server.pem\", key_file: \"configs/certs/key.pem\", timeout: 4 }",
    );
    found.apply_defaults();
    assert_eq!(found.auth_timeout, Duration::from_secs(5));
}

#[test]
fn no_auth_user_must_be_known() {
    let text = "no_auth_user: $NO_AUTH_USER
        accounts {
          synadia { users [{user: a}, {nkey: UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E}] }
          acc { users [{user: c}] }
        }
        authorization { users [{user: b}] }";
    let rows = [
        ("a", true),
        ("b", true),
        ("UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E", true),
        ("notthere", false),
        ("UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2F", false),
    ];
    for (name, is_known) in rows {
        let source = certificates().variable("NO_AUTH_USER", name);
        let mut found = load_from(&source, text).unwrap().options;
        match prepare(&mut found) {
            Ok(()) => assert!(is_known, "{name}"),
            Err(error) => {
                assert!(!is_known && error.to_string().starts_with("no_auth_user"), "{error}");
            }
        }
    }
}

/// Go: TestQueueQualifierOnlyAllowedForSubscribePermissions server/opts_test.go:3251
#[test]
fn queue_qualifier_only_allowed_for_subscribe_permissions() {
    let user = |permissions: &str| {
        format!("authorization {{ users: [{{user: u, permissions: {{ {permissions} }} }}] }}")
    };
    let subject = "[\"foo.> *.dev\"]";
    for list in ["allow", "deny"] {
        let found = options(&user(&format!("sub: {{ {list}: {subject} }}")));
        validate(&found).unwrap();
        check_error(
            &user(&format!("pub: {{ {list}: {subject} }}")),
            "subject \"foo.> *.dev\" is not a valid subject",
        );
    }
    check_error(&user("sub: {deny: [\"foo b..d\"]}"), "queue \"b..d\" is not a valid queue");
    for list in ["deny_imports", "deny_exports"] {
        check_error(
            &format!("leafnodes {{ remotes: [{{url: \"nats://a\", {list}: {subject}}}] }}"),
            "is not a valid subject",
        );
    }
    check_error(
        &format!("cluster {{ permissions {{ export {{ deny: {subject} }} }} }}"),
        "cluster export deny: subject",
    );
    let mut found = Options::default();
    let deny = vec!["admin.secret workers".to_string()];
    let export = crate::options::SubjectPermission { allow: None, deny };
    found.cluster.permissions =
        Some(crate::options::RoutePermissions { import: None, export: Some(export) });
    assert!(validate(&found).is_err());
}

/// Go: TestOptionsProxyTrustedKeys server/opts_test.go:3864
#[test]
fn options_proxy_trusted_keys() {
    let good = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3";
    let keys = |keys: &[&str]| Options {
        proxies: Some(keys.iter().map(|key| (*key).to_string()).collect()),
        ..Options::default()
    };
    assert_eq!(
        validate(&keys(&[good, "bad1", NKEY, "bad2"])).unwrap_err().to_string(),
        "proxy trusted key \"bad1\" is invalid"
    );
    validate(&keys(&[good, NKEY])).unwrap();
    let found =
        options(&format!("proxies {{ trusted [{{key: {good}}}, {{public_key: {NKEY}}}] }}"));
    assert_eq!(found.proxies.unwrap(), [good, NKEY]);
}

/// Go: TestOptionsProxyRequired server/opts_test.go:3897
#[test]
fn options_proxy_required() {
    let single = "user: user, password: pwd, proxy_required: true";
    let found = options(&format!(
        "authorization {{ {single} }}, leafnodes {{ authorization {{ {single} }} }}"
    ));
    assert!(found.proxy_required && found.leafnode.proxy_required);
    let users =
        "{user: user1}, {user: user2, proxy_required: true}, {user: user3, proxy_required: false}";
    let nkeys = format!(
        "{{nkey: {NKEY}, proxy_required: true}}, {{nkey: UD6AYQSOIN2IN5OGC6VQZCR4H3UFMIOXSW6NNS6N53CLJA4PB56CEJJI}}"
    );
    for text in [
        format!("authorization {{ users: [{users}, {nkeys}] }}"),
        format!("accounts {{ A {{ users: [{users}, {nkeys}] }} }}"),
    ] {
        let found = options(&text);
        let required: Vec<bool> = found.users.iter().map(|user| user.proxy_required).collect();
        assert_eq!(required, [false, true, false]);
        let required: Vec<bool> = found.nkeys.iter().map(|user| user.proxy_required).collect();
        assert_eq!(required, [true, false]);
    }
    let found = options(&format!("leafnodes {{ authorization {{ users: [{users}] }} }}"));
    let required: Vec<bool> = found.leafnode.users.iter().map(|user| user.proxy_required).collect();
    assert_eq!(required, [false, true, false]);
    let found =
        options(&format!("leafnodes {{ authorization {{ nkey: {NKEY}, proxy_required: true }} }}"));
    assert_eq!(found.leafnode.nkey.as_deref(), Some(NKEY));
}

/// Go: TestParseServiceLatency server/opts_test.go:1759
#[test]
fn parse_service_latency() {
    let text = |latency: &str| {
        format!(
            "system_account = nats.io, accounts {{ nats.io {{ exports [{{service: nats.add, latency: {latency}}}] }} }}"
        )
    };
    let rows = [
        ("{sampling: 100%, subject: latency.tracking.add}", 100),
        ("{sampling: 33%, subject: latency.tracking.add}", 33),
        ("{sampling: 87, subject: latency.tracking.add}", 87),
        ("{sampling: headers, subject: latency.tracking.add}", 0),
        ("latency.tracking.add", 100),
    ];
    for (latency, sampling) in rows {
        let found = options(&text(latency));
        let expected = ServiceLatency { sampling, subject: "latency.tracking.add".to_string() };
        assert_eq!(found.accounts[0].service_exports[0].latency.as_ref(), Some(&expected));
    }
    check_error(&text("{sampling: 87}"), "Latency subject required, but missing");
    check_error(&text("{sampling: 101, subject: a}"), "bad sampling percentage, should be 1-100");
}

#[test]
fn exports_with_a_token_for_the_importer() {
    let text = |importer: &str| {
        format!(
            "system_account: sys
             accounts {{
               sys {{ exports [{{stream \"$SYS.SERVER.ACCOUNT.*.CONNS\", account_token_position 4}}] }}
               accE {{ exports [{{service foo.*, account_token_position 2}}] }}
               accI1 {{ imports [
                 {{service {{account accE, subject foo.{importer}}}, to foo}}
                 {{stream {{account sys, subject \"$SYS.SERVER.ACCOUNT.{importer}.CONNS\"}}}}
               ] }}
             }}"
        )
    };
    let found = options(&text("accI1"));
    assert_eq!(found.accounts[2].service_imports[0].to, "foo");
    assert_eq!(found.accounts[0].stream_exports[0].account_token_position, 4);
    check_error(
        &text("accI2"),
        "Error adding stream import \"$SYS.SERVER.ACCOUNT.accI2.CONNS\": stream import not authorized",
    );
    check_error(
        &text("accI2"),
        "Error adding service import \"foo.accI2\": service import not authorized",
    );
    check_error(
        "accounts { A { exports [{stream: a, account_token_position: 1}] } }",
        "Error adding stream export \"a\": sublist: invalid subject",
    );
}

#[test]
fn imports_must_fit_exports_and_lead_nowhere_back() {
    let rows = [
        (
            "A { exports [{stream: a, accounts: [X]}] }",
            "\"X\" account not defined for stream export",
        ),
        (
            "A { imports [{stream: {account: X, subject: a}}] }",
            "\"X\" account not defined for stream import",
        ),
        (
            "A { exports [{service: a.>, accounts: [A]}] }, B { imports [{service: {account: A, subject: a.b}}] }",
            "service import not authorized",
        ),
        (
            "A { exports [{stream: a}] }, B { imports [{stream: {account: A, subject: a}, prefix: \"b.*\"}] }",
            "stream import prefix can not contain wildcard tokens",
        ),
        (
            "A { exports [{stream: a}] }, B { imports [{stream: {account: A, subject: a}}, {stream: {account: A, subject: a}, to: c}] }",
            "stream import already exists",
        ),
        (
            "A { exports [{service: a}], imports [{service: {account: B, subject: a}}] }, B { exports [{service: a}], imports [{service: {account: A, subject: a}}] }",
            "import forms a cycle",
        ),
        (
            "A { exports [{stream: a}], imports [{stream: {account: B, subject: a}}] }, B { exports [{stream: a}], imports [{stream: {account: A, subject: a}}] }",
            "import forms a cycle",
        ),
        (
            "A { exports [{stream: \"a.*\"}] }, B { imports [{stream: {account: A, subject: \"a.*\"}, to: \"b.$2\"}] }",
            "failed to create mapping transform for stream import subject from \"a.*\" to \"b.$2\": invalid mapping destination",
        ),
        (
            "A { exports [{service: \"a.*\"}] }, B { imports [{service: {account: A, subject: \"a.*\"}, to: b}] }",
            "failed to create mapping transform for service import subject from \"b\" to \"a.*\"",
        ),
        ("A { exports [{service: a, response: stream, latency: b}] }", "bad service response type"),
        (
            "A { imports [{stream: {account: A, subject: a}, prefix: b, to: c}] }",
            "can not have a 'prefix' and a 'to' property",
        ),
    ];
    for (accounts, message) in rows {
        check_error(&format!("accounts {{ {accounts} }}"), message);
    }
    options(
        "accounts { A { exports [{stream: a.>}, {service: s}] }, B { imports [{stream: {account: A, subject: a.b}, prefix: x}, {service: {account: A, subject: s}, to: t}] } }",
    );
}

const OPERATOR: &str = "eyJ0eXAiOiJqd3QiLCJhbGciOiJlZDI1NTE5In0.eyJqdGkiOiJJVEdJNjNCUUszM1VNN1pBSzZWT1RXNUZEU01ESlNQU1pRQ0RMNUlLUzZQTVhBU0ROQ01RIiwiaWF0IjoxNTg5ODM5MjA1LCJpc3MiOiJPQ1k2REUyRVRTTjNVT0RGVFlFWEJaTFFMSTdYNEdTWFI1NE5aQzRCQkxJNlFDVFpVVDY1T0lWTiIsIm5hbWUiOiJPUCIsInN1YiI6Ik9DWTZERTJFVFNOM1VPREZUWUVYQlpMUUxJN1g0R1NYUjU0TlpDNEJCTEk2UUNUWlVUNjVPSVZOIiwidHlwZSI6Im9wZXJhdG9yIiwibmF0cyI6eyJhY2NvdW50X3NlcnZlcl91cmwiOiJodHRwOi8vbG9jYWxob3N0OjgwMDAvand0L3YxIiwib3BlcmF0b3Jfc2VydmljZV91cmxzIjpbIm5hdHM6Ly9sb2NhbGhvc3Q6NDIyMiJdLCJzeXN0ZW1fYWNjb3VudCI6IkFEWjU0N0IyNFdIUExXT0s3VE1MTkJTQTdGUUZYUjZVTTJOWjRISE5JQjdSREZWWlFGT1o0R1FRIn19.3u710KqMLwgXwsMvhxfEp9xzK84XyAZ-4dd6QY0T6hGj8Bw9mS-HcQ7HbvDDNU01S61tNFfpma_JR6LtB3ixBg";
const OPERATOR_2: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.eyJqdGkiOiIzTVJCS1BRTU1IUjdOQVFQU080NUlWTlkyMzVMRlQyTEs0WkZFVU1KWU9EWUJXU0RXWlRBIiwiaWF0IjoxNzI2NTYwMjAwLCJpc3MiOiJPQkxPR1VCSVVQSkhGVE00RjRaTE9CR1BMSlBJRjRTR0JDWUVERUtFUVNNWVVaTVFTMkRGTUUyWCIsIm5hbWUiOiJvcDIiLCJzdWIiOiJPQkxPR1VCSVVQSkhGVE00RjRaTE9CR1BMSlBJRjRTR0JDWUVERUtFUVNNWVVaTVFTMkRGTUUyWCIsIm5hdHMiOnsic2lnbmluZ19rZXlzIjpbIk9ES0xMSTZWWldWNk03V1RaV0I3MjVITE9MVFFRVERLNE5RR1ZFR0Q0Q083SjJMMlVJWk81U0dXIl0sInN5c3RlbV9hY2NvdW50IjoiQUNRVFdWR1NHSFlWWTNSNkQyV01PM1Y2TFYyTUdLNUI3RzQ3RTQzQkhKQjZGUVZZN0VITlRNTUciLCJ0eXBlIjoib3BlcmF0b3IiLCJ2ZXJzaW9uIjoyfX0.8kUmC6CwGLTJSs1zj_blsMpP5b6n2jZhZFNvMPXvJlRyyR5ZbCsxJ442BimaxaiosS8T-IFcZAIphtiOcqhRCg";
const SYSTEM_ACCOUNT: &str = "ADZ547B24WHPLWOK7TMLNBSA7FQFXR6UM2NZ4HHNIB7RDFVZQFOZ4GQQ";

/// Go: TestReadOperatorJWT server/opts_test.go:2991
#[test]
fn read_operator_jwt() {
    let decorated = format!(
        "-----BEGIN NATS OPERATOR JWT-----\n{OPERATOR}\n------END NATS OPERATOR JWT------\n"
    );
    let source = certificates().file("op.jwt", decorated);
    for text in [format!("operator: {OPERATOR}"), "operator: op.jwt".to_string()] {
        let found = load_from(&source, &text).unwrap().options;
        assert_eq!(found.system_account.as_deref(), Some(SYSTEM_ACCOUNT));
        let url = "http://localhost:8000/jwt/v1/accounts/".to_string();
        assert_eq!(found.account_resolver, Some(AccountResolver::Url(url)));
    }
    check_error(
        "operator: none.jwt",
        "error parsing operator JWT: open none.jwt: no such file or directory",
    );
}

/// Go: TestReadMultipleOperatorJWT server/opts_test.go:3016
#[test]
fn read_multiple_operator_jwt() {
    let found =
        options(&format!("system_account = SYSACC, operator: [\n{OPERATOR},\n{OPERATOR_2}\n]"));
    let accounts: Vec<&str> =
        found.operators.iter().map(|operator| operator.system_account.as_str()).collect();
    assert_eq!(
        accounts,
        [SYSTEM_ACCOUNT, "ACQTWVGSGHYVY3R6D2WMO3V6LV2MGK5B7G47E43BHJB6FQVY7EHNTMMG"]
    );
    assert_eq!(found.operators[1].signing_keys.len(), 1);
    assert_eq!(found.system_account.as_deref(), Some("SYSACC"));
}

/// Go: TestReadOperatorJWTSystemAccountMatch server/opts_test.go:3045
/// Go: TestReadOperatorJWTSystemAccountMismatch server/opts_test.go:3060
#[test]
fn read_operator_jwt_system_account_match() {
    let text = |account: &str| {
        format!("operator: {OPERATOR}\nresolver: MEMORY\nsystem_account: {account}")
    };
    let mut found = options(&text(SYSTEM_ACCOUNT));
    assert_eq!(found.account_resolver, Some(AccountResolver::Memory));
    prepare(&mut found).unwrap();
    assert_eq!(found.trusted_keys, ["OCY6DE2ETSN3UODFTYEXBZLQLI7X4GSXR54NZC4BBLI6QCTZUT65OIVN"]);
    let mut found = options(&text("ADXJJCDCSRSMCOV25FXQW7R4QOG7R763TVEXBNWJHLBMBGWOJYG5XZBG"));
    let error = prepare(&mut found).unwrap_err().to_string();
    assert_eq!(error, "system_account in config and operator JWT must be identical");
}

/// Go: TestReadOperatorAssertVersion server/opts_test.go:3077
/// Go: TestReadOperatorAssertVersionFail server/opts_test.go:3101
#[test]
fn read_operator_assert_version() {
    let rows = [
        ("", None),
        ("1.2.3", None),
        ("2.15.1", None),
        ("10.20.30", Some("expected major version 10 > server major version 2")),
        ("2.99.0", Some("expected minor version 99 > server minor version 15")),
        ("2.15.99", Some("expected update version 99 > server update version 1")),
        ("x", Some("expects version x got error instead")),
    ];
    for (version, message) in rows {
        let mut found = options(&format!("operator: {OPERATOR}\nresolver: MEM"));
        found.operators[0].assert_server_version = version.to_string();
        match (prepare(&mut found), message) {
            (Ok(()), None) => {}
            (Err(error), Some(message)) => assert!(error.to_string().contains(message), "{error}"),
            (found, _) => panic!("{version}: {found:?}"),
        }
    }
}

/// Go: TestResolverPinnedAccountsFail server/opts_test.go:3340
#[test]
fn resolver_pinned_accounts_fail() {
    let text = |accounts: &str| {
        format!(
            "operator: {OPERATOR}\nresolver: URL(foo.bar)\nresolver_pinned_accounts: [{accounts}]"
        )
    };
    let mut found = options(&text("f"));
    let error = prepare(&mut found).unwrap_err().to_string();
    assert!(error.contains(" is not a valid public account nkey"), "{error}");
    check_error(&text("1, x"), "parsing resolver_pinned_accounts: unsupported type");
}

#[test]
fn resolvers_are_checked() {
    let rows = [
        ("{type: full, dir: d}", ""),
        (
            "{type: full, dir: d, allow_delete: true, hard_delete: true, interval: \"2m\", limit: 5}",
            "",
        ),
        ("{type: cache, dir: d, ttl: \"1h\"}", ""),
        ("{type: mem}", ""),
        ("URL(\"http://a/b\")", ""),
        ("{type: full}", "dir has no value"),
        ("{type: full, dir: f}", "dir needs to point to an accessible directory"),
        ("{type: full, dir: d, ttl: \"1h\"}", "FULL does not accept ttl"),
        ("{type: full, dir: d, hard_delete: true}", "hard_delete has no effect without delete"),
        ("{type: full, dir: d, timeout: \"-1s\"}", "Fetch timeout -1s is too small"),
        ("{type: cache, dir: d, interval: \"1h\"}", "CACHE does not accept sync"),
        ("{type: cache, dir: d, allow_delete: true}", "CACHE does not accept allow_delete"),
        ("{type: cache, dir: d, hard_delete: false}", "CACHE does not accept hard_delete"),
        ("{type: x}", "error parsing account resolver, should be MEM or"),
        ("5", "error parsing operator resolver, wrong type int64"),
        ("file", "error parsing account resolver, should be MEM or"),
    ];
    let mut source = certificates();
    source.directories.insert("f".to_string(), crate::source::DirectoryState::Unusable);
    source.directories.insert("d".to_string(), crate::source::DirectoryState::Writable);
    for (resolver, message) in rows {
        match load_from(&source, &format!("resolver: {resolver}")) {
            Ok(loaded) => assert!(message.is_empty() && loaded.options.account_resolver.is_some()),
            Err(errors) => {
                let errors = errors.to_string();
                assert!(!message.is_empty() && errors.contains(message), "{resolver}: {errors}");
            }
        }
    }
}
