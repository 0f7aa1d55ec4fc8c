//! Pages of a list.

/// A page: which, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: u64,
    /// Entries on it, at least 1.
    pub size: u64,
}

impl Page {
    /// A page with this number and size; both are at least 1.
    pub fn of(number: u64, size: u64) -> Self {
        Self { number: number.max(1), size: size.max(1) }
    }

    /// Entries before it.
    pub fn offset(self) -> u64 {
        (self.number - 1).saturating_mul(self.size)
    }

    /// How many pages so many entries make.
    pub fn pages(self, total: u64) -> u64 {
        total.div_ceil(self.size)
    }

    /// The part of a whole list that is on it.
    pub fn cut<T>(self, all: Vec<T>) -> Vec<T> {
        let start = usize::try_from(self.offset()).unwrap_or(usize::MAX);
        let most = usize::try_from(self.size).unwrap_or(usize::MAX);
        all.into_iter().skip(start).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_a_list_once() {
        let page = |number| Page::of(number, 4);
        let all: Vec<_> = (1..=3).flat_map(|number| page(number).cut((0..10).collect())).collect();
        assert_eq!((all, page(1).pages(10), page(9).cut(vec![1]), page(0).offset()), ((0..10).collect(), 3, vec![], 0));
        assert!(Page::of(u64::MAX, u64::MAX).cut(vec![1]).is_empty());
    }
}
