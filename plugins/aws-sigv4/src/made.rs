//! The signer that was made last: of the credentials that are at hand, until there are others.

use std::cell::RefCell;
use std::rc::Rc;

use crate::credentials::Credentials;
use crate::sign::Signer;

/// A signer that is kept.
#[derive(Default)]
pub struct Made(RefCell<Option<Rc<Signer>>>);

impl Made {
    /// The signer of these credentials.
    pub fn of(&self, credentials: &Rc<Credentials>, make: impl FnOnce() -> Signer) -> Rc<Signer> {
        let mut kept = self.0.borrow_mut();
        if let Some(signer) = kept.as_ref()
            && signer.is_of(credentials)
        {
            return Rc::clone(signer);
        }
        let signer = Rc::new(make());
        *kept = Some(Rc::clone(&signer));
        signer
    }
}
