//! The report of a test run, for people. Without I/O.

use super::{CaseFailure, CaseReport, Report};
use crate::output::{Style, Tone, bytes, duration_us, millis, printable};

/// Everything.
pub(super) fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for one in &report.cases {
        text.push_str(&case(one, style));
    }
    let tone = if report.failed == 0 {
        Tone::Good
    } else {
        Tone::Bad
    };
    let summary = style.paint(tone, &report.summary());
    let compiled = millis(report.compile_ms);
    text.push_str(&format!(
        "{summary} ({}, compiled in {compiled})\n",
        bytes(report.size)
    ));
    text
}

/// One case: a line, and what is wrong with it.
pub(super) fn case(case: &CaseReport, style: Style) -> String {
    let word = if case.passed {
        style.paint(Tone::Good, "pass")
    } else {
        style.paint(Tone::Bad, "FAIL")
    };
    let took: Vec<_> = case.took_us.iter().map(|us| duration_us(*us)).collect();
    let took = if took.is_empty() {
        String::new()
    } else {
        style.paint(Tone::Dim, &format!("  {}", took.join(", ")))
    };
    let mut text = format!("{word}  {}{took}\n", printable(&case.name));
    if !case.passed {
        for line in &case.failure {
            text.push_str(&format!("      {}\n", printable(line)));
        }
        for line in &case.log {
            text.push_str(&format!("      logged {}\n", printable(line)));
        }
    }
    text
}

/// Why a case did not pass, in lines.
pub(super) fn failure(failure: &CaseFailure) -> Vec<String> {
    let at = |step: &Option<usize>| step.map_or_else(String::new, |step| format!("step {step}: "));
    match failure {
        CaseFailure::Answer {
            step,
            differences,
            answer,
        } => {
            let mut lines = Vec::new();
            for difference in differences {
                let got = difference.got.as_ref();
                let got = got.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                lines.push(format!("{}{}", at(step), difference.path));
                lines.push(format!("  expected  {}", difference.expected));
                lines.push(format!("  got       {got}"));
            }
            lines.push(format!("the whole answer: {answer}"));
            lines
        }
        CaseFailure::Error {
            step,
            reason,
            backtrace,
        } => {
            let mut lines = vec![format!("{}{reason}", at(step))];
            lines.extend(backtrace.iter().map(|frame| format!("  {frame}")));
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasm_filters::probe::differences;

    use super::*;

    fn failed(name: &str, why: &CaseFailure) -> CaseReport {
        CaseReport {
            name: name.to_owned(),
            passed: false,
            took_us: vec![17.94],
            failure: failure(why),
            log: vec!["warn: odd".to_owned()],
        }
    }

    #[test]
    fn a_report_for_people() {
        let expect = json!({"ok": {"verdict": "allow"}});
        let answer = json!({"ok": {"commands": [], "verdict": {"drop": {"code": "x"}}}});
        let wrong = CaseFailure::Answer {
            step: Some(2),
            differences: differences(&expect, &answer),
            answer,
        };
        let trap = CaseFailure::Error {
            step: None,
            reason: "on-join: unreachable: a panic".to_owned(),
            backtrace: vec!["mine::greet".to_owned()],
        };
        let report = Report {
            name: "mine".to_owned(),
            size: 56_525,
            compile_ms: 35,
            cases: vec![
                CaseReport {
                    name: "good".to_owned(),
                    passed: true,
                    took_us: vec![17.94, 2.054],
                    failure: Vec::new(),
                    log: vec!["info: not shown".to_owned()],
                },
                failed("wrong", &wrong),
                failed("trapped", &trap),
            ],
            failed: 2,
        };
        let expected = "\
pass  good  17.9 us, 2.05 us
FAIL  wrong  17.9 us
      step 2: $.ok.verdict
        expected  \"allow\"
        got       {\"drop\":{\"code\":\"x\"}}
      the whole answer: {\"ok\":{\"commands\":[],\"verdict\":{\"drop\":{\"code\":\"x\"}}}}
      logged warn: odd
FAIL  trapped  17.9 us
      on-join: unreachable: a panic
        mine::greet
      logged warn: odd
mine: 1 passed, 2 failed (55.2 KiB, compiled in 35.0 ms)
";
        let text = render(&report, Style::Plain);
        assert_eq!(text, expected, "\n{text}");
    }
}
