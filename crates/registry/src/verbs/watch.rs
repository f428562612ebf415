//! `watch`: the present state if asked, then every change that concerns the selector, in order and without gap.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream};
use sampan_meta::Status;
use sampan_store::cache::Change;
use sampan_store::{At, Op, Revision, Scope, WatchError, Watcher};
use tokio::time::{Interval, MissedTickBehavior};

use super::filter::Filter;
use super::list::{check_watch, parse_version};
use crate::apiextensions::Converter;
use crate::context::RequestContext;
use crate::object::Object;
use crate::options::WatchOptions;
use crate::registry::Registry;
use crate::resource::Resource;

/// How often a watch that allows bookmarks gets one. Upstream: `bookmarkFrequency` of the cacher.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);

/// One event of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// It is there, or has come to match.
    Added(Arc<Object>),
    /// It has changed and still matches.
    Modified(Arc<Object>),
    /// It is gone, or has ceased to match; its last matching state under the revision of the change.
    Deleted(Arc<Object>),
    /// Everything up to the revision has been told. An object of the kind that has nothing but `metadata.resourceVersion`.
    Bookmark {
        /// The `resourceVersion` from which another watch can go on.
        revision: u64,
        /// The list at the beginning is complete: annotation `k8s.io/initial-events-end: "true"`.
        initial_events_end: bool,
    },
    /// The watch ends here.
    Error(Status),
}

/// The events of one watch. Ends after an [`Event::Error`]; dropping it ends the watch.
pub struct WatchStream {
    resource: Arc<Resource>,
    filter: Arc<Filter>,
    /// Set for a kind whose objects a webhook converts.
    converter: Option<Converter>,
    /// A change that is being converted; those behind it wait.
    converting: Option<BoxFuture<'static, Option<Event>>>,
    initial: VecDeque<Arc<Object>>,
    /// Revision of the bookmark that closes the initial events.
    initial_end: Option<u64>,
    live: Result<Watcher<Object>, Option<Status>>,
    bookmarks: Option<Interval>,
    told: u64,
}

/// Where a watch begins.
enum Begin {
    /// With the present state.
    Present,
    /// With the change after this revision.
    After(Revision),
}

impl Registry {
    /// Follows the objects of one namespace (`cx.attributes.namespace`, empty: all; `name` narrows to one).
    ///
    /// # Errors
    /// As [`Registry::list`]; a version that is too old is told as the stream's only event, as upstream does.
    pub async fn watch(
        &self,
        cx: &RequestContext<'_>,
        resource: &Arc<Resource>,
        options: &WatchOptions,
    ) -> Result<WatchStream, Status> {
        check_watch(options)?;
        let (labels, fields) = (options.label_selector.as_ref(), options.field_selector.as_ref());
        let filter = Filter::new(resource, &cx.attributes.namespace, &cx.attributes.name, labels, fields)?;
        let begin = self.begin(options).await?;
        let mut stream = WatchStream {
            resource: resource.clone(),
            filter: Arc::new(filter),
            converter: self.converter(resource),
            converting: None,
            initial: VecDeque::new(),
            initial_end: None,
            live: Err(None),
            bookmarks: options.allow_bookmarks.then(bookmark_timer),
            told: 0,
        };
        self.connect(&mut stream, begin, options);
        stream.convert_initial().await?;
        Ok(stream)
    }

    async fn begin(&self, options: &WatchOptions) -> Result<Begin, Status> {
        let version = options.resource_version.as_str();
        match options.send_initial_events {
            Some(true) => self.reach(version, options.version_match).await.map(|()| Begin::Present),
            Some(false) if matches!(version, "" | "0") => {
                self.reach(version, options.version_match).await?;
                Ok(Begin::After(self.cache.current()))
            }
            None if matches!(version, "" | "0") => {
                self.reach(version, options.version_match).await.map(|()| Begin::Present)
            }
            _ => Ok(Begin::After(Revision(parse_version(version)?))),
        }
    }

    fn connect(&self, stream: &mut WatchStream, begin: Begin, options: &WatchOptions) {
        let storage = &*stream.resource.storage;
        let after = match begin {
            Begin::After(revision) => revision,
            Begin::Present => {
                let Ok(snapshot) = self.cache.snapshot(storage, &At::Latest) else {
                    stream.live = Err(Some(Status::internal("the latest state is not at hand")));
                    return;
                };
                let range = super::list::candidates(&snapshot, &stream.filter, None);
                let is_shown = |object: &&Arc<Object>| stream.converter.is_some() || stream.filter.matches(object);
                stream.initial = range.filter(is_shown).cloned().collect();
                let wanted = options.send_initial_events == Some(true) && options.allow_bookmarks;
                stream.initial_end = wanted.then_some(snapshot.revision().0);
                snapshot.revision()
            }
        };
        stream.told = after.0;
        let scope = scope_of(&stream.filter);
        stream.live =
            self.cache.watch(storage, scope, after).map_err(|expired| Some(Status::expired(expired.to_string())));
    }
}

impl WatchStream {
    /// A bookmark of what has been told so far, to be sent before the time limit of the watch ends it.
    ///
    /// `None` while the initial events are not all told.
    pub fn bookmark(&self) -> Option<Event> {
        if !self.initial.is_empty() || self.initial_end.is_some() || self.converting.is_some() {
            return None;
        }
        let progress = self.live.as_ref().ok()?.progress().0;
        Some(Event::Bookmark { revision: progress.max(self.told), initial_events_end: false })
    }

    fn initial_event(&mut self) -> Option<Event> {
        if let Some(object) = self.initial.pop_front() {
            return Some(self.presented(object, Event::Added));
        }
        let revision = self.initial_end.take()?;
        Some(Event::Bookmark { revision, initial_events_end: true })
    }

    /// The objects a watch begins with, by the webhook of their kind.
    async fn convert_initial(&mut self) -> Result<(), Status> {
        let Some(converter) = &self.converter else { return Ok(()) };
        let initial = converter.shared_all(std::mem::take(&mut self.initial).into()).await?;
        self.initial = initial.into_iter().filter(|object| self.filter.matches(object)).collect();
        Ok(())
    }

    /// Converted objects are shown as they are.
    fn presented(&self, object: Arc<Object>, event: fn(Arc<Object>) -> Event) -> Event {
        match self.converter {
            Some(_) => event(object),
            None => self.resource.present(object).map_or_else(Event::Error, event),
        }
    }

    /// What a change means to this watch: nothing if neither state matches.
    fn event(&self, change: &Change<Object>) -> Option<Event> {
        match decided(&self.filter, change.previous.as_ref(), &change.object, change)? {
            Event::Added(object) => Some(self.presented(object, Event::Added)),
            Event::Modified(object) => Some(self.presented(object, Event::Modified)),
            Event::Deleted(object) => Some(self.presented(object, Event::Deleted)),
            told => Some(told),
        }
    }

    fn poll_live(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = std::task::ready!(self.poll_converting(cx)) {
                return Poll::Ready(Some(event));
            }
            let watcher = match &mut self.live {
                Ok(watcher) => watcher,
                Err(error) => return Poll::Ready(error.take().map(Event::Error)),
            };
            let change = match std::task::ready!(Pin::new(watcher).poll_next(cx)) {
                Some(Ok(change)) => change,
                Some(Err(error)) => {
                    self.live = Err(None);
                    return Poll::Ready(Some(Event::Error(watch_status(&error))));
                }
                None => return Poll::Ready(None),
            };
            let Some(converter) = &self.converter else {
                self.told = change.revision.0;
                match self.event(&change) {
                    Some(event) => return Poll::Ready(Some(event)),
                    None => continue,
                }
            };
            self.converting = Some(converted(converter.clone(), Arc::clone(&self.filter), change).boxed());
        }
    }

    /// What has become of the change that is being converted; one that cannot be ends the watch.
    fn poll_converting(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(converting) = &mut self.converting else { return Poll::Ready(None) };
        let event = std::task::ready!(converting.poll_unpin(cx));
        self.converting = None;
        if let Some(Event::Error(_)) = &event {
            self.live = Err(None);
        }
        Poll::Ready(event)
    }

    fn poll_bookmark(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(timer) = &mut self.bookmarks else { return Poll::Pending };
        std::task::ready!(timer.poll_tick(cx));
        // The timer has to be asked again to wake the task at its next tick.
        let _ = timer.poll_tick(cx);
        match self.bookmark() {
            Some(bookmark) => Poll::Ready(Some(bookmark)),
            None => Poll::Pending,
        }
    }
}

impl Stream for WatchStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.initial_event() {
            return Poll::Ready(Some(event));
        }
        match self.poll_live(cx) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => self.poll_bookmark(cx),
        }
    }
}

/// What a change means to who sees these two states of the object.
fn decided(
    filter: &Filter,
    previous: Option<&Arc<Object>>,
    object: &Arc<Object>,
    change: &Change<Object>,
) -> Option<Event> {
    let deleted = change.op == Op::Delete;
    let before = previous.is_some_and(|previous| filter.matches(previous));
    let after = !deleted && filter.matches(object);
    match (before, after) {
        (false, false) => None,
        (false, true) => Some(Event::Added(Arc::clone(object))),
        (true, true) => Some(Event::Modified(Arc::clone(object))),
        (true, false) if deleted => Some(Event::Deleted(Arc::clone(object))),
        (true, false) => {
            let left = previous.unwrap_or(object).at_revision(change.revision.0);
            Some(left.map_or_else(|why| Event::Error(Status::internal(why)), |left| Event::Deleted(Arc::new(left))))
        }
    }
}

/// As [`decided`], once the webhook has said how both states look.
async fn converted(converter: Converter, filter: Arc<Filter>, change: Arc<Change<Object>>) -> Option<Event> {
    let previous = match &change.previous {
        Some(previous) => converter.shared(Arc::clone(previous)).await.map(Some),
        None => Ok(None),
    };
    let object = converter.shared(Arc::clone(&change.object)).await;
    match (previous, object) {
        (Ok(previous), Ok(object)) => decided(&filter, previous.as_ref(), &object, &change),
        (Err(status), _) | (_, Err(status)) => Some(Event::Error(status)),
    }
}

fn bookmark_timer() -> Interval {
    let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

fn scope_of(filter: &Filter) -> Scope {
    Scope {
        namespace: filter.namespace.as_deref().map(Arc::from),
        name: filter.name.as_deref().map(Arc::from),
        index: filter.index.as_deref().map(Arc::from),
    }
}

fn watch_status(error: &WatchError) -> Status {
    match error {
        WatchError::TooSlow => Status::expired("the watch was too slow to take the changes; watch again"),
        WatchError::Expired(expired) => Status::expired(expired.to_string()),
    }
}
