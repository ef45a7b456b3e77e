//! The Accept header says which of the forms of an answer the caller wants most (RFC 9110 §12.5.1).

use http::{HeaderMap, header};

/// A quality in thousandths.
type Quality = u16;
/// What a range without `q` has.
const WHOLE: Quality = 1000;

/// Whether a form that is not the ordinary one is wanted: the header names it, and wants the ordinary one no more than that.
/// Who wants neither gets the ordinary one.
#[must_use]
pub fn prefers(headers: &HeaderMap, named: &str, ordinary: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(&str, Quality)> = lists.flat_map(|list| list.split(',')).filter_map(range).collect();
    let of = |range: &str| ranges.iter().find(|(known, _)| known.eq_ignore_ascii_case(range)).map(|(_, quality)| *quality);
    // RFC 9110 §12.5.1: the most specific reference has precedence.
    let whole_type = ordinary.split_once('/').map(|(kind, _)| format!("{kind}/*"));
    let of_ordinary = of(ordinary).or_else(|| of(&whole_type?)).or_else(|| of("*/*")).unwrap_or(0);
    // RFC 9110 §12.4.2: a quality of 0 means "not acceptable".
    of(named).is_some_and(|quality| quality > 0 && quality >= of_ordinary)
}

/// One range and how much it is wanted; none if that cannot be read.
fn range(item: &str) -> Option<(&str, Quality)> {
    let mut parts = item.split(';').map(str::trim);
    let media = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((media, weight.map_or(Some(WHOLE), quality)?))
}

/// RFC 9110 §12.4.2: 0 or 1 and up to three digits.
fn quality(text: &str) -> Option<Quality> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let fits = matches!(whole, "0" | "1") && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let thousandths = format!("{whole}{digits:0<3}").parse().ok().filter(|_| fits)?;
    (thousandths <= WHOLE).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_is_given() {
        for (accept, signed) in [
            ("", false),
            ("*/*", false),
            ("application/*", false),
            ("application/json", false),
            ("application/s+jwt", true),
            ("Application/S+JWT", true),
            ("text/html, application/s+jwt;q=0.1", true),
            ("application/s+jwt, application/json", true),
            ("application/s+jwt;q=0.5, application/json;q=0.5", true),
            ("application/s+jwt; q=0.5 , application/json;q=0.6", false),
            ("application/s+jwt;q=0.5, */*", false),
            ("application/s+jwt;q=0.5, application/*;q=0.4, */*", true),
            ("application/s+jwt;q=0.5, application/json;q=0, */*", true),
            ("application/s+jwt, */*;q=0.1", true),
            ("application/s+jwt;q=0", false),
            ("application/s+jwt;Q=0.000, application/json;q=0", false),
            ("application/s+jwt;q=0.001", true),
            ("application/s+jwt;charset=x;q=0", false),
            ("application/s+jwt;q=2", false),
            ("application/s+jwt;q=1.001", false),
            ("application/s+jwt;q=0.0000", false),
            ("application/s+jwt;q=-1", false),
            ("application/s+jwt;q=x", false),
            ("application/s+jwt;q=", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().expect("a header"))]);
            assert_eq!(prefers(&headers, "application/s+jwt", "application/json"), signed, "{accept}");
        }
        assert!(!prefers(&HeaderMap::new(), "application/s+jwt", "application/json"));
    }
}
