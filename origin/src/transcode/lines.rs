//! Bytes into lines of bounded length. Pure.

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 512;

/// Collects bytes until a line is whole.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    line: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes and gives the lines they complete; empty lines are left out.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                if !self.line.is_empty() {
                    lines.push(String::from_utf8_lossy(&self.line).into_owned());
                    self.line.clear();
                }
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_cut() {
        let mut splitter = LineSplitter::default();
        assert!(splitter.push(b"ab").is_empty());
        assert_eq!(splitter.push(b"c\n\r\nd\r"), ["abc", "d"]);
        splitter.push(&[b'x'; 2 * LINE_BYTES_MAX]);
        assert_eq!(splitter.push(b"\n"), ["x".repeat(LINE_BYTES_MAX)]);
    }
}
