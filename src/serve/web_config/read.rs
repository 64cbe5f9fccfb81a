//! Files as they are on the disk: of bounded size, and compared by what they hold, since cert-manager
//! and the kubelet replace them by swapping a link.

use super::file::File;
use crate::decide::one_line;
use ring::digest::{Context, Digest, SHA256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file that is read: a bundle of 500 CA certificates is about so long.
const LONGEST: u64 = 1024 * 1024;

/// The configuration and every file that it names, read one after another.
pub(super) struct Snapshot {
    /// What the file says, or what is wrong with it.
    pub(super) file: Result<File, String>,
    named: BTreeMap<PathBuf, Result<Vec<u8>, String>>,
    digest: Digest,
}

impl Default for Snapshot {
    /// Of an empty file.
    fn default() -> Self {
        Self {
            file: Ok(File::default()),
            named: BTreeMap::new(),
            digest: ring::digest::digest(&SHA256, b""),
        }
    }
}

impl Snapshot {
    /// Reads everything. Blocks.
    pub(super) fn take(path: &Path) -> Self {
        let text = read(path);
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut file = match &text {
            Ok(text) => File::parse(text, folder).map_err(|why| place(path, &why)),
            Err(why) => Err(why.clone()),
        };
        let paths = file.as_mut().map(File::paths).unwrap_or_default();
        let named: BTreeMap<_, _> = paths
            .into_iter()
            .map(|path| {
                let content = read(&path);
                (path, content)
            })
            .collect();
        let mut digest = Context::new(&SHA256);
        let mut add = |content: &Result<Vec<u8>, String>| {
            let (kind, bytes): (u8, &[u8]) = match content {
                Ok(bytes) => (0, bytes),
                Err(why) => (1, why.as_bytes()),
            };
            digest.update(&[kind]);
            digest.update(&bytes.len().to_be_bytes());
            digest.update(bytes);
        };
        add(&text);
        named.values().for_each(&mut add);
        let digest = digest.finish();
        Self {
            file,
            named,
            digest,
        }
    }

    /// Whether both hold the same.
    pub(super) fn is_like(&self, digest: &Digest) -> bool {
        self.digest.as_ref() == digest.as_ref()
    }

    /// What it holds, in short.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// What a file that the configuration names held.
    ///
    /// # Errors
    /// One line with its path.
    pub(super) fn content(&self, path: &Path) -> Result<&[u8], String> {
        match self.named.get(path) {
            Some(Ok(content)) => Ok(content),
            Some(Err(why)) => Err(why.clone()),
            None => Err(place(path, "it was not read")),
        }
    }
}

/// A path, and what is wrong there.
pub(super) fn place(path: &Path, why: &str) -> String {
    format!("{:?}: {why}", one_line(&path.to_string_lossy(), 512))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| place(path, &error.to_string());
    // What is no file, a pipe say, might never end, or never begin.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(place(path, "it is no file"));
    }
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > LONGEST {
        return Err(place(path, &format!("it is longer than {LONGEST} bytes")));
    }
    Ok(content)
}
