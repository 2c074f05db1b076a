//! What people are told of problems, in Chinese, by code. Programs are told in English.

/// Title and detail; none for what only programs meet.
pub(super) fn told(code: &str) -> Option<(&'static str, &'static str)> {
    let is_meant = |(other, ..): &&(&str, &str, &str)| *other == code;
    let (_, title, detail) = TOLD.iter().find(is_meant)?;
    Some((title, detail))
}

const TOLD: [(&str, &str, &str); 32] = [
    (
        "cookie_ambiguous",
        "收到两个会话 Cookie",
        "请求中带有多个会话 Cookie，现已清除，请重试。",
    ),
    (
        "cookie_malformed",
        "Cookie 格式有误",
        "会话 Cookie 的名称出现在另一个 Cookie 的值中。请清除本站的 Cookie 后重试。",
    ),
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
        "bad_path",
        "路径无效",
        "此处不接受这种写法的路径。请去掉转义字符、重复的斜杠和参数。",
    ),
    ("not_found", "未找到", "此保留路径下没有内容。"),
    (
        "method_not_allowed",
        "不允许此方法",
        "此处不接受这种请求方法。",
    ),
    ("url_too_long", "网址过长", "网址超过 16 KiB。"),
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
        "origin_protocol",
        "聊天服务器应答有误",
        "聊天服务器的应答不是有效的 HTTP。",
    ),
    (
        "origin_timeout",
        "聊天服务器响应过慢",
        "聊天服务器没有及时响应。您的会话仍然保留，请重试。",
    ),
    ("body_too_large", "内容过大", "最多只能发送 64 KiB。"),
    ("invalid", "未被接受", ""),
    ("misconfigured", "尚未设置完成", ""),
    (
        "internal",
        "内部错误",
        "此处出了问题。请重试；运营人员可通过跟踪编号查找原因。",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What no browser does by itself, and what only the callers of an API meet.
    const FOR_PROGRAMS: [&str; 12] = [
        "framing",
        "upgrade_version",
        "upgrade_key",
        "api_key",
        "media_type",
        "bad_encoding",
        "json_depth",
        "bad_json",
        "version_changed",
        "version_required",
        "leased",
        "needs_objects",
    ];

    /// The codes there are, in the words of the source: nobody can forget one.
    fn codes() -> impl Iterator<Item = &'static str> {
        let source = include_str!("../problem.rs");
        let (_, kinds) = source.split_once("fn kind(").unwrap();
        let (kinds, _) = kinds.split_once("};").unwrap();
        let is_code = |text: &&str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        kinds.split('"').skip(1).step_by(2).filter(is_code)
    }

    #[test]
    fn every_problem_that_a_browser_shows_is_told_in_chinese() {
        assert!(codes().count() > 40);
        for code in codes() {
            let is_for_programs = FOR_PROGRAMS.contains(&code);
            assert_ne!(told(code).is_some(), is_for_programs, "{code}");
        }
    }

    #[test]
    fn nothing_is_told_of_what_does_not_happen() {
        for (code, ..) in TOLD {
            assert!(codes().any(|other| other == code), "{code}");
        }
    }
}
