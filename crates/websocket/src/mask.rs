//! Taking the mask off a payload, eight bytes at a time.

/// Applies `key` to `bytes`, the first of which is number `offset` of its payload.
pub(crate) fn apply(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let mut key = key;
    // A remainder of four fits everywhere.
    key.rotate_left((offset & 3) as usize);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_is_masked_alike() {
        let key = [1, 20, 77, 255];
        let plain: Vec<u8> = (0..=99).collect();
        let expected: Vec<u8> = (plain.iter().zip(key.iter().cycle()))
            .map(|(byte, key)| byte ^ key)
            .collect();
        for cut in 0..plain.len() {
            let mut bytes = plain.clone();
            let (head, tail) = bytes.split_at_mut(cut);
            apply(head, key, 0);
            apply(tail, key, cut as u64);
            assert_eq!(bytes, expected, "cut at {cut}");
        }
    }
}
