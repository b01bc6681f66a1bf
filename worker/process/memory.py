"""Memory of a worker process: allocator and garbage collector, set up for batches of half a megabyte."""

import ctypes
import gc
import sys

# glibc's mallopt(3): where its own defaults give every buffer above 128 KiB back to the kernel and fault it in again,
# 1.4 page faults an event were measured.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEEP_BYTES = 64 << 20


def settle_in() -> None:
    """To be called once in a worker child, when all modules are loaded.

    What is loaded now lives for ever, so the collector need not look at it again; and it looks less often, since what a
    batch leaves behind is freed by reference counting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    _choose(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    _choose(_M_TRIM_THRESHOLD, _KEEP_BYTES)


def share_with_children() -> None:
    """To be called before a child is forked.

    What is loaded is there once for all children, as long as no collector looks at it: that writes to each page.
    """
    gc.collect()
    gc.freeze()


def use_one_arena() -> None:
    """To be called before threads begin: by default threads keep freed memory for themselves."""
    _choose(_M_ARENA_MAX, 1)


def _choose(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(parameter, value)
