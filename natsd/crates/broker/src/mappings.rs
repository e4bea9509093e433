//! Subject mappings of an account: where a message goes instead of where it was published to.
//!
//! Source: Go `server/accounts.go` (`AddWeightedMappings`, `selectMappedSubject`).

use natsd_base::Prng;
use natsd_subject::subject::{has_wildcard, is_subset_match, is_valid_literal_subject};
use natsd_subject::transform::{SubjectTransform, TransformError, tokenize};

/// All shares of one mapping together, in percent.
const WHOLE: u8 = 100;

/// A destination and its share, as configured.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// Subject with placeholders.
    pub subject: &'a str,
    /// Share of the messages in percent.
    pub weight: u8,
}

#[derive(Debug)]
struct Mapping {
    source: Box<[u8]>,
    is_literal: bool,
    /// Destinations, each with its own share and those before it added up.
    destinations: Vec<(SubjectTransform, u8)>,
}

/// The mappings of one account, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Mappings {
    list: Vec<Mapping>,
}

impl Mappings {
    /// Adds a mapping. What the shares leave over stays at the source; the same source again
    /// replaces the earlier mapping.
    ///
    /// # Errors
    /// When a destination is no transform of `source`.
    pub fn add(
        &mut self,
        source: &str,
        destinations: &[Destination<'_>],
    ) -> Result<(), TransformError> {
        let source_bytes = source.as_bytes();
        let is_literal = !has_wildcard(source_bytes);
        let mut compiled = Vec::new();
        for destination in destinations {
            let transform = SubjectTransform::new(source_bytes, destination.subject.as_bytes())?;
            compiled.extend(transform.map(|transform| (transform, destination.weight)));
        }
        let shares = compiled.iter().fold(0u8, |sum, (_, weight)| sum.saturating_add(*weight));
        let names_source = destinations.iter().any(|one| one.subject == source);
        if shares != WHOLE && !names_source {
            let same = if is_literal { source_bytes.to_vec() } else { tokenize(source_bytes) };
            let transform = SubjectTransform::new(source_bytes, &same)?;
            let rest = WHOLE.saturating_sub(shares);
            compiled.extend(transform.map(|transform| (transform, rest)));
        }
        compiled.sort_by_key(|(_, weight)| *weight);
        let mut sum = 0u8;
        for (_, weight) in &mut compiled {
            sum = sum.saturating_add(*weight);
            *weight = sum;
        }
        let mapping = Mapping { source: source_bytes.into(), is_literal, destinations: compiled };
        match self.list.iter_mut().find(|one| one.source == mapping.source) {
            Some(known) => *known = mapping,
            None => self.list.push(mapping),
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Where a message of `subject` goes; `None` where no mapping is about it. An empty subject
    /// reaches nobody: the transform gave something that is none.
    #[must_use]
    pub fn map(&self, subject: &[u8], prng: &mut Prng) -> Option<Vec<u8>> {
        let mapping = self.list.iter().find(|one| {
            if one.is_literal {
                *one.source == *subject
            } else {
                is_subset_match(subject, &one.source)
            }
        })?;
        let drawn = match &mapping.destinations[..] {
            [(_, WHOLE)] => 0,
            _ => prng.below(usize::from(WHOLE)),
        };
        let chosen = mapping.destinations.iter().find(|(_, sum)| drawn < usize::from(*sum));
        let mapped = chosen.map_or_else(Vec::new, |(transform, _)| {
            let mut random = || u32::try_from(prng.next_u64() >> 32).unwrap_or_default();
            // As Go: the functions of a literal source see no tokens.
            if mapping.is_literal {
                transform.transform_tokens(&[], &mut random)
            } else {
                transform.transform_subject(subject, &mut random)
            }
        });
        Some(if is_valid_literal_subject(&mapped) { mapped } else { Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination, Mappings};
    use natsd_base::Prng;

    fn mappings(source: &str, destinations: &[(&str, u8)]) -> Mappings {
        let destinations: Vec<_> = destinations
            .iter()
            .map(|(subject, weight)| Destination { subject, weight: *weight })
            .collect();
        let mut mappings = Mappings::default();
        mappings.add(source, &destinations).unwrap();
        mappings
    }

    fn spread(mappings: &Mappings, subject: &str) -> std::collections::BTreeMap<String, usize> {
        let mut prng = Prng::from_seed(1);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..10_000 {
            let mapped = mappings.map(subject.as_bytes(), &mut prng).unwrap();
            *counts.entry(String::from_utf8(mapped).unwrap()).or_default() += 1;
        }
        counts
    }

    /// Go: TestAccountBasicRouteMapping server/accounts_test.go:2729
    #[test]
    fn account_basic_route_mapping() {
        let mappings = mappings("foo", &[("bar", 100)]);
        let mut prng = Prng::from_seed(1);
        assert_eq!(mappings.map(b"foo", &mut prng).as_deref(), Some(&b"bar"[..]));
        assert_eq!(mappings.map(b"baz", &mut prng), None);
    }

    /// Go: TestAccountSimpleWeightedRouteMapping server/accounts_test.go:2854
    /// Go: TestAccountMultiWeightedRouteMappings server/accounts_test.go:2886
    #[test]
    fn shares_are_kept_and_the_rest_stays() {
        let found = spread(&mappings("foo", &[("v1", 10), ("v2", 30)]), "foo");
        let near = |name: &str, expected: usize| {
            assert!(found[name].abs_diff(expected) < 300, "{name}: {found:?}");
        };
        near("v1", 1000);
        near("v2", 3000);
        near("foo", 6000);
    }

    /// Go: TestAccountWildcardRouteMapping server/accounts_test.go:2765
    #[test]
    fn wildcards_are_carried_over() {
        let found = spread(&mappings("foo.*.*", &[("bar.$2.{{wildcard(1)}}", 100)]), "foo.a.b");
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["bar.b.a"]);
        let found = spread(&mappings("foo.*", &[("bar.$1", 50)]), "foo.x");
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["bar.x", "foo.x"]);
    }

    /// Go: TestAccountRouteMappingsWithLossInjection server/accounts_test.go:3041
    #[test]
    fn a_mapping_to_the_source_alone_loses_the_rest() {
        let found = spread(&mappings("foo", &[("foo", 90)]), "foo");
        assert!(found["foo"].abs_diff(9000) < 300 && found[""].abs_diff(1000) < 300, "{found:?}");
    }
}
