use super::{destinations, exports, imports};
use natsd_api::monitor::{ExtExport, ExtImport};
use natsd_api::to_compact;
use natsd_config::options::{
    Account, MapDestination, Options, ServiceExport, ServiceImport, ServiceLatency,
    ServiceResponse, StreamExport, StreamImport, SubjectMapping,
};

fn destination(subject: &str, weight: u8, cluster: Option<&str>) -> MapDestination {
    MapDestination { subject: subject.into(), weight, cluster: cluster.map(str::to_owned) }
}

#[track_caller]
fn check(source: &str, configured: Vec<MapDestination>, expected: &[(&str, u8, &str)]) {
    let mapping = SubjectMapping { source: source.into(), destinations: configured };
    let shown = destinations(&mapping);
    let shown: Vec<(&str, u8, &str)> =
        shown.iter().map(|one| (one.subject.as_str(), one.weight, one.cluster.as_str())).collect();
    assert_eq!(shown, expected);
}

/// What is expected was printed by the Go server.
#[test]
fn weights_add_up_as_in_go() {
    check("q", vec![destination("r", 100, None)], &[("r", 100, "")]);
    check(
        "old.*",
        vec![destination("new.$1", 50, None), destination("o.$1", 20, Some("X"))],
        &[("new.$1", 50, ""), ("old.$1", 100, ""), ("o.$1", 20, "X"), ("old.$1", 100, "X")],
    );
    check("a", vec![destination("a", 10, None)], &[("a", 10, "")]);
    check(
        "a",
        vec![destination("c", 70, None), destination("b", 30, None)],
        &[("b", 30, ""), ("c", 100, "")],
    );
}

fn latency() -> Option<ServiceLatency> {
    Some(ServiceLatency { sampling: 50, subject: "lat".into() })
}

/// What is expected was printed by the Go server.
#[test]
fn exports_and_imports_are_shown_as_configured() {
    let exporter = Account {
        name: "A".into(),
        service_exports: vec![
            ServiceExport {
                subject: "help".into(),
                accounts: Some(vec!["B".into()]),
                latency: latency(),
                ..ServiceExport::default()
            },
            ServiceExport {
                subject: "pub.*".into(),
                account_token_position: 2,
                response: ServiceResponse::Stream,
                ..ServiceExport::default()
            },
        ],
        stream_exports: vec![StreamExport { subject: "out.>".into(), ..StreamExport::default() }],
        ..Account::default()
    };
    let importer = Account {
        stream_imports: vec![StreamImport {
            account: "A".into(),
            subject: "out.>".into(),
            prefix: Some("from".into()),
            ..StreamImport::default()
        }],
        service_imports: vec![ServiceImport {
            account: "A".into(),
            subject: "help".into(),
            to: "b.help".into(),
            share: false,
        }],
        ..Account::default()
    };
    let shown: Vec<ExtExport> = exports(&exporter);
    assert_eq!(
        String::from_utf8_lossy(&to_compact(&shown)),
        r#"[{"subject":"help","type":"service","response_type":"Singleton","service_latency":{"sampling":50,"results":"lat"},"approved_accounts":["B"]},{"subject":"pub.*","type":"service","response_type":"Streamed"},{"subject":"out.\u003e","type":"stream"}]"#
    );
    let options = Options { accounts: vec![exporter], ..Options::default() };
    let shown: Vec<ExtImport> = imports(&options, &importer);
    assert_eq!(
        String::from_utf8_lossy(&to_compact(&shown)),
        r#"[{"subject":"out.\u003e","account":"A","local_subject":"from.out.\u003e","type":"stream","invalid":false,"share":false,"tracking":false},{"subject":"help","account":"A","to":"b.help","local_subject":"b.help","type":"service","invalid":false,"share":false,"tracking":false,"latency":{"sampling":50,"results":"lat"}}]"#
    );
}
