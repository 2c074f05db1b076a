//! Verifies and creates signatures with the runtime's WebCrypto (`crypto.subtle`).

use js_sys::futures::JsFuture;
use js_sys::{Array, JSON, Object, Promise, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::effect::algorithm::Algorithm;
use crate::encoding;
use crate::encoding::json;
use crate::worker::log;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    fn import_key(
        format: &str,
        key: &JsValue,
        algorithm: &Object,
        is_extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = exportKey)]
    fn export_key(format: &str, key: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"])]
    fn sign(algorithm: &Object, key: &JsValue, input: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"])]
    fn verify(
        algorithm: &Object,
        key: &JsValue,
        signature: &Uint8Array,
        input: &Uint8Array,
    ) -> Result<Promise, JsValue>;
}

/// Error for an unusable key, with the runtime's text.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct CryptoError(String);

impl From<JsValue> for CryptoError {
    fn from(thrown: JsValue) -> Self {
        Self(log::Describe::describe(&thrown))
    }
}

/// Parameter of a WebCrypto algorithm.
#[derive(Clone, Copy)]
enum Param {
    Text(&'static str, &'static str),
    Number(&'static str, u32),
}

use Param::{Number, Text};

const ECDSA: Param = Text("name", "ECDSA");
const P256: Param = Text("namedCurve", "P-256");
const SHA256: Param = Text("hash", "SHA-256");

/// PKCS #8 (RFC 5958) header of a P-256 private key.
const PKCS8: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

impl Algorithm {
    /// Returns the parameters for importing a public key.
    fn of_key(self) -> &'static [Param] {
        match self {
            Self::Rs256 => &[Text("name", "RSASSA-PKCS1-v1_5"), SHA256],
            Self::Ps256 => &[Text("name", "RSA-PSS"), SHA256],
            Self::Es256 => &[ECDSA, P256],
            Self::EdDsa => &[Text("name", "Ed25519")],
        }
    }

    /// Returns the parameters for verifying a signature.
    fn of_signature(self) -> &'static [Param] {
        match self {
            Self::Rs256 => &[Text("name", "RSASSA-PKCS1-v1_5")],
            Self::Ps256 => &[Text("name", "RSA-PSS"), Number("saltLength", 32)],
            Self::Es256 => &[ECDSA, SHA256],
            Self::EdDsa => &[Text("name", "Ed25519")],
        }
    }
}

fn object(params: &[Param]) -> Result<Object, JsValue> {
    let object = Object::new();
    for param in params {
        let (name, value) = match *param {
            Text(name, text) => (name, JsValue::from_str(text)),
            Number(name, number) => (name, JsValue::from(number)),
        };
        Reflect::set(&object, &name.into(), &value)?;
    }
    Ok(object)
}

/// Returns whether a base64url signature is valid; `jwk` is the public key as JSON (RFC 7517).
///
/// # Errors
/// Returns an error if the key is unusable or the signature is not base64url.
pub(super) async fn is_signed(
    jwk: &str,
    algorithm: Algorithm,
    input: &str,
    signature: &str,
) -> Result<bool, CryptoError> {
    let usages = Array::of1(&"verify".into());
    let of_key = object(algorithm.of_key())?;
    let key = import_key("jwk", &JSON::parse(jwk)?, &of_key, false, &usages)?;
    let key = JsFuture::from(key).await?;
    let signature = encoding::from_base64url(signature)
        .ok_or_else(|| CryptoError("the signature is not base64url".to_owned()))?;
    let signature = Uint8Array::from(signature.as_slice());
    let input = Uint8Array::from(input.as_bytes());
    let of_signature = object(algorithm.of_signature())?;
    let is_good = JsFuture::from(verify(&of_signature, &key, &signature, &input)?).await?;
    Ok(is_good.is_truthy())
}

/// Signs a text with ES256; returns the text, a full stop and the signature as base64url.
///
/// # Errors
/// Returns an error if the key is unusable.
pub(super) async fn signed(private: &[u8; 32], input: &str) -> Result<String, CryptoError> {
    let key = private_key(private).await?;
    let bytes = Uint8Array::from(input.as_bytes());
    let signature = JsFuture::from(sign(&object(&[ECDSA, SHA256])?, &key, &bytes)?).await?;
    let signature = encoding::base64url(&Uint8Array::new(&signature).to_vec());
    Ok(format!("{input}.{signature}"))
}

/// Returns the public half of a key as JSON (RFC 7517).
///
/// # Errors
/// Returns an error if the key is unusable.
pub(super) async fn public_half(private: &[u8; 32]) -> Result<String, CryptoError> {
    let whole = JsFuture::from(export_key("jwk", &private_key(private).await?)?).await?;
    let x = Reflect::get(&whole, &"x".into())?.as_string();
    let y = Reflect::get(&whole, &"y".into())?.as_string();
    Ok(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }).to_string())
}

async fn private_key(private: &[u8; 32]) -> Result<JsValue, JsValue> {
    let pkcs8 = Uint8Array::from([&PKCS8[..], private].concat().as_slice());
    let usages = Array::of1(&"sign".into());
    let algorithm = object(&[ECDSA, P256])?;
    JsFuture::from(import_key("pkcs8", &pkcs8, &algorithm, true, &usages)?).await
}
