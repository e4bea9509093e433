use super::index_html;

#[test]
fn the_page_is_whole_and_needs_nothing_from_elsewhere() {
    let page = index_html();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page refers to {outside}");
    }
}

#[test]
fn the_page_never_writes_markup_from_data() {
    for unsafe_sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!index_html().contains(unsafe_sink), "{unsafe_sink}");
    }
}
