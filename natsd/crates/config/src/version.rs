//! Semantic versions, as far as options compare them.
//!
//! Source: Go `server/util.go` (`versionComponents`), `server/leafnode.go`.

/// Major, minor and patch of `1.2.3`, `1.2.3-dev` or `1.2.3+build`.
pub(crate) fn components(version: &str) -> Result<(u64, u64, u64), String> {
    let invalid = || "invalid semver".to_string();
    let (rest, build) = version.split_once('+').map_or((version, None), |(a, b)| (a, Some(b)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(a, b)| (a, Some(b)));
    let is_label = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    if ![build, pre].into_iter().flatten().all(is_label) {
        return Err(invalid());
    }
    let numbers: Vec<&str> = core.split('.').collect();
    let [major, minor, patch] = numbers.as_slice() else {
        return Err(invalid());
    };
    let number = |text: &str| {
        let is_plain = text == "0" || !text.starts_with('0');
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain && is_number { text.parse().map_err(|_| invalid()) } else { Err(invalid()) }
    };
    Ok((number(major)?, number(minor)?, number(patch)?))
}

/// Source: Go `checkLeafMinVersionConfig`.
pub(crate) fn check_leaf_min_version(version: &str) -> Result<(), String> {
    match components(version) {
        Ok(version) if version >= (2, 8, 0) => Ok(()),
        Ok(_) => Err("the minimum version should be at least 2.8.0".to_string()),
        Err(error) => Err(format!("invalid leafnode's minimum version: {error}")),
    }
}

#[cfg(test)]
mod tests;
