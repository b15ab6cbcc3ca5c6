//! Signs the request that goes to the model with AWS Signature Version 4.
//!
//! The signing itself is pure and host-free: [`uri`] canonicalises path and query, [`canonical`] builds the canonical
//! request, [`sign`] derives the key, signs and formats `Authorization`, [`date`] turns the host's clock into
//! `x-amz-date`, [`credentials`] holds the secrets. None of them can fail or panic on what a client sent.

pub mod canonical;
pub mod credentials;
pub mod date;
pub mod sign;
pub mod uri;
