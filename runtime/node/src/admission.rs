//! Whether a version that is prepared may still be started: the policy may have become stricter since.

use crate::desired::Desired;
use crate::policy::PackagePolicy;
use crate::prepare::Prepared;
use aerolith_plan::Goal;

/// Asks the policy of everything that a version is made of, by the digests of what was prepared.
pub(crate) fn is_admitted(policy: &PackagePolicy, desired: &Desired, goal: &Goal, prepared: &Prepared) -> bool {
    desired.used_by(goal).all(|(configuration, is_program)| {
        let mut objects = configuration.objects();
        let is_vouched_for = |(key, object)| match prepared.digest(&configuration.name, key) {
            Some(sha256) => policy.vouches(object, &sha256).is_ok(),
            None => false,
        };
        policy.admits(configuration, is_program).is_ok() && objects.all(is_vouched_for)
    })
}
