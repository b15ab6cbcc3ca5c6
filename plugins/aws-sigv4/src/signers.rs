//! Which signer signs a request, and the background work that keeps its credentials fresh.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use modelgate_kit::exchange::Exchange;
use modelgate_kit::explain;
use modelgate_kit::problem::Reply;
use modelgate_kit::refresh::{Refreshed, Source};
use modelgate_kit::root::Root;

use crate::callers::{Callers, Session};
use crate::credentials::{Credentials, Scope};
use crate::made::Made;
use crate::reasons::CREDENTIALS_UNAVAILABLE;
use crate::sign::{Options, Signer};
use crate::supply::Supply;
use crate::supply::read::Temporary;

/// The signers of one configuration.
pub struct Signers {
    supply: Supply,
    callers: Option<Callers>,
    scope: Scope,
    options: Options,
    made: Made,
}

/// Who signs for a request.
pub enum Chosen {
    /// `credentials`.
    Everybody,
    /// A session of a role.
    Session(Rc<Session>),
}

impl Signers {
    /// Signers with these credentials, and roles for callers.
    pub fn new(supply: Supply, callers: Option<Callers>, scope: Scope, options: Options) -> Self {
        Self {
            supply,
            callers,
            scope,
            options,
            made: Made::default(),
        }
    }

    /// Who signs for this request.
    ///
    /// # Errors
    /// The refusal where nobody does.
    pub fn choose(&self, exchange: &Exchange) -> Result<Chosen, Reply> {
        if explain::is_asked() {
            self.supply.tell();
        }
        let Some(callers) = &self.callers else {
            return Ok(Chosen::Everybody);
        };
        let session = callers.session(exchange)?;
        Ok(session.map_or(Chosen::Everybody, Chosen::Session))
    }

    /// The signer, as it is now; waits, bounded, where there are no credentials yet.
    ///
    /// # Errors
    /// The refusal where there are none.
    pub async fn signer(&self, exchange: &Exchange, chosen: &Chosen) -> Result<Rc<Signer>, Reply> {
        let credentials = match (&self.supply, chosen) {
            (Supply::Given(key), Chosen::Everybody) => Rc::clone(key),
            (Supply::Fetched(fetched), Chosen::Everybody) => had(exchange, fetched).await?,
            (supply, Chosen::Session(session)) => {
                let now_ms = exchange.now_ns() / 1_000_000;
                if let Supply::Fetched(base) = supply
                    && session.kept.current(now_ms).is_none()
                {
                    had(exchange, base).await?;
                }
                had(exchange, &session.kept).await?
            }
        };
        let made = match chosen {
            Chosen::Everybody => &self.made,
            Chosen::Session(session) => &session.made,
        };
        Ok(made.of(&credentials, || {
            let credentials = Rc::clone(&credentials);
            Signer::new(credentials, self.scope.clone(), self.options.clone())
        }))
    }

    /// The service does not take what was signed with: it is fetched anew.
    pub fn doubt(&self, exchange: &Exchange, chosen: &Chosen) {
        match (&self.supply, chosen) {
            (_, Chosen::Session(session)) => session.kept.doubt(exchange),
            (Supply::Fetched(fetched), Chosen::Everybody) => fetched.doubt(exchange),
            (Supply::Given(_), Chosen::Everybody) => {}
        }
    }

    /// Takes over what configurations of this VM have that ask the same: see [`Refreshed::join`],
    /// [`Callers::join`].
    pub fn join(&self, root: &Root) {
        if let Supply::Fetched(fetched) = &self.supply {
            fetched.join(root);
        }
        if let Some(callers) = &self.callers {
            callers.join(root);
        }
    }

    /// Keeps everything fresh for as long as the plan lives.
    pub async fn keep_fresh(&self, root: Root) {
        let mut base: Option<Task> = match &self.supply {
            Supply::Given(_) => None,
            Supply::Fetched(fetched) => Some(Box::pin(Rc::clone(fetched).keep_fresh(root.clone()))),
        };
        if base.is_none() && self.callers.is_none() {
            return;
        }
        let mut sessions: Vec<(Rc<Session>, Task)> = Vec::new();
        poll_fn(|context| {
            if let Some(task) = &mut base {
                let _ = task.as_mut().poll(context);
            }
            if let Some(callers) = &self.callers {
                follow(callers, &mut sessions, &root, context);
            }
            Poll::<()>::Pending
        })
        .await;
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A task for each session that is in use, and for no other.
fn follow(
    callers: &Callers,
    tasks: &mut Vec<(Rc<Session>, Task)>,
    root: &Root,
    context: &mut Context<'_>,
) {
    for session in callers.follow(root.now_ns() / 1_000_000) {
        let kept = Rc::clone(&session.kept);
        tasks.push((session, Box::pin(kept.keep_fresh(root.clone()))));
    }
    tasks.retain_mut(|(session, task)| {
        !session.is_over() && task.as_mut().poll(context).is_pending()
    });
}

async fn had<S: Source<Payload = Temporary>>(
    exchange: &Exchange,
    kept: &Refreshed<S>,
) -> Result<Rc<Credentials>, Reply> {
    match kept.get(exchange).await {
        Ok(found) => Ok(Rc::clone(&found.credentials)),
        Err(after_s) => {
            let reply = Reply::new(&CREDENTIALS_UNAVAILABLE);
            Err(reply.with_header("retry-after", after_s.to_string()))
        }
    }
}
