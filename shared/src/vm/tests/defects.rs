//! What no proxy and no filter of the suite does: a filter that waits for nothing, and a proxy that
//! does not hand over the body that it has announced. Both end in a refusal of their own.

use super::*;
use crate::rule::{Asked, ModelBody};

/// Waits for nothing, or for the model that a body names.
struct Defect;

impl Filter for Defect {
    const NAME: &'static str = "defect";
    const NEEDS: Needs = Needs {
        buffers_request: true,
        request_body: true,
        holds: true,
        ..Needs::NONE
    };
    type Config = Steps;
    type Plan = Vec<String>;

    fn compile(config: Steps, _: &Setup<'_>, _: &mut Problems) -> Option<Self::Plan> {
        Some(config.steps)
    }

    async fn handle(plan: Rc<Self::Plan>, exchange: Exchange) -> Result<(), Reply> {
        if plan.is_empty() {
            std::future::pending::<()>().await;
        }
        let headers = exchange.request().headers()?;
        let mut asked = Asked::read(&headers)?;
        asked.read_model(&exchange, &ModelBody::default()).await
    }
}

fn vm(config: &str) -> (Rc<Recorder>, Vm) {
    let host = Rc::new(Recorder::default());
    *host.config.borrow_mut() = config.as_bytes().to_vec();
    *host.request.borrow_mut() = vec![
        (":path".into(), "/v1/chat/completions".into()),
        (":method".into(), "POST".into()),
        ("content-type".into(), "application/json".into()),
    ];
    let mut vm = Vm::new(
        Rc::clone(&host) as Rc<dyn Proxy>,
        &[Registration::of::<Defect>()],
    );
    vm.create(1, 0);
    assert!(vm.configure(1, config.len()), "{:?}", host.take());
    host.take();
    vm.create(2, 1);
    (host, vm)
}

fn refused(host: &Recorder, code: &str) {
    let told = host.take();
    let reply = format!("reply 500 modelgate.defect.{code}");
    assert!(told.contains(&reply), "{told:?}");
}

#[test]
fn a_filter_that_waits_for_nothing_is_refused() {
    let (host, mut vm) = vm("{}");
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    refused(&host, "filter_stalled");
}

#[test]
fn a_body_that_the_proxy_announces_and_does_not_hand_over_is_refused() {
    let (host, mut vm) = vm(r#"{"steps": ["model"]}"#);
    *host.body.borrow_mut() = br#"{"model":"m"}"#.to_vec();
    assert_eq!(request(&mut vm, Part::Headers(false)), Pause);
    assert_eq!(request(&mut vm, Part::Body(14, true)), Pause);
    refused(&host, "body_unreadable");
}
