//! A NAME selects what a slow and obvious matcher says, and only names that could be a pod's are
//! taken.

use super::oracle::{is_label, is_name};
use nodefall::decide::Selector;

/// The input's lines: a namespace, a NAME, a pod's namespace, its name, and its owner's.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (namespace, name, pod_namespace, pod) = (line(), line(), line(), line());
    let owner = Some(line()).filter(|owner| !owner.is_empty());

    let is_good = is_label(namespace) && is_name(&name.replace(['*', '?'], "x"));
    let selector = match Selector::parse(namespace, name) {
        Ok(selector) => selector,
        Err(why) => {
            assert!(!is_good, "{namespace:?}/{name:?}: {why}");
            super::assert_line(&why, 1000);
            return refused(namespace, name);
        }
    };
    assert!(is_good, "{namespace:?}/{name:?} was taken");
    let expected = namespace == pod_namespace && (matches(name, pod) || owner == Some(name));
    assert_eq!(
        selector.selects(pod_namespace, pod, owner),
        expected,
        "{namespace}/{name} and {pod_namespace:?}/{pod:?} of {owner:?}"
    );
    // What was read is what was written, also on the command line.
    assert_eq!((selector.namespace(), selector.name()), (namespace, name));
    let option = super::option("--pod", format!("{namespace}/{name}").as_bytes());
    let settings = super::settings([option]).expect("the same on the command line");
    let read = settings.selectors.last().expect("the last selector");
    assert_eq!((read.namespace(), read.name()), (namespace, name));
}

/// The command line refuses it as well; a comma there begins another name.
fn refused(namespace: &str, name: &str) {
    let value = format!("{namespace}/{name}");
    if value.matches('/').count() == 1 && !value.contains(',') {
        let line = super::settings([super::option("--pod", value.as_bytes())]);
        let line = line.expect_err("refused there, too");
        super::assert_line(&line, 1000);
        assert!(line.starts_with("--pod"), "{line}");
    }
}

/// `*` is anything, `?` one character, the rest itself. One row of a table for each character of the
/// pattern: which beginnings of the text it can stand for.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<_> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern.chars() {
        let before = std::mem::replace(&mut reached, vec![false; text.len() + 1]);
        for end in 0..=text.len() {
            reached[end] = match wanted {
                '*' => before[..=end].contains(&true),
                _ if end == 0 => false,
                '?' => before[end - 1],
                c => before[end - 1] && text[end - 1] == c,
            };
        }
    }
    reached[text.len()]
}
