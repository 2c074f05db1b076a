//! Translates problems into Chinese, by code. Programs get English.

/// Returns title and detail; `None` for a problem that only programs get.
pub(super) fn translate(code: &str) -> Option<(&'static str, &'static str)> {
    let matches = |(other, ..): &&(&str, &str, &str)| *other == code;
    let (_, title, detail) = TRANSLATIONS.iter().find(matches)?;
    Some((title, detail))
}

const TRANSLATIONS: [(&str, &str, &str); 51] = [
    (
        "too_many_forgeries",
        "无效会话过多",
        "来自此地址的无效会话请求过多。请清除本站的 Cookie，稍后再试。",
    ),
    (
        "too_many_sessions",
        "新访客过多",
        "来自此地址的新会话过多。请稍后再试，并允许本站使用 Cookie。",
    ),
    (
        "too_many_requests",
        "请求过多",
        "本站每秒的请求数已超过上限。请稍后再试。",
    ),
    (
        "tenant_busy",
        "请稍后再试",
        "本站正在处理的请求数已达上限。请稍后再试。",
    ),
    (
        "unknown_host",
        "此处没有站点",
        "此名称下没有任何站点。请检查地址；如果这是您的站点，请将其添加到租户的主机列表中。",
    ),
    (
        "tenants_unavailable",
        "请重试",
        "目前无法确定这是谁的站点。请几秒后重试。",
    ),
    (
        "tenant_misconfigured",
        "站点正在设置中",
        "此站点的配置有误，运营人员可在日志中查看原因。请稍后再试。",
    ),
    (
        "no_session",
        "需要登录",
        "此操作需要会话。请打开网站并登录。",
    ),
    (
        "session_expired",
        "会话已过期",
        "会话闲置过久或已达到时限。请重新打开网站，开始新的会话。",
    ),
    (
        "session_unknown",
        "会话不存在",
        "此会话已不存在。请重新打开网站，开始新的会话。",
    ),
    (
        "session_ended",
        "已退出登录",
        "此会话已结束。请重新打开网站，开始新的会话。",
    ),
    (
        "session_rotated",
        "会话已更新",
        "此会话已使用新的 Cookie 继续。请使用新的 Cookie，或重新打开网站。",
    ),
    (
        "session_replaced",
        "刚刚登录",
        "此浏览器刚刚登录并获得了新的 Cookie。请重试。",
    ),
    (
        "session_corrupt",
        "会话无法读取",
        "保存的会话无法读取，已被搁置。请重新打开网站，开始新的会话。",
    ),
    (
        "schema_newer",
        "正在更新",
        "此会话由更新的版本写入。请稍后重试。",
    ),
    (
        "key_unknown",
        "正在更新",
        "此会话使用的密钥尚未到达此处。您的会话仍然保留，请稍后重试。",
    ),
    (
        "store_unavailable",
        "会话暂不可用",
        "会话存储没有响应。您的会话仍然保留，请稍后重试。",
    ),
    (
        "list_unavailable",
        "列表暂不可用",
        "会话列表没有响应，会话本身不受影响。请稍后重试。",
    ),
    (
        "bad_host",
        "主机无效",
        "请在唯一的 Host 标头中只写一个主机名，最多附带端口。",
    ),
    (
        "bad_path",
        "路径无效",
        "不同的程序对此路径有不同的理解。请去掉点号路径段、反斜杠、重复的斜杠、参数和不必要的转义字符。",
    ),
    ("not_found", "未找到", "此保留路径下没有内容。"),
    (
        "method_not_allowed",
        "不允许此方法",
        "此处不接受这种请求方法。",
    ),
    (
        "url_too_long",
        "网址过长",
        "网址超过 16 KiB，或路径含有转义字符（%）且超过 8 KiB。",
    ),
    (
        "headers_too_large",
        "请求头过大",
        "请求头或 Cookie 过多或过大。请清除本站的 Cookie 后重试。",
    ),
    ("csrf", "已拒绝", "此请求来自其他网站的页面。"),
    (
        "login_unconfigured",
        "无法登录",
        "此部署要求登录，但没有提供登录方式。请将 LOGIN_MODE 设为 off，或配置一种登录方式。",
    ),
    (
        "origin_unreachable",
        "无法连接聊天服务器",
        "目前无法连接聊天服务器。您的会话仍然保留，请稍后重试。",
    ),
    (
        "overloaded",
        "请稍候",
        "所有聊天服务器都很繁忙。此页面会自动重试。",
    ),
    (
        "tenant_full",
        "请稍候",
        "本站的会话数已达上限。此页面会自动重试。",
    ),
    (
        "origin_protocol",
        "聊天服务器应答有误",
        "聊天服务器的应答不是有效的 HTTP。",
    ),
    (
        "origin_timeout",
        "聊天服务器响应过慢",
        "聊天服务器没有及时响应。您的会话仍然保留，请重试。",
    ),
    (
        "body_too_large",
        "内容过大",
        "最多只能发送 20 KiB，凭密钥或作为运营者最多 64 KiB；密码最长 1,024 字节。",
    ),
    (
        "broken_body",
        "内容中断",
        "请求的内容中断了，或不是有效的 HTTP。请重新发送。",
    ),
    ("invalid", "未被接受", ""),
    ("bad_document", "文档有误", ""),
    ("misconfigured", "尚未设置完成", ""),
    (
        "internal",
        "内部错误",
        "此处出了问题。请重试；运营人员可通过跟踪编号查找原因。",
    ),
    (
        "login_state",
        "请重新登录",
        "此次登录不是在本浏览器中开始的、已经完成，或超过了十分钟。请重新开始。",
    ),
    (
        "login_denied",
        "未能登录",
        "登录已被取消，或被身份提供方拒绝。请重新登录，或联系其管理员。",
    ),
    (
        "login_mixup",
        "请重新登录",
        "应答来自另一个身份提供方。请重新开始。",
    ),
    (
        "idp_failed",
        "身份提供方出错",
        "身份提供方的应答不符合要求。请重新登录；如果问题依旧，请告知本站的运营人员。",
    ),
    (
        "idp_token_invalid",
        "身份提供方出错",
        "无法核实身份提供方给出的信息，运营人员可在日志中查看原因。请重新登录。",
    ),
    (
        "idp_misconfigured",
        "登录功能正在设置中",
        "身份提供方公布的配置无法使用，运营人员可在日志中查看原因。请稍后再试。",
    ),
    (
        "idp_unavailable",
        "请重试",
        "身份提供方暂时没有应答。请几秒后重试；已登录的用户不受影响。",
    ),
    (
        "not_admitted",
        "您无法进入",
        "您已登录，但本站未对您的账号开放。请联系本站的运营人员，或使用其他账号。",
    ),
    (
        "group_required",
        "您无法进入",
        "您的账号不属于可以查看此页的任何一个组。如果是在登录之后才加入的，请重新登录；否则请联系本站的运营人员。",
    ),
    (
        "step_up_required",
        "请再次登录",
        "此操作要求最近登录过。请在浏览器中打开并再次登录。",
    ),
    (
        "login_wrong",
        "用户名或密码错误",
        "没有与此用户名和密码相符的账号。请检查后重试。",
    ),
    (
        "login_locked",
        "尝试次数过多",
        "此账号登录失败次数过多。请稍后再试。",
    ),
    (
        "login_busy",
        "请重试",
        "此刻登录的人太多。请稍等片刻后重试。",
    ),
    (
        "accounts_unavailable",
        "请重试",
        "暂时无法读取账号。请几秒后重试。",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Problems that browsers do not cause by themselves, and those of API callers only.
    const FOR_PROGRAMS: [&str; 20] = [
        "console_unconfigured",
        "not_allowed",
        "too_many_guesses",
        "framing",
        "upgrade_version",
        "upgrade_key",
        "api_key",
        "media_type",
        "bad_encoding",
        "json_depth",
        "json_count",
        "bad_json",
        "precondition_failed",
        "version_changed",
        "version_required",
        "leased",
        "needs_objects",
        "not_recorded",
        "token_invalid",
        "asset_is_page",
    ];

    /// Returns all codes from the source text, so that none can be missing.
    fn codes() -> impl Iterator<Item = &'static str> {
        let sources = [include_str!("kind.rs"), include_str!("../sign_in.rs")];
        sources.into_iter().flat_map(|source| {
            let (_, kinds) = source.split_once("fn kind(").unwrap();
            let kinds = kinds.split_once("};").map_or(kinds, |(kinds, _)| kinds);
            let kinds = kinds
                .split_once("fn hints(")
                .map_or(kinds, |(kinds, _)| kinds);
            let is_code = |text: &&str| {
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            };
            kinds.split('"').skip(1).step_by(2).filter(is_code)
        })
    }

    #[test]
    fn every_problem_shown_in_a_browser_has_a_chinese_translation() {
        assert!(codes().count() > 40);
        for code in codes() {
            let is_for_programs = FOR_PROGRAMS.contains(&code);
            assert_ne!(translate(code).is_some(), is_for_programs, "{code}");
        }
    }

    #[test]
    fn every_problem_translation_is_used() {
        for (code, ..) in TRANSLATIONS {
            assert!(codes().any(|other| other == code), "{code}");
        }
    }
}
