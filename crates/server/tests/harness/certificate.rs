//! Certificates for tests: self-signed, for `localhost`, of any life, made on the spot.
//!
//! The few fields are written byte by byte (RFC 5280 §4.1), which needs no library that we would not have otherwise.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;

/// A certificate with its key.
pub struct Certificate {
    /// Both, as a file has them.
    pub pem: String,
    /// The certificate.
    pub der: CertificateDer<'static>,
}

const SEQUENCE: u8 = 0x30;
/// The object identifiers 1.2.840.10045.4.3.2, 1.2.840.10045.2.1, 1.2.840.10045.3.1.7, 2.5.4.3 and 2.5.29.17.
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
const P256: &[u8] = &[0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const ALTERNATIVE_NAME: &[u8] = &[0x06, 3, 0x55, 0x1D, 0x11];

impl Certificate {
    /// One that is good from 2020 to the end of 2049.
    pub fn fresh() -> Self {
        Self::until("491231235959Z")
    }

    /// One that ended long ago.
    pub fn expired() -> Self {
        Self::until("210101000000Z")
    }

    fn until(end: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).expect("a key pair");
        let algorithm = element(SEQUENCE, &[ECDSA_WITH_SHA256]);
        let name = element(SEQUENCE, &[&element(0x31, &[&element(SEQUENCE, &[COMMON_NAME, &element(0x0C, &[b"localhost"])])])]);
        let validity = element(SEQUENCE, &[&element(0x17, &[b"200101000000Z"]), &element(0x17, &[end.as_bytes()])]);
        let public = element(0x03, &[&[0], pair.public_key().as_ref()]);
        let public = element(SEQUENCE, &[&element(SEQUENCE, &[EC_PUBLIC_KEY, P256]), &public]);
        let names = element(0x04, &[&element(SEQUENCE, &[&element(0x82, &[b"localhost"])])]);
        let extensions = element(0xA3, &[&element(SEQUENCE, &[&element(SEQUENCE, &[ALTERNATIVE_NAME, &names])])]);
        let serial = element(0x02, &[&[1], &pair.public_key().as_ref()[1..9]]);
        let version = element(0xA0, &[&element(0x02, &[&[2]])]);
        let body = element(SEQUENCE, &[&version, &serial, &algorithm, &name, &validity, &name, &public, &extensions]);
        let signature = pair.sign(&random, &body).expect("a signature");
        let der = element(SEQUENCE, &[&body, &algorithm, &element(0x03, &[&[0], signature.as_ref()])]);
        let pem = format!("{}{}", pem("CERTIFICATE", &der), pem("PRIVATE KEY", key.as_ref()));
        Self { pem, der: der.into() }
    }
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let head = match length {
        0..=0x7F => vec![tag, length as u8],
        0x80..=0xFF => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, content].concat()
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}
