//! What may be done with a state, as it follows from a number.

use super::*;

/// Numbers that follow from a seed (Steele and others' SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Does the step of a number: the same on equal states, whenever and wherever.
pub(super) fn step(state: &mut State, number: u64) -> Result<(), FileError> {
    let mut random = Random(number);
    let application = format!("app{}", random.below(3));
    let newest = state.history(&application).first().map_or(0, |newest| newest.revision);
    match random.below(20) {
        0..10 => {
            let count = 1 + random.below(4);
            let put = (0..count).map(|_| any(&mut random)).collect();
            state.commit(Change {
                put,
                delete: Vec::new(),
            })?;
        }
        10..13 => {
            let delete = vec![ResourceId::of(&any(&mut random))];
            let put = vec![any(&mut random)];
            state.commit(Change { put, delete })?;
        }
        13..15 => drop(state.attempt_failed(&application, newest, format!("step {number}"), 2)?),
        15..17 => state.succeeded(&application, newest)?,
        17 => drop(state.retry(&application)?),
        _ => {
            if let Ok(change) = state.rollback(&application, None) {
                state.commit(change)?;
            }
        }
    }
    Ok(())
}

fn any(random: &mut Random) -> Resource {
    let (kind, number, text) = (random.below(4), random.below(3), random.below(5));
    let name = match kind {
        0 => return configuration(&format!("conf{number}"), &text.to_string()),
        1 => {
            return resource(&format!(
                r#"{{"kind":"secret","name":"cert{number}","stringData":{{"key":"hush {text}"}}}}"#
            ));
        }
        _ => format!("app{number}"),
    };
    let preserves = random.below(4) == 0;
    resource(&format!(
        r#"{{"kind":"application","name":"{name}","version":"{text}","preserveUpdates":{preserves},"volumes":[
        {{"name":"own","config":{{"name":"conf{number}"}}}},{{"name":"all","config":{{"name":"conf0"}}}},
        {{"name":"cert","secret":{{"name":"cert{number}"}}}}]}}"#
    ))
}
