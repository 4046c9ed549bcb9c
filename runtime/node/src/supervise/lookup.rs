//! Where the hosts are that probes name. The system is asked on a thread that nobody can call back, so each name is asked for
//! once at a time, however many wait for it and however many gave up.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

type Found = Result<Vec<IpAddr>, String>;

type UnderWay = BTreeMap<String, watch::Receiver<Option<Found>>>;

/// Asks the system; blocks.
type Ask = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The lookups that are under way on the node. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lookups {
    ask: Ask,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self::by(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }
}

impl Lookups {
    fn by(ask: Ask) -> Self {
        let under_way = Arc::default();
        Self { ask, under_way }
    }

    /// The addresses of a host. Cancelling the wait leaves the lookup to whoever asks next.
    pub(super) async fn find(&self, host: &str) -> Found {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let mut found = self.begun(host);
        let found = found.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|found| found.clone());
        found.unwrap_or_else(|| Err("the lookup was given up".into()))
    }

    fn begun(&self, host: &str) -> watch::Receiver<Option<Found>> {
        let mut under_way = self.lock();
        if let Some(found) = under_way.get(host) {
            return found.clone();
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(host.to_owned(), receiver.clone());
        let (host, all) = (host.to_owned(), self.clone());
        tokio::task::spawn_blocking(move || {
            let found = (all.ask)(&host).map_err(|error| error.to_string());
            all.lock().remove(&host);
            sender.send_replace(Some(found));
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::sync::Condvar;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    /// Whether the names of an outage are answered by now, and how often they were asked for.
    static IS_OVER: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn outage(_: &str) -> io::Result<Vec<IpAddr>> {
        ASKED.fetch_add(1, Relaxed);
        let over = IS_OVER.0.lock().unwrap();
        drop(IS_OVER.1.wait_while(over, |over| !*over).unwrap());
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    /// A system that knows no name.
    pub(in crate::supervise) fn nameless() -> Lookups {
        Lookups::by(|_| Err(io::Error::other("no name server answers")))
    }

    #[tokio::test]
    async fn a_name_is_asked_for_once_however_often_somebody_gives_up() {
        let lookups = Lookups::by(outage);
        for _ in 0..100 {
            let waited = tokio::time::timeout(Duration::from_millis(1), lookups.find("db.example")).await;
            assert!(waited.is_err());
        }
        assert!(ASKED.load(Relaxed) <= 1);
        *IS_OVER.0.lock().unwrap() = true;
        IS_OVER.1.notify_all();
        let found = lookups.find("db.example").await;
        assert_eq!(found, Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        assert!(lookups.lock().is_empty() && ASKED.load(Relaxed) <= 2);
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up() {
        assert_eq!(nameless().find("::1").await, Ok(vec!["::1".parse().unwrap()]));
        assert!(nameless().find("db.example").await.is_err());
    }
}
