//! `deletecollection`: each object a list would show, deleted as by its own request.

use sampan_meta::Status;

use super::delete::Deleted;
use super::list::List;
use crate::context::RequestContext;
use crate::options::{DeleteOptions, ListOptions};
use crate::registry::Registry;
use crate::resource::Resource;

impl Registry {
    /// Deletes all objects that match and answers them as they were. Objects that others delete meanwhile do no harm.
    ///
    /// # Errors
    /// The first refusal; what came before it is deleted.
    pub async fn delete_collection(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        list_options: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<List, Status> {
        let list = self.list(cx, resource, list_options).await?;
        for object in &list.objects {
            let mut attributes = cx.attributes.clone();
            object.namespace().clone_into(&mut attributes.namespace);
            object.name().clone_into(&mut attributes.name);
            let one = RequestContext::new(&attributes, cx.admission).dry_run(cx.dry_run);
            match self.delete(&one, resource, options).await {
                Ok(Deleted::Gone(_) | Deleted::Terminating(_)) => (),
                Err(status) if status.is_not_found() => (),
                Err(status) => return Err(status),
            }
        }
        Ok(list)
    }
}
