//! What sessions usually hold: what a record is compressed after. Never changed, because records depend
//! on it; what is better comes behind, and the number of the packing says how much of it there was.
//!
//! The nearer to its end, the fewer bits it takes to point there. It knows the claims of tokens (`OpenID`
//! Connect Core 1.0, and those of common providers), names of settings, and frequent words; the control
//! characters are those of [`super::token_split`].

/// How much of it there was for packing 1.
pub(super) const FIRST: usize = 925;

/// All of it, for packing 2.
pub(super) const WHOLE: &[u8] = concat!(
    r#""nonce":"","at_hash":"","session_state":"","sid":"","jti":"","acr":"1","azp":"","#,
    r#""amr":["pwd"],"zoneinfo":"Europe/London","locale":"en","preferred_username":"","#,
    r#""given_name":"","family_name":"","picture":"https://","#,
    r#""realm_access":{"roles":["offline_access","uma_authorization"]},"#,
    r#""scope":"openid profile email offline_access","typ":"Bearer","#,
    r#""groups":["email_verified":true,"email":"@example.com","name":"","#,
    r#""iss":"https://accounts.login.example.com/realms/","aud":"chat","sub":"","exp":17,"#,
    r#""iat":17,"auth_time":17,{"alg":"RS256","kid":"","typ":"JWT"}{"alg":"ES256","typ":"JWT","#,
    r#""kid":"The user asked about the conversation summary that they want to know how to and t"#,
    "he assistant answered with and that this is for you can ,",
    r#" which has been "language":"en","theme":"dark","model":"","temperature":0.7,"#,
    r#""streaming":true,"timezone":"Europe/Berlin","onboarding":"done","tier":"pro","#,
    r#""role":"user","content":"","messages":[{"summary":"The "#,
    // Behind what packing 1 knew: words, then settings, then tokens.
    "because everything between another without through yesterday tomorrow however something ",
    "nothing should could would before after question problem customer request response ",
    "account number address password payment invoice order delivery. The user wants to know ",
    "whether it is possible. The assistant explains that the answer is in the document and ",
    "suggests another way. The customer would like to have more of these, and then they ",
    "asked why there are no others. I'm not sure what you mean. It does not work when they ",
    "try to change it. Could you please send me an example? Here is what happens if we use ",
    "the first one. They were told that they can do this at any time; she said he needs help ",
    "with their message from the website and would be able to use it for the next time. Let ",
    "me know where you are. ",
    r#""username":"","id":"","type":"text","status":"","date":"2026-0","#,
    r#""settings":{"history":[],"preferences":{"title":"","created_at":"","thread_id":"","null,"#,
    r#"null,false,"notifications":true,"role":"system","#,
    r#""content":""resource_access":{"account":{"roles":["manage-account","#,
    r#""manage-account-links","view-profile"]}},"allowed-origins":["https://www."],"#,
    r#""scp":"openid profile email offline_access","ver":"2.0","tid":""#,
    "\x1c",
    r#"","oid":""#,
    "\x1c",
    r#"","nbf":17,"client_id":"","azp":"","amr":["pwd","mfa"],"typ":"ID","updated_at":"2026-","#,
    r#""phone_number":"+4","preferred_username":"","given_name":"","family_name":"","#,
    r#""locale":"en-US","zoneinfo":"Europe/","scope":"openid profile email","jti":""#,
    "\x1c",
    r#"","sid":""#,
    "\x1c",
    r#"","nonce":""#,
    "\x1e",
    r#"","at_hash":""#,
    "\x1e",
    r#"","auth_time":17,"email":"","email_verified":true,"name":"","groups":["admin","users"],"#,
    r#""roles":["[["","iss":"https://login.accounts.auth.com/","aud":"","sub":""#,
    "\x1c\x00",
    r#"","iat":17,"exp":17}"#,
    "\x1f",
    ".",
    "\x1e",
    r#"",null,""#,
    "\x1d",
    r#"{"kid":"","alg":"ES256","typ":"JWT"}"#,
    "\x1f",
    ".",
    "\x1d",
    r#"{"alg":"RS256","typ":"JWT","kid":""#,
    "\x1e",
    r#""}"#,
    "\x1f",
    ".",
    "\x1d",
    r#"{"iss":"https://"#,
)
.as_bytes();
