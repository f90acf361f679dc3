import os
import socket
import threading

import pytest

from engine.service.channel import Channel, ChannelClosed


def pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_messages_of_many_threads_arrive_whole_then_the_end() -> None:
    here, there = pair()

    def send(number: int) -> None:
        for _ in range(50):
            here.send((number, b"x" * 10_000))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    messages = iter(there)
    got = [next(messages) for _ in range(200)]
    assert sorted(number for number, _ in got) == sorted([0, 1, 2, 3] * 50)
    here.close()
    assert list(messages) == []


@pytest.mark.parametrize("closer", [0, 1])
def test_either_end_closes_both_and_wakes_who_waits(closer: int) -> None:
    ends = pair()
    readers = [threading.Thread(target=list, args=(end,), daemon=True) for end in ends]
    for reader in readers:
        reader.start()
    ends[closer].close()
    for reader in readers:
        reader.join(5)
        assert not reader.is_alive()
    for end in ends:
        end.close()
        with pytest.raises(ChannelClosed):
            end.send("anything")


def test_an_end_that_dies_within_a_message_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    os.write(theirs.fileno(), b"\0\0\1\0half a mess")
    theirs.close()
    assert list(Channel(ours)) == []
