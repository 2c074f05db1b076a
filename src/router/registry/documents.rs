//! Applies tenants' documents: a valid one replaces the one in force, an invalid one is reported and changes nothing.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use serde_json::Value;

use super::super::Router;
use super::super::telemetry_reports::version;
use super::{CachedDocument, MAX_HOSTS, TenantRegistry, document_key};
use crate::api;
use crate::clock::UnixMillis;
use crate::config::renamed::update_names;
use crate::effect::{Answers, Found};
use crate::gateway::Gateway;
use crate::telemetry::log::{Event, Faults, Level};
use crate::tenant_id::TenantId;

/// Log detail for a document that uses a former name.
const OUTDATED: &str = "session.live is named streams since release 0.2, and watched revocable. Change the document once only this release is deployed; the next release refuses the former names.";

impl Router {
    /// Applies a document if it was read.
    pub(super) fn apply_document(&mut self, tenant: &TenantId, answers: &Answers) {
        let key = document_key(tenant);
        let (
            TenantRegistry::Many {
                documents, broken, ..
            },
            Some(answer),
        ) = (&mut self.registry, answers.read(&key))
        else {
            return;
        };
        let bytes = match answer.found {
            Found::Bytes(bytes) => bytes,
            Found::Absent => {
                documents.remove(tenant);
                self.evict_tenant(tenant);
                return;
            }
            Found::Unavailable => return,
        };
        if let Some(known) = documents.get_mut(tenant)
            && known.text == *bytes
            && self.gateways.contains(tenant)
        {
            known.asked = known.asked.max(answer.asked);
            return;
        }
        let mut has_former_names = false;
        let read = core::str::from_utf8(bytes)
            .map_err(|_| "it is not UTF-8".to_owned())
            .and_then(|text| {
                let read = serde_json::from_str::<Value>(text);
                read.map_err(|error| format!("it is not JSON: {error}"))
            })
            .and_then(|mut document| {
                // The previous release may have stored it, and still reads it during a deployment.
                has_former_names = update_names(&mut document);
                let faults = |faults: Vec<crate::config::Fault>| {
                    let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    text.join(" ")
                };
                self.deployment.tenant_of(&document).map_err(faults)
            });
        match read {
            Ok(read) if read.id == *tenant => {
                broken.remove(tenant);
                documents.insert(
                    tenant.clone(),
                    CachedDocument {
                        text: bytes.clone(),
                        version: version(bytes),
                        hosts: read.hosts.clone(),
                        asked: answer.asked,
                        refreshed: answer.asked,
                    },
                );
                match self.gateways.get_mut(tenant) {
                    Some(gateway) => gateway.reload(read),
                    None => {
                        self.evict_until_room(answer.asked);
                        let random = ChaCha20Rng::from_rng(&mut self.random);
                        let gateway =
                            Gateway::new(read, &self.deployment.prefix, api::respond, random)
                                .hashing_in(self.hashing.clone());
                        self.gateways.insert(tenant.clone(), gateway, answer.asked);
                    }
                }
                if has_former_names {
                    let event = Event::new(Level::Warn, "tenant_document_outdated").of(tenant);
                    self.emit(event.with("detail", Faults(OUTDATED)));
                }
            }
            Ok(_) => self.refuse_document(tenant, "its id is another's", answer.asked),
            Err(faults) => self.refuse_document(tenant, &faults, answer.asked),
        }
    }

    fn refuse_document(&mut self, tenant: &TenantId, faults: &str, asked: UnixMillis) {
        if let TenantRegistry::Many {
            documents,
            broken,
            faults,
            ..
        } = &mut self.registry
        {
            if faults.len() >= MAX_HOSTS {
                faults.clear();
            }
            faults.insert(tenant.clone(), asked);
            match documents.get_mut(tenant) {
                Some(known) => known.asked = known.asked.max(asked),
                None => {
                    if broken.len() >= MAX_HOSTS {
                        broken.clear();
                    }
                    broken.insert(tenant.clone(), asked);
                }
            }
        }
        let event = Event::new(Level::Error, "tenant_document_broken").of(tenant);
        self.emit(event.with("detail", Faults(faults)));
    }
}
