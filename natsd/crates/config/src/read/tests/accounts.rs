//! Accounts, ported from Go `server/accounts_test.go` and `test/accounts_cycles_test.go`.

use super::load;
use crate::options::{MapDestination, Options, ServiceResponse};

fn options(text: &str) -> Options {
    load(text).unwrap_or_else(|errors| panic!("{text}: {errors}")).options
}

#[track_caller]
fn check_error(text: &str, fragment: &str) {
    let errors = load(text).unwrap_err().to_string();
    assert!(errors.contains(fragment), "{text}: {errors}");
}

/// Go: TestAccountSimpleConfig server/accounts_test.go:481
#[test]
fn account_simple_config() {
    let found = options("accounts = [foo, bar]");
    let names: Vec<&str> = found.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["foo", "bar"]);
    check_error("accounts = [foo, foo]", "Duplicate Account Entry: foo");
}

/// Go: TestAccountParseConfig server/accounts_test.go:513
/// Go: TestAccountParseConfigDuplicateUsers server/accounts_test.go:569
#[test]
fn account_parse_config() {
    let text = |derek: &str| {
        format!(
            "accounts {{
               synadia {{ users = [{{user: alice, password: foo}}, {{user: bob, password: bar}}] }}
               nats.io {{
                 msg_trace: {{dest: my.trace.dest, sampling: 50%}}
                 users = [{{user: {derek}, password: foo}}, {{user: ivan, password: bar}}]
               }}
             }}"
        )
    };
    let found = options(&text("derek"));
    assert_eq!((found.accounts.len(), found.users.len()), (2, 4));
    let trace = &found.accounts[1].msg_trace;
    assert_eq!((trace.destination.as_deref(), trace.sampling), (Some("my.trace.dest"), 50));
    let derek = found.users.iter().find(|user| user.username == "derek").unwrap();
    assert_eq!(derek.account.as_deref(), Some("nats.io"));
    check_error(&text("alice"), "Duplicate user \"alice\" detected");
}

/// Go: TestAccountParseConfigImportsExports server/accounts_test.go:591
#[test]
fn account_parse_config_imports_exports() {
    let found = options(
        "accounts {
           synadia {
             nkey = AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL
             users = [{nkey: UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3}]
             exports = [{stream: public.>}, {stream: private, accounts: [nats.io]}
                        {service: pub.request}, {service: pub.special, accounts: [nats.io]}]
             imports = [{service: {account: nats.io, subject: nats.time}}]
           }
           nats.io {
             nkey = ADRZ42QBM7SXQDXXTSVWT2WLLFYOQGAFC4TO6WOAXHEKQHIXR4HFYJDS
             users = [{nkey: UD6AYQSOIN2IN5OGC6VQZCR4H3UFMIOXSW6NNS6N53CLJA4PB56CEJJI}]
             exports = [{service: nats.time, response: stream, allow_trace: true}
                        {service: nats.photo, response_type: chunked, threshold: 5s}
                        {service: nats.add, response: singleton, allow_trace: true}
                        {service: nats.sub}]
             imports = [{stream: {account: synadia, subject: public.synadia}, prefix: imports, allow_trace: true}
                        {stream: {account: synadia, subject: private}}
                        {service: {account: synadia, subject: pub.special}, to: synadia.request, share: true}]
           }
         }",
    );
    let [synadia, nats] = found.accounts.as_slice() else { panic!("not two accounts") };
    assert_eq!(
        nats.nkey.as_deref(),
        Some("ADRZ42QBM7SXQDXXTSVWT2WLLFYOQGAFC4TO6WOAXHEKQHIXR4HFYJDS")
    );
    assert_eq!(found.nkeys[1].account.as_deref(), Some("nats.io"));
    let traces: Vec<bool> = nats.stream_imports.iter().map(|import| import.allow_trace).collect();
    assert_eq!(traces, [true, false]);
    let import = &nats.service_imports[0];
    assert_eq!((import.to.as_str(), import.share), ("synadia.request", true));
    let responses: Vec<_> =
        nats.service_exports.iter().map(|export| (export.response, export.allow_trace)).collect();
    let expected = [
        (ServiceResponse::Stream, true),
        (ServiceResponse::Chunked, false),
        (ServiceResponse::Singleton, true),
        (ServiceResponse::Singleton, false),
    ];
    assert_eq!(responses, expected);
    assert_eq!((synadia.stream_exports.len(), synadia.service_exports.len()), (2, 2));
    assert_eq!(synadia.stream_exports[1].accounts.as_deref().unwrap(), ["nats.io"]);
    assert_eq!(synadia.service_imports.len(), 1);
}

/// Go: TestImportExportConfigFailures server/accounts_test.go:693
#[test]
fn import_export_config_failures() {
    for account in [
        "imports = [{stream: {account: \"synadia\", subject:\"foo\"}}]",
        "imports = [{service: subject:\"foo.*\"}]",
        "imports = [{service: {account: \"nats.io\", subject:\"foo.*\"}]",
        "exports = [{service: \"foo.*\", wat:true}]",
        "imports = [{stream: {account: nats.io, subject: \"foo.*\"}, wat:true}]",
        "exports = [{service: {account: nats.io, subject:\"foo.*\"}}]",
    ] {
        check_error(&format!("accounts {{ nats.io {{\n {account}\n }} }}"), "");
    }
}

/// A subject, the account it comes from, and its name here if that is another.
type Import<'a> = (&'a str, &'a str, &'a str);

/// Accounts by name with what they export and import.
#[track_caller]
fn check_cycle(kind: &str, accounts: &[(&str, &str, &[Import<'_>])], is_cycle: bool) {
    let mut text = "accounts {\n".to_string();
    for (name, export, imports) in accounts {
        let imports: Vec<String> = imports
            .iter()
            .map(|(subject, account, to)| {
                let to = if to.is_empty() { String::new() } else { format!(", to: \"{to}\"") };
                format!("{{ {kind} {{ subject: \"{subject}\", account: {account} }}{to} }}")
            })
            .collect();
        text.push_str(&format!(
            "{name} {{ exports [{{ {kind}: \"{export}\" }}], imports [{}] }}\n",
            imports.join(", ")
        ));
    }
    text.push('}');
    match load(&text) {
        Ok(_) => assert!(!is_cycle, "{text}"),
        Err(errors) => {
            let errors = errors.to_string();
            assert!(is_cycle && errors.contains("import forms a cycle"), "{text}: {errors}");
        }
    }
}

/// Go: TestAccountCycleService test/accounts_cycles_test.go:27
/// Go: TestAccountCycleServiceCycleWithMapping test/accounts_cycles_test.go:142
#[test]
fn account_cycle_service() {
    let help = |account| [("help", account, "")];
    check_cycle("service", &[("A", "help", &help("B")), ("B", "help", &help("A"))], true);
    check_cycle("service", &[("A", "*", &help("B")), ("B", "help", &[("*", "A", "")])], true);
    check_cycle(
        "service",
        &[("A", "*", &help("B")), ("B", "help", &help("C")), ("C", "*", &[("*", "A", "")])],
        true,
    );
    check_cycle("service", &[("A", "a", &[("b", "B", "a")]), ("B", "b", &[("a", "A", "b")])], true);
}

/// Go: TestAccountCycleServiceNonCycle test/accounts_cycles_test.go:160
/// Go: TestAccountCycleServiceNonCycleChain test/accounts_cycles_test.go:183
#[test]
fn account_cycle_service_non_cycle() {
    let help = |account| [("help", account, "")];
    check_cycle(
        "service",
        &[
            ("A", "*", &help("B")),
            ("B", "help", &[("nohelp", "C", "")]),
            ("C", "*", &[("*", "A", "")]),
        ],
        false,
    );
    check_cycle(
        "service",
        &[
            ("A", "help", &help("B")),
            ("B", "help", &help("C")),
            ("C", "help", &help("D")),
            ("D", "help", &[]),
        ],
        false,
    );
}

/// Go: TestAccountCycleStream test/accounts_cycles_test.go:84
/// Go: TestAccountCycleStreamWithMapping test/accounts_cycles_test.go:102
/// Go: TestAccountCycleNonCycleStreamWithMapping test/accounts_cycles_test.go:120
#[test]
fn account_cycle_stream() {
    let strm = |account| [("strm", account, "")];
    check_cycle("stream", &[("A", "strm", &strm("B")), ("B", "strm", &strm("A"))], true);
    check_cycle(
        "stream",
        &[("A", "*", &[("bar", "B", "")]), ("B", "bar", &[("foo", "A", "bar")])],
        true,
    );
    check_cycle(
        "stream",
        &[
            ("A", "foo", &[("bar", "B", "")]),
            ("B", "bar", &[("baz", "C", "bar")]),
            ("C", "baz", &[("foo", "A", "bar")]),
        ],
        false,
    );
}

/// Go: TestAccountCycleWithRenaming test/accounts_cycles_test.go:513
/// Go: TestAccountCycleFalsePositiveSubjectMapping test/accounts_cycles_test.go:548
#[test]
fn account_cycle_with_renaming() {
    for kind in ["service", "stream"] {
        check_cycle(
            kind,
            &[("A", "*", &[("foo", "B", "foo")]), ("B", "foo", &[("*", "A", "$1")])],
            true,
        );
    }
    check_cycle(
        "service",
        &[("A", "a.*", &[("a.*", "B", "b.*")]), ("B", "a.*", &[("a.foo", "A", "c.foo")])],
        false,
    );
}

/// Go: TestAccountCycleServiceMissedDueToFromMutation test/accounts_cycles_test.go:574
/// Go: TestAccountCycleStreamMissedDueToToMutation test/accounts_cycles_test.go:616
#[test]
fn account_cycle_missed_due_to_mutation() {
    for kind in ["service", "stream"] {
        check_cycle(
            kind,
            &[
                ("A", "*", &[("narrow", "C", ""), ("other", "D", "")]),
                ("C", "narrow", &[]),
                ("D", "other", &[("other", "E", "")]),
                ("E", "*", &[("*", "A", "")]),
            ],
            true,
        );
    }
}

/// Go: TestMixedClientConfig server/nkey_test.go:230
#[test]
fn mixed_client_config() {
    let found = options(
        "authorization { users = [
           {nkey: \"UDKTV7HZVYJFJN64LLMYQBUR6MTNNYCDC3LAZH4VHURW3GZLL3FULBXV\"}
           {user: alice, password: foo} ] }",
    );
    assert_eq!((found.nkeys.len(), found.users.len()), (1, 1));
}

#[test]
fn accounts_are_read_in_full() {
    let found = options(
        "accounts { A {
           limits { max_conn: 5, max_subs: -1, max_payload: 1MB, max_leafs: 0 }
           jetstream { max_mem: 1, max_store: 2, max_streams: 3, max_consumers: 4, max_bytes: true
             memory_max_stream_bytes: 5, store_max_stream_bytes: 6, max_ack_pending: 7
             cluster_traffic: owner }
           mappings { a: b, \"c.*\": [{dest: \"d.$1\", weight: 40%}, {destination: e, weight: 10, cluster: x}] }
         } }
         maps { f: { dest: g, weight: 50 } }",
    );
    let account = &found.accounts[0];
    let limits = account.limits;
    assert_eq!((limits.max_connections, limits.max_subscriptions), (5, -1));
    assert_eq!((limits.max_payload, limits.max_leafnodes), (1 << 20, 0));
    let jetstream = account.jetstream.unwrap();
    assert_eq!((jetstream.max_memory, jetstream.max_store, jetstream.max_streams), (1, 2, 3));
    assert_eq!((jetstream.max_consumers, jetstream.max_ack_pending), (4, 7));
    assert_eq!((jetstream.memory_max_stream_bytes, jetstream.store_max_stream_bytes), (5, 6));
    assert!(jetstream.max_bytes_required && account.cluster_traffic_owner);
    let destination = |subject: &str, weight: u8, cluster: Option<&str>| MapDestination {
        subject: subject.to_string(),
        weight,
        cluster: cluster.map(str::to_string),
    };
    assert_eq!(account.mappings[0].destinations, [destination("b", 100, None)]);
    let expected = [destination("d.$1", 40, None), destination("e", 10, Some("x"))];
    assert_eq!(account.mappings[1].destinations, expected);
    assert_eq!((found.accounts[1].name.as_str(), found.accounts[1].mappings.len()), ("$G", 1));
    let rows = [
        ("limits: 5", "Expected account limits to be a map/struct, got 5"),
        ("limits { foo: 5 }", "Unknown field \"foo\" parsing account limits"),
        ("limits { max_conn: 3000000000 }", "max_conn value is too big"),
        ("jetstream { max_mem: x }", "Expected a parseable size for \"max_mem\", got x"),
        (
            "jetstream { cluster_traffic: x }",
            "Expected 'system' or 'owner' string value for \"cluster_traffic\", got x",
        ),
        (
            "maps { a: [{dest: b, weight: 60}, {dest: c, weight: 60}] }",
            "total weight needs to be <= 100",
        ),
        ("maps { a: [{dest: b, weight: 50}, {dest: b, weight: 50}] }", "duplicate entry for \"b\""),
        ("maps { a: [{dest: b, weight: 101}] }", "Invalid weight 101 for mapping destination"),
        ("maps { a: [{dest: b}] }", "Missing weight for mapping destination \"b\""),
        ("maps { a: [{dest: b, weight: x}] }", "Invalid weight \"x\" for mapping destination"),
        ("maps { a: [{foo: b}] }", "Unknown field \"foo\" for mapping destination"),
        ("maps { \"a..b\": c }", "Subject \"a..b\" is not a valid subject"),
        (
            "maps { a: \"b..c\" }",
            "Error adding mapping for \"a\" to \"b..c\" : invalid mapping destination",
        ),
    ];
    for (fields, message) in rows {
        check_error(&format!("accounts {{ A {{ {fields} }} }}"), message);
    }
    let loaded = load("accounts { A { msg_trace { sampling: 5 } } }").unwrap();
    assert!(loaded.warnings[0].to_string().contains("Trace destination sampling ignored"));
}
