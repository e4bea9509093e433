//! Rows of Go `server/config_check_test.go`: what is wrong with a text, and exactly where.

/// A configuration text and what Go says of it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) expected: Expected,
}

/// What Go says.
pub(super) enum Expected {
    Valid,
    Warning(&'static str),
    Error(&'static str),
}

use Expected::{Error, Valid, Warning};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "when unknown field is used at top level",
        text: r#"
                monitor = "127.0.0.1:4442"
                "#,
        expected: Error(r#"nats.conf:2:17: unknown field "monitor""#),
    },
    Row {
        name: "when default permissions are used at top level",
        text: r#"
                "default_permissions" {
                  publish = ["_SANDBOX.>"]
                  subscribe = ["_SANDBOX.>"]
                }
                "#,
        expected: Error(r#"nats.conf:2:18: unknown field "default_permissions""#),
    },
    Row {
        name: "when authorization config is empty",
        text: r#"
		authorization = {
		}
		"#,
        expected: Valid,
    },
    Row {
        name: "when authorization config has unknown fields",
        text: r#"
		authorization = {
		  foo = "bar"
		}
		"#,
        expected: Error(r#"nats.conf:3:5: unknown field "foo""#),
    },
    Row {
        name: "when authorization config has unknown fields",
        text: r#"
		port = 4222

		authorization = {
		  user = "hello"
		  foo = "bar"
		  password = "world"
		}

		"#,
        expected: Error(r#"nats.conf:6:5: unknown field "foo""#),
    },
    Row {
        name: "when user authorization config has unknown fields",
        text: r#"
		authorization = {
		  users = [
		    {
		      user = "foo"
		      pass = "bar"
		      token = "quux"
		    }
		  ]
		}
		"#,
        expected: Error(r#"nats.conf:7:9: unknown field "token""#),
    },
    Row {
        name: "when user authorization permissions config has unknown fields",
        text: r#"
		authorization {
		  permissions {
		    subscribe = {}
		    inboxes = {}
		    publish = {}
		  }
		}
		"#,
        expected: Error(r#"nats.conf:5:7: Unknown field "inboxes" parsing permissions"#),
    },
    Row {
        name: "when user authorization permissions config has unknown fields within allow or deny",
        text: r#"
		authorization {
		  permissions {
		    subscribe = {
		      allow = ["hello", "world"]
		      deny = ["foo", "bar"]
		      denied = "_INBOX.>"
		    }
		    publish = {}
		  }
		}
		"#,
        expected: Error(
            r#"nats.conf:7:9: Unknown field name "denied" parsing subject permissions, only 'allow' or 'deny' are permitted"#,
        ),
    },
    Row {
        name: "when user authorization permissions config has unknown fields within allow or deny",
        text: r#"
		authorization {
		  permissions {
		    publish = {
		      allow = ["hello", "world"]
		      deny = ["foo", "bar"]
		      allowed = "_INBOX.>"
		    }
		    subscribe = {}
		  }
		}
		"#,
        expected: Error(
            r#"nats.conf:7:9: Unknown field name "allowed" parsing subject permissions, only 'allow' or 'deny' are permitted"#,
        ),
    },
    Row {
        name: "when user authorization permissions config has unknown fields using arrays",
        text: r#"
		authorization {

		 default_permissions {
		   subscribe = ["a"]
		   publish = ["b"]
		   inboxes = ["c"]
		 }

		 users = [
		   {
		     user = "foo"
		     pass = "bar"
		   }
		  ]
		}
		"#,
        expected: Error(r#"nats.conf:7:6: Unknown field "inboxes" parsing permissions"#),
    },
    Row {
        name: "when user authorization permissions config has unknown fields using strings",
        text: r#"
		authorization {

		 default_permissions {
		   subscribe = "a"
		   requests = "b"
		   publish = "c"
		 }

		 users = [
		   {
		     user = "foo"
		     pass = "bar"
		   }
		  ]
		}
		"#,
        expected: Error(r#"nats.conf:6:6: Unknown field "requests" parsing permissions"#),
    },
    Row {
        name: "when user authorization permissions config is empty",
        text: r#"
		authorization = {
		  users = [
		    {
		      user = "foo", pass = "bar", permissions = {
		      }
		    }
		  ]
		}
		"#,
        expected: Valid,
    },
    Row {
        name: "when unknown permissions are included in user config",
        text: r#"
		authorization = {
		  users = [
		    {
		      user = "foo", pass = "bar", permissions {
		        inboxes = true
		      }
		    }
		  ]
		}
		"#,
        expected: Error(r#"nats.conf:6:11: Unknown field "inboxes" parsing permissions"#),
    },
    Row {
        name: "when clustering config is empty",
        text: r#"
		cluster = {
		}
		"#,
        expected: Valid,
    },
    Row {
        name: "when unknown option is in clustering config",
        text: r#"
		# NATS Server Configuration
		port = 4222

		cluster = {

		  port = 6222

		  foo = "bar"

		  authorization {
		    user = "hello"
		    pass = "world"
		  }

		}
		"#,
        expected: Error(r#"nats.conf:9:5: unknown field "foo""#),
    },
    Row {
        name: "when unknown option is in clustering authorization config",
        text: r#"
		cluster = {
		  authorization {
		    foo = "bar"
		  }
		}
		"#,
        expected: Error(r#"nats.conf:4:7: unknown field "foo""#),
    },
    Row {
        name: "when unknown option is in tls config",
        text: r#"
		tls = {
		  hello = "world"
		}
		"#,
        expected: Error(r#"nats.conf:3:5: error parsing tls config, unknown field "hello""#),
    },
    Row {
        name: "when unknown option is in cluster tls config",
        text: r#"
		cluster {
		  tls = {
		    foo = "bar"
		  }
		}
		"#,
        expected: Error(r#"nats.conf:4:7: error parsing tls config, unknown field "foo""#),
    },
    Row {
        name: "when using cipher suites in the TLS config",
        text: r#"
		tls = {
		    cipher_suites: [
			"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
			"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
		    ]
		    preferences = []
		}
		"#,
        expected: Error(r#"nats.conf:7:7: error parsing tls config, unknown field "preferences""#),
    },
    Row {
        name: "when using curve preferences in the TLS config",
        text: r#"
		tls = {
		    curve_preferences: [
			"CurveP256",
			"CurveP384",
			"CurveP521"
		    ]
		    suites = []
		}
		"#,
        expected: Error(r#"nats.conf:8:7: error parsing tls config, unknown field "suites""#),
    },
    Row {
        name: "when using curve preferences in the TLS config",
        text: r#"
		tls = {
		    curve_preferences: [
			"CurveP5210000"
		    ]
		}
		"#,
        expected: Error("nats.conf:4:5: unrecognized curve preference CurveP5210000"),
    },
    Row {
        name: "verify_cert_and_check_known_urls not support for clients",
        text: r#"
		tls = {
						cert_file: "configs/certs/server.pem"
						key_file: "configs/certs/key.pem"
					    verify_cert_and_check_known_urls: true
		}
		"#,
        expected: Error(
            "nats.conf:5:10: verify_cert_and_check_known_urls not supported in this context",
        ),
    },
    Row {
        name: "when unknown option is in cluster config with defined routes",
        text: r#"
		cluster {
		  port = 6222
		  routes = [
		    nats://127.0.0.1:6222
		  ]
		  peers = []
		}
		"#,
        expected: Error(r#"nats.conf:7:5: unknown field "peers""#),
    },
    Row {
        name: "when used as variable in authorization block it should not be considered as unknown field",
        text: r#"
		# listen:   127.0.0.1:-1
		listen:   127.0.0.1:4222

		authorization {
		  # Superuser can do anything.
		  super_user = {
		    publish = ">"
		    subscribe = ">"
		  }

		  # Can do requests on foo or bar, and subscribe to anything
		  # that is a response to an _INBOX.
		  #
		  # Notice that authorization filters can be singletons or arrays.
		  req_pub_user = {
		    publish = ["req.foo", "req.bar"]
		    subscribe = "_INBOX.>"
		  }

		  # Setup a default user that can subscribe to anything, but has
		  # no publish capabilities.
		  default_user = {
		    subscribe = "PUBLIC.>"
		  }

		  unused = "hello"

		  # Default permissions if none presented. e.g. susan below.
		  default_permissions: $default_user

		  # Users listed with persmissions.
		  users = [
		    {user: alice, password: foo, permissions: $super_user}
		    {user: bob,   password: bar, permissions: $req_pub_user}
		    {user: susan, password: baz}
		  ]
		}
		"#,
        expected: Error(r#"nats.conf:27:5: unknown field "unused""#),
    },
    Row {
        name: "when used as variable in top level config it should not be considered as unknown field",
        text: r#"
		monitoring_port = 8222

		http_port = $monitoring_port

		port = 4222
		"#,
        expected: Valid,
    },
    Row {
        name: "when used as variable in cluster config it should not be considered as unknown field",
        text: r#"
		cluster {
		  clustering_port = 6222
		  port = $clustering_port
		}
		"#,
        expected: Valid,
    },
    Row {
        name: "when setting permissions within cluster authorization block",
        text: r#"
		cluster {
		  authorization {
		    permissions = {
		      publish = { allow = ["foo", "bar"] }
		    }
		  }

		  permissions = {
		    publish = { deny = ["foo", "bar"] }
		  }
		}
		"#,
        expected: Warning(
            r#"nats.conf:3:5: invalid use of field "authorization": setting "permissions" within cluster authorization block is deprecated"#,
        ),
    },
    Row {
        name: "when write deadline is used with deprecated usage",
        text: r#"
                write_deadline = 100
		"#,
        expected: Warning(
            r#"nats.conf:2:17: invalid use of field "write_deadline": write_deadline should be converted to a duration"#,
        ),
    },
    Row {
        name: "when accounts block is correctly configured",
        text: r#"
		http_port = 8222

		accounts {

		  #
		  # synadia > nats.io, cncf
		  #
		  synadia {
		    # SAADJL5XAEM6BDYSWDTGVILJVY54CQXZM5ZLG4FRUAKB62HWRTPNSGXOHA
		    nkey = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"

		    users [
		      {
		        # SUAEL6RU3BSDAFKOHNTEOK5Q6FTM5FTAMWVIKBET6FHPO4JRII3CYELVNM
		        nkey = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
		      }
		    ]

		    exports = [
		      { service: "synadia.requests", accounts: [nats, cncf] }
		    ]
		  }

		  #
		  # nats < synadia
		  #
		  nats {
		    # SUAJTM55JH4BNYDA22DMDZJSRBRKVDGSLYK2HDIOCM3LPWCDXIDV5Q4CIE
		    nkey = "ADRZ42QBM7SXQDXXTSVWT2WLLFYOQGAFC4TO6WOAXHEKQHIXR4HFYJDS"

		    users [
		      {
		        # SUADZTYQAKTY5NQM7XRB5XR3C24M6ROGZLBZ6P5HJJSSOFUGC5YXOOECOM
		        nkey = "UD6AYQSOIN2IN5OGC6VQZCR4H3UFMIOXSW6NNS6N53CLJA4PB56CEJJI"
		      }
		    ]

		    imports = [
		      # This account has to send requests to 'nats.requests' subject
		      { service: { account: "synadia", subject: "synadia.requests" }, to: "nats.requests" }
		    ]
		  }

		  #
		  # cncf < synadia
		  #
		  cncf {
		    # SAAFHDZX7SGZ2SWHPS22JRPPK5WX44NPLNXQHR5C5RIF6QRI3U65VFY6C4
		    nkey = "AD4YRVUJF2KASKPGRMNXTYKIYSCB3IHHB4Y2ME6B2PDIV5QJ23C2ZRIT"

		    users [
		      {
		        # SUAKINP3Z2BPUXWOFSW2FZC7TFJCMMU7DHKP2C62IJQUDASOCDSTDTRMJQ
		        nkey = "UB57IEMPG4KOTPFV5A66QKE2HZ3XBXFHVRCCVMJEWKECMVN2HSH3VTSJ"
		      }
		    ]

		    imports = [
		      # This account has to send requests to 'synadia.requests' subject
		      { service: { account: "synadia", subject: "synadia.requests" } }
		    ]
		  }
		}
				"#,
        expected: Valid,
    },
    Row {
        name: "when nkey is invalid within accounts block",
        text: r#"
		accounts {

		  #
		  # synadia > nats.io, cncf
		  #
		  synadia {
		    # SAADJL5XAEM6BDYSWDTGVILJVY54CQXZM5ZLG4FRUAKB62HWRTPNSGXOHA
		    nkey = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"

		    users [
		      {
		        # SUAEL6RU3BSDAFKOHNTEOK5Q6FTM5FTAMWVIKBET6FHPO4JRII3CYELVNM
		        nkey = "SCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
		      }
		    ]

		    exports = [
		      { service: "synadia.requests", accounts: [nats, cncf] }
		    ]
		  }

		  #
		  # nats < synadia
		  #
		  nats {
		    # SUAJTM55JH4BNYDA22DMDZJSRBRKVDGSLYK2HDIOCM3LPWCDXIDV5Q4CIE
		    nkey = "ADRZ42QBM7SXQDXXTSVWT2WLLFYOQGAFC4TO6WOAXHEKQHIXR4HFYJDS"

		    users [
		      {
		        # SUADZTYQAKTY5NQM7XRB5XR3C24M6ROGZLBZ6P5HJJSSOFUGC5YXOOECOM
		        nkey = "UD6AYQSOIN2IN5OGC6VQZCR4H3UFMIOXSW6NNS6N53CLJA4PB56CEJJI"
		      }
		    ]

		    imports = [
		      # This account has to send requests to 'nats.requests' subject
		      { service: { account: "synadia", subject: "synadia.requests" }, to: "nats.requests" }
		    ]
		  }

		  #
		  # cncf < synadia
		  #
		  cncf {
		    # SAAFHDZX7SGZ2SWHPS22JRPPK5WX44NPLNXQHR5C5RIF6QRI3U65VFY6C4
		    nkey = "AD4YRVUJF2KASKPGRMNXTYKIYSCB3IHHB4Y2ME6B2PDIV5QJ23C2ZRIT"

		    users [
		      {
		        # SUAKINP3Z2BPUXWOFSW2FZC7TFJCMMU7DHKP2C62IJQUDASOCDSTDTRMJQ
		        nkey = "UB57IEMPG4KOTPFV5A66QKE2HZ3XBXFHVRCCVMJEWKECMVN2HSH3VTSJ"
		      }
		    ]

		    imports = [
		      # This account has to send requests to 'synadia.requests' subject
		      { service: { account: "synadia", subject: "synadia.requests" } }
		    ]
		  }
		}
				"#,
        expected: Error("nats.conf:14:11: Not a valid public nkey for a user"),
    },
    Row {
        name: "when accounts block has unknown fields",
        text: r#"
		http_port = 8222

		accounts {
                  foo = "bar"
		}"#,
        expected: Error("nats.conf:5:19: Expected map entries for accounts"),
    },
    Row {
        name: "when accounts has a referenced config variable within same block",
        text: r#"
			  accounts {
			    PERMISSIONS = {
				publish = {
				  allow = ["foo","bar"]
				  deny = ["quux"]
				}
			    }

			    synadia {
				nkey = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"

				users [
				  {
				    nkey = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
				    permissions = $PERMISSIONS
				  }
				]
				exports = [
				  { stream: "synadia.>" }
				]
			    }
			  }"#,
        expected: Valid,
    },
    Row {
        name: "when accounts has an unreferenced config variables within same block",
        text: r#"
			  accounts {
			    PERMISSIONS = {
				publish = {
				  allow = ["foo","bar"]
				  deny = ["quux"]
				}
			    }

			    synadia {
				nkey = "AC5GRL36RQV7MJ2GT6WQSCKDKJKYTK4T2LGLWJ2SEJKRDHFOQQWGGFQL"

				users [
				  {
				    nkey = "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
				  }
				]
				exports = [
				  { stream: "synadia.>" }
				]
			   }
			 }"#,
        expected: Error(r#"nats.conf:4:5: unknown field "publish""#),
    },
    Row {
        name: "when accounts block defines a global account",
        text: r#"
		http_port = 8222

		accounts {
                  $G = {
                  }
		}
				"#,
        expected: Error(r#"nats.conf:5:19: "$G" is a Reserved Account"#),
    },
    Row {
        name: "when accounts block uses an invalid public key",
        text: r#"
		accounts {
                  synadia = {
                    nkey = "invalid"
                  }
		}
				"#,
        expected: Error(r#"nats.conf:4:21: Not a valid public nkey for an account: "invalid""#),
    },
    Row {
        name: "when accounts list includes reserved account",
        text: r#"
                port = 4222

		accounts = [foo, bar, "$G"]

                http_port = 8222
				"#,
        expected: Error(r#"nats.conf:4:26: "$G" is a Reserved Account"#),
    },
    Row {
        name: "when accounts list includes a dupe entry",
        text: r#"
                port = 4222

		accounts = [foo, bar, bar]

                http_port = 8222
				"#,
        expected: Error("nats.conf:4:25: Duplicate Account Entry: bar"),
    },
    Row {
        name: "when accounts block includes a dupe user",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    users = [
                      { user: "foo",   pass: "bar" },
                      { user: "hello", pass: "world" },
                      { user: "foo",   pass: "bar" }
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error(r#"nats.conf:6:21: Duplicate user "foo" detected"#),
    },
    Row {
        name: "when accounts block imports are not a list",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    imports = true
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:6:21: Imports should be an array, got bool"),
    },
    Row {
        name: "when accounts block exports are not a list",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    exports = true
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:6:21: Exports should be an array, got bool"),
    },
    Row {
        name: "when accounts block imports items are not a map",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    imports = [
                      false
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:7:23: Import Items should be a map with type entry, got bool"),
    },
    Row {
        name: "when accounts block export items are not a map",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    exports = [
                      false
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:7:23: Export Items should be a map with type entry, got bool"),
    },
    Row {
        name: "when accounts exports has a stream name that is not a string",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    exports = [
                      {
                        stream: false
                      }
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:8:25: Expected stream name to be string, got bool"),
    },
    Row {
        name: "when accounts exports has a service name that is not a string",
        text: r#"
		accounts = {
                  nats {
                    exports = [
                      {
                        service: false
                      }
                    ]
                  }
                }
				"#,
        expected: Error("nats.conf:6:25: Expected service name to be string, got bool"),
    },
    Row {
        name: "when accounts imports stream without name",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    imports = [
                      { stream: { }}
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:7:25: Expect an account name and a subject"),
    },
    Row {
        name: "when accounts imports service without name",
        text: r#"
                port = 4222

		accounts = {
                  nats {
                    imports = [
                      { service: { }}
                    ]
                  }
                }

                http_port = 8222
				"#,
        expected: Error("nats.conf:7:25: Expect an account name and a subject"),
    },
    Row {
        name: "when account trace destination is of the wrong type",
        text: r#"
                accounts {
                  A { trace_dest: 123 }
                }
			"#,
        expected: Error(
            r#"nats.conf:3:23: Expected account message trace "trace_dest" to be a string or a map/struct, got int64"#,
        ),
    },
    Row {
        name: "when account trace destination is not a valid destination",
        text: r#"
                accounts {
                  A { trace_dest: "invalid..dest" }
                }
			"#,
        expected: Error(r#"nats.conf:3:23: Trace destination "invalid..dest" is not valid"#),
    },
    Row {
        name: "when account trace destination is not a valid publish subject",
        text: r#"
                accounts {
                  A { trace_dest: "invalid.publish.*.subject" }
                }
			"#,
        expected: Error(
            r#"nats.conf:3:23: Trace destination "invalid.publish.*.subject" is not valid"#,
        ),
    },
    Row {
        name: "when account message trace dest is wrong type",
        text: r#"
                accounts {
                  A { msg_trace: {dest: 123} }
                }
			"#,
        expected: Error(r#"nats.conf:3:35: Field "dest" should be a string, got int64"#),
    },
    Row {
        name: "when account message trace dest is invalid",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "invalid..dest"} }
                }
			"#,
        expected: Error(r#"nats.conf:3:35: Trace destination "invalid..dest" is not valid"#),
    },
    Row {
        name: "when account message trace sampling is wrong type",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "acc.dest", sampling: {wront: "type"}} }
                }
			"#,
        expected: Error(
            r#"nats.conf:3:53: Trace destination sampling field "sampling" should be an integer or a percentage, got map[string]interface {}"#,
        ),
    },
    Row {
        name: "when account message trace sampling is wrong string",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "acc.dest", sampling: abc%} }
                }
			"#,
        expected: Error(r#"nats.conf:3:53: Invalid trace destination sampling value "abc%""#),
    },
    Row {
        name: "when account message trace sampling is negative",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "acc.dest", sampling: -1} }
                }
			"#,
        expected: Error(
            "nats.conf:3:53: Ttrace destination sampling value -1 is invalid, needs to be [1..100]",
        ),
    },
    Row {
        name: "when account message trace sampling is zero",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "acc.dest", sampling: 0} }
                }
			"#,
        expected: Error(
            "nats.conf:3:53: Ttrace destination sampling value 0 is invalid, needs to be [1..100]",
        ),
    },
    Row {
        name: "when account message trace sampling is more than 100",
        text: r#"
                accounts {
                  A { msg_trace: {dest: "acc.dest", sampling: 101} }
                }
			"#,
        expected: Error(
            "nats.conf:3:53: Ttrace destination sampling value 101 is invalid, needs to be [1..100]",
        ),
    },
    Row {
        name: "when account message trace has unknown field",
        text: r#"
                accounts {
                  A { msg_trace: {wrong: "field"} }
                }
			"#,
        expected: Error(
            r#"nats.conf:3:35: Unknown field "wrong" parsing account message trace map/struct "msg_trace""#,
        ),
    },
    Row {
        name: "when user authorization config has both token and users",
        text: r#"
		authorization = {
			token = "s3cr3t"
			users = [
				{
					user = "foo"
					pass = "bar"
				}
			]
		}
		"#,
        expected: Error("nats.conf:2:3: Can not have a token and a users array"),
    },
    Row {
        name: "when user authorization config has both token and user",
        text: r#"
		authorization = {
			user = "foo"
			pass = "bar"
			token = "baz"
		}
		"#,
        expected: Error("nats.conf:2:3: Cannot have a user/pass and token"),
    },
    Row {
        name: "when user authorization config has both user and users array",
        text: r#"
		authorization = {
			user = "user1"
			pass = "pwd1"
			users = [
				{
					user = "user2"
					pass = "pwd2"
				}
			]
		}
		"#,
        expected: Error("nats.conf:2:3: Can not have a single user/pass and a users array"),
    },
    Row {
        name: "when user authorization has duplicate users",
        text: r#"
		authorization = {
			users = [
				{user: "user1", pass: "pwd"}
				{user: "user2", pass: "pwd"}
				{user: "user1", pass: "pwd"}
			]
		}
		"#,
        expected: Error(r#"nats.conf:2:3: Duplicate user "user1" detected"#),
    },
    Row {
        name: "when user authorization has duplicate nkeys",
        text: r#"
		authorization = {
			users = [
				{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX }
				{nkey: UBAAQWTW6CG2G6ANGNKB5U2B7HRWHSGMZEZX3AQSAJOQDAUGJD46LD2E }
				{nkey: UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX }
			]
		}
		"#,
        expected: Error(
            r#"nats.conf:2:3: Duplicate nkey "UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX" detected"#,
        ),
    },
    Row {
        name: "when user authorization config has users not as a list",
        text: r#"
		authorization = {
		  users = false
		}
		"#,
        expected: Error("nats.conf:3:5: Expected users field to be an array, got false"),
    },
    Row {
        name: "when user authorization config has users not as a map",
        text: r#"
		authorization = {
		  users = [false]
		}
		"#,
        expected: Error("nats.conf:3:14: Expected user entry to be a map/struct, got false"),
    },
    Row {
        name: "when user authorization config has permissions not as a map",
        text: r#"
		authorization = {
		  users = [{user: hello, pass: world}]
                  permissions = false
		}
		"#,
        expected: Error("nats.conf:4:19: Expected permissions to be a map/struct, got false"),
    },
    Row {
        name: "when user authorization permissions config has invalid fields within allow",
        text: r#"
		authorization {
		  permissions {
		    publish = {
		      allow = [false, "hello", "world"]
		      deny = ["foo", "bar"]
		    }
		    subscribe = {}
		  }
		}
		"#,
        expected: Error("nats.conf:5:18: Subject in permissions array cannot be cast to string"),
    },
    Row {
        name: "when user authorization permissions config has invalid fields within deny",
        text: r#"
		authorization {
		  permissions {
		    publish = {
		      allow = ["hello", "world"]
		      deny = [true, "foo", "bar"]
		    }
		    subscribe = {}
		  }
		}
		"#,
        expected: Error("nats.conf:6:17: Subject in permissions array cannot be cast to string"),
    },
    Row {
        name: "when user authorization permissions config has invalid type",
        text: r#"
		authorization {
		  permissions {
		    publish = {
		      allow = false
		    }
		    subscribe = {}
		  }
		}
		"#,
        expected: Error(
            "nats.conf:5:9: Expected subject permissions to be a subject, or array of subjects, got bool",
        ),
    },
    Row {
        name: "when user authorization permissions subject is invalid",
        text: r#"
		authorization {
		  permissions {
		    publish = {
		      allow = ["foo..bar"]
		    }
		    subscribe = {}
		  }
		}
		"#,
        expected: Error(r#"nats.conf:5:9: subject "foo..bar" is not a valid subject"#),
    },
    Row {
        name: "when cluster config listen is invalid",
        text: r#"
		cluster {
		  listen = "0.0.0.0:XXXX"
		}
		"#,
        expected: Error(r#"nats.conf:3:5: could not parse port "XXXX""#),
    },
    Row {
        name: "when cluster config includes multiple users",
        text: r#"
		cluster {
		  authorization {
                    users = []
                  }
		}
		"#,
        expected: Error("nats.conf:3:5: Cluster authorization does not allow multiple users"),
    },
    Row {
        name: "when cluster routes are invalid",
        text: r#"
		cluster {
                  routes = [
                    "0.0.0.0:XXXX"
                    # "0.0.0.0:YYYY"
                    # "0.0.0.0:ZZZZ"
                  ]
		}
		"#,
        expected: Error(r#"nats.conf:4:22: error parsing route url ["0.0.0.0:XXXX"]"#),
    },
    Row {
        name: "when setting invalid TLS config within cluster block",
        text: r#"
		cluster {
		  tls {
		  }
		}
		"#,
        expected: Valid,
    },
    Row {
        name: "invalid lame_duck_duration type",
        text: r#"
				lame_duck_duration: abc
			"#,
        expected: Error("nats.conf:2:5: error parsing lame_duck_duration: time: invalid duration"),
    },
    Row {
        name: "lame_duck_duration too small",
        text: r#"
				lame_duck_duration: "5s"
			"#,
        expected: Error("nats.conf:2:5: invalid lame_duck_duration of 5s, minimum is 30 seconds"),
    },
    Row {
        name: "invalid lame_duck_grace_period type",
        text: r#"
				lame_duck_grace_period: abc
			"#,
        expected: Error(
            "nats.conf:2:5: error parsing lame_duck_grace_period: time: invalid duration",
        ),
    },
    Row {
        name: "lame_duck_grace_period should be positive",
        text: r#"
				lame_duck_grace_period: "-5s"
			"#,
        expected: Error("nats.conf:2:5: invalid lame_duck_grace_period, needs to be positive"),
    },
    Row {
        name: "when only setting TLS timeout for a leafnode remote",
        text: r#"
		leafnodes {
		  remotes = [
		    {
		      url: "tls://nats:7422"
		      tls {
		        timeout: 0.01
		      }
		    }
		  ]
		}"#,
        expected: Valid,
    },
    Row {
        name: "verify_cert_and_check_known_urls do not work for leaf nodes",
        text: r#"
		leafnodes {
		  remotes = [
		    {
		      url: "tls://nats:7422"
		      tls {
		        timeout: 0.01
				verify_cert_and_check_known_urls: true
		      }
		    }
		  ]
		}"#,
        expected: Error(
            "nats.conf:8:5: verify_cert_and_check_known_urls not supported in this context",
        ),
    },
    Row {
        name: "when leafnode remotes use wrong type",
        text: r#"
		leafnodes {
		  remotes: {
  	            url: "tls://nats:7422"
		  }
		}"#,
        expected: Error(
            "nats.conf:3:5: Expected remotes field to be an array, got map[string]interface {}",
        ),
    },
    Row {
        name: "when leafnode remotes url uses wrong type",
        text: r#"
		leafnodes {
		  remotes: [
  	            { urls: 1234 }
		  ]
		}"#,
        expected: Error(
            "nats.conf:4:18: Expected remote leafnode url to be an array or string, got 1234",
        ),
    },
    Row {
        name: "when leafnode min_version is wrong type",
        text: r#"
				leafnodes {
					port: -1
					min_version = 123
				}"#,
        expected: Error("nats.conf:4:6: interface conversion: interface {} is int64, not string"),
    },
    Row {
        name: "when leafnode min_version has parsing error",
        text: r#"
				leafnodes {
					port: -1
					min_version = bad.version
				}"#,
        expected: Error("nats.conf:4:6: invalid leafnode's minimum version: invalid semver"),
    },
    Row {
        name: "when leafnode min_version is too low",
        text: r#"
				leafnodes {
					port: -1
					min_version = 2.7.9
				}"#,
        expected: Error("nats.conf:4:6: the minimum version should be at least 2.8.0"),
    },
    Row {
        name: "when setting latency tracking with a system account",
        text: r#"
                system_account: sys

                accounts {
                  sys { users = [ {user: sys, pass: "" } ] }

                  nats.io: {
                    users = [ { user : bar, pass: "" } ]

                    exports = [
                      { service: "nats.add"
                        response: singleton
                        latency: {
                          sampling: 100%
                          subject: "latency.tracking.add"
                        }
                      }

                    ]
                  }
                }
                "#,
        expected: Valid,
    },
    Row {
        name: "when setting latency tracking with an invalid publish subject",
        text: r#"
                system_account = sys
                accounts {
                  sys { users = [ {user: sys, pass: "" } ] }

                  nats.io: {
                    users = [ { user : bar, pass: "" } ]

                    exports = [
                      { service: "nats.add"
                        response: singleton
                        latency: "*"
                      }
                    ]
                  }
                }
                "#,
        expected: Error(
            r#"nats.conf:3:17: Error adding service latency sampling for "nats.add" on subject "*": invalid publish subject"#,
        ),
    },
    Row {
        name: "when setting latency tracking on a stream",
        text: r#"
                system_account = sys
                accounts {
                  sys { users = [ {user: sys, pass: "" } ] }

                  nats.io: {
                    users = [ { user : bar, pass: "" } ]

                    exports = [
                      { stream: "nats.add"
                        latency: "foo"
                      }
                    ]
                  }
                }
                "#,
        expected: Error("nats.conf:11:25: Detected latency directive on non-service"),
    },
    Row {
        name: "when setting allow_trace on a stream export (after)",
        text: r#"
                system_account = sys
                accounts {
                  sys { users = [ {user: sys, pass: "" } ] }

                  nats.io: {
                    users = [ { user : bar, pass: "" } ]
                    exports = [ { stream: "nats.add", allow_trace: true } ]
                  }
                }
                "#,
        expected: Error("nats.conf:8:55: Detected allow_trace directive on non-service"),
    },
    Row {
        name: "when setting allow_trace on a stream export (before)",
        text: r#"
                system_account = sys
                accounts {
                  sys { users = [ {user: sys, pass: "" } ] }

                  nats.io: {
                    users = [ { user : bar, pass: "" } ]
                    exports = [ { allow_trace: true, stream: "nats.add" } ]
                  }
                }
                "#,
        expected: Error("nats.conf:8:35: Detected allow_trace directive on non-service"),
    },
    Row {
        name: "when setting allow_trace on a service import (after)",
        text: r#"
                accounts {
                  A: {
                    users = [ {user: user1, pass: ""} ]
                    exports = [{service: "foo"}]
                  }
                  B: {
                    users = [ {user: user2, pass: ""} ]
                    imports = [ { service: {account: "A", subject: "foo"}, allow_trace: true } ]
                  }
                }
                "#,
        expected: Error("nats.conf:9:76: Detected allow_trace directive on a non-stream"),
    },
    Row {
        name: "when setting allow_trace on a service import (before)",
        text: r#"
                accounts {
                  A: {
                    users = [ {user: user1, pass: ""} ]
                    exports = [{service: "foo"}]
                  }
                  B: {
                    users = [ {user: user2, pass: ""} ]
                    imports = [ { allow_trace: true, service: {account: "A", subject: "foo"} } ]
                  }
                }
                "#,
        expected: Error("nats.conf:9:35: Detected allow_trace directive on a non-stream"),
    },
    Row {
        name: "when using duplicate service import subject",
        text: r#"
								accounts {
									 A: {
										 users = [ {user: user1, pass: ""} ]
										 exports = [
											 {service: "remote1"}
											 {service: "remote2"}
										 ]
									 }
									 B: {
										 users = [ {user: user2, pass: ""} ]
										 imports = [
											 {service: {account: "A", subject: "remote1"}, to: "local"}
											 {service: {account: "A", subject: "remote2"}, to: "local"}
										 ]
									 }
								}
							"#,
        expected: Error(
            r#"nats.conf:14:71: Duplicate service import subject "local", previously used in import for account "A", subject "remote1""#,
        ),
    },
    Row {
        name: "mixing single and multi users in leafnode authorization",
        text: r#"
                leafnodes {
                   authorization {
                     user: user1
                     password: pwd
                     users = [{user: user2, password: pwd}]
                   }
                }
              "#,
        expected: Error("nats.conf:3:20: can not have a single user/pass and a users array"),
    },
    Row {
        name: "duplicate usernames in leafnode authorization",
        text: r#"
                leafnodes {
                    authorization {
                        users = [
                            {user: user, password: pwd}
                            {user: user, password: pwd}
                        ]
                    }
                }
              "#,
        expected: Error(
            r#"nats.conf:3:21: duplicate user "user" detected in leafnode authorization"#,
        ),
    },
    Row {
        name: "mqtt bad type",
        text: r#"
                mqtt [
					"wrong"
				]
			"#,
        expected: Error("nats.conf:2:17: Expected mqtt to be a map, got []interface {}"),
    },
    Row {
        name: "mqtt bad listen",
        text: r#"
                mqtt {
                    listen: "xxxxxxxx"
				}
			"#,
        expected: Error(r#"nats.conf:3:21: could not parse address string "xxxxxxxx""#),
    },
    Row {
        name: "mqtt bad host",
        text: r#"
                mqtt {
                    host: 1234
				}
			"#,
        expected: Error("nats.conf:3:21: interface conversion: interface {} is int64, not string"),
    },
    Row {
        name: "mqtt bad port",
        text: r#"
                mqtt {
                    port: "abc"
				}
			"#,
        expected: Error("nats.conf:3:21: interface conversion: interface {} is string, not int64"),
    },
    Row {
        name: "mqtt bad TLS",
        text: r#"
                mqtt {
					port: -1
                    tls {
                        cert_file: "./configs/certs/server.pem"
					}
				}
			"#,
        expected: Error("nats.conf:4:21: missing 'key_file' in TLS configuration"),
    },
    Row {
        name: "connection types wrong type",
        text: r#"
                   authorization {
                       users [
                           {user: a, password: pwd, allowed_connection_types: 123}
					   ]
				   }
			"#,
        expected: Error(
            "nats.conf:4:53: error parsing allowed connection types: unsupported type int64",
        ),
    },
    Row {
        name: "connection types content wrong type",
        text: r#"
                   authorization {
                       users [
                           {user: a, password: pwd, allowed_connection_types: [
                               123
                               WEBSOCKET
							]}
					   ]
				   }
			"#,
        expected: Error(
            "nats.conf:5:32: error parsing allowed connection types: unsupported type in array int64",
        ),
    },
    Row {
        name: "connection types type unknown",
        text: r#"
                   authorization {
                       users [
                           {user: a, password: pwd, allowed_connection_types: [ "UNKNOWN" ]}
					   ]
				   }
			"#,
        expected: Error(r#"nats.conf:4:53: invalid connection types ["UNKNOWN"]"#),
    },
    Row {
        name: "websocket auth unknown var",
        text: r#"
				websocket {
					authorization {
                        unknown: "field"
				   }
				}
			"#,
        expected: Error(r#"nats.conf:4:25: unknown field "unknown""#),
    },
    Row {
        name: "websocket bad tls",
        text: r#"
				websocket {
                    tls {
						cert_file: "configs/certs/server.pem"
					}
				}
			"#,
        expected: Error("nats.conf:3:21: missing 'key_file' in TLS configuration"),
    },
    Row {
        name: "verify_cert_and_check_known_urls not support for websockets",
        text: r#"
				websocket {
                    tls {
						cert_file: "configs/certs/server.pem"
						key_file: "configs/certs/key.pem"
					    verify_cert_and_check_known_urls: true
					}
				}
			"#,
        expected: Error(
            "nats.conf:6:10: verify_cert_and_check_known_urls not supported in this context",
        ),
    },
    Row {
        name: "ambiguous store dir",
        text: r#"
                                store_dir: "foo"
                                jetstream {
                                  store_dir: "bar"
                                }
                        "#,
        expected: Error("Duplicate 'store_dir' configuration"),
    },
    Row {
        name: "token not supported in cluster",
        text: r#"
				cluster {
					port: -1
					authorization {
						token: "my_token"
					}
				}
			"#,
        expected: Error("nats.conf:4:6: Cluster authorization does not support tokens"),
    },
    Row {
        name: "token not supported in gateway",
        text: r#"
				gateway {
					port: -1
					name: "A"
					authorization {
						token: "my_token"
					}
				}
			"#,
        expected: Error("nats.conf:5:6: Gateway authorization does not support tokens"),
    },
    Row {
        name: "wrong type for cluster pool size",
        text: r#"
				cluster {
					port: -1
					pool_size: "abc"
				}
			"#,
        expected: Error("nats.conf:4:6: interface conversion: interface {} is string, not int64"),
    },
    Row {
        name: "wrong type for cluster accounts",
        text: r#"
				cluster {
					port: -1
					accounts: 123
				}
			"#,
        expected: Error("nats.conf:4:6: error parsing accounts: unsupported type int64"),
    },
    Row {
        name: "wrong type for cluster compression",
        text: r#"
				cluster {
					port: -1
					compression: 123
				}
			"#,
        expected: Error(
            r#"nats.conf:4:6: field "compression" should be a boolean or a structure, got int64"#,
        ),
    },
    Row {
        name: "wrong type for cluster compression mode",
        text: r#"
				cluster {
					port: -1
					compression: {
						mode: 123
					}
				}
			"#,
        expected: Error("nats.conf:5:7: interface conversion: interface {} is int64, not string"),
    },
    Row {
        name: "wrong type for cluster compression rtt thresholds",
        text: r#"
				cluster {
					port: -1
					compression: {
						mode: "s2_auto"
						rtt_thresholds: 123
					}
				}
			"#,
        expected: Error(
            "nats.conf:6:7: interface conversion: interface {} is int64, not []interface {}",
        ),
    },
    Row {
        name: "invalid durations for cluster compression rtt thresholds",
        text: r#"
				cluster {
					port: -1
					compression: {
						mode: "s2_auto"
						rtt_thresholds: [abc]
					}
				}
			"#,
        expected: Error(r#"nats.conf:6:7: time: invalid duration "abc""#),
    },
    Row {
        name: "invalid durations for cluster ping interval",
        text: r#"
				cluster {
					port: -1
					ping_interval: -1
					ping_max: 6
				}
			"#,
        expected: Error(
            r#"nats.conf:4:6: invalid use of field "ping_interval": ping_interval should be converted to a duration"#,
        ),
    },
    Row {
        name: "invalid durations for cluster ping interval",
        text: r#"
				cluster {
					port: -1
					ping_interval: '2m'
					ping_max: 6
				}
			"#,
        expected: Warning(
            "nats.conf:4:6: Cluster 'ping_interval' will reset to 30s which is the max for routes",
        ),
    },
    Row {
        name: "wrong type for leafnodes compression",
        text: r#"
				leafnodes {
					port: -1
					compression: 123
				}
			"#,
        expected: Error(
            r#"nats.conf:4:6: field "compression" should be a boolean or a structure, got int64"#,
        ),
    },
    Row {
        name: "wrong type for leafnodes compression mode",
        text: r#"
				leafnodes {
					port: -1
					compression: {
						mode: 123
					}
				}
			"#,
        expected: Error("nats.conf:5:7: interface conversion: interface {} is int64, not string"),
    },
    Row {
        name: "wrong type for leafnodes compression rtt thresholds",
        text: r#"
				leafnodes {
					port: -1
					compression: {
						mode: "s2_auto"
						rtt_thresholds: 123
					}
				}
			"#,
        expected: Error(
            "nats.conf:6:7: interface conversion: interface {} is int64, not []interface {}",
        ),
    },
    Row {
        name: "invalid durations for leafnodes compression rtt thresholds",
        text: r#"
				leafnodes {
					port: -1
					compression: {
						mode: "s2_auto"
						rtt_thresholds: [abc]
					}
				}
			"#,
        expected: Error(r#"nats.conf:6:7: time: invalid duration "abc""#),
    },
    Row {
        name: "wrong type for remote leafnodes compression",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{
							url: "nats://127.0.0.1:123"
							compression: 123
						}
					]
				}
			"#,
        expected: Error(
            r#"nats.conf:7:8: field "compression" should be a boolean or a structure, got int64"#,
        ),
    },
    Row {
        name: "wrong type for remote leafnodes compression mode",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{
							url: "nats://127.0.0.1:123"
							compression: {
								mode: 123
							}
						}
					]
				}
			"#,
        expected: Error("nats.conf:8:9: interface conversion: interface {} is int64, not string"),
    },
    Row {
        name: "wrong type for remote leafnodes compression rtt thresholds",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{
							url: "nats://127.0.0.1:123"
							compression: {
								mode: "s2_auto"
								rtt_thresholds: 123
							}
						}
					]
				}
			"#,
        expected: Error(
            "nats.conf:9:9: interface conversion: interface {} is int64, not []interface {}",
        ),
    },
    Row {
        name: "invalid durations for remote leafnodes compression rtt thresholds",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{
							url: "nats://127.0.0.1:123"
							compression: {
								mode: "s2_auto"
								rtt_thresholds: [abc]
							}
						}
					]
				}
			"#,
        expected: Error(r#"nats.conf:9:9: time: invalid duration "abc""#),
    },
    Row {
        name: "invalid duration for remote leafnode first info timeout",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{
							url: "nats://127.0.0.1:123"
							first_info_timeout: abc
						}
					]
				}
			"#,
        expected: Error(
            r#"nats.conf:7:8: error parsing first_info_timeout: time: invalid duration "abc""#,
        ),
    },
    Row {
        name: "duplicate remote leafnode",
        text: r#"
				leafnodes {
					port: -1
					remotes [
						{ url: "nats://user1:pwd@127.0.0.1:1234" }
						{ url: "nats://user2:pwd@127.0.0.1:1235" }
						{ url: "nats://user1:pwd@127.0.0.1:1234" }
					]
				}
			"#,
        expected: Error("nats.conf:7:9: duplicate remote"),
    },
    Row {
        name: "show warnings on empty configs without values",
        text: "",
        expected: Warning("config has no values or is empty"),
    },
    Row {
        name: "show warnings on empty configs without values and only comments",
        text: r#"# Valid file but has no usable values.
                                    "#,
        expected: Warning("config has no values or is empty"),
    },
    Row {
        name: "TLS handshake first, wrong type",
        text: r#"
				port: -1
				tls {
					first: 123
				}
			"#,
        expected: Error(
            r#"nats.conf:4:6: field "first" should be a boolean or a string, got int64"#,
        ),
    },
    Row {
        name: "TLS handshake first, wrong value",
        text: r#"
				port: -1
				tls {
					first: "123"
				}
			"#,
        expected: Error(r#"nats.conf:4:6: field "first"'s value "123" is invalid"#),
    },
    Row {
        name: "TLS multiple certs",
        text: r#"
				port: -1
				tls {
					certs: [
					  { cert_file: "configs/certs/server.pem", key_file: "configs/certs/key.pem"},
					  { cert_file: "configs/certs/cert.new.pem", key_file: "configs/certs/key.new.pem"},
					]
				}
			"#,
        expected: Valid,
    },
    Row {
        name: "TLS multiple certs, bad type",
        text: r#"
				port: -1
				tls {
					certs: [
					  { cert_file: "configs/certs/server.pem", key_file: 123 },
					  { cert_file: "configs/certs/cert.new.pem", key_file: "configs/certs/key.new.pem"},
					]
				}
			"#,
        expected: Error(
            "nats.conf:5:49: error parsing certificates config: unsupported type int64",
        ),
    },
    Row {
        name: "TLS multiple certs, missing key_file",
        text: r#"
				port: -1
				tls {
					certs: [
					  { cert_file: "configs/certs/server.pem" }
					  { cert_file: "configs/certs/cert.new.pem", key_file: "configs/certs/key.new.pem"}
					]
				}
			"#,
        expected: Error(
            "nats.conf:5:10: error parsing certificates config: both 'cert_file' and 'cert_key' options are required",
        ),
    },
    Row {
        name: "TLS multiple certs and single cert options at the same time",
        text: r#"
				port: -1
				tls {
					cert_file: "configs/certs/server.pem"
					key_file: "configs/certs/key.pem"
					certs: [
					  { cert_file: "configs/certs/server.pem", key_file: "configs/certs/key.pem"},
					  { cert_file: "configs/certs/cert.new.pem", key_file: "configs/certs/key.new.pem"},
					]
				}
			"#,
        expected: Error(
            "nats.conf:3:5: error parsing tls config, cannot combine 'cert_file' option with 'certs' option",
        ),
    },
    Row {
        name: "TLS multiple certs used but not configured, but cert_file configured",
        text: r#"
				port: -1
				tls {
					cert_file: "configs/certs/server.pem"
					key_file: "configs/certs/key.pem"
					certs: []
				}
			"#,
        expected: Valid,
    },
    Row {
        name: "TLS multiple certs, missing bad path",
        text: r#"
				port: -1
				tls {
					certs: [
					  { cert_file: "configs/certs/cert.new.pem", key_file: "configs/certs/key.new.pem"}
					  { cert_file: "configs/certs/server.pem", key_file: "configs/certs/key.new.pom" }
					]
				}
			"#,
        expected: Error(
            "nats.conf:3:5: error parsing X509 certificate/key pair 2/2: open configs/certs/key.new.pom: no such file or directory",
        ),
    },
    Row {
        name: "Proxies wrong type",
        text: r#"
				port: -1
				proxies: 123
			"#,
        expected: Error("nats.conf:3:5: expected proxies to be a map/struct, got int64"),
    },
    Row {
        name: "Proxies unknown field",
        text: r#"
				port: -1
				proxies: {
					field1: 123
				}
			"#,
        expected: Error("nats.conf:4:6: unknown field"),
    },
    Row {
        name: "Proxies trusted wrong type",
        text: r#"
				port: -1
				proxies: {
					trusted: 123
				}
			"#,
        expected: Error("nats.conf:4:6: expected proxies' trusted field to be an array, got int64"),
    },
    Row {
        name: "Proxies trusted key wrong type",
        text: r#"
				port: -1
				proxies: {
					trusted: [
						"abc",
						"def"
					]
				}
			"#,
        expected: Error(
            "nats.conf:5:8: expected proxies' trusted entry to be a map/struct, got string",
        ),
    },
    Row {
        name: "Proxies trusted unknown field",
        text: r#"
				port: -1
				proxies: {
					trusted: [
						{
							key: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
							field1: 123
						}
					]
				}
			"#,
        expected: Error("nats.conf:7:8: unknown field"),
    },
    Row {
        name: "Proxies trusted key invalid",
        text: r#"
				port: -1
				proxies: {
					trusted: [
						{key: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"}
						{key: "bad1"}
						{key: "UD6AYQSOIN2IN5OGC6VQZCR4H3UFMIOXSW6NNS6N53CLJA4PB56CEJJI"}
						{key: "bad2"}
					]
				}
			"#,
        expected: Error("nats.conf:6:8: invalid proxy key"),
    },
    Row {
        name: "Auth user require proxied wrong type",
        text: r#"
				port: -1
				authorization {
					user: user
					password: pwd
					proxy_required: 123
				}
			"#,
        expected: Error("nats.conf:6:6: interface conversion"),
    },
    Row {
        name: "Auth users require proxied wrong type",
        text: r#"
				port: -1
				authorization {
					users: [
						{
							user: user
							password: pwd
							proxy_required: 123
						}
					]
				}
			"#,
        expected: Error("nats.conf:8:8: interface conversion"),
    },
    Row {
        name: "Auth nkey users require proxied wrong type",
        text: r#"
				port: -1
				authorization {
					users: [
						{
							nkey: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
							proxy_required: 123
						}
					]
				}
			"#,
        expected: Error("nats.conf:7:8: interface conversion"),
    },
    Row {
        name: "Account users require proxied wrong type",
        text: r#"
				port: -1
				accounts {
					A: {
						users: [
							{
								user: user
								password: pwd
								proxy_required: 123
							}
						]
					}
				}
			"#,
        expected: Error("nats.conf:9:9: interface conversion"),
    },
    Row {
        name: "Account nkey users require proxied wrong type",
        text: r#"
				port: -1
				accounts {
					A: {
						users: [
							{
								nkey: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
								proxy_required: 123
							}
						]
					}
				}
			"#,
        expected: Error("nats.conf:8:9: interface conversion"),
    },
    Row {
        name: "Leafnode user require proxied wrong type",
        text: r#"
				port: -1
				leafnodes {
					port: -1
					authorization {
						user: user
						password: pwd
						proxy_required: 123
					}
				}
			"#,
        expected: Error("nats.conf:8:7: interface conversion"),
    },
    Row {
        name: "Leafnode neky user require proxied wrong type",
        text: r#"
				port: -1
				leafnodes {
					port: -1
					authorization {
						nkey: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
						proxy_required: 123
					}
				}
			"#,
        expected: Error("nats.conf:7:7: interface conversion"),
    },
    Row {
        name: "Leafnode users require proxied wrong type",
        text: r#"
				port: -1
				leafnodes {
					port: -1
					authorization {
						users: [
							{
								user: user
								password: pwd
								proxy_required: 123
							}
						]
					}
				}
			"#,
        expected: Error("nats.conf:10:9: interface conversion"),
    },
    Row {
        name: "Leafnode nkey users require proxied wrong type",
        text: r#"
				port: -1
				leafnodes {
					port: -1
					authorization {
						users: [
							{
								nkey: "UCARKS2E3KVB7YORL2DG34XLT7PUCOL2SVM7YXV6ETHLW6Z46UUJ2VZ3"
								proxy_required: 123
							}
						]
					}
				}
			"#,
        expected: Error("nats.conf:9:9: interface conversion"),
    },
    Row {
        name: "leafnode proxy with unsupported scheme",
        text: r#"
				leafnodes {
					remotes = [
						{
							url: "ws://127.0.0.1:7422"
							proxy {
								url: "ftp://proxy.example.com:8080"
							}
						}
					]
				}
			"#,
        expected: Error("nats.conf:6:8: proxy URL scheme must be http or https, got: ftp"),
    },
    Row {
        name: "leafnode proxy with missing host",
        text: r#"
				leafnodes {
					remotes = [
						{
							url: "ws://127.0.0.1:7422"
							proxy {
								url: "http://"
							}
						}
					]
				}
			"#,
        expected: Error("nats.conf:6:8: proxy URL must specify a host"),
    },
    Row {
        name: "leafnode proxy with username but no password",
        text: r#"
				leafnodes {
					remotes = [
						{
							url: "ws://127.0.0.1:7422"
							proxy {
								url: "http://proxy.example.com:8080"
								username: "testuser"
							}
						}
					]
				}
			"#,
        expected: Error(
            "nats.conf:6:8: proxy username and password must both be specified or both be empty",
        ),
    },
    Row {
        name: "leafnode proxy with password but no username",
        text: r#"
				leafnodes {
					remotes = [
						{
							url: "ws://127.0.0.1:7422"
							proxy {
								url: "http://proxy.example.com:8080"
								password: "testpass"
							}
						}
					]
				}
			"#,
        expected: Error(
            "nats.conf:6:8: proxy username and password must both be specified or both be empty",
        ),
    },
    Row {
        name: "leafnode proxy with WSS URL but no TLS config",
        text: r#"
				leafnodes {
					remotes = [
						{
							url: "wss://127.0.0.1:7422"
							proxy {
								url: "http://proxy.example.com:8080"
							}
						}
					]
				}
			"#,
        expected: Error(
            "nats.conf:6:8: proxy is configured but remote URL wss://127.0.0.1:7422 requires TLS and no TLS configuration is provided",
        ),
    },
];
