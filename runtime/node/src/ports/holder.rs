//! Who has a port, as far as this daemon may see: from the kernel's tables of sockets to the process that has one open
//! (proc(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use aerolith_model::{HostPort, Protocol};

use super::proc;

/// What the engines mark the processes of an instance with.
const INSTANCE: &str = "AEROLITH_INSTANCE=";

/// Who has a port, in words: an instance of this node, or a process.
pub(super) fn holder(port: HostPort) -> String {
    let (of_v4, of_v6) = match port.protocol {
        Protocol::Tcp => ("net/tcp", "net/tcp6"),
        Protocol::Udp => ("net/udp", "net/udp6"),
    };
    let read = |table| fs::read_to_string(proc().join(table)).unwrap_or_default();
    let sockets: Vec<u64> = [read(of_v4), read(of_v6)]
        .iter()
        .flat_map(|table| open_at(table, port))
        .collect();
    process(&sockets).map_or_else(
        || "a process that this daemon may not look into".to_owned(),
        |pid| name(&pid),
    )
}

/// The sockets of a table that have a port, without those of connections that were accepted there.
fn open_at(table: &str, port: HostPort) -> Vec<u64> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
        let (address, number) = local.split_once(':')?;
        let open = HostPort {
            number: u16::from_str_radix(number, 16).ok()?,
            protocol: port.protocol,
            address: Some(read_address(address)?),
        };
        let waits = port.protocol == Protocol::Udp || state == "0A";
        (waits && open.meets(port)).then(|| inode.parse().ok()).flatten()
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// Groups of four bytes, each as a number of this machine.
fn read_address(text: &str) -> Option<IpAddr> {
    let group = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(group(0)?).into()),
        32 => {
            let groups = [group(0)?, group(8)?, group(16)?, group(24)?];
            let bytes: [u8; 16] = groups.concat().try_into().ok()?;
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(address.into(), IpAddr::from))
        }
        _ => None,
    }
}

/// The first process that has one of these sockets open and may be looked into.
fn process(sockets: &[u64]) -> Option<PathBuf> {
    let links: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let is_one = |link: &Path| links.iter().any(|wanted| link == Path::new(wanted));
    let has_one = |pid: &Path| {
        let open = fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
        open.into_iter()
            .any(|file| fs::read_link(file.path()).is_ok_and(|link| is_one(&link)))
    };
    let mut all = fs::read_dir(proc()).ok()?.flatten().map(|entry| entry.path());
    all.find(|path| pid(path).is_some() && has_one(path))
}

fn pid(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.parse().ok()
}

fn name(process: &Path) -> String {
    let environment = fs::read(process.join("environ")).unwrap_or_default();
    let mark = environment.split(|byte| *byte == 0).find_map(|entry| {
        let entry = std::str::from_utf8(entry).ok()?;
        entry.strip_prefix(INSTANCE)
    });
    if let Some(instance) = mark {
        return instance.to_owned();
    }
    let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
    format!("pid {} ({})", pid(process).unwrap_or_default(), command.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// As a little-endian machine writes it, cut behind the inode.
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n\
        1: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4712 1\n\
        2: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1\n\
        3: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4714 1\n\
        garbage\n";

    fn at(address: Option<&str>) -> HostPort {
        HostPort {
            number: 8080,
            protocol: Protocol::Tcp,
            address: address.map(|address| address.parse().unwrap()),
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn who_listens_at_an_address_is_found_in_the_table() {
        assert_eq!(open_at(TABLE, at(None)), [4711, 4712, 4714]);
        assert_eq!(open_at(TABLE, at(Some("127.0.0.1"))), [4711, 4714]);
        assert_eq!(open_at("", at(None)), [0; 0]);
    }

    #[test]
    fn this_process_is_named_by_its_pid_and_its_command() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = HostPort {
            number: listener.local_addr().unwrap().port(),
            ..at(None)
        };
        let told = holder(port);
        assert!(told.starts_with(&format!("pid {} (", std::process::id())), "{told}");
        drop(listener);
        assert_eq!(holder(port), "a process that this daemon may not look into");
    }
}
