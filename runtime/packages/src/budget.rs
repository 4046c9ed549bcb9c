use crate::{Limits, Rule};

/// Counts what a tree has cost so far and refuses the step that would go over a limit. Pure: it writes nothing.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    entries: u64,
    total: u64,
    of_archive: u64,
    archive_allowance: u64,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Budget {
            limits,
            entries: 0,
            total: 0,
            of_archive: 0,
            archive_allowance: u64::MAX,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes of all files so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Starts counting for an archive of `packed` bytes.
    pub(crate) fn begin_archive(&mut self, packed: u64) {
        self.of_archive = 0;
        self.archive_allowance = self.allowance(packed);
    }

    /// Bytes that an archive of `packed` bytes may unpack to.
    pub(crate) fn allowance(&self, packed: u64) -> u64 {
        self.limits
            .ratio_floor
            .max(packed.saturating_mul(self.limits.max_ratio))
    }

    /// One more file, folder or link.
    pub(crate) fn entry(&mut self) -> Result<(), Rule> {
        if self.entries >= self.limits.max_entries {
            return Err(Rule::TooManyEntries {
                limit: self.limits.max_entries,
            });
        }
        self.entries += 1;
        Ok(())
    }

    /// `more` bytes for a file that has `of_file` bytes already.
    pub(crate) fn bytes(&mut self, of_file: u64, more: u64) -> Result<(), Rule> {
        self.fits(of_file, more)?;
        self.total += more;
        self.of_archive += more;
        Ok(())
    }

    /// Whether there is room for so many bytes, which are not counted: a header may lie either way.
    pub(crate) fn fits(&self, of_file: u64, more: u64) -> Result<(), Rule> {
        if of_file.saturating_add(more) > self.limits.max_file {
            return Err(Rule::FileTooLarge {
                limit: self.limits.max_file,
            });
        }
        if self.total.saturating_add(more) > self.limits.max_unpacked_total {
            return Err(Rule::TreeTooLarge {
                limit: self.limits.max_unpacked_total,
            });
        }
        if self.of_archive.saturating_add(more) > self.archive_allowance {
            return Err(Rule::RatioTooHigh {
                allowance: self.archive_allowance,
                ratio: self.limits.max_ratio,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limits: Limits) -> Budget {
        Budget::new(limits)
    }

    #[test]
    fn the_entry_after_the_last_allowed_one_is_refused() {
        let mut budget = budget(Limits {
            max_entries: 2,
            ..Limits::default()
        });
        assert_eq!(budget.entry(), Ok(()));
        assert_eq!(budget.entry(), Ok(()));
        assert_eq!(budget.entry(), Err(Rule::TooManyEntries { limit: 2 }));
    }

    #[test]
    fn a_file_may_reach_its_limit_but_not_pass_it() {
        let mut budget = budget(Limits {
            max_file: 10,
            ..Limits::default()
        });
        assert_eq!(budget.bytes(0, 10), Ok(()));
        assert_eq!(budget.bytes(10, 1), Err(Rule::FileTooLarge { limit: 10 }));
        assert_eq!(budget.bytes(0, 5), Ok(()), "the next file starts afresh");
        assert_eq!(
            budget.bytes(u64::MAX, u64::MAX),
            Err(Rule::FileTooLarge { limit: 10 }),
            "no overflow"
        );
    }

    #[test]
    fn the_total_counts_over_all_archives() {
        let mut budget = budget(Limits {
            max_unpacked_total: 10,
            ..Limits::default()
        });
        budget.begin_archive(100);
        assert_eq!(budget.bytes(0, 6), Ok(()));
        budget.begin_archive(100);
        assert_eq!(budget.bytes(0, 6), Err(Rule::TreeTooLarge { limit: 10 }));
    }

    #[test]
    fn the_ratio_counts_per_archive_and_only_above_the_floor() {
        let mut budget = budget(Limits {
            max_ratio: 2,
            ratio_floor: 100,
            ..Limits::default()
        });
        budget.begin_archive(1);
        assert_eq!(budget.bytes(0, 100), Ok(()), "the floor is free");
        assert_eq!(
            budget.bytes(100, 1),
            Err(Rule::RatioTooHigh {
                allowance: 100,
                ratio: 2
            })
        );
        budget.begin_archive(200);
        assert_eq!(budget.bytes(0, 400), Ok(()));
        assert_eq!(
            budget.bytes(0, 1),
            Err(Rule::RatioTooHigh {
                allowance: 400,
                ratio: 2
            })
        );
    }
}
