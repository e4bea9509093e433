//! One log line as text.
//!
//! Source: Go `logger/log.go` (`setPlainLabelFormats`, `setColoredLabelFormats`).

use jiff::Zoned;
use tracing::Level;

/// The three letters of a level, and the colour that Go gives them.
pub(super) fn label(level: Level, fatal: bool) -> (&'static str, u8) {
    match level {
        Level::ERROR if fatal => ("FTL", 31),
        Level::ERROR => ("ERR", 31),
        Level::WARN => ("WRN", 93),
        Level::INFO => ("INF", 32),
        Level::DEBUG => ("DBG", 36),
        Level::TRACE => ("TRC", 33),
    }
}

/// How lines are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) time: bool,
    pub(super) utc: bool,
    pub(super) json: bool,
    pub(super) pid: u32,
}

impl Line {
    /// The line with its end.
    pub(super) fn render(&self, label: (&str, u8), colored: bool, text: &str) -> String {
        self.render_at(&Zoned::now(), label, colored, text)
    }

    fn render_at(
        &self,
        now: &Zoned,
        (label, color): (&str, u8),
        colored: bool,
        text: &str,
    ) -> String {
        let utc = self.utc.then(|| now.with_time_zone(jiff::tz::TimeZone::UTC));
        let now = utc.as_ref().unwrap_or(now);
        if self.json {
            let time = if self.time {
                format!("\"time\":\"{}\",", now.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z"))
            } else {
                String::new()
            };
            let (pid, text) = (self.pid, serde_json::Value::from(text));
            return format!("{{{time}\"level\":\"{label}\",\"pid\":{pid},\"message\":{text}}}\n");
        }
        let time = if self.time {
            now.strftime("%Y/%m/%d %H:%M:%S%.6f ").to_string()
        } else {
            String::new()
        };
        let label = if colored { format!("\x1b[{color}m{label}\x1b[0m") } else { label.to_owned() };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        format!("[{}] {time}[{label}] {text}{end}", self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, label};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use tracing::Level;

    /// Go: TestStdLoggerNotice logger/log_test.go:62
    /// Go: TestStdLoggerNoticeWithColor logger/log_test.go:69
    /// Go: TestStdLoggerDebug logger/log_test.go:76
    /// Go: TestStdLoggerTrace logger/log_test.go:90
    #[test]
    fn lines_look_as_go_writes_them() {
        let now = Timestamp::new(1_795_000_000, 774_827_000).unwrap().to_zoned(TimeZone::UTC);
        let line = Line { time: true, utc: true, json: false, pid: 7 };
        let render = |line: Line, colored, text| {
            line.render_at(&now, label(Level::INFO, false), colored, text)
        };
        assert_eq!(render(line, false, "hi"), "[7] 2026/11/18 11:06:40.774827 [INF] hi\n");
        let line = Line { time: false, ..line };
        assert_eq!(render(line, true, "hi"), "[7] [\x1b[32mINF\x1b[0m] hi\n");
        let line = Line { json: true, time: true, ..line };
        assert_eq!(
            render(line, false, "say \"hi\""),
            "{\"time\":\"2026-11-18T11:06:40.774827+00:00\",\"level\":\"INF\",\"pid\":7,\"message\":\"say \\\"hi\\\"\"}\n"
        );
        let labels = [Level::WARN, Level::DEBUG, Level::TRACE].map(|level| label(level, false).0);
        assert_eq!(labels, ["WRN", "DBG", "TRC"]);
        assert_eq!(label(Level::ERROR, true).0, "FTL");
    }
}
