//! Headers and a parameter by which a framework or router behind us would replace the path, method
//! or host that the rules have looked at.
//!
//! `X-Original-URL` and `X-Rewrite-URL`: Symfony and Zend up to 2018, IIS, Spring's filters;
//! `X-Original-URI` and `X-Forwarded-URI` and `-Path`: applications behind ingresses of nginx and
//! Traefik, which write them; `X-Forwarded-Prefix`: Spring's ForwardedHeaderFilter, ASP.NET Core,
//! Werkzeug's ProxyFix, `X-Forwarded-Context`: Knox and NiFi, all of which put it before the path
//! or take it off; method overrides: Rails, Laravel, Symfony, Express' method-override, ASP.NET,
//! Spring's HiddenHttpMethodFilter (`_method`). `X-Script-Name`: WSGI middlewares take it off the
//! path. Portkey and Helicone send the request, and the provider's key with it, to whichever host
//! their headers name.

use crate::reasons::OVERRIDE_REFUSED;
use modelgate_kit::exchange::Exchange;
use modelgate_kit::headers::HeaderBlock;
use modelgate_kit::problem::Reply;
use modelgate_kit::query::{has_parameter, take_parameter};

use crate::config::OverrideHeaders;

const HEADERS: [&str; 15] = [
    "x-original-url",
    "x-original-uri",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-context",
    "x-rewrite-url",
    "x-override-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-script-name",
    "x-portkey-custom-host",
    "helicone-target-url",
    "helicone-openai-api-base",
];
const PARAMETER: &str = "_method";

impl OverrideHeaders {
    /// Does to an allowed request what is configured.
    ///
    /// # Errors
    /// The refusal, or that the host does not do it.
    pub fn apply(self, headers: &HeaderBlock, exchange: &Exchange) -> Result<(), Reply> {
        if self == Self::Allow {
            return Ok(());
        }
        let target = headers.first(":path").unwrap_or_default();
        let in_query = has_parameter(target, PARAMETER);
        if self == Self::Deny {
            let in_headers = !headers.lookalikes(HEADERS.into_iter()).is_empty();
            return if in_headers || in_query {
                Err(Reply::new(&OVERRIDE_REFUSED))
            } else {
                Ok(())
            };
        }
        exchange.remove_lookalikes(headers, HEADERS.into_iter())?;
        if in_query {
            let rest = std::str::from_utf8(target)
                .ok()
                .and_then(|target| take_parameter(target, PARAMETER))
                .ok_or_else(|| Reply::new(&OVERRIDE_REFUSED))?
                .rest;
            exchange.request().set_header(":path", rest)?;
        }
        Ok(())
    }
}
