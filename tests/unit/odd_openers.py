"""Openers that go wrong, for trials in a process of its own."""

import os
import signal
import sys


def kill(places, config, device):
    os.kill(os.getpid(), signal.SIGKILL)


def crash(places, config, device):
    print("a library's last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGABRT)


def have_no_room(places, config, device):
    raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


def open_only(places, config, device):
    return have_no_room_for_a_batch


def have_no_room_for_a_batch():
    raise MemoryError


def be_confused(places, config, device):
    raise KeyError("weight\nof nothing")


def open_in_half_precision(places, config, device):
    return None
