//! Writes into a request what was chosen for it: the model's name and version in the request's own
//! protocol, and the headers that the proxy's routes look at.

use std::borrow::Cow;
use std::rc::Rc;

use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::host::Status;
use modelgate_kit::problem::Reply;
use modelgate_kit::problem::common::MODEL_UNREADABLE;
use modelgate_kit::route::{
    Choice, Inexpressible, Model as Named, Wanted, boundary, rename_in_form, rename_in_json,
};
use modelgate_kit::rule::Asked;

use crate::choose::Sticky;
use crate::kept::Kept;
use crate::plan::{Model, Plan, Target};
use crate::reasons::ROUTE_INEXPRESSIBLE;

impl Target {
    /// What a request that names the model so has to say for this target.
    fn wanted<'a>(&'a self, model: &Model, name: &str) -> Wanted<'a> {
        let choice = match &self.selector {
            Some(selector) if self.is_asked => Choice::Set(selector.clone()),
            _ if model.keeps_versions => Choice::Keep,
            _ => Choice::Drop,
        };
        Wanted {
            model: self.model.as_deref().filter(|known| *known != name),
            choice,
        }
    }
}

impl Plan {
    /// Makes the request one for the target.
    ///
    /// # Errors
    /// A refusal where the request's protocol cannot say what is wanted, or the proxy does not take
    /// it.
    pub(crate) async fn write(
        &self,
        model: &Model,
        target: &Target,
        name: &str,
        asked: &Asked<'_>,
        headers: &HeaderBlock,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        let inexpressible = |_| Reply::new(&ROUTE_INEXPRESSIBLE);
        let wanted = target.wanted(model, name);
        // A path of no protocol says what its backend makes of it.
        let is_plain = wanted.model.is_none() && !matches!(wanted.choice, Choice::Set(_));
        let kept = target
            .rewritten
            .borrow()
            .as_ref()
            .and_then(|kept| kept.of(asked));
        let rewritten = match (kept, asked.route()) {
            (Some(kept), _) => kept,
            (None, Some(route)) => {
                let written = wanted
                    .write(asked.method().as_bytes(), asked.path(), route)
                    .map_err(inexpressible)?;
                let written = Rc::new(written);
                if matches!(route.model, Named::Named(_)) {
                    *target.rewritten.borrow_mut() = Some(Kept::new(asked, &written));
                }
                written
            }
            (None, None) if is_plain => Rc::default(),
            (None, None) => return Err(inexpressible(Inexpressible)),
        };
        if rewritten.in_body {
            let to = wanted.model.unwrap_or(name);
            self.rename(name, to, asked, headers, exchange).await?;
        }
        for (header, value) in &rewritten.headers {
            exchange.remove_lookalikes(headers, std::iter::once(*header))?;
            if let Some(value) = value {
                exchange.request().set_header(header, value)?;
            }
        }
        if let Some(path) = &rewritten.path {
            let target = headers.first(":path").unwrap_or_default();
            let query = target.iter().position(|byte| *byte == b'?');
            let query = query.and_then(|at| target.get(at..)).unwrap_or_default();
            let whole = match std::str::from_utf8(query) {
                Ok("") => Cow::Borrowed(path.as_str()),
                Ok(query) => Cow::Owned(format!("{path}{query}")),
                Err(_) => return Err(Reply::new(&ROUTE_INEXPRESSIBLE)),
            };
            match exchange.request().set_header(":path", &*whole) {
                Err(Status::Unimplemented) => return Err(Reply::new(&ROUTE_INEXPRESSIBLE)),
                set => set?,
            }
        }
        exchange
            .request()
            .set_header(&self.backend_header, &target.backend)?;
        Ok(())
    }

    /// Replaces the model's name in the body.
    async fn rename(
        &self,
        from: &str,
        to: &str,
        asked: &Asked<'_>,
        headers: &HeaderBlock,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        let (body, limits) = self.model_from_body.body(exchange).await?;
        let form = || headers.text("content-type").and_then(boundary);
        let renamed = match asked.route().map(|route| &route.model) {
            Some(Named::InForm(member)) => match form() {
                Some(boundary) => rename_in_form(&body, &boundary, member, from, to),
                None => rename_in_json(&body, &[member], from, to, limits),
            },
            Some(Named::InBody(members)) => rename_in_json(&body, members, from, to, limits),
            _ => Ok(None),
        };
        match renamed {
            Ok(Some(renamed)) => Ok(exchange.request().replace_body(renamed)?),
            // The server's default is meant, and it has another one.
            Ok(None) => Err(Reply::new(&ROUTE_INEXPRESSIBLE)),
            Err(_) => Err(Reply::new(&MODEL_UNREADABLE)),
        }
    }

    /// Says where a copy of the request goes, if one does.
    ///
    /// # Errors
    /// The proxy's status.
    pub(crate) fn shadow(
        &self,
        model: &Model,
        sticky: impl FnOnce() -> Sticky,
        exchange: &Exchange,
    ) -> Result<(), Reply> {
        let shadow = model.shadow.as_ref();
        let shadow = shadow.filter(|one| sticky().key.is_among(one.percent, one.purpose));
        if let Some(shadow) = shadow {
            exchange
                .request()
                .set_header(&self.shadow_header, &shadow.backend)?;
        }
        Ok(())
    }
}
