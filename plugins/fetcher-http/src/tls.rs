//! Whom to trust: the system's authorities and one's own.

use aerolith_plugin::{Error, Result, tracing};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// TLS 1.2 or 1.3 with verified certificates. A system without authorities is no error, for a node may fetch over http
/// only or trust its own authority only; an https fetch then says that the issuer is unknown.
///
/// # Errors
/// A `ca` file that cannot be read or holds no certificate.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "the system's certificate authorities");
    }
    let (_, unusable) = roots.add_parsable_certificates(native.certs);
    if unusable > 0 {
        tracing::warn!(
            unusable,
            "authorities of the system that are no valid certificates are not trusted"
        );
    }
    if let Some(path) = ca {
        add(&mut roots, path)?;
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    Ok(config
        .map_err(Error::invalid)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let wrong = |e: &dyn std::fmt::Display| {
        Error::invalid(format!(
            "`ca` {}: {e}; expected a PEM file of certificates",
            path.display()
        ))
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        found += 1;
    }
    if found == 0 {
        Err(wrong(&"it holds no certificate"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_ca_file_that_is_no_pem_is_refused_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        for content in [
            None,
            Some(""),
            Some("nonsense"),
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = client(Some(&path)).unwrap_err();
            assert!(
                error.message.contains("ca.pem") && error.message.contains("PEM"),
                "{error}"
            );
            assert!(!error.retryable);
        }
    }
}
