//! A file of the person's own: the configuration, headers. Read whole at the start; who else can write or read it is judged
//! here, for what stands in it decides where tokens go.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::credentials::file::shown;
use crate::problem::{Code, Problem};

/// How long such a file may be, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A file that was read.
pub(super) struct OwnFile {
    pub(super) text: Zeroizing<String>,
    /// Somebody else can read it.
    pub(super) is_open: bool,
    /// What the person should know of it.
    pub(super) warning: Option<String>,
}

/// Reads a file; `None` where there is none. Links are followed: many keep such files elsewhere.
///
/// # Errors
/// One that cannot be read, or that somebody else can change.
pub(super) fn read(path: &Path) -> Result<Option<OwnFile>, Problem> {
    let refused =
        |why: String, hint: &str| Problem::new(Code::InvalidSetting, format!("`{}` {why}", shown(path)), hint);
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata,
    };
    let read = metadata.and_then(|metadata| Ok((read_text(path, &metadata)?, metadata)));
    let hint = "check its name and rights; it has to be a text file";
    let (text, metadata) = read.map_err(|error| refused(format!("cannot be read: {error}"), hint))?;
    match rights(&metadata) {
        Rights::Foreign => Err(refused("belongs to another user".to_owned(), "copy it, and name your copy")),
        Rights::WritableByAll => {
            let hint = format!("take that right away: `chmod o-w '{}'`", shown(path));
            Err(refused("can be changed by every user of this machine".to_owned(), &hint))
        }
        Rights::WritableByGroup => {
            let warning = format!("`{}` can be changed by its whole group: `chmod g-w` keeps it yours", shown(path));
            Ok(Some(OwnFile { text, is_open: true, warning: Some(warning) }))
        }
        Rights::Readable => Ok(Some(OwnFile { text, is_open: true, warning: None })),
        Rights::Private => Ok(Some(OwnFile { text, is_open: false, warning: None })),
    }
}

/// What others may do with a file that holds secrets, as a warning.
pub(super) fn open_to_others(path: &Path) -> String {
    format!("`{}` holds headers and can be read by others: `chmod 600` keeps them yours", shown(path))
}

fn read_text(path: &Path, metadata: &Metadata) -> io::Result<Zeroizing<String>> {
    // Asked before it is opened: to open a pipe waits for its writer.
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(1 << 20) + 1));
    if File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)? as u64 > LIMIT {
        return Err(io::Error::other(format!("it is longer than {LIMIT} bytes")));
    }
    Ok(text)
}

/// What others may do with a file, the worst first. Elsewhere than on Unix the profile's rights are relied on.
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix tells"))]
enum Rights {
    Foreign,
    WritableByAll,
    WritableByGroup,
    Readable,
    Private,
}

#[cfg(unix)]
fn rights(metadata: &Metadata) -> Rights {
    use std::os::unix::fs::MetadataExt;
    let owner = metadata.uid();
    match metadata.mode() {
        // An administrator may keep one for everybody.
        _ if owner != 0 && owner != rustix::process::geteuid().as_raw() => Rights::Foreign,
        mode if mode & 0o002 != 0 => Rights::WritableByAll,
        mode if mode & 0o020 != 0 => Rights::WritableByGroup,
        mode if mode & 0o044 != 0 => Rights::Readable,
        _ => Rights::Private,
    }
}

#[cfg(not(unix))]
fn rights(_: &Metadata) -> Rights {
    Rights::Private
}
