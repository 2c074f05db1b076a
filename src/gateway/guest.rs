//! Authenticates guests without stored data, from their cookie or the route in their Engine.IO id alone.

use std::rc::Rc;

use super::RequestContext;
use super::authenticate::Caller;
use super::parts::Sessions;
use crate::clock::UnixMillis;
use crate::cookie::sid_route::Route;
use crate::cookie::token::{Token, Verified};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Record, Version};
use crate::tenant::Consistency;

impl Sessions {
    /// Authenticates a request without a cookie. Its URL may contain a [`Route`] instead.
    pub(crate) fn authenticate_by_route(&self, context: &RequestContext<'_>) -> Caller {
        let keys = &self.tenant.keys;
        let target = context.request.location.target;
        let Some(route) = Route::of_target(target, keys) else {
            return Caller::Anonymous { forged: false };
        };
        let token = Token {
            handle: route.handle,
            id: route.id(keys),
            created: route.created,
            issued: Token::guest_issued(context.now.seconds().max(route.created), false),
            least_version: Version::UNSTORED,
        };
        let record = unstored(&token);
        let lifetime = &self.tenant.lifetime;
        if lifetime.has_ended(&record.span(), context.now.seconds()) {
            return Caller::Anonymous { forged: false };
        }
        let session = Rc::new(self.prepared(record));
        let cookie = token.mint(&self.tenant.keys);
        Caller::Visitor(self.visitor(session, token, Some(&cookie)))
    }

    /// Returns whether an origin may have recorded the guest who has this cookie, without a response that could say so:
    /// through the session API, while the guest has a WebSocket or an event stream open.
    pub(super) fn may_be_recorded_by_origin(&self, token: &Token) -> bool {
        let tenant = &self.tenant;
        tenant.consistency == Consistency::Strong
            && !tenant.origin_keys.is_empty()
            && (token.guest_opened().is_some() || self.openings.at(token.handle).is_some())
    }

    /// Authenticates a guest without stored data from the cookie alone, without reading storage.
    pub(super) fn authenticate_guest(
        &self,
        verified: Verified,
        value: &str,
        now: UnixMillis,
    ) -> Caller {
        let token = verified.token;
        let lifetime = self.tenant.lifetime;
        let record = self.with_opening(unstored(&token));
        let span = record.span();
        if lifetime.has_ended(&span, now.seconds()) {
            return Caller::Anonymous { forged: false };
        }
        let opened = Lifetime::may_be_open(&span, now.seconds());
        let renew =
            verified.retired_key || lifetime.touch_is_due(&span, record.spread(), now.seconds());
        let session = Rc::new(self.prepared(record));
        Caller::Visitor(if renew {
            self.visitor(
                session,
                Token {
                    issued: Token::guest_issued(now.seconds(), opened),
                    ..token
                },
                None,
            )
        } else {
            self.visitor(session, token, Some(value))
        })
    }

    /// Adds this isolate's knowledge of connections that the guest opened to a record. A client may not have kept the
    /// cookie that came with one.
    fn with_opening(&self, record: Record) -> Record {
        let known = self.openings.at(record.handle);
        Record {
            opened: record.opened.max(known),
            ..record
        }
    }
}

/// Returns the record of a session without stored data.
pub(crate) fn unstored(token: &Token) -> Record {
    Record {
        opened: token.guest_opened(),
        ..Record::unstored(token.handle, token.id, token.created, token.issued)
    }
}
