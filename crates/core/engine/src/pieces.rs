//! A table that grows at its end and never moves what it has: growth costs one piece, not a copy of everything.

/// Rows of one type in pieces of `2^SHIFT`.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<T, const SHIFT: u32> {
    /// Filled from the front; empty ones behind are room.
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T, const SHIFT: u32> Default for Pieces<T, SHIFT> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<T: Copy, const SHIFT: u32> Pieces<T, SHIFT> {
    const PIECE: usize = 1 << SHIFT;

    /// Makes room for `rows` in all and writes `filler` there once, so that the system has given the memory before
    /// the first row comes.
    pub(crate) fn make_room(&mut self, rows: usize, filler: T) {
        while self.pieces.len() * Self::PIECE < rows {
            let missing = rows - self.pieces.len() * Self::PIECE;
            let mut piece = Vec::with_capacity(Self::PIECE);
            piece.resize(missing.min(Self::PIECE), filler);
            piece.clear();
            self.pieces.push(piece);
        }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &T {
        &self.pieces[at >> SHIFT][at & (Self::PIECE - 1)]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at >> SHIFT][at & (Self::PIECE - 1)]
    }

    #[inline]
    pub(crate) fn push(&mut self, row: T) {
        let piece = self.len >> SHIFT;
        if piece == self.pieces.len() {
            self.pieces.push(Vec::with_capacity(Self::PIECE));
        }
        self.pieces[piece].push(row);
        self.len += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Forgets all rows and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.pieces.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_where_they_were_pushed_whatever_room_there_was() {
        let (mut bare, mut roomy) = (Pieces::<u32, 4>::default(), Pieces::<u32, 4>::default());
        roomy.make_room(40, 7);
        for at in 0..100 {
            bare.push(at * 3);
            roomy.push(at * 3);
        }
        *roomy.get_mut(50) += 1;
        assert_eq!((bare.len(), *bare.get(99), *roomy.get(50)), (100, 297, 151));
        assert!(bare.iter().zip(roomy.iter()).enumerate().all(|(at, (a, b))| (a == b) == (at != 50)));
        roomy.clear();
        roomy.push(9);
        assert_eq!((roomy.len(), roomy.iter().copied().collect::<Vec<_>>()), (1, vec![9]));
    }
}
