//! Cron patterns of six fields: second, minute, hour, day of month, month, day of week.
//!
//! Source: Go `server/cron.go`.

use jiff::civil::Weekday;
use jiff::{Span, ToSpan, Zoned};

use super::pattern::InvalidSchedule;

/// Patterns that name no time within so many years never fire.
const YEARS_MAX: i16 = 5;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
struct Bounds {
    min: u32,
    max: u32,
    /// Of `min` and those after it, in lower case.
    names: &'static [&'static str],
}

const SECONDS: Bounds = Bounds { min: 0, max: 59, names: &[] };
const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS_OF_YEAR: Bounds = Bounds { min: 1, max: 12, names: &MONTHS };
const DAYS_OF_WEEK: Bounds = Bounds { min: 0, max: 6, names: &WEEKDAYS };

/// The values that one field allows.
#[derive(Debug, Clone, Copy)]
struct Field {
    /// Bit n: n is allowed.
    bits: u64,
    /// Whether a star without a step is among them.
    is_any: bool,
}

impl Field {
    fn parse(text: &str, bounds: &Bounds) -> Result<Self, InvalidSchedule> {
        let mut field = Self { bits: 0, is_any: false };
        for part in text.split(',').filter(|part| !part.is_empty()) {
            field.add(part, bounds)?;
        }
        // Of commas alone. It would never fire.
        if field.bits == 0 { Err(InvalidSchedule) } else { Ok(field) }
    }

    /// Adds `5`, `1-5`, `*`, `?`, or one of them with `/step`; `5/2` means from 5 to the end.
    fn add(&mut self, part: &str, bounds: &Bounds) -> Result<(), InvalidSchedule> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (part, None),
        };
        let (start, end) = match range.split_once('-') {
            // Go looks at what is before the hyphen first.
            _ if range == "*" || range == "?" => (bounds.min, bounds.max),
            Some(("*" | "?", _)) => (bounds.min, bounds.max),
            Some((low, high)) => (bounds.value(low)?, bounds.value(high)?),
            None if step.is_some() => (bounds.value(range)?, bounds.max),
            None => (bounds.value(range)?, bounds.value(range)?),
        };
        let step = step.unwrap_or(1);
        if step == 0 || start > end || start < bounds.min || end > bounds.max {
            return Err(InvalidSchedule);
        }
        self.is_any |= step == 1 && range.starts_with(['*', '?']);
        let step = usize::try_from(step).map_err(|_| InvalidSchedule)?;
        self.bits |= (start..=end).step_by(step).fold(0, |bits, value| bits | 1 << value);
        Ok(())
    }

    fn allows(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.bits >> value & 1 == 1)
    }
}

impl Bounds {
    fn value(&self, text: &str) -> Result<u32, InvalidSchedule> {
        let named = self.names.iter().position(|name| text.eq_ignore_ascii_case(name));
        match named.and_then(|place| u32::try_from(place).ok()) {
            Some(place) => Ok(self.min + place),
            None => number(text),
        }
    }
}

fn number(text: &str) -> Result<u32, InvalidSchedule> {
    text.parse().map_err(|_| InvalidSchedule)
}

/// A parsed pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cron {
    second: Field,
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Cron {
    pub(super) fn parse(pattern: &str) -> Result<Self, InvalidSchedule> {
        let fields: Vec<&str> = pattern.split_whitespace().collect();
        let [second, minute, hour, day, month, weekday] = fields[..] else {
            return Err(InvalidSchedule);
        };
        Ok(Self {
            second: Field::parse(second, &SECONDS)?,
            minute: Field::parse(minute, &MINUTES)?,
            hour: Field::parse(hour, &HOURS)?,
            day: Field::parse(day, &DAYS)?,
            month: Field::parse(month, &MONTHS_OF_YEAR)?,
            weekday: Field::parse(weekday, &DAYS_OF_WEEK)?,
        })
    }

    /// The first time after `after`, which is not that second itself.
    pub(super) fn next(&self, after: &Zoned) -> Result<Zoned, InvalidSchedule> {
        let second = Span::new().nanoseconds(i64::from(after.subsec_nanosecond()));
        let mut at = add(&add(after, -second)?, 1.second())?;
        let last_year = after.year().saturating_add(YEARS_MAX);
        while at.year() <= last_year {
            at = if !self.month.allows(at.month()) {
                let next = at.first_of_month().and_then(|first| first.checked_add(1.month()));
                next.and_then(|next| next.start_of_day()).map_err(|_| InvalidSchedule)?
            } else if !self.allows_day(&at) {
                let next = at.tomorrow().and_then(|next| next.start_of_day());
                next.map_err(|_| InvalidSchedule)?
            } else if !self.hour.allows(at.hour()) {
                let into = i64::from(at.minute()) * 60 + i64::from(at.second());
                add(&at, (3600 - into).seconds())?
            } else if !self.minute.allows(at.minute()) {
                add(&at, (60 - i64::from(at.second())).seconds())?
            } else if !self.second.allows(at.second()) {
                add(&at, 1.second())?
            } else {
                return Ok(at);
            };
        }
        Err(InvalidSchedule)
    }

    /// When both days are restricted, either will do.
    fn allows_day(&self, at: &Zoned) -> bool {
        let by_day = self.day.allows(at.day());
        let by_weekday = self.weekday.allows(days_since_sunday(at.weekday()));
        if self.day.is_any || self.weekday.is_any {
            by_day && by_weekday
        } else {
            by_day || by_weekday
        }
    }
}

fn days_since_sunday(weekday: Weekday) -> i8 {
    weekday.to_sunday_zero_offset()
}

fn add(at: &Zoned, span: Span) -> Result<Zoned, InvalidSchedule> {
    at.checked_add(span).map_err(|_| InvalidSchedule)
}
