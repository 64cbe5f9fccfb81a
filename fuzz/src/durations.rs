//! Every option that takes a duration reads it as a slow and obvious reader does, and nothing else.

use std::time::Duration;

/// The input is the value, of any bytes.
pub fn check(input: &[u8]) {
    // Whether a number may begin with more zeros than 64 bits have digits is left to the parser.
    let mut numbers = input.split(|byte| !byte.is_ascii_digit());
    if numbers.any(|number| number.len() > 18 && number[0] == b'0') {
        return;
    }
    let expected = std::str::from_utf8(input).ok().and_then(read);
    type Field = fn(&nodefall::settings::Settings) -> Option<Duration>;
    let options: [(&str, u64, bool, Field); 5] = [
        ("--unreachable-for", 0, true, |s| s.unreachable_for),
        ("--patch-timeout", 0, true, |s| Some(s.limits.patch_timeout)),
        ("--delete-timeout", 1000, false, |s| {
            Some(s.limits.delete_timeout)
        }),
        ("--patch-interval", 100, false, |s| {
            Some(s.limits.patch_interval)
        }),
        ("--period", 1000, true, |s| {
            Some(s.period.unwrap_or_default())
        }),
    ];
    for (option, least, takes_zero, field) in options {
        let fits = |ms: &u64| *ms >= least || (takes_zero && *ms == 0);
        let expected = expected.filter(fits).map(Duration::from_millis);
        match super::settings([super::option(option, input)]) {
            Ok(settings) => assert_eq!(field(&settings), expected, "{option}={input:?}"),
            Err(line) => {
                assert_eq!(expected, None, "{option}={input:?}: {line}");
                super::assert_line(&line, 1000);
                let is_text = std::str::from_utf8(input).is_ok();
                assert!(line.starts_with(option) || !is_text, "{line}");
            }
        }
    }
    // Written as Go writes it and read again it is the same.
    if let Some(ms) = expected {
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        let text = format!("{h}h{m}m{s}s{}ms", ms % 1000);
        let settings = super::settings([super::option("--unreachable-for", text.as_bytes())]);
        let again = settings.expect("a duration").unreachable_for;
        assert_eq!(again, Some(Duration::from_millis(ms)), "{text}");
    }
}

/// The milliseconds of `0`, or of whole numbers of hours, minutes, seconds and milliseconds in this
/// order, a year at most.
fn read(text: &str) -> Option<u64> {
    const YEAR: u64 = 365 * 24 * 3_600_000;
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut sum) = (text, 0_u64);
    for (unit, ms) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| !c.is_ascii_alphabetic());
        let (word, after) = after.split_at(end.unwrap_or(after.len()));
        if !number.is_empty() && word == unit {
            sum = sum.saturating_add(number.parse().unwrap_or(u64::MAX).saturating_mul(ms));
            rest = after;
        }
    }
    (rest.is_empty() && !text.is_empty() && sum <= YEAR).then_some(sum)
}
