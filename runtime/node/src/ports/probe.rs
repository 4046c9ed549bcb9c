//! Whether anybody has a port, as the kernel decides when a socket is bound to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aerolith_model::{HostPort, Protocol};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// Whether nobody has a port now. Whatever else than an owner keeps it from being had is for the program itself to meet.
pub(super) fn is_free(port: HostPort) -> bool {
    let addresses = match port.address {
        Some(address) => vec![address],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    };
    let taken = |address| matches!(try_bind(address, port), Err(Errno::ADDRINUSE));
    !addresses.into_iter().any(taken)
}

/// Binds and does not listen: nobody is ever answered here. A connection that has ended does not hold a port (socket(7)).
fn try_bind(address: IpAddr, port: HostPort) -> Result<(), Errno> {
    let family = match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match port.protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if port.protocol == Protocol::Tcp {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &SocketAddr::new(address, port.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::net::{TcpListener, UdpSocket};

    fn port(number: u16, protocol: Protocol, address: Option<&str>) -> HostPort {
        HostPort {
            number,
            protocol,
            address: address.map(|address| address.parse().unwrap()),
        }
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free_until_he_ends() -> io::Result<()> {
        for address in ["127.0.0.1", "0.0.0.0"] {
            let listener = TcpListener::bind((address, 0))?;
            let number = listener.local_addr()?.port();
            for asked in [None, Some("127.0.0.1"), Some("0.0.0.0")] {
                assert!(!is_free(port(number, Protocol::Tcp, asked)), "{address} {asked:?}");
            }
            assert!(is_free(port(number, Protocol::Tcp, Some("127.0.0.2"))) == (address == "127.0.0.1"));
            drop(listener);
            assert!(is_free(port(number, Protocol::Tcp, None)));
        }
        Ok(())
    }

    #[test]
    fn transports_are_told_apart() -> io::Result<()> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        let number = socket.local_addr()?.port();
        assert!(!is_free(port(number, Protocol::Udp, None)));
        assert!(is_free(port(number, Protocol::Tcp, Some("127.0.0.1"))));
        Ok(())
    }

    #[test]
    fn an_address_that_is_not_here_holds_nothing() {
        assert!(is_free(port(80, Protocol::Tcp, Some("203.0.113.1"))));
    }
}
