//! Durations as Prometheus and Go write them.

use jiff::SignedDuration;
use std::time::Duration;

/// The longest duration that makes sense, so that no sum with a clock can overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a duration looks like.
pub(super) const EXPECTED: &str =
    "a duration like 90s, 1m30s or 500ms (units h, m, s, ms; at most 8760h)";

/// Reads `0` or a chain of whole numbers with units, the largest unit first.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    // jiff knows more than is allowed here: signs, blanks, fractions, days, words and ISO 8601.
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let unit = number.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let digits = rest.len() - number.len();
        if digits == 0 || !["h", "m", "s", "ms"].contains(&&number[..number.len() - unit.len()]) {
            return Err(EXPECTED.to_owned());
        }
        rest = unit;
    }
    let duration: SignedDuration = text.parse().map_err(|_| EXPECTED.to_owned())?;
    let duration = Duration::try_from(duration).map_err(|_| EXPECTED.to_owned())?;
    if duration > LONGEST {
        Err(EXPECTED.to_owned())
    } else {
        Ok(duration)
    }
}

/// The same, and at least a second.
pub(super) fn at_least_1s(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|duration| {
        at_least(duration, Duration::from_secs(1))
            .ok_or_else(|| "a duration of at least 1s".to_owned())
    })
}

/// The same, and at least 100 ms.
pub(super) fn at_least_100ms(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|duration| {
        at_least(duration, Duration::from_millis(100))
            .ok_or_else(|| "a duration of at least 100ms".to_owned())
    })
}

/// The same, and at least a second, or `0`, which turns it off.
pub(super) fn zero_or_at_least_1s(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|duration| {
        if duration.is_zero() {
            return Ok(duration);
        }
        at_least(duration, Duration::from_secs(1))
            .ok_or_else(|| "a duration of at least 1s, or 0 to turn the sweep off".to_owned())
    })
}

fn at_least(duration: Duration, least: Duration) -> Option<Duration> {
    (duration >= least).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_and_go_write_them() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1h2m3s4ms", 3_723_004),
            ("8760h", 31_536_000_000),
            ("090s", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "1",
            "00",
            "60",
            "s",
            "m5",
            "-1s",
            "+1s",
            "1 s",
            " 1s",
            "1s ",
            "1s\n",
            "1s\0",
            "1.5s",
            "1,5s",
            "1e3s",
            "1d",
            "1w",
            "1y",
            "1M",
            "1S",
            "1H",
            "1us",
            "1µs",
            "1ns",
            "1sec",
            "1 minute",
            "1minutes",
            "PT1M",
            "P1D",
            "1:30",
            "00:01:30",
            "1s1m",
            "1s1s",
            "１s",
            "1ѕ",
            "1m30",
            "inf",
            "0x1s",
            "1_000s",
            "8761h",
            "99999999999999999999h",
            "9223372036854775807h",
            "1h ago",
            "∞",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(parse(&"9".repeat(100_000)).is_err());
        assert!(parse(&"1s".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_too_short_says_so() {
        assert_eq!(
            at_least_1s("999ms"),
            Err("a duration of at least 1s".to_owned())
        );
        assert_eq!(
            at_least_1s("0"),
            Err("a duration of at least 1s".to_owned())
        );
        assert_eq!(at_least_1s("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(
            at_least_100ms("99ms"),
            Err("a duration of at least 100ms".to_owned())
        );
        assert_eq!(at_least_100ms("100ms"), Ok(Duration::from_millis(100)));
        assert!(zero_or_at_least_1s("999ms").is_err());
        assert_eq!(zero_or_at_least_1s("0"), Ok(Duration::ZERO));
        assert_eq!(zero_or_at_least_1s("1s"), Ok(Duration::from_secs(1)));
    }
}
