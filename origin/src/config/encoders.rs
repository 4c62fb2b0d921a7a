//! Whether this ffmpeg has the encoders that the ladder names.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use settings::{Invalid, KeyPath};

use super::TranscodeSettings;
use crate::transcode::{Encoder, listed};

/// It lists its encoders in a tenth of a second.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Asks ffmpeg, unless all rungs are x264's.
pub(super) fn check(settings: &TranscodeSettings) -> Result<(), Invalid> {
    let mut asked = settings.ladder.iter().map(|rung| rung.encoder);
    if asked.all(|encoder| encoder == Encoder::X264) {
        return Ok(());
    }
    let output = match ask(&settings.ffmpeg) {
        Ok(output) => output,
        Err(reason) => {
            // The log is not there yet.
            let program = settings.ffmpeg.display();
            let complaint =
                format!("weir-origin: the ladder's encoders are not checked: {program}: ");
            drop(writeln!(std::io::stderr(), "{complaint}{reason}"));
            return Ok(());
        }
    };
    judge(settings, &output)
}

fn judge(settings: &TranscodeSettings, output: &str) -> Result<(), Invalid> {
    let there: Vec<&str> = listed(output).collect();
    for (index, rung) in settings.ladder.iter().enumerate() {
        let needed = rung.encoder.ffmpeg_name();
        if there.contains(&needed) {
            continue;
        }
        let usable = Encoder::ALL.into_iter();
        let usable = usable.filter(|encoder| there.contains(&encoder.ffmpeg_name()));
        let usable: Vec<&str> = usable.map(Encoder::as_str).collect();
        let program = settings.ffmpeg.display();
        return Err(Invalid::new(
            KeyPath::new("ladder").index(index).key("encoder"),
            format!(
                "{program} has no {needed}; of these it has: {}",
                usable.join(", ")
            ),
        ));
    }
    Ok(())
}

fn ask(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(["-hide_banner", "-encoders"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let (answer, answered) = mpsc::channel();
    // One that hangs is left behind, with its thread: it must not keep the origin from starting.
    std::thread::spawn(move || answer.send(command.output()));
    let output = answered
        .recv_timeout(ANSWER_MAX)
        .map_err(|_| format!("no answer in {} s", ANSWER_MAX.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> TranscodeSettings {
        let parsed = crate::config::parse(Path::new("test.toml"), text);
        parsed.unwrap().transcode
    }

    const LADDER: &str = "[[ladder]]\nname = \"a\"\nheight = 720\nvideo_bitrate_kbps = 2000\n\
                          [[ladder]]\nname = \"b\"\nheight = 720\nvideo_bitrate_kbps = 1500\n\
                          encoder = \"x265\"\n";

    #[test]
    fn an_encoder_that_is_not_there_is_named_with_those_that_are() {
        let settings = settings(LADDER);
        let has = |names: &[&str]| {
            let lines = names.iter().map(|name| format!(" V..... {name}  x\n"));
            format!("Encoders:\n ------\n{}", lines.collect::<String>())
        };
        assert!(judge(&settings, &has(&["libx264", "libx265"])).is_ok());
        let invalid = judge(&settings, &has(&["libx264", "libsvtav1"])).unwrap_err();
        let expect = "ffmpeg has no libx265; of these it has: x264, svt-av1";
        assert!(format!("{invalid:?}").contains(expect), "{invalid:?}");
    }

    #[test]
    fn an_ffmpeg_that_cannot_be_run_is_no_error_here() {
        let text = format!("[transcode]\nffmpeg = \"/nowhere/ffmpeg\"\n{LADDER}");
        assert!(check(&settings(&text)).is_ok());
    }
}
