//! Whom to trust, the system's authorities and one's own, and what to show of oneself.

use aerolith_plugin::{Error, Result, tracing};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Arc;

/// The protocols offered (RFC 7301), the better first.
const PROTOCOLS: &[&[u8]] = if cfg!(feature = "http2") {
    &[b"h2", b"http/1.1"]
} else {
    &[b"http/1.1"]
};

/// The authorities that are trusted.
pub(crate) struct Trust(Arc<RootCertStore>);

impl Trust {
    /// Those of a file alone: what can be wrong in a configuration, and costs next to nothing.
    ///
    /// # Errors
    /// A `ca` file that cannot be read or holds no certificate.
    pub(crate) fn own(ca: Option<&Path>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = ca {
            add(&mut roots, path)?;
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Those of the system and those of a file. A system without authorities is no error, for a node may fetch over http
    /// only or trust its own authority only; an https fetch then says that the issuer is unknown.
    ///
    /// # Errors
    /// A `ca` file that cannot be read or holds no certificate.
    pub(crate) fn load(ca: Option<&Path>) -> Result<Self> {
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
        Ok(Self(Arc::new(roots)))
    }

    /// TLS 1.2 or 1.3 with verified certificates, always.
    ///
    /// # Errors
    /// A key that is not that of its certificate.
    pub(crate) fn client(&self, identity: Option<Identity>) -> Result<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::invalid)?
            .with_root_certificates(self.0.clone());
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { chain, key }) => config
                .with_client_auth_cert(chain, key)
                .map_err(|e| Error::invalid(format!("the client certificate and its key: {e}")))?,
        };
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let wrong = |e: &dyn Display| wrong_file("ca", path, e, "certificates");
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

fn wrong_file(key: &str, path: &Path, e: &dyn Display, what: &str) -> Error {
    Error::invalid(format!(
        "`{key}` {}: {e}; expected a PEM file of {what}",
        path.display()
    ))
}

/// A certificate that a server may ask for, and its key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Identity {
    /// That of two PEM files, if they are named.
    ///
    /// # Errors
    /// One without the other; a file that cannot be read or is no PEM.
    pub(crate) fn files(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>> {
        let (certificate, key) = match (certificate, key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                return Err(Error::invalid(
                    "`clientCertificate` and `clientKey` belong together: expected both or none",
                ));
            }
        };
        let wrong_chain = |e: &dyn Display| wrong_file("clientCertificate", certificate, e, "certificates");
        let chain = CertificateDer::pem_file_iter(certificate).map_err(|e| wrong_chain(&e))?;
        Ok(Some(Self {
            chain: whole(chain).map_err(|e| wrong_chain(&e))?,
            key: PrivateKeyDer::from_pem_file(key).map_err(|e| wrong_file("clientKey", key, &e, "a private key"))?,
        }))
    }

    /// That of two PEM texts.
    ///
    /// # Errors
    /// A text that is no PEM; it is not repeated.
    pub(crate) fn read(certificate: &[u8], key: &[u8]) -> Result<Self> {
        let wrong = |entry: &str| Error::invalid(format!("the secret's `{entry}` is no PEM"));
        Ok(Self {
            chain: whole(CertificateDer::pem_slice_iter(certificate)).map_err(|_| wrong("clientCertificate"))?,
            key: PrivateKeyDer::from_pem_slice(key).map_err(|_| wrong("clientKey"))?,
        })
    }
}

/// All certificates of a text, at least one.
fn whole<E: Display>(
    found: impl Iterator<Item = Result<CertificateDer<'static>, E>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = found.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if chain.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NO_PEM: [Option<&str>; 4] = [
        None,
        Some(""),
        Some("nonsense"),
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ];

    #[test]
    fn a_ca_file_that_is_no_pem_is_refused_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        for content in NO_PEM {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = Trust::load(Some(&path)).err().unwrap();
            assert!(
                error.message.contains("ca.pem") && error.message.contains("PEM"),
                "{error}"
            );
            assert!(!error.retryable);
        }
    }

    #[test]
    fn a_client_certificate_needs_its_key_and_both_need_to_be_pem() {
        let own = rcgen::generate_simple_self_signed(vec!["node".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("node.crt"), dir.path().join("node.key"));
        fs::write(&certificate, own.cert.pem()).unwrap();
        fs::write(&key, "nonsense").unwrap();
        let named = Identity::files(Some(&certificate), Some(&key)).unwrap_err();
        assert!(
            named.message.contains("node.key") && named.message.contains("clientKey"),
            "{named}"
        );
        assert!(
            Identity::files(Some(&certificate), None)
                .unwrap_err()
                .message
                .contains("both")
        );
        fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let identity = Identity::files(Some(&certificate), Some(&key)).unwrap();
        assert!(Trust(Arc::new(RootCertStore::empty())).client(identity).is_ok());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(vec!["node".to_owned()]).unwrap());
        let identity = Identity::read(one.cert.pem().as_bytes(), other.signing_key.serialize_pem().as_bytes()).unwrap();
        let error = Trust(Arc::new(RootCertStore::empty()))
            .client(Some(identity))
            .unwrap_err();
        assert!(error.message.contains("client certificate"), "{error}");
    }
}
