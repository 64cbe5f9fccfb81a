//! Where HTTP is served.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// How many connections may wait to be accepted. The standard library's 128 are filled by a crowd
/// before it is turned away, and whoever finds no place in the queue tries again only after 1 s.
const QUEUE: i32 = 4096;

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `:PORT`: every address of this machine.
    Every(u16),
    /// `ADDRESS:PORT`.
    One(SocketAddr),
}

impl ListenAddress {
    /// Reads `:PORT` or `ADDRESS:PORT`; an IPv6 address stands in brackets. Port 0 lets the system
    /// choose.
    ///
    /// # Errors
    /// One line that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            "ADDRESS:PORT or :PORT, like :9095, 127.0.0.1:9095 or [::1]:9095; \
             names are not looked up"
                .to_owned()
        };
        match text.strip_prefix(':') {
            // u16 would also read a sign.
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map(Self::Every).map_err(|_| expected())
            }
            Some(_) => Err(expected()),
            None => text.parse().map(Self::One).map_err(|_| expected()),
        }
    }

    /// Binds it. Every address means `[::]`, which takes IPv4 too, and `0.0.0.0` where this machine
    /// has no IPv6.
    ///
    /// # Errors
    /// The system's own; that a port is taken is not tried around.
    pub fn bind(self) -> io::Result<TcpListener> {
        let listener = match self {
            Self::One(address) => TcpListener::bind(address),
            Self::Every(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
                }
                bound => bound,
            },
        }?;
        socket2::SockRef::from(&listener).listen(QUEUE)?;
        Ok(listener)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(port) => write!(f, ":{port}"),
            Self::One(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in [
            ":9095",
            ":0",
            "127.0.0.1:9095",
            "0.0.0.0:1",
            "[::]:65535",
            "[::1]:9095",
        ] {
            assert_eq!(
                ListenAddress::parse(text).map(|a| a.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_address_says_what_is_expected() {
        for text in [
            "",
            ":",
            "9095",
            ":65536",
            ":-1",
            ":+1",
            ": 9095",
            ":9095 ",
            ":９０９５",
            ":9095\n",
            "localhost:9095",
            "127.0.0.1",
            "127.0.0.1:",
            "127.1:9095",
            "256.0.0.1:9095",
            "::1:9095",
            "[::1]",
            "[::1:9095",
            "http://127.0.0.1:9095",
            "127.0.0.1:9095/",
            "*:9095",
            "::9095",
            "127.0.0.1:9095,127.0.0.2:9095",
        ] {
            let refused = ListenAddress::parse(text).expect_err(text);
            assert!(refused.contains(":9095"), "{refused}");
        }
        assert!(ListenAddress::parse(&format!(":{}", "9".repeat(100_000))).is_err());
    }

    #[test]
    fn a_crowd_may_wait_to_be_accepted() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = ListenAddress::One(address).bind().expect("a free port");
        let address = listener.local_addr().expect("an address");
        let patience = std::time::Duration::from_secs(30);
        let connect = |_| std::net::TcpStream::connect_timeout(&address, patience);
        let crowd: Vec<_> = (0..600).map(connect).collect();
        assert!(crowd.iter().all(Result::is_ok));
    }

    #[test]
    fn every_address_can_be_reached_and_a_taken_port_is_an_error() {
        let listener = ListenAddress::Every(0).bind().expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("IPv4 is served");
        let again = ListenAddress::Every(port)
            .bind()
            .expect_err("the port is taken");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let again = ListenAddress::One(listener.local_addr().expect("an address")).bind();
        assert_eq!(
            again.expect_err("the port is taken").kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
