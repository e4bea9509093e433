//! Runs table scripts from testdata files and rewrites them on request.
