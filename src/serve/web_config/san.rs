//! The Subject Alternate Names of a certificate, as Go's crypto/x509 lists them: DNS names, e-mail
//! addresses, IP addresses and URIs. rustls checks certificates and does not show these.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Tags of DER (X.690) and of GeneralName (RFC 5280, 4.2.1.6).
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xa3;
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// 2.5.29.17, id-ce-subjectAltName.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The names in a certificate; none where it cannot be read.
pub(in crate::serve) fn names(certificate: &[u8]) -> Vec<String> {
    alternative_names(certificate).unwrap_or_default()
}

fn alternative_names(certificate: &[u8]) -> Option<Vec<String>> {
    let certificate = Der(certificate).expect(SEQUENCE)?;
    let to_be_signed = Der(certificate).expect(SEQUENCE)?;
    let extensions = Der(to_be_signed).find(EXTENSIONS)?;
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            continue;
        }
        // Between them it may say whether it is critical.
        let value = extension.find(OCTET_STRING)?;
        let mut names = Der(Der(value).expect(SEQUENCE)?);
        let mut found = Vec::new();
        while let Some((tag, name)) = names.next() {
            found.extend(general_name(tag, name));
        }
        return Some(found);
    }
    None
}

fn general_name(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        EMAIL | DNS | URI => std::str::from_utf8(name).ok().map(str::to_owned),
        IP => match name.len() {
            4 => <[u8; 4]>::try_from(name)
                .ok()
                .map(|ip| Ipv4Addr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(name)
                .ok()
                .map(|ip| Ipv6Addr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// What is left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            // The length of the length; four bytes of it are more than any certificate has.
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) || rest.len() < count {
                return None;
            }
            let (bytes, after) = rest.split_at(count);
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        if rest.len() < length {
            return None;
        }
        let (content, after) = rest.split_at(length);
        self.0 = after;
        Some((tag, content))
    }

    /// The next element, which must have that tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .and_then(|(found, content)| (found == tag).then_some(content))
    }

    /// The next element of that tag, whatever stands before it.
    fn find(&mut self, tag: u8) -> Option<&'a [u8]> {
        loop {
            let (found, content) = self.next()?;
            if found == tag {
                return Some(content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate() -> Vec<u8> {
        let mut params =
            CertificateParams::new(["alertmanager.example".to_owned()]).expect("a name");
        params.subject_alt_names.extend([
            SanType::Rfc822Name("ops@example.org".try_into().expect("an address")),
            SanType::URI("spiffe://cluster/ns/monitoring".try_into().expect("a URI")),
            SanType::IpAddress("192.0.2.7".parse().expect("an address")),
            SanType::IpAddress("2001:db8::7".parse().expect("an address")),
        ]);
        let key = KeyPair::generate().expect("a key");
        params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .to_vec()
    }

    #[test]
    fn every_kind_of_name_is_read() {
        let expected = [
            "alertmanager.example",
            "ops@example.org",
            "spiffe://cluster/ns/monitoring",
            "192.0.2.7",
            "2001:db8::7",
        ];
        assert_eq!(names(&certificate()), expected);
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        let params = CertificateParams::new([]).expect("no names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(names(certificate.der()), [""; 0]);
    }

    #[test]
    fn whatever_else_it_is_nothing_is_read_and_nothing_breaks() {
        let certificate = certificate();
        for length in 0..certificate.len() {
            assert_eq!(names(&certificate[..length]), [""; 0], "{length}");
        }
        for index in 0..certificate.len() {
            for bit in 0..8 {
                let mut broken = certificate.clone();
                broken[index] ^= 1 << bit;
                names(&broken);
            }
        }
        names(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]);
        names(&[0x30, 0x80]);
        names(&[0x30; 10_000]);
    }
}
