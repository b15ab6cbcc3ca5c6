//! Servers that a gateway calls, and what each host calls them.

use std::net::{IpAddr, Ipv6Addr};

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What it is called among a gateway's.
    pub name: String,
    /// Its host: a name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
}

impl Upstream {
    /// The server of a URL, whatever its path.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_url(name: &str, url: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("expected the URL of a server: `https://host`, or `http://host:port`"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (
                    host,
                    port.ok_or("the port is not a number from 1 to 65535")?,
                )
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_name = |host: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && host.chars().all(plain)
        };
        let host = match inner {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            None if is_name(host) => host,
            _ => return Err("the URL has no host"),
        };
        Ok(Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            tls,
        })
    }

    /// Whether a URL names nothing but a server.
    pub fn is_bare(url: &str) -> bool {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        !rest
            .strip_suffix('/')
            .unwrap_or(rest)
            .contains(['/', '?', '#'])
    }

    /// Its address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Name and namespace of the Service that it is in Kubernetes (`NAME.NAMESPACE.svc`).
    pub fn service(&self) -> Option<(&str, &str)> {
        let host = self.host.strip_suffix(".cluster.local");
        let host = host.unwrap_or(&self.host).strip_suffix(".svc")?;
        host.split_once('.')
            .filter(|(_, space)| !space.contains('.'))
    }

    /// Its host in full, where Kubernetes has a shorter name for it.
    pub fn full_name(&self) -> String {
        match self.service() {
            Some((name, space)) => format!("{name}.{space}.svc.cluster.local"),
            None => self.host.clone(),
        }
    }

    /// The scheme of calls to it.
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            true => "https",
            false => "http",
        }
    }

    /// Host and port, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_two_names() {
        for host in ["m.models.svc", "m.models.svc.cluster.local"] {
            let one = Upstream::of_url("x", &format!("http://{host}")).unwrap();
            assert_eq!(one.service(), Some(("m", "models")));
            assert_eq!(one.full_name(), "m.models.svc.cluster.local");
        }
        for host in ["m.models", "svc", "a.b.c.svc", "m.svc", "example.com"] {
            let one = Upstream::of_url("x", &format!("http://{host}")).unwrap();
            assert_eq!((one.service(), one.full_name().as_str()), (None, host));
        }
    }

    #[test]
    fn a_server_is_read_from_a_url() {
        let read = |url| Upstream::of_url("x", url).map(|one| (one.authority(), one.tls));
        for (url, authority, tls) in [
            ("https://idp.example", "idp.example:443", true),
            ("https://idp.example/realms/a?b", "idp.example:443", true),
            ("http://models.svc:8501", "models.svc:8501", false),
            ("http://127.0.0.1", "127.0.0.1:80", false),
            ("http://[::1]:8080/", "[::1]:8080", false),
            ("https://[::1]", "[::1]:443", true),
        ] {
            assert_eq!(read(url), Ok((authority.to_owned(), tls)), "{url}");
        }
        for url in [
            "",
            "idp.example",
            "ftp://x",
            "https://",
            "https://:1",
            "http://x:0",
            "http://x:y",
            "http://a@b",
            "http://[x]",
            "http://[::1",
        ] {
            assert!(read(url).is_err(), "{url}");
        }
        assert!(Upstream::is_bare("http://x:1/") && Upstream::is_bare("http://x"));
        assert!(!Upstream::is_bare("http://x/a") && !Upstream::is_bare("http://x?a"));
    }
}
