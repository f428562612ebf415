//! `wasi:keyvalue`: buckets that all instances of a container share, kept in memory or in a volume.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};

use super::Package;
use crate::sandbox::buckets::{Bucket, Failure, PAGE};
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:keyvalue/atomics@0.2.0-draft",
        "wasi:keyvalue/batch@0.2.0-draft",
    ],
    link: |linker| {
        store(&mut linker.instance("wasi:keyvalue/store@0.2.0-draft")?)?;
        atomics(&mut linker.instance("wasi:keyvalue/atomics@0.2.0-draft")?)?;
        batch(&mut linker.instance("wasi:keyvalue/batch@0.2.0-draft")?)
    },
};

/// `store.error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    #[expect(dead_code, reason = "the type has to be the interface's own")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoSuchStore => Error::NoSuchStore,
            Failure::Other(message) => Error::Other(message),
        }
    }
}

/// `store.key-response`.
#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<u64>,
}

type Answer<T> = wasmtime::Result<(Result<T, Error>,)>;
type Handle = Resource<Bucket>;

fn store(store: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    store.resource("bucket", ResourceType::host::<Bucket>(), |mut store: StoreContextMut<'_, Guest>, bucket| {
        store.data_mut().table.delete(Handle::new_own(bucket))?;
        Ok(())
    })?;
    store.func_wrap_async("open", |mut store: StoreContextMut<'_, Guest>, (name,): (String,)| {
        Box::new(async move {
            let services = store.data().services.clone();
            let opened = blocking(services.buckets.is_durable(), move || services.buckets.open(&name)).await?;
            Ok((match opened {
                Ok(bucket) => Ok(store.data_mut().table.push(bucket)?),
                Err(failure) => Err(Error::from(failure)),
            },))
        })
    })?;
    store.func_wrap_async("[method]bucket.get", |store, (bucket, key): (Handle, String)| {
        Box::new(with(store, bucket, move |bucket| bucket.get(&key)))
    })?;
    store.func_wrap_async("[method]bucket.set", |store, (bucket, key, value): (Handle, String, Vec<u8>)| {
        Box::new(with(store, bucket, move |bucket| bucket.set(&key, value)))
    })?;
    store.func_wrap_async("[method]bucket.delete", |store, (bucket, key): (Handle, String)| {
        Box::new(with(store, bucket, move |bucket| bucket.delete(&key)))
    })?;
    store.func_wrap_async("[method]bucket.exists", |store, (bucket, key): (Handle, String)| {
        Box::new(with(store, bucket, move |bucket| bucket.get(&key).map(|value| value.is_some())))
    })?;
    store.func_wrap_async("[method]bucket.list-keys", |store, (bucket, cursor): (Handle, Option<u64>)| {
        Box::new(with(store, bucket, move |bucket| page(bucket.keys()?, cursor.unwrap_or(0))))
    })
}

fn atomics(atomics: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    atomics.func_wrap_async("increment", |store, (bucket, key, delta): (Handle, String, u64)| {
        Box::new(with(store, bucket, move |bucket| bucket.increment(&key, delta)))
    })
}

fn batch(batch: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    batch.func_wrap_async("get-many", |store, (bucket, keys): (Handle, Vec<String>)| {
        Box::new(with(store, bucket, move |bucket| {
            let one = |key: String| Ok(bucket.get(&key)?.map(|value| (key, value)));
            keys.into_iter().map(one).collect::<Result<Vec<_>, Failure>>()
        }))
    })?;
    batch.func_wrap_async("set-many", |store, (bucket, pairs): (Handle, Vec<(String, Vec<u8>)>)| {
        Box::new(with(store, bucket, move |bucket| {
            pairs.into_iter().try_for_each(|(key, value)| bucket.set(&key, value))
        }))
    })?;
    batch.func_wrap_async("delete-many", |store, (bucket, keys): (Handle, Vec<String>)| {
        Box::new(with(store, bucket, move |bucket| keys.iter().try_for_each(|key| bucket.delete(key))))
    })
}

/// Works on a bucket, where waiting for the disk holds up no other guest.
async fn with<T: Send + 'static>(
    store: StoreContextMut<'_, Guest>,
    bucket: Handle,
    work: impl FnOnce(&Bucket) -> Result<T, Failure> + Send + 'static,
) -> Answer<T> {
    let bucket = store.data().table.get(&bucket)?.clone();
    let done = blocking(bucket.is_durable(), move || work(&bucket)).await?;
    Ok((done.map_err(Error::from),))
}

async fn blocking<T: Send + 'static>(durable: bool, work: impl FnOnce() -> T + Send + 'static) -> wasmtime::Result<T> {
    if durable { Ok(tokio::task::spawn_blocking(work).await?) } else { Ok(work()) }
}

/// The keys from the cursor on, which counts them in their order.
fn page(keys: Vec<String>, cursor: u64) -> Result<KeyResponse, Failure> {
    let all = keys.len();
    let begin = usize::try_from(cursor).unwrap_or(usize::MAX).min(all);
    let end = begin.saturating_add(PAGE).min(all);
    let cursor = (end < all).then_some(end as u64);
    Ok(KeyResponse { keys: keys.into_iter().skip(begin).take(end - begin).collect(), cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_pages_and_a_strange_cursor_is_the_end() {
        let keys: Vec<String> = (0..PAGE + 5).map(|number| number.to_string()).collect();
        let first = page(keys.clone(), 0).unwrap();
        assert_eq!((first.keys.len(), first.cursor), (PAGE, Some(PAGE as u64)));
        let last = page(keys.clone(), PAGE as u64).unwrap();
        assert_eq!((last.keys.len(), last.cursor), (5, None));
        assert_eq!(page(keys, u64::MAX).unwrap().keys.len(), 0);
    }
}
