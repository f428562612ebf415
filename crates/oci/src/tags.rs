//! `/v2/NAME/tags/list`: which tags there are, in pages.

use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};
use serde_json::json;

use crate::error::{Code, Error};
use crate::name::Repository;
use crate::registry::{Asked, Inner};

pub(crate) async fn answer(registry: &Inner, name: &Repository, asked: &Asked) -> Result<Response, Error> {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Err(asked.unsupported());
    }
    let limit = match asked.query("n") {
        None => usize::MAX,
        Some(text) => text.parse().map_err(|_| Error::new(Code::Unsupported, format!("n={text} is no number")))?,
    };
    let all = registry.storage.tags(name).await?;
    let mut tags = all.ok_or_else(|| Error::new(Code::NameUnknown, format!("there is no repository {name}")))?;
    if let Some(last) = asked.query("last") {
        tags.retain(|tag| tag.as_str() > last);
    }
    let more = limit > 0 && tags.len() > limit;
    tags.truncate(limit);
    let mut response = json!({ "name": name.as_str(), "tags": tags }).to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(last) = tags.last().filter(|_| more) {
        let next = format!("</v2/{name}/tags/list?n={limit}&last={last}>; rel=\"next\"");
        response.headers_mut().insert(LINK, HeaderValue::from_str(&next).expect("names and tags are plain ascii"));
    }
    Ok(response)
}
