"""The filter of system calls, read as the kernel reads it."""

import struct

import pytest

from retold.providers.sandbox.seccomp import SeccompUnavailable, filter_program

ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000
X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
READ, WRITE, EXEC = 1, 2, 4


def verdict(program: bytes, architecture: int, number: int, third: int = 0) -> int:
    """What comes of a system call, by linux/bpf_common.h."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, 0, 0, third, 0, 0, 0)
    steps = list(struct.iter_unpack("HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, k = steps[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x15:
            at += if_true if accumulator == k else if_false
        elif code == 0x45:
            at += if_true if accumulator & k else if_false
        else:
            assert code == 0x06
            return k


@pytest.mark.parametrize(
    ("machine", "architecture", "numbers"),
    [
        # In this order: read, write, munmap, mremap, brk, madvise, futex, clock_gettime, getrandom, rt_sigreturn, exit
        # and exit_group.
        pytest.param("x86_64", X86_64, [0, 1, 11, 25, 12, 28, 202, 228, 318, 15, 60, 231], id="x86-64"),
        pytest.param("aarch64", AARCH64, [63, 64, 215, 216, 214, 233, 98, 113, 278, 139, 93, 94], id="arm64"),
    ],
)
def test_what_an_engine_needs_is_allowed_and_nothing_else(machine: str, architecture: int, numbers: list[int]) -> None:
    program = filter_program(machine)
    allowed = {number for number in range(2_000) if verdict(program, architecture, number) == ALLOWED}
    assert set(numbers) <= allowed
    # With four more that are harmless, and the two that map memory.
    assert len(allowed) == len(numbers) + 6
    assert {verdict(program, architecture, number) for number in set(range(2_000)) - allowed} == {REFUSED}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (2, "open"),
        (257, "openat"),
        (437, "openat2"),
        (41, "socket"),
        (42, "connect"),
        (53, "socketpair"),
        (56, "clone"),
        (57, "fork"),
        (58, "vfork"),
        (435, "clone3"),
        (59, "execve"),
        (322, "execveat"),
        (62, "kill"),
        (234, "tgkill"),
        (101, "ptrace"),
        (310, "process_vm_readv"),
        (425, "io_uring_setup"),
        (321, "bpf"),
        (157, "prctl"),
        (319, "memfd_create"),
        (329, "pkey_mprotect"),
    ],
)
def test_calls_that_reach_outside_are_refused(number: int, name: str) -> None:
    assert verdict(filter_program("x86_64"), X86_64, number) == REFUSED, name


@pytest.mark.parametrize("number", [9, 10])
def test_no_memory_becomes_executable(number: int) -> None:
    program = filter_program("x86_64")
    assert verdict(program, X86_64, number, READ | WRITE) == ALLOWED
    assert verdict(program, X86_64, number, READ | EXEC) == REFUSED


def test_calls_by_the_numbers_of_another_architecture_end_the_process() -> None:
    program = filter_program("x86_64")
    assert verdict(program, I386, 1) == KILLED
    # x32 has the architecture of x86-64, and a bit in its numbers.
    assert verdict(program, X86_64, 0x40000000 | 1) == REFUSED


def test_a_processor_without_a_list_has_no_filter() -> None:
    with pytest.raises(SeccompUnavailable, match="riscv64"):
        filter_program("riscv64")
