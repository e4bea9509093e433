//! What flags do to a context.

use super::*;

#[test]
fn flags_set_their_fields_and_leave_the_others() {
    let text = |value: &str| Some(value.to_owned());
    let mut context = Context { user: "old".to_owned(), ca: "ca".to_owned(), ..Context::new() };
    let connection = ConnectionArgs {
        server: text("nats://h"),
        user: text("new"),
        tlscert: text("cert"),
        tlsfirst: true,
        ..ConnectionArgs::default()
    };
    apply(&mut context, &connection);
    let fields = [&context.url, &context.user, &context.cert, &context.ca, &context.password];
    assert_eq!(fields, ["nats://h", "new", "cert", "ca", ""]);
    assert!(context.tls_first);
    apply(&mut context, &ConnectionArgs::default());
    assert_eq!(context.url, "nats://h");
    let mut empty = Context::new();
    apply(&mut empty, &ConnectionArgs::default());
    assert_eq!(empty.url, "nats://127.0.0.1:4222");
}
