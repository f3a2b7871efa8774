//! A QR code as text, two rows of it in a row of half blocks, for a phone to read off a terminal. Light on dark, as most
//! terminals are, with the quiet zone around; a phone reads it either way.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The widest code that is shown, in modules: wider than this it does not fit beside anything.
const WIDEST: usize = 76;

/// The text of the code; `None` where it would be too large for a terminal.
pub(super) fn text(content: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(content, EcLevel::L).ok()?;
    if code.width() > WIDEST {
        return None;
    }
    let rendered = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(rendered)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_url_becomes_lines_of_half_blocks_that_fit_a_terminal() {
        let shown = text("https://as.example.com/device?user_code=WDJB-MJHT").unwrap();
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert!(lines[0].chars().count() <= 80 && lines.len() * 2 <= lines[0].chars().count() + 1, "{shown}");
        assert!(shown.chars().all(|c| matches!(c, ' ' | '█' | '▀' | '▄' | '\n')), "{shown}");
    }

    #[test]
    fn what_would_not_fit_is_not_shown() {
        assert_eq!(text(&"x".repeat(1000)), None);
    }
}
