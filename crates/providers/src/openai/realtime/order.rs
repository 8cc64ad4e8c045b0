//! What the caller said, in the order in which they said it: transcripts come when they are ready.

use std::collections::VecDeque;

/// So many stretches may wait for their text: one that never comes must not hold up the rest.
const MOST: usize = 4;

/// Stretches of the caller's speech whose text is not known, or known and not yet their turn.
#[derive(Debug, Default)]
pub(in super::super) struct Order {
    waiting: VecDeque<(String, Option<String>)>,
}

impl Order {
    /// A stretch was committed. Gives what it pushes out.
    pub(in super::super) fn committed(&mut self, item: &str) -> Vec<(String, String)> {
        if !item.is_empty() && self.waiting.iter().all(|(known, _)| known != item) {
            self.waiting.push_back((item.to_owned(), None));
        }
        if self.waiting.len() > MOST
            && let Some((_, text)) = self.waiting.front_mut()
        {
            text.get_or_insert_default();
        }
        self.ready()
    }

    /// A stretch's text is known; empty where there is none. Gives what can be told now, oldest first.
    pub(in super::super) fn told(&mut self, item: &str, text: &str) -> Vec<(String, String)> {
        match self.waiting.iter_mut().find(|(known, _)| known == item) {
            Some((_, place)) => {
                place.get_or_insert_with(|| text.to_owned());
                self.ready()
            }
            // Nobody said that it was committed.
            None => vec![(item.to_owned(), text.to_owned())],
        }
    }

    fn ready(&mut self) -> Vec<(String, String)> {
        let mut ready = Vec::new();
        while let Some((item, Some(text))) = self.waiting.pop_front_if(|(_, text)| text.is_some()) {
            ready.push((item, text));
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_in_the_order_of_the_speech() {
        let mut order = Order::default();
        for item in ["a", "b"] {
            assert_eq!(order.committed(item), []);
        }
        assert_eq!(order.told("b", "two"), []);
        let pair = |item: &str, text: &str| (item.to_owned(), text.to_owned());
        assert_eq!(order.told("a", "one"), [pair("a", "one"), pair("b", "two")]);
        assert_eq!(order.told("z", "new"), [pair("z", "new")]);
    }

    #[test]
    fn a_text_that_never_comes_holds_up_nothing_for_ever() {
        let mut order = Order::default();
        for item in ["a", "b", "c", "d"] {
            assert_eq!(order.committed(item), []);
        }
        assert_eq!(order.committed("e"), [("a".to_owned(), String::new())]);
    }
}
