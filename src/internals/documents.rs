//! Reads tenants' documents as the Worker does, for `npm run tenants`.

use serde_json::Value;

use crate::config::layers::{Layers, Source};
use crate::config::{self, variables};
use crate::deployment::Deployment;
use crate::policy::LoginMode;
use crate::tenant::Tenant;

/// Performs a command, one JSON object: `{"do": "schema" | "validate" | "explain", "bindings": {…}, "document": "…",
/// "host": …, "pattern": …, "path": …}`. The pattern is that of the binding that led to the document. Returns lines for
/// people.
///
/// # Errors
/// Returns the faults of the document, the settings or the command, a line each.
pub fn answer(input: &str) -> Result<Vec<String>, Vec<String>> {
    let one = |problem: String| vec![problem];
    let order: Value = serde_json::from_str(input).map_err(|error| one(error.to_string()))?;
    let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("do") == "schema" {
        return Ok(vec![format!("{:#}", config::schema())]);
    }
    let bindings = order.get("bindings").cloned().unwrap_or_default();
    let deployment = Deployment::from_bindings(&bindings.to_string()).map_err(|bad| bad.0)?;
    let document: Value = serde_json::from_str(text("document"))
        .map_err(|error| one(format!("The document is not JSON: {error}.")))?;
    let tenant = deployment
        .tenant_of(&document)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    if text("do") == "validate" {
        return Ok(vec![format!("{} is good.", tenant.id)]);
    }
    Ok(explain(
        &tenant,
        &deployment,
        document,
        text("host"),
        text("pattern"),
        text("path"),
    ))
}

fn explain(
    tenant: &Tenant,
    deployment: &Deployment,
    document: Value,
    host: &str,
    pattern: &str,
    path: &str,
) -> Vec<String> {
    let mut lines = vec![format!("tenant      {}", tenant.id)];
    let claim = tenant.hosts.iter().find(|claim| claim.as_str() == pattern);
    lines.push(claim.map_or_else(
        || format!("host        {host} is not among its hosts: 421"),
        |claim| format!("host        {host}, by {}", claim.as_str()),
    ));
    let door = tenant.login_at("GET", path);
    let mode = match door.mode {
        LoginMode::Off => "off: every visitor is a guest",
        LoginMode::Optional => "optional: guests are admitted",
        LoginMode::Required => "required: a sign-in is required",
    };
    let by = door.rule_path();
    lines.push(format!("sign-in     {path}: {mode}, by {by}"));
    lines.push(String::new());
    let mut defaults = variables::to_document(&deployment.secrets);
    if let Some(members) = defaults.as_object_mut() {
        members.remove("id");
    }
    let layers = Layers {
        deployment: defaults,
        tenant: document,
    };
    for (path, value, source) in layers.explain() {
        let source = match source {
            Source::Default => "default",
            Source::Deployment => "deployment",
            Source::Tenant => "tenant",
        };
        lines.push(format!("{source:<11} {path} = {value}"));
    }
    lines
}
