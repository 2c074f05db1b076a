//! Translates pages into Chinese. The templates hold the English texts, which are the keys.

use crate::response::theme::locale::Locale;

/// Translates an English text; returns it unchanged if there is no translation.
pub(super) fn translate(locale: Locale, english: &'static str) -> &'static str {
    let matches = |(key, _): &&(&str, &str)| *key == english;
    match locale {
        Locale::English => english,
        Locale::Chinese => CHINESE
            .iter()
            .find(matches)
            .map_or(english, |(_, chinese)| chinese),
    }
}

const CHINESE: [(&str, &str); 35] = [
    ("Sign in", "登录"),
    ("Username", "用户名"),
    ("Password", "密码"),
    ("Keep me signed in", "保持登录状态"),
    ("or", "或"),
    (
        "Go back to the chat, and press the same button once more.",
        "请返回聊天，并再次点击同一按钮。",
    ),
    ("Continue with %", "使用 % 登录"),
    (
        "The username or the password is wrong.",
        "用户名或密码不正确。",
    ),
    (
        "Too many attempts. Try again in a minute.",
        "尝试次数过多，请在一分钟后重试。",
    ),
    (
        "Too many attempts. Try again in % minutes.",
        "尝试次数过多，请在 % 分钟后重试。",
    ),
    ("You are signed out", "您已退出登录"),
    ("Your session has ended.", "您的会话已结束。"),
    ("Sign in again", "重新登录"),
    ("Sign out?", "要退出登录吗？"),
    ("You can sign in again at any time.", "您可以随时重新登录。"),
    ("On all my devices", "在我的所有设备上退出"),
    ("Sign out", "退出登录"),
    ("Stay signed in", "保持登录"),
    ("Change password", "修改密码"),
    ("Current password", "当前密码"),
    ("New password", "新密码"),
    ("The current password is wrong.", "当前密码不正确。"),
    (
        "The new password is too short. Choose a longer one.",
        "新密码太短，请使用更长的密码。",
    ),
    ("Password changed", "密码已修改"),
    (
        "Use the new password from now on.",
        "从现在起请使用新密码。",
    ),
    ("Continue", "继续"),
    ("Back", "返回"),
    ("Please wait a moment", "请稍候"),
    (
        "There is no free place right now. This page tries again by itself; you need not do anything.",
        "目前没有空位。此页面会自动重试，您无需进行任何操作。",
    ),
    ("You are number %.", "您排在第 % 位。"),
    ("Try now", "立即重试"),
    ("Try again", "重试"),
    ("Start again", "重新开始"),
    ("trace", "跟踪编号"),
    ("Links", "链接"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [&str; 9] = [
        include_str!("../../../www/pages/frame.html"),
        include_str!("../../../www/pages/problem.html"),
        include_str!("../../../www/pages/waiting.html"),
        include_str!("../../../www/pages/sign-in.html"),
        include_str!("../../../www/pages/popup.html"),
        include_str!("../../../www/pages/signed-out.html"),
        include_str!("../../../www/pages/sign-out.html"),
        include_str!("../../../www/pages/password.html"),
        include_str!("../../../www/pages/password-changed.html"),
    ];

    #[test]
    fn every_template_text_has_a_chinese_translation() {
        for template in TEMPLATES {
            for part in template.split('[').skip(1) {
                let english = part.split(']').next().unwrap();
                assert!(CHINESE.iter().any(|(key, _)| *key == english), "{english}");
            }
        }
    }

    #[test]
    fn every_translation_is_used() {
        let sources = [
            include_str!("problem.rs"),
            include_str!("sign_in.rs"),
            include_str!("sign_out.rs"),
            include_str!("password.rs"),
        ];
        for (english, _) in CHINESE {
            let by_template = TEMPLATES
                .iter()
                .any(|text| text.contains(&format!("[{english}]")));
            let by_source = sources
                .iter()
                .any(|text| text.contains(&format!("{english:?}")));
            assert!(by_template || by_source, "{english}");
        }
    }

    #[test]
    fn translations_have_the_same_placeholders() {
        for (english, chinese) in CHINESE {
            assert_eq!(english.matches('%').count(), chinese.matches('%').count());
            assert!(english.matches('%').count() < 2, "{english}");
        }
    }
}
