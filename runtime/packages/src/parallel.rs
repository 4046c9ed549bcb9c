use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Threads at most: on more, the file system is what is waited for.
const THREADS: usize = 4;

/// Files from which on several threads pay for working on them.
const MANY: usize = 200;

/// Threads for work on so many files: one, or as many as there are processors, within reason.
pub(crate) fn threads_for(files: usize) -> usize {
    if files < MANY {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// Does jobs, none of which waits for another, on so many threads, each with a state of its own. The error is that of the
/// first job that has one, whichever thread meets it first; jobs behind it may not have been begun.
pub(crate) fn for_each<J: Sync, S: Send, E: Send>(
    threads: usize,
    jobs: &[J],
    state: impl Fn() -> S,
    work: impl Fn(&mut S, &J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if threads == 1 {
        let mut state = state();
        return jobs.iter().try_for_each(|job| work(&mut state, job));
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let take = |mut state: S| {
        loop {
            // Handed out in order: when a job fails, every one before it has been taken by someone who will finish it.
            let number = next.fetch_add(1, Ordering::Relaxed);
            let job = jobs.get(number).filter(|_| number < failed.load(Ordering::Relaxed))?;
            if let Err(error) = work(&mut state, job) {
                failed.fetch_min(number, Ordering::Relaxed);
                return Some((number, error));
            }
        }
    };
    let take = &take;
    let first = thread::scope(|scope| {
        // Where the system has no thread left, this one does all of it.
        let others: Vec<_> = (1..threads)
            .map_while(|_| {
                let state = state();
                thread::Builder::new().spawn_scoped(scope, move || take(state)).ok()
            })
            .collect();
        let mut errors: Vec<_> = take(state()).into_iter().collect();
        for other in others {
            match other.join() {
                Ok(error) => errors.extend(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        errors.into_iter().min_by_key(|(number, _)| *number)
    });
    first.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_on_however_many_threads() {
        let jobs: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        for threads in 1..=4 {
            for_each(
                threads,
                &jobs,
                || (),
                |(), job| {
                    job.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, ()>(())
                },
            )
            .unwrap();
            assert!(jobs.iter().all(|job| job.load(Ordering::Relaxed) == threads));
        }
    }

    #[test]
    fn the_error_is_that_of_the_first_job_that_has_one() {
        let jobs: Vec<usize> = (0..1000).collect();
        for threads in 1..=4 {
            let failed = for_each(
                threads,
                &jobs,
                || (),
                |(), job| if *job % 300 == 299 { Err(*job) } else { Ok(()) },
            );
            assert_eq!(failed, Err(299), "{threads} threads");
        }
    }
}
