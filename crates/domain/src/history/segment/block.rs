//! Where each chunk is among the lines of a segment. Pure.

use bytes::{Buf as _, BufMut as _};

use crate::error::{Error, Result};

/// Six numbers of eight bytes; absent steps are the two ends of the number line.
const BLOCK_BYTES: usize = 48;
const NO_STEPS: (i64, i64) = (i64::MAX, i64::MIN);

/// A chunk inside of the object that holds a segment's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history) struct Block {
    pub(in crate::history) first_line: i64,
    pub(in crate::history) line_count: i64,
    pub(in crate::history) steps: Option<(i64, i64)>,
    pub(in crate::history) raw_bytes: i32,
    pub(in crate::history) start: u64,
    pub(in crate::history) bytes: u32,
}

impl Block {
    /// One past its last line.
    pub(in crate::history) fn end(&self) -> i64 {
        self.first_line + self.line_count
    }

    /// One past its last byte.
    pub(in crate::history) fn end_byte(&self) -> u64 {
        self.start + u64::from(self.bytes)
    }
}

/// Blocks as bytes.
pub(super) fn encode(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
    for block in blocks {
        let (min, max) = block.steps.unwrap_or(NO_STEPS);
        bytes.put_i64_le(block.first_line);
        bytes.put_i64_le(block.line_count);
        bytes.put_i64_le(min);
        bytes.put_i64_le(max);
        bytes.put_u64_le(block.start);
        bytes.put_i32_le(block.raw_bytes);
        bytes.put_u32_le(block.bytes);
    }
    bytes
}

/// Blocks from the bytes of [`encode`].
pub(in crate::history) fn decode(mut bytes: &[u8]) -> Result<Vec<Block>> {
    if !bytes.len().is_multiple_of(BLOCK_BYTES) {
        return Err(Error::internal("the index of a segment is cut off"));
    }
    let mut blocks = Vec::with_capacity(bytes.len() / BLOCK_BYTES);
    while bytes.has_remaining() {
        let (first_line, line_count) = (bytes.get_i64_le(), bytes.get_i64_le());
        let steps = (bytes.get_i64_le(), bytes.get_i64_le());
        let steps = (steps != NO_STEPS).then_some(steps);
        let start = bytes.get_u64_le();
        let (raw_bytes, length) = (bytes.get_i32_le(), bytes.get_u32_le());
        blocks.push(Block { first_line, line_count, steps, raw_bytes, start, bytes: length });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back() {
        let block =
            Block { first_line: 5, line_count: 7, steps: None, raw_bytes: 9, start: 1 << 40, bytes: 3 };
        let blocks = [block, Block { steps: Some((-1, 4)), ..block }];
        assert_eq!(decode(&encode(&blocks)).unwrap(), blocks);
        assert!(decode(&[0; 47]).is_err());
    }
}
