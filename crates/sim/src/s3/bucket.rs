//! What lies in the bucket, what was asked of it, and what is to go wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::S3Fault;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `GetObject`.
    Get,
    /// `HeadObject`.
    Head,
    /// `PutObject`.
    Put,
    /// `DeleteObject`.
    Delete,
    /// `CreateMultipartUpload`.
    Begin,
    /// `UploadPart`.
    Part,
    /// `CompleteMultipartUpload`.
    Complete,
    /// `AbortMultipartUpload`.
    Abort,
    /// `ListObjectsV2`.
    List,
}

/// A request, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For what; `None` where it asked for nothing that the stand-in knows.
    pub op: Option<Op>,
    /// Of which object.
    pub key: String,
    /// The status of the answer; 0 until there is one.
    pub status: u16,
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) tag: String,
    /// As HTTP writes it.
    pub(super) changed: String,
}

/// An upload in parts that is not complete.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) parts: BTreeMap<u32, Vec<u8>>,
}

/// One bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<String, Upload>,
    pub(super) asked: Vec<Asked>,
    faults: Vec<(Op, S3Fault, u32)>,
    begun: u32,
}

/// The least that a part but the last may have ("Multipart upload limits", S3 user guide).
const LEAST_PART: usize = 5 << 20;

impl Bucket {
    /// So many of the next requests of this kind go wrong so.
    pub(super) fn spoil(&mut self, op: Op, fault: S3Fault, times: u32) {
        self.faults.push((op, fault, times));
    }

    /// Nothing goes wrong any more.
    pub(super) fn mend(&mut self) {
        self.faults.clear();
    }

    /// What goes wrong with this request.
    pub(super) fn fault(&mut self, op: Op) -> Option<S3Fault> {
        let (_, fault, times) = self.faults.iter_mut().find(|(of, _, times)| *of == op && *times > 0)?;
        *times -= 1;
        Some(*fault)
    }

    pub(super) fn put(&mut self, key: &str, bytes: Vec<u8>, now: jiff::Timestamp) -> String {
        let tag = tag(&bytes);
        let changed = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        self.objects.insert(key.to_owned(), Object { bytes, tag: tag.clone(), changed });
        tag
    }

    /// Begins an upload in parts. Gives its id.
    pub(super) fn begin(&mut self, key: &str) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), Upload { key: key.to_owned(), ..Upload::default() });
        id
    }

    /// Puts the parts together that are named with their tags. Gives the object's tag, or the error's code.
    pub(super) fn complete(
        &mut self,
        id: &str,
        named: &[(u32, String)],
        now: jiff::Timestamp,
    ) -> Result<String, &'static str> {
        let upload = self.uploads.get(id).ok_or("NoSuchUpload")?;
        if named.is_empty() || !named.is_sorted_by(|one, next| one.0 < next.0) {
            return Err("InvalidPartOrder");
        }
        let mut whole = Vec::new();
        for (at, (number, told)) in named.iter().enumerate() {
            let part = upload.parts.get(number).filter(|part| tag(part) == *told).ok_or("InvalidPart")?;
            if at + 1 < named.len() && part.len() < LEAST_PART {
                return Err("EntityTooSmall");
            }
            whole.extend_from_slice(part);
        }
        let key = upload.key.clone();
        self.uploads.remove(id);
        Ok(self.put(&key, whole, now))
    }
}

/// An object's tag. What it is made of is the storage's own affair.
pub(super) fn tag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..16] {
        // Writing to a text can't fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_only_as_they_were_sent() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::default();
        let id = bucket.begin("a");
        let parts = [vec![1; LEAST_PART], vec![2; 3]];
        let tags: Vec<String> = parts.iter().map(|part| tag(part)).collect();
        for (number, part) in (1..).zip(parts.clone()) {
            bucket.uploads.get_mut(&id).unwrap().parts.insert(number, part);
        }
        let named = |numbers: &[u32]| -> Vec<(u32, String)> {
            numbers.iter().map(|number| (*number, tags[*number as usize - 1].clone())).collect()
        };
        assert_eq!(bucket.complete("other", &named(&[1]), now), Err("NoSuchUpload"));
        assert_eq!(bucket.complete(&id, &named(&[2, 1]), now), Err("InvalidPartOrder"));
        assert_eq!(bucket.complete(&id, &[(1, tags[1].clone())], now), Err("InvalidPart"));
        bucket.complete(&id, &named(&[1, 2]), now).unwrap();
        assert_eq!(bucket.objects["a"].bytes, parts.concat());
        assert!(bucket.uploads.is_empty());
    }

    #[test]
    fn a_fault_lasts_as_long_as_it_was_told() {
        let mut bucket = Bucket::default();
        bucket.spoil(Op::Get, S3Fault::Internal, 1);
        assert_eq!(bucket.fault(Op::Put), None);
        assert_eq!(bucket.fault(Op::Get), Some(S3Fault::Internal));
        assert_eq!(bucket.fault(Op::Get), None);
    }
}
