//! Accounts: what is published in one is seen in that one only.

use crate::{Mappings, SubscriptionRef};
use arc_swap::ArcSwap;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use natsd_base::Prng;
use natsd_subject::{MatchResult, Sublist, SublistError};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Account of everybody who is not in another. Go: `DEFAULT_GLOBAL_ACCOUNT`.
pub const GLOBAL_ACCOUNT: &str = "$G";
/// Account of the server's own services. Go: `DEFAULT_SYSTEM_ACCOUNT`.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// Messages and bytes in both directions.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Messages received by the server.
    pub in_msgs: AtomicU64,
    /// Bytes of headers and bodies received.
    pub in_bytes: AtomicU64,
    /// Messages sent.
    pub out_msgs: AtomicU64,
    /// Bytes of headers and bodies sent.
    pub out_bytes: AtomicU64,
}

impl Traffic {
    /// Adds one batch's counts.
    pub fn add(&self, in_msgs: u64, in_bytes: u64, out_msgs: u64, out_bytes: u64) {
        for (counter, count) in [
            (&self.in_msgs, in_msgs),
            (&self.in_bytes, in_bytes),
            (&self.out_msgs, out_msgs),
            (&self.out_bytes, out_bytes),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

/// Bounds of one account; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountLimits {
    /// Connections at once.
    pub connections_max: Option<u64>,
    /// Subscriptions of one connection.
    pub subscriptions_max: Option<u64>,
    /// Bytes of one message.
    pub payload_bytes_max: Option<usize>,
    /// Leaf node connections at once.
    pub leafnodes_max: Option<u64>,
}

/// What the configuration says of an account. Changes with a reload.
#[derive(Debug, Default)]
pub struct AccountSettings {
    /// Its bounds.
    pub limits: AccountLimits,
    /// Where messages go instead of where they were published to.
    pub mappings: Mappings,
}

/// One account and its interest table.
#[derive(Debug)]
pub struct Account {
    id: u64,
    name: Arc<str>,
    settings: ArcSwap<AccountSettings>,
    /// Whether there are mappings: asked for each message.
    is_mapped: AtomicBool,
    interest: RwLock<Sublist<SubscriptionRef>>,
    generation: AtomicU64,
    connections: AtomicU64,
    connections_total: AtomicU64,
    subscriptions: AtomicU64,
    slow_consumers: AtomicU64,
    /// What its clients sent and received.
    pub traffic: Traffic,
}

impl Account {
    fn new(id: u64, name: &str, settings: AccountSettings) -> Account {
        Account {
            id,
            name: name.into(),
            is_mapped: AtomicBool::new(!settings.mappings.is_empty()),
            settings: ArcSwap::from_pointee(settings),
            interest: RwLock::new(Sublist::new()),
            generation: AtomicU64::new(1),
            connections: AtomicU64::new(0),
            connections_total: AtomicU64::new(0),
            subscriptions: AtomicU64::new(0),
            slow_consumers: AtomicU64::new(0),
            traffic: Traffic::default(),
        }
    }

    /// Unique in one server run.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Name from the configuration.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it sends a message of `subject`, if it maps it.
    #[inline]
    pub(crate) fn map_subject(&self, subject: &[u8], prng: &mut Prng) -> Option<Vec<u8>> {
        if !self.is_mapped.load(Ordering::Relaxed) {
            return None;
        }
        self.settings.load().mappings.map(subject, prng)
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> AccountLimits {
        self.settings.load().limits
    }

    fn configure(&self, settings: AccountSettings) {
        self.is_mapped.store(!settings.mappings.is_empty(), Ordering::Relaxed);
        self.settings.store(Arc::new(settings));
    }

    /// Changes with every change of interest.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds interest.
    ///
    /// # Errors
    /// When the subject is malformed.
    pub fn subscribe(&self, subscription: &SubscriptionRef) -> Result<(), SublistError> {
        let mut interest = self.interest.write();
        interest.insert(subscription.subject(), subscription.queue(), subscription.clone())?;
        self.subscriptions.fetch_add(1, Ordering::Relaxed);
        self.generation.store(interest.generation() + 1, Ordering::Release);
        Ok(())
    }

    /// Removes interest. A repeat changes nothing.
    pub fn unsubscribe(&self, subscription: &SubscriptionRef) {
        let mut interest = self.interest.write();
        if interest.remove(subscription.subject(), subscription.queue(), subscription).is_ok() {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
            self.generation.store(interest.generation() + 1, Ordering::Release);
        }
    }

    /// Who is interested in `subject`.
    #[must_use]
    pub fn match_subject(&self, subject: &[u8]) -> Arc<MatchResult<SubscriptionRef>> {
        self.interest.read().match_subject(subject)
    }

    /// As [`Account::match_subject`], into a result that is used again.
    pub fn match_into(&self, subject: &[u8], result: &mut MatchResult<SubscriptionRef>) {
        self.interest.read().match_into(subject, result);
    }

    /// Reads the interest table, for monitoring.
    pub fn with_interest<R>(&self, read: impl FnOnce(&Sublist<SubscriptionRef>) -> R) -> R {
        read(&self.interest.read())
    }

    /// Subscriptions now.
    #[must_use]
    pub fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// Connections now.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections since the start.
    #[must_use]
    pub fn connections_total(&self) -> u64 {
        self.connections_total.load(Ordering::Relaxed)
    }

    /// Connections that were closed because they did not keep up.
    #[must_use]
    pub fn slow_consumers(&self) -> u64 {
        self.slow_consumers.load(Ordering::Relaxed)
    }

    /// Counts a connection that did not keep up.
    pub fn count_slow_consumer(&self) {
        self.slow_consumers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a new connection. False when the account has as many as it may.
    #[must_use]
    pub fn try_connect(&self) -> bool {
        let max = self.limits().connections_max.unwrap_or(u64::MAX);
        let added = self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < max).then_some(count + 1)
        });
        if added.is_ok() {
            self.connections_total.fetch_add(1, Ordering::Relaxed);
        }
        added.is_ok()
    }

    /// Counts a connection less.
    pub fn disconnect(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All accounts of the server, as one configuration has them.
#[derive(Debug)]
pub struct Accounts {
    by_name: BTreeMap<Arc<str>, Arc<Account>>,
    last_id: u64,
    global: Arc<Account>,
    system: Option<Arc<Account>>,
}

impl Accounts {
    /// The accounts of a configuration, the global one and the system account (if any) among them.
    #[must_use]
    pub fn new<'a>(
        configured: impl IntoIterator<Item = (&'a str, AccountSettings)>,
        system: Option<&str>,
    ) -> Accounts {
        Accounts::build(None, configured, system)
    }

    /// The accounts of another configuration. Those that stay keep their interest and connections,
    /// and take over their new settings at once.
    #[must_use]
    pub fn reconfigured<'a>(
        &self,
        configured: impl IntoIterator<Item = (&'a str, AccountSettings)>,
        system: Option<&str>,
    ) -> Accounts {
        Accounts::build(Some(self), configured, system)
    }

    fn build<'a>(
        before: Option<&Accounts>,
        configured: impl IntoIterator<Item = (&'a str, AccountSettings)>,
        system: Option<&str>,
    ) -> Accounts {
        let mut by_name: BTreeMap<Arc<str>, Arc<Account>> = BTreeMap::new();
        let mut last_id = before.map_or(0, |before| before.last_id);
        let mut add = |name: &str, settings: AccountSettings| {
            if let Some(known) = by_name.get(name) {
                return known.clone();
            }
            let account = match before.and_then(|before| before.get(name)) {
                Some(known) => {
                    known.configure(settings);
                    known.clone()
                }
                None => {
                    last_id += 1;
                    Arc::new(Account::new(last_id, name, settings))
                }
            };
            by_name.insert(account.name.clone(), account.clone());
            account
        };
        for (name, settings) in configured {
            add(name, settings);
        }
        let global = add(GLOBAL_ACCOUNT, AccountSettings::default());
        let system = system.map(|name| add(name, AccountSettings::default()));
        Accounts { by_name, last_id, global, system }
    }

    /// The account of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Account>> {
        self.by_name.get(name)
    }

    /// The account of everybody who is not in another.
    #[must_use]
    pub fn global(&self) -> &Arc<Account> {
        &self.global
    }

    /// The account of the server's own services, unless there is none.
    #[must_use]
    pub fn system(&self) -> Option<&Arc<Account>> {
        self.system.as_ref()
    }

    /// Whether `account` is the system account.
    #[must_use]
    pub fn is_system(&self, account: &Account) -> bool {
        self.system.as_ref().is_some_and(|system| system.id == account.id)
    }

    /// All accounts by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.by_name.values()
    }
}
