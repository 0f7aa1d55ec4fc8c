//! Pages of a list.

use std::cmp::Ordering;

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
        let (start, most) = self.place();
        all.into_iter().skip(start).take(most).collect()
    }

    /// The part that is on it of a whole list in this order, which has no equals. The rest is not sorted: of a million
    /// entries a page takes a few looks at each.
    pub fn cut_sorted<T>(self, mut all: Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
        let (start, most) = self.place();
        if start >= all.len() {
            return Vec::new();
        }
        if start > 0 {
            all.select_nth_unstable_by(start, &order);
        }
        let mut page = all.split_off(start);
        if most < page.len() {
            page.select_nth_unstable_by(most, &order);
            page.truncate(most);
        }
        page.sort_unstable_by(order);
        page
    }

    /// How many entries are before it, and how many it may have.
    fn place(self) -> (usize, usize) {
        let usize_or_most = |count| usize::try_from(count).unwrap_or(usize::MAX);
        (usize_or_most(self.offset()), usize_or_most(self.size))
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

    #[test]
    fn pages_of_a_list_in_no_order_are_those_of_the_sorted_one() {
        let all: Vec<u64> = (0..97).map(|number| number * 37 % 97).collect();
        for size in [1, 7, 50, 97, 200] {
            let pages = (1..=Page::of(1, size).pages(97)).map(|number| Page::of(number, size));
            let cut: Vec<_> = pages.flat_map(|page| page.cut_sorted(all.clone(), u64::cmp)).collect();
            assert_eq!(cut, (0..97).collect::<Vec<_>>(), "{size} on a page");
        }
        assert!(Page::of(2, 97).cut_sorted(all, u64::cmp).is_empty());
        assert!(Page::of(u64::MAX, u64::MAX).cut_sorted(vec![1], i32::cmp).is_empty());
        assert!(Page::of(1, 5).cut_sorted(Vec::<u64>::new(), u64::cmp).is_empty());
    }
}
