//! Is the JSON contract: monitoring documents, requests, replies and error codes.
