//! What may be done with a state, as it follows from a number.

use fastrand::Rng;

use super::*;

/// Does the step of a number: the same on equal states, whenever and wherever.
pub(super) fn step(state: &mut State, number: u64) -> Result<(), FileError> {
    let mut random = Rng::with_seed(number);
    let application = format!("app{}", random.u8(..3));
    let newest = state.history(&application).first().map_or(0, |newest| newest.revision);
    match random.u8(..20) {
        0..10 => {
            let count = 1 + random.u8(..4);
            let put = (0..count).map(|_| any(&mut random)).collect();
            let (delete, is_up) = (Vec::new(), random.bool());
            state.commit_over(Change { put, delete }, &|_, _| is_up)?;
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

fn any(random: &mut Rng) -> Resource {
    let (kind, number, text) = (random.u8(..4), random.u8(..3), random.u8(..5));
    let name = match kind {
        0 => return configuration(&format!("conf{number}"), &text.to_string()),
        1 => {
            return resource(&format!(
                r#"{{"kind":"secret","name":"cert{number}","stringData":{{"key":"hush {text}"}}}}"#
            ));
        }
        _ => format!("app{number}"),
    };
    let preserves = random.u8(..4) == 0;
    resource(&format!(
        r#"{{"kind":"application","name":"{name}","version":"{text}","preserveUpdates":{preserves},"volumes":[
        {{"name":"own","config":{{"name":"conf{number}"}}}},{{"name":"all","config":{{"name":"conf0"}}}},
        {{"name":"cert","secret":{{"name":"cert{number}"}}}}]}}"#
    ))
}
