"""A list of the system calls that are still possible, kept by the kernel; for this process and for good.

Of what a program can do to the world, it leaves reading and writing what is open already. No file is opened, nothing
is connected, no process begun or signalled, no memory made executable: such a call fails with EPERM.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_EPERM: Final = 1
_PROT_EXEC: Final = 4

# Classic BPF, linux/bpf_common.h, and what seccomp makes of it, linux/seccomp.h.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_SET: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | _EPERM
_KILL: Final = 0x80000000
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_THIRD_ARGUMENT_AT: Final = 32
"""Of struct seccomp_data, the lower half of `prot` of mmap and mprotect on a little-endian machine."""

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS: Final[dict[str, Sequence[int]]] = {
    # In this order: read write, munmap mremap brk madvise, futex sched_yield, clock_gettime clock_getres gettimeofday,
    # getrandom, rt_sigreturn restart_syscall, exit exit_group.
    "x86_64": (0, 1, 11, 25, 12, 28, 202, 24, 228, 229, 96, 318, 15, 219, 60, 231),
    "aarch64": (63, 64, 215, 216, 214, 233, 98, 124, 113, 114, 169, 278, 139, 128, 93, 94),
}
_MAPPING: Final[dict[str, Sequence[int]]] = {"x86_64": (9, 10), "aarch64": (222, 226)}
"""mmap and mprotect, which may not make anything executable."""


class SeccompUnavailable(Exception):
    """The kernel or the processor has no such filter for us."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_program(machine: str) -> bytes:
    """The filter for a processor, as struct sock_filter[]. Raises SeccompUnavailable for one we have no numbers of."""
    if machine not in _ARCHITECTURES:
        raise SeccompUnavailable(f"no list of system calls for the processor {machine}")
    allowed, mapping = _NUMBERS[machine], _MAPPING[machine]
    rest = len(allowed)
    return b"".join(
        [
            _step(_LOAD, _ARCHITECTURE_AT),
            _step(_JUMP_IF_EQUAL, _ARCHITECTURES[machine], if_true=1),
            # The numbers of another architecture mean other calls.
            _step(_RETURN, _KILL),
            _step(_LOAD, _NUMBER_AT),
            *(_step(_JUMP_IF_EQUAL, number, if_true=rest - at + 2) for at, number in enumerate(allowed)),
            _step(_JUMP_IF_EQUAL, mapping[0], if_true=3),
            _step(_JUMP_IF_EQUAL, mapping[1], if_true=2),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
            _step(_LOAD, _THIRD_ARGUMENT_AT),
            _step(_JUMP_IF_SET, _PROT_EXEC, if_true=1),
            _step(_RETURN, _ALLOW),
            _step(_RETURN, _REFUSE),
        ]
    )


def install() -> None:
    """Put the filter on this thread, which must be the only one, and see that it holds. Raises SeccompUnavailable."""
    program = filter_program(os.uname().machine)
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError) as error:
        raise SeccompUnavailable("only Linux has seccomp") from error
    prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    # Without this, only root may filter, and a program with the set-user-id bit would run without the filter's consent.
    _call(prctl, _PR_SET_NO_NEW_PRIVS, 1)
    described = _Program(len(program) // struct.calcsize("HBBI"), program)
    _call(prctl, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(described))
    try:
        os.close(os.open("/", os.O_RDONLY))
    except PermissionError:
        return
    raise SeccompUnavailable("the kernel took the filter and does not keep it")


def _call(prctl: Callable[..., int], option: int, *arguments: int) -> None:
    if prctl(option, *arguments, *(0,) * (4 - len(arguments))) != 0:
        raise SeccompUnavailable(f"the kernel refuses the filter: {os.strerror(ctypes.get_errno())}")


def _step(code: int, k: int, *, if_true: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, 0, k)
