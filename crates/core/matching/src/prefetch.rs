//! A hint to the processor that a value will be read soon.
#![allow(unsafe_code, reason = "the instruction has no safe form; it never faults and changes no value")]

/// Asks the processor to bring `value` into its cache. Never changes a result; does nothing where unsupported.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction is part of the x86-64 baseline, cannot fault and has no effect on memory or registers.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(core::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// [`prefetch`] for every cache line of a value that is wider than one.
#[inline(always)]
pub fn prefetch_whole<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..core::mem::size_of::<T>().div_ceil(64) {
        let at = core::ptr::from_ref(value).cast::<i8>().wrapping_add(line * 64);
        // SAFETY: as above; the address lies inside `value`, and the instruction would not fault if it did not.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use super::{prefetch, prefetch_whole};

    #[test]
    fn a_hint_changes_nothing() {
        let values = vec![7u64; 1000];
        values.iter().for_each(prefetch);
        values.chunks_exact(50).for_each(|c| prefetch_whole::<[u64; 50]>(c.try_into().expect("50 values")));
        assert!(values.iter().all(|v| *v == 7));
    }
}
