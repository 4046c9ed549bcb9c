//! Makes an instance of an image: in this process, or in a child.

use crate::child::parent;
use crate::context::{Context, Store, Tracing};
use crate::library::{Door, Library};
use crate::lifecycle::State;
use crate::live::Live;
use crate::permissions::{Act, Permissions};
use crate::route::Route;
use crate::slot::Slot;
use crate::spec::{Code, Image, Isolation};
use crate::{Caller, HostError};
use aerolith_plugin_wire::{Code as ErrorCode, Error};
use std::sync::Arc;

/// An instance that was made.
pub(crate) struct Made {
    pub(crate) live: Arc<Live>,
    pub(crate) pid: Option<u32>,
}

/// Makes an instance, within the deadline for `create`.
pub(crate) async fn make(slot: &Arc<Slot>, image: &Image, generation: u64, state: &[u8]) -> Result<Made, HostError> {
    let context = enter(slot, image, generation)?;
    let made = door(slot, image, &context, generation, state).await;
    let (door, pid) = match made {
        Ok(made) => made,
        Err(error) => {
            context.close().await;
            return Err(error);
        }
    };
    let watcher = Arc::downgrade(slot);
    let on_panic = Box::new(move |why: &str| {
        if let Some(slot) = watcher.upgrade() {
            slot.failed(generation, why);
        }
    });
    Ok(Made {
        live: Live::new(door, context, slot.shared.settings.call, generation, on_panic),
        pid,
    })
}

fn enter(slot: &Arc<Slot>, image: &Image, generation: u64) -> Result<Arc<Context>, HostError> {
    let spec = slot.spec();
    let permissions = Permissions::new(&image.manifest.permissions, &spec.grants)
        .map_err(|e| slot.error("permissions", Error::invalid(e)))?;
    let store = Store {
        kept: slot.descriptors.clone(),
        allowed: permissions.allow(Act::Descriptors),
    };
    let (instance, plugin) = (spec.instance, image.manifest.name.clone());
    let core = slot.shared.core.services(&Caller {
        instance: instance.clone(),
        plugin: plugin.clone(),
    });
    let others = Arc::downgrade(&slot.shared) as std::sync::Weak<dyn crate::route::Directory>;
    let route = Route {
        permissions,
        core,
        others,
        slot: Arc::downgrade(slot),
        generation,
    };
    let executor = slot.shared.executor.clone();
    Ok(Context::enter(
        Arc::new(route),
        Box::new(Tracing { plugin, instance }),
        Box::new(store),
        executor,
    ))
}

async fn door(
    slot: &Arc<Slot>,
    image: &Image,
    context: &Arc<Context>,
    generation: u64,
    state: &[u8],
) -> Result<(Door, Option<u32>), HostError> {
    let spec = slot.spec();
    if let (Code::Stored(stored), Isolation::Process) = (&image.code, spec.isolation) {
        let child = parent::spawn(slot, stored, context, generation, state).await?;
        return Ok((Box::new(child.service), Some(child.pid)));
    }
    let mark = match &image.code {
        Code::Stored(stored) => Some(slot.shared.loading.mark(&stored.sha256)),
        Code::Linked(_) => None,
    };
    let library = load(slot, image).await?;
    slot.passed(State::Loaded);
    let (config, state, context) = (spec.config.to_string(), state.to_vec(), context.clone());
    let deadline = slot.shared.settings.create;
    // A thread of its own: one that hangs here is lost, and only that one.
    let made = slot
        .shared
        .executor
        .spawn_blocking(move || library.create(&context, &spec.instance, config.as_bytes(), &state));
    let made = match tokio::time::timeout(deadline, made).await {
        Ok(Ok(made)) => made,
        Ok(Err(e)) => Err(Error::new(ErrorCode::Panic, e)),
        Err(_) => Err(Error::new(
            ErrorCode::Timeout,
            format!("it did not answer within {deadline:?}"),
        )),
    };
    drop(mark);
    let door = made.map_err(|e| slot.error("create", e))?;
    slot.passed(State::Created);
    Ok((door, None))
}

async fn load(slot: &Arc<Slot>, image: &Image) -> Result<Library, HostError> {
    match &image.code {
        Code::Linked(root) => Ok(Library::Rust(*root)),
        Code::Stored(stored) => {
            let (stored, deadline) = (stored.clone(), slot.shared.settings.create);
            let loaded = slot.shared.executor.spawn_blocking(move || Library::load(&stored));
            match tokio::time::timeout(deadline, loaded).await {
                Ok(Ok(loaded)) => Ok(loaded?),
                Ok(Err(e)) => Err(slot.error("load", Error::new(ErrorCode::Panic, e))),
                Err(_) => Err(slot.error(
                    "load",
                    Error::new(
                        ErrorCode::Timeout,
                        format!(
                            "a constructor in it did not come to an end within {deadline:?}; the dynamic linker stays \
                             blocked until the daemon restarts"
                        ),
                    ),
                )),
            }
        }
    }
}
