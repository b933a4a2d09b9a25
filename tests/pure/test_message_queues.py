"""Queues of messages: turns, bounds, and nobody starves."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from khata.messaging.model import Message
from khata.messaging.queues import TURNS, Queue, Queues

PRIORITIES = [name for name, _ in TURNS]


def message(seq, p="normal"):
    return Message(seq, f"m{seq}", "alice", p, b"{}")


def filled(bound=1000, **counts):
    """A queue with so many of each priority, numbered as they came."""
    queues, queue, seq = Queues(bound), Queue(), 0
    for p in ("low", "normal", "high"):
        for _ in range(counts.get(p, 0)):
            seq += 1
            queues.put(queue, message(seq, p))
    return queues, queue


def test_turns_are_eight_four_one():
    """Of thirteen messages eight are high, four normal and one low, while there are all three."""
    queues, queue = filled(high=16, normal=8, low=2)
    taken = [m.p for m in queues.take(queue, 26)]
    assert taken == (["high"] * 8 + ["normal"] * 4 + ["low"]) * 2


def test_a_high_message_overtakes_all_that_wait():
    """It comes last and goes first, however many wait."""
    queues, queue = filled(normal=500, low=500)
    queues.put(queue, message(9999, "high"))
    assert [m.seq for m in queues.take(queue, 1)] == [9999]


def test_a_low_message_flows_while_high_ones_keep_coming():
    """High ones come faster than they are taken; a low one is still taken in its turn."""
    queues, queue = filled(low=3)
    seen = []
    for seq in range(100, 160):
        queues.put(queue, message(seq, "high"))
        queues.put(queue, message(seq + 1000, "high"))
        seen += [m.p for m in queues.take(queue, 1)]
    assert [at for at, p in enumerate(seen) if p == "low"] == [8, 17, 26]


def test_a_priority_that_has_nothing_leaves_its_turns():
    """Low ones alone come one after the other."""
    queues, queue = filled(low=20)
    assert [m.seq for m in queues.take(queue, 100)] == list(range(1, 21))


def test_the_oldest_copy_of_all_is_dropped():
    """Whoever's it is; it is counted there and in all."""
    queues, one, other = Queues(3), Queue(), Queue()
    queues.put(one, message(1))
    for seq in (2, 3, 4):
        queues.put(other, message(seq, "low"))
    assert (one.dropped, other.dropped, queues.dropped) == (1, 0, 1)
    queues.put(one, message(5, "high"))
    assert (one.dropped, other.dropped, queues.dropped, len(queues)) == (1, 1, 2, 3)
    assert [m.seq for m in queues.take(other, 9)] == [3, 4]


def test_large_messages_are_dropped_sooner():
    """What waits has a bound in bytes as well; one message always has room."""
    queues, queue = Queues(1000, room=250), Queue()
    large = [Message(seq, f"m{seq}", "alice", "normal", b"x" * 100) for seq in range(1, 7)]
    for one in large[:3]:
        queues.put(queue, one)
    assert (len(queues), queues.dropped) == (2, 1)
    assert queues.take(queue, 1) == [large[1]]
    queues.put(queue, large[3])
    assert (len(queues), queues.dropped) == (2, 1)
    queues.put_back(queue, [large[1]])
    assert (len(queues), queues.dropped) == (2, 2)
    queues.forget(queue)
    queues.put(queue, Message(9, "m9", "alice", "normal", b"x" * 1000))
    assert len(queues) == 1


def test_what_is_put_back_comes_first():
    """In the order that it had."""
    queues, queue = filled(normal=2)
    queues.put_back(queue, [message(-2), message(-1)])
    assert [m.seq for m in queues.take(queue, 9)] == [-2, -1, 1, 2]


def test_the_common_order_does_not_grow():
    """A queue that is filled and emptied for ever takes no more memory than what waits."""
    queues, standing, moving = Queues(1000), Queue(), Queue()
    queues.put(standing, message(1))
    for seq in range(2, 5000):
        queues.put(moving, message(seq))
        queues.take(moving, 1)
    assert len(queues._order) < 1100
    assert len(queues) == 1


class Model:
    """What queues promise, written as plainly as can be: lists, and the oldest first."""

    def __init__(self, bound, count):
        self.bound = bound
        self.parts = [{p: deque() for p in PRIORITIES} for _ in range(count)]
        self.turn = [(0, 8) for _ in range(count)]
        self.dropped = [0] * count
        self.order = []

    def put(self, at, found):
        self.parts[at][found.p].append(found)
        self.order.append((at, found))
        if len(self.order) > self.bound:
            whose, oldest = self.order.pop(0)
            self.parts[whose][oldest.p].remove(oldest)
            self.dropped[whose] += 1

    def take(self, at):
        place, left = self.turn[at]
        if not any(self.parts[at].values()):
            return None
        while not (left and self.parts[at][PRIORITIES[place]]):
            place = (place + 1) % 3
            left = TURNS[place][1]
        found = self.parts[at][PRIORITIES[place]].popleft()
        self.turn[at] = (place, left - 1)
        self.order.remove((at, found))
        return found


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.sampled_from(PRIORITIES)),
        st.tuples(st.just("take"), st.integers(0, 2), st.integers(1, 5)),
    ),
    max_size=120,
)


@given(steps=STEPS, bound=st.integers(1, 12))
def test_queues_are_what_the_model_is(steps, bound):
    """Whatever is put and taken: the same messages, the same drops, whose they were."""
    queues, real, model = Queues(bound), [Queue() for _ in range(3)], Model(bound, 3)
    for seq, (what, at, value) in enumerate(steps, 1):
        if what == "put":
            queues.put(real[at], message(seq, value))
            model.put(at, message(seq, value))
            continue
        for _ in range(value):
            expected = model.take(at)
            # who finds nothing looks through all turns and stands where it stood
            if expected is None:
                assert queues.take(real[at], 1) == []
            else:
                assert queues.take(real[at], 1) == [expected]
    assert [queue.dropped for queue in real] == model.dropped
    assert [len(queue) for queue in real] == [
        sum(map(len, parts.values())) for parts in model.parts
    ]
    assert len(queues) == len(model.order)
